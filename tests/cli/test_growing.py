"""A federation that grows, over mosquitto: one of three homes teaches the others a gesture of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.boards.motion import OTHER_KINDS
from fedmotion.boards.script import person_script
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.cli.agent_program import FINDING
from fedmotion.host.imu_stream import ImuStream
from fedmotion.host.marks import Mark, by_marks
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import read_model_file
from fedmotion.models.family import decide, family
from fedmotion.models.model_file import StoredModel
from fedmotion.models.windows import window_at
from fedmotion.protocol.identity import OTHER, Placement
from fedmotion.simulation.programs import Program
from fedmotion.simulation.stage import free_port

pytestmark = pytest.mark.timeout(600)

WAIT_S = 180.0
NEW = "turn_wrist"
HOMES = {"anna": 11, "bert": 12, "carl": 13}
NEWCOMER = 5
OLD = {"swipe_left": 10, "swipe_right": 10}
# None of the homes moves like the new gesture in everyday life.
OTHERS = {kind: 3 for kind in OTHER_KINDS if kind != NEW}


def performed(person: int, counts: dict[str, int], label: str | None = None) -> list[Recording]:
    """Return a simulated person's takes, all of them under `label` where one is given."""
    script = person_script(person, counts)
    node = SimulatedNode(VirtualMpu6050(script.motion, seed=person), board_id=person, seed=person)
    stream = ImuStream(node.receive)
    stream.opened(0.0)
    blocks = stream.feed(node.advance(script.marks[-1].stop_us + 3_000_000), 0.0)
    marks = [Mark(label or mark.label, mark.start_us, mark.stop_us) for mark in script.marks]
    recorder = Recorder(FINDING, by_marks(marks), person=str(person), placement=Placement("right", "wrist"))
    return [take for block in blocks for take in recorder.feed(block)] + recorder.flush()


def add_takes(profile: Path, takes: list[Recording]) -> None:
    with RecordingStore(profile / "recordings.sqlite", clock=time.time) as store:
        for take in takes:
            store.add(take)


def shares_right(model: StoredModel, takes: list[Recording]) -> dict[str, float]:
    """Return how often `model` decides takes of each label as it."""
    specification = model.specification
    windows: NDArray[np.float32] = np.stack(
        [window_at(specification, take.t_us, take.samples(), take.centre_us) for take in takes]
    )
    decided = decide(specification, family("pca_svm").probabilities(specification, model.parameters, windows))
    names = [specification.activities[index] for index in decided]
    labels = sorted({take.label for take in takes})
    return {
        label: float(
            np.mean([name == label for name, take in zip(names, takes, strict=True) if take.label == label])
        )
        for label in labels
    }


class Federation:
    """One aggregator with its own broker, and agents without boards, whose takes were recorded before."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.port = free_port()
        self._stack = stack
        self._n_programs = 0

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fedmotion.cli", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_S,
        )

    def say(self, *arguments: str) -> str:
        """Run a command to its success and return what it said."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str) -> Program:
        self._n_programs += 1
        name = f"{arguments[0]}-{self._n_programs}"
        return self._stack.enter_context(Program(name, list(arguments), self.folder))

    def lead(self, *options: str) -> Program:
        aggregator = self.start("aggregator", "--data", str(self.folder / "federation"), *options)
        aggregator.require_line(WAIT_S)
        return aggregator

    def take_part(self, client_id: str) -> Program:
        """Join with the takes of a person who knows the old gestures only, and run the agent."""
        self.say("invite", client_id, "--data", "federation")
        self.say("join", f"{client_id}.invitation", "--profile", f"./{client_id}")
        add_takes(self.folder / client_id, performed(HOMES[client_id], OLD | OTHERS))
        return self.start(
            *("agent", "--profile", str(self.folder / client_id), "--log-level", "info"),
            *("--resend-s", "1", "--held-out-share", "0"),
        )

    def gestures(self, client_id: str) -> dict[str, dict[str, object]]:
        rows = json.loads(self.say("gestures", "list", "--profile", f"./{client_id}", "--json"))
        return {row["name"]: row for row in rows}

    def released(self, client_id: str) -> StoredModel | None:
        path = self.folder / client_id / "released.safetensors"
        return read_model_file(path) if path.exists() else None

    def n_trained(self, n_lineages: int) -> int:
        """Return the finished train rounds of the newest lineage, 0 while there are fewer lineages."""
        with FederationStore(self.folder / "federation" / "federation.sqlite", read_only=True) as store:
            rounds = [each for each in store.rounds() if each.kind == "train" and each.state == "finished"]
            lineages = list(dict.fromkeys(each.lineage_id for each in rounds))
            return (
                sum(each.lineage_id == lineages[-1] for each in rounds) if len(lineages) == n_lineages else 0
            )


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until_s, f"it did not come to that: {what}"
        time.sleep(0.05)


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    with ExitStack() as stack:
        yield Federation(tmp_path, stack)


