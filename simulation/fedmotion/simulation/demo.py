"""The demo: four people teach each other gestures, a fifth is recognised, and what federation bought.

`stage` runs the programs; here stands what is run and what came of it.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_records import ModelReference
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.boards.script import Script
from fedmotion.boards.simulated_board import make_script
from fedmotion.broker.embedded import BrokerKind
from fedmotion.models.one_place import train_in_one_place
from fedmotion.models.specification import Parameters
from fedmotion.protocol.tensors import decode_arrays
from fedmotion.simulation.baselines import Examined, examine, pool, windows_of
from fedmotion.simulation.cast import Cast, Role
from fedmotion.simulation.scoring import Decision, Score, score
from fedmotion.simulation.stage import Boards, Folder, Stage, Watch

N_NETWORK_EPOCHS = 10


@dataclass(frozen=True, slots=True)
class BoardFigures:
    """What the boards were and what their lines lost; `firmware_sha256` is None where no firmware ran.

    Where boards of several kinds took part, both texts have one part for each, with commas between.
    """

    kind: str
    firmware_sha256: str | None
    n_frames: int
    n_bad: int
    n_dropped: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """All that a demo found out; models are examined with the newcomer's movements.

    `by_round` has the federation's model before training and after each train round; the last one is
    `federated`.
    """

    seconds: float
    n_rounds: int
    alone: dict[str, Examined]
    federated: Examined
    pooled: Examined
    by_round: tuple[Examined, ...]
    n_windows: dict[str, int]
    recognised: Score
    decisions: tuple[Decision, ...]
    script: Script
    board: BoardFigures
    broker: str


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo in `directory`, which must be empty and keeps all of its files.

    `speed` is that of the newcomer's performance, in times of real time; the learners' boards play as fast
    as their agents read. `broker` is the only kind to use, if given. At most four boards run at once. `model`
    is the family that learns.
    """

    cast: Cast
    directory: Path
    seed: int = 0
    n_rounds: int = 12
    speed: float = 12.0
    broker: BrokerKind | None = None
    watch: Watch = field(default_factory=Watch)
    boards: Boards = field(default_factory=Boards)
    model: str = "pca_svm"

    @property
    def configuration(self) -> AggregatorConfiguration:
        """How the demo's federation is run."""
        return AggregatorConfiguration(
            federation="demo",
            activities=self.cast.activities,
            model=self.model,
            # A network steps once a batch, of which a home of some 25 windows has few.
            n_epochs=3 if self.model == "pca_svm" else N_NETWORK_EPOCHS,
            n_rounds=self.n_rounds,
            evaluate_every=4,
            min_clients=len(self.cast.learners),
            interval_s=0.0,
            seed=self.seed,
        ).check()

    def run(self) -> DemoResult:
        """Run it and return what came of it.

        Raises
        ------
        ProgramError
            If one of the programs fails or falls silent.
        BrokerError
            If there is no broker to start.
        """
        started_s = time.monotonic()
        folder = Folder(self.directory)
        boards, firmware_sha256 = self._own_boards()
        script = self._script(self.cast.newcomer)
        with ExitStack() as stack:
            stage = Stage(self.cast, self.configuration, folder, self.watch, stack, boards)
            broker = stage.start_broker(self.broker)
            stage.teach()
            stage.run_rounds()
            decisions = stage.perform(script, self.speed)
        self.watch.on_stage("for comparison: each client alone, and all data pooled")
        specification = self.configuration.specification()
        settings = self.configuration.train_settings(0)
        homes = {
            role.client_id: windows_of(folder.profile(role), role.client_id, specification)
            for role in self.cast.roles
        }
        test = homes.pop(self.cast.newcomer.client_id)

        def in_one_place(windows: NDArray[np.float32], labels: NDArray[np.int64]) -> Examined:
            model = train_in_one_place(specification, windows, labels, settings, self.n_rounds)
            return examine(*model, test)

        by_round = tuple(
            examine(specification, parameters, test) for parameters in _models_by_round(folder.store)
        )
        return DemoResult(
            seconds=time.monotonic() - started_s,
            n_rounds=len(by_round) - 1,
            alone={client_id: in_one_place(home.windows, home.labels) for client_id, home in homes.items()},
            federated=by_round[-1],
            pooled=in_one_place(*pool(list(homes.values()))),
            by_round=by_round,
            n_windows={client_id: len(home.windows) for client_id, home in homes.items()},
            recognised=score(script.marks, decisions),
            decisions=tuple(decisions),
            script=script,
            board=BoardFigures(",".join(boards.kinds), firmware_sha256, **stage.line_counts),
            broker=broker,
        )

    def _own_boards(self) -> tuple[Boards, str | None]:
        """Return the boards with copies of their firmware, and its SHA-256: a build may replace the files."""
        copies, hashes = [], []
        for kind, elf in zip(self.boards.kinds, self.boards.elves, strict=False):
            firmware = elf.read_bytes()
            copies.append(self.directory / f"firmware-{kind}{elf.suffix}")
            copies[-1].write_bytes(firmware)
            hashes.append(hashlib.sha256(firmware).hexdigest())
        return replace(self.boards, elves=tuple(copies)), ",".join(hashes) or None

    def _script(self, role: Role) -> Script:
        """Return what the role's board performs."""
        return make_script(
            person=role.person,
            recordings=self.cast.recordings,
            labels=() if self.cast.recordings is None else self.cast.gestures,
            counts=role.counts,
            seed=role.performance_seed,
        )


def _models_by_round(store_path: Path) -> Iterator[Parameters]:
    """Yield the model that the statistics round began with, then that of each train round."""
    store = FederationStore(store_path, read_only=True)
    try:
        for record in store.rounds():
            if record.result_sha256 is not None:
                model = ModelReference(record.lineage_id, record.round_id, record.result_sha256)
                yield decode_arrays(store.arrays_of(model))
    finally:
        store.close()
