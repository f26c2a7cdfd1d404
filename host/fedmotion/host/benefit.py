"""What a federation bought its client: a model alone and the federated one, asked about its owner's takes.

All of it stays in the profile. Alone is what the owner's takes give without the others: same specification
and settings, trained to its end.
"""

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedmotion.broker.private_file import write_private
from fedmotion.host.personal_model import Personal
from fedmotion.host.released_model import LoadedModel, utc
from fedmotion.host.trainer import LocalWindows, Trainer
from fedmotion.models.cross_validation import cross_validate
from fedmotion.models.family import decide, family
from fedmotion.models.one_place import train_in_one_place
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.messages import TrainSettings

N_ROUNDS = 20
"""Rounds that a model alone is trained for; with the ordinary three epochs each it has settled by then."""

MAX_STEPS = 20_000
"""Windows times epochs times rounds: some seconds of a small computer."""

MIN_HELD_OUT = 2
"""Of each label that is trained on: with fewer, alone is cross-fitted instead."""

MAX_KEPT = 500

_Z_95 = 1.959964

_log = logging.getLogger(__name__)

Way = Literal["held out", "cross-fitted"]


class Benefit(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison at one release.

    Of "held out", both models are asked about `n_takes` that neither has seen. Of "cross-fitted", each
    training take is asked of a model of the other takes, and nothing can be said of the federated model,
    which has seen them: its figures are None, as those of a personal model where there is none.
    `n_only_federated` are decided rightly by that one only, `n_only_alone` the other way; false alarms are
    gestures seen in the `n_other` takes of `other`.
    """

    round_id: int
    lineage_id: str
    made_utc: str
    way: Way
    n_trained: int
    n_takes: int
    n_other: int
    n_right_alone: int
    n_false_alarms_alone: int
    n_right_federated: int | None = None
    n_false_alarms_federated: int | None = None
    n_only_federated: int = 0
    n_only_alone: int = 0
    n_right_personal: int | None = None
    n_false_alarms_personal: int | None = None

    @property
    def difference(self) -> tuple[float, float, float] | None:
        """By how much the federated model's accuracy is higher, and its 95 % interval; None if not known.

        Of pairs: Agresti & Min (2005), "Simple improved confidence intervals for comparing matched
        proportions", which adds 1/2 to each cell.
        """
        if self.n_right_federated is None or not self.n_takes:
            return None
        b, c, n = self.n_only_federated, self.n_only_alone, self.n_takes + 2
        difference = (b - c) / n
        half = _Z_95 * math.sqrt(max(b + c + 1 - (b - c) ** 2 / n, 0.0)) / n
        return (b - c) / self.n_takes, max(difference - half, -1.0), min(difference + half, 1.0)


class BenefitHistory:
    """The comparisons of a profile so far, in a small file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[Benefit, ...]:
        """Return the comparisons, oldest first.

        Raises
        ------
        ValueError
            If the file is damaged.
        OSError
            If it cannot be read.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=tuple[Benefit, ...])
        except FileNotFoundError:
            return ()
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"{self._path} is damaged ({error}): delete it, and it begins anew") from None

    def add(self, benefit: Benefit) -> None:
        """Keep one more, in place of one of the same round; the newest MAX_KEPT are kept."""
        same = (benefit.lineage_id, benefit.round_id)
        others = tuple(each for each in self.read() if (each.lineage_id, each.round_id) != same)
        write_private(self._path, msgspec.json.encode((*others, benefit)[-MAX_KEPT:]), is_durable=False)


class Comparison:
    """Asks released models about a client's own takes; what is trained for that is kept while it holds."""

    def __init__(self, trainer: Trainer, history: BenefitHistory, clock: Callable[[], float]) -> None:
        self._trainer = trainer
        self._history = history
        self._clock = clock
        self._key: object = None
        self._alone: tuple[Specification, Parameters] | None = None
        self._asked: tuple[int, int, int, int] | None = None

    def try_to_compare(
        self, model: LoadedModel, on_done: Callable[[Benefit], object], personal: Personal | None = None
    ) -> None:
        """Do the same for a worker, which must not fail: `on_done` is told, or the log says why not."""
        try:
            benefit = self.compare(model, personal)
        except (OSError, ValueError) as error:
            _log.warning("round=%d what it is worth here is not known: %s", model.round_id, error)
            return
        if benefit is not None:
            on_done(benefit)

    def compare(self, model: LoadedModel, personal: Personal | None = None) -> Benefit | None:
        """Return the comparison at the release of `model`, kept in the history; None where nothing is known.

        Takes a second or two, of another thread than the stream's.

        Raises
        ------
        ValueError, OSError
            If takes or history cannot be read, or the history not be written.
        """
        specification = model.specification
        train = self._trainer.local_windows(specification)
        held = self._trainer.held_out_windows(specification)
        settings = self._trainer.settings
        n_steps = len(train.windows) * settings.n_epochs * N_ROUNDS
        if len(set(train.labels.tolist())) < 2 or n_steps > MAX_STEPS:
            return None
        counts = np.bincount(held.labels, minlength=specification.n_classes)
        is_held_out = all(counts[label] >= MIN_HELD_OUT for label in set(train.labels.tolist()))
        key = (is_held_out, specification, msgspec.structs.replace(settings, seed=0), train.takes, held.takes)
        if key != self._key:
            self._key, self._alone, self._asked = key, None, None
        benefit = (
            self._ask_held_out(model, train, held, settings)
            if is_held_out
            else self._cross_fit(model, train, settings)
        )
        if benefit is not None:
            if is_held_out and personal is not None and personal.record.personal.n_takes == benefit.n_takes:
                benefit = msgspec.structs.replace(
                    benefit,
                    n_right_personal=personal.record.personal.n_right,
                    n_false_alarms_personal=personal.record.personal.n_false_alarms,
                )
            self._history.add(benefit)
        return benefit

    def _ask_held_out(
        self, model: LoadedModel, train: LocalWindows, held: LocalWindows, settings: TrainSettings
    ) -> Benefit:
        if self._alone is None:
            self._alone = train_in_one_place(
                model.specification, train.windows, train.labels, settings, N_ROUNDS, "alone"
            )
        other = model.specification.other_index
        is_other = held.labels == other
        alone, federated = (
            _decided(specification, parameters, held.windows)
            for specification, parameters in (self._alone, (model.specification, model.parameters))
        )
        alone_right, federated_right = alone == held.labels, federated == held.labels
        return Benefit(
            round_id=model.round_id,
            lineage_id=str(model.lineage_id),
            made_utc=utc(self._clock()),
            way="held out",
            n_trained=len(train.windows),
            n_takes=len(held.windows),
            n_other=int(is_other.sum()),
            n_right_alone=int(alone_right.sum()),
            n_false_alarms_alone=int((is_other & ~alone_right).sum()),
            n_right_federated=int(federated_right.sum()),
            n_false_alarms_federated=int((is_other & ~federated_right).sum()),
            n_only_federated=int((federated_right & ~alone_right).sum()),
            n_only_alone=int((alone_right & ~federated_right).sum()),
        )

    def _cross_fit(self, model: LoadedModel, train: LocalWindows, settings: TrainSettings) -> Benefit | None:
        if self._asked is None:
            if np.bincount(train.labels).max() < 2:
                return None
            found = cross_validate(
                model.specification, train.windows, train.labels, train.takes, settings, N_ROUNDS
            )
            other = found.confusion[model.specification.other_index]
            n_right_other = int(other[model.specification.other_index])
            self._asked = found.n_takes, int(other.sum()), found.n_right, int(other.sum()) - n_right_other
        n_takes, n_other, n_right, n_false_alarms = self._asked
        return Benefit(
            round_id=model.round_id,
            lineage_id=str(model.lineage_id),
            made_utc=utc(self._clock()),
            way="cross-fitted",
            n_trained=len(train.windows),
            n_takes=n_takes,
            n_other=n_other,
            n_right_alone=n_right,
            n_false_alarms_alone=n_false_alarms,
        )


def _decided(
    specification: Specification, parameters: Parameters, windows: NDArray[np.float32]
) -> NDArray[np.int64]:
    likely = family(specification.family).probabilities(specification, parameters, windows)
    return decide(specification, likely)