N_ROUNDS = 8


def test_one_home_teaches_all_others_a_gesture_that_it_alone_has(federation: Federation) -> None:
    keys = ("--federation", "home", "--activities", "swipe_left,swipe_right,other")
    rounds = ("--n-rounds", str(N_ROUNDS), "--interval-s", "0", "--evaluate-every", "4")
    aggregator = federation.lead(
        *keys, *rounds, "--port", str(federation.port), "--min-clients", "3", "--min-updates", "3"
    )
    agents = {client_id: federation.take_part(client_id) for client_id in HOMES}
    wait_until(lambda: federation.n_trained(1) == N_ROUNDS, "the old gestures are learned")
    newcomers = [
        *performed(NEWCOMER, OLD | OTHERS),
        *performed(NEWCOMER + 1, OLD | OTHERS),
        *performed(NEWCOMER, {NEW: 10}, NEW),
        *performed(NEWCOMER + 1, {NEW: 10}, NEW),
    ]
    wait_until(lambda: federation.released("bert") is not None, "bert recognises")
    known = federation.released("bert")
    assert known is not None
    before = shares_right(known, [take for take in newcomers if take.label != NEW])

    # Anna records a gesture that nobody else has, and proposes it.
    add_takes(federation.folder / "anna", performed(HOMES["anna"], {NEW: 12}, NEW))
    said = federation.say(
        "gestures", "propose", NEW, "--sentence", "the wrist turns once and comes back", "--profile", "./anna"
    )
    assert said.startswith("turn_wrist is proposed to the owner of home")
    owner = ("aggregator", "gestures")
    data = ("--data", "federation")

    def proposed() -> list[dict[str, object]]:
        return list(json.loads(federation.say(*owner, "proposals", *data, "--json")))

    wait_until(lambda: len(proposed()) == 1, "the proposal arrived")
    assert (proposed()[0]["client_id"], proposed()[0]["name"]) == ("anna", NEW)
    assert federation.gestures("anna")[NEW]["standing"] == "proposed"

    # Accepted while nobody leads: the next start finds it.
    os.kill(aggregator.pid, signal.SIGKILL)
    federation.say(*owner, "accept", NEW, *data)
    federation.lead()
    wait_until(lambda: federation.n_trained(2) == N_ROUNDS, "the rounds went on with the new gesture")

    def all_know() -> bool:
        models = [federation.released(client_id) for client_id in HOMES]
        return all(
            model is not None and NEW in model.specification.activities and model.round_id >= 2 * N_ROUNDS
            for model in models
        )

    wait_until(all_know, "all agents have the grown model")
    for client_id in HOMES:
        model = federation.released(client_id)
        assert model is not None
        assert model.specification.activities == ("swipe_left", "swipe_right", OTHER, NEW)
        after = shares_right(model, newcomers)
        assert after[NEW] >= 0.9
        for label, share in before.items():
            assert after[label] >= share - 0.1
        assert "declined" not in agents[client_id].log_path.read_text()
    assert federation.gestures("carl")[NEW]["standing"] == "learned"
    assert "your proposal 'turn_wrist' is accepted" in agents["anna"].log_path.read_text()
    assert "takes up a gesture: turn_wrist" in agents["carl"].log_path.read_text()
