"""A federation from the command line alone: one aggregator with its own broker, and those whom it invites."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fedmotion.aggregator.federation_records import RoundRecord
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.simulation.programs import Program
from fedmotion.simulation.stage import free_port

# A dozen processes, one after another.
pytestmark = pytest.mark.timeout(200)

N_ROUNDS = 3
WAIT_S = 40.0


class Household:
    """`anna` and `bert` have boards and record; `carl` has no board yet, and is invited when they have."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.port = free_port()
        self._stack = stack
        self._n_programs = 0
        self.store: FederationStore | None = None

    def run(self, *arguments: str) -> str:
        """Run a command to its end and return what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "fedmotion.cli", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str) -> Program:
        """Start a command that goes on."""
        self._n_programs += 1
        absolute = [str(self.folder / each) if each.startswith("./") else each for each in arguments]
        name = f"{arguments[0]}-{self._n_programs}"
        return self._stack.enter_context(Program(name, absolute, self.folder))

    def found(self) -> Program:
        keys = (
            "--federation",
            "home",
            "--activities",
            "swipe_left,swipe_right,other",
            "--port",
            str(self.port),
        )
        rounds = ("--n-rounds", str(N_ROUNDS), "--interval-s", "0", "--evaluate-every", str(N_ROUNDS))
        # With carl, who has nothing to say, three take part and two answer.
        clients = ("--min-clients", "3", "--min-updates", "2")
        aggregator = self.start("aggregator", "--data", "./federation", *keys, *rounds, *clients)
        assert aggregator.require_line(WAIT_S) == f"federation home, broker 127.0.0.1:{self.port}"
        self.store = FederationStore(self.folder / "federation" / "federation.sqlite", read_only=True)
        self._stack.callback(self.store.close)
        return aggregator

    def admit(self, client_id: str) -> None:
        """Invite a client and join with its file."""
        self.run("invite", client_id, "--data", "federation")
        said = self.run("join", f"{client_id}.invitation", "--profile", f"./{client_id}")
        assert said.startswith(f"joined home as {client_id}, broker 127.0.0.1:{self.port}\n")

    def start_recording_agent(self, client_id: str, person: str) -> Program:
        marks = ("--marks", f"./{client_id}.marks.json")
        counts = ("--counts", "swipe_left=9,swipe_right=9,other=9", "--person", person)
        board = self.start("sim-board", *counts, *marks, "--speed", "0", "--exit-at-end")
        port = board.require_line(WAIT_S)
        return self.start(
            *("agent", "--profile", f"./{client_id}", "--port", port, "--person", person, "--json"),
            *(*marks, "--is-other-recorded", "--resend-s", "1"),
        )

    def rounds(self) -> list[RoundRecord]:
        assert self.store is not None
        return self.store.rounds()

    def finished(self, kind: str) -> int:
        return sum(each.kind == kind and each.state == "finished" for each in self.rounds())


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until_s, f"it did not come to that: {what}"
        time.sleep(0.02)


def end(program: Program) -> None:
    """Send SIGTERM, on which a program ends with status 0."""
    os.kill(program.pid, signal.SIGTERM)
    program.wait(10.0)
    assert "Traceback" not in program.log_path.read_text()


def count_until_lost(agent: Program) -> int:
    """Return how many recordings were made before the board went."""
    n_recorded = 0
    while (event := json.loads(agent.require_line(WAIT_S)))["event"] != "lost":
        n_recorded += event["event"] == "recorded"
    return n_recorded


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_federation_is_founded_joined_restarted_and_used_from_the_command_line(
    tmp_path: Path, stack: ExitStack
) -> None:
    home = Household(tmp_path, stack)
    aggregator = home.found()

    # Clients invited while the aggregator runs are let in by its broker.
    home.admit("anna")
    home.admit("bert")
    agents = [home.start_recording_agent("anna", "11"), home.start_recording_agent("bert", "12")]
    assert min(count_until_lost(agent) for agent in agents) >= 20
    assert home.rounds() == []
    home.admit("carl")
    agents.append(home.start("agent", "--profile", "./carl", "--json", "--log-level", "info"))
    wait_until(lambda: home.finished("evaluate") == 1, "all rounds are over")
    kinds = ["statistics", *["train"] * N_ROUNDS, "evaluate"]
    assert [(each.round_id, each.kind, each.state) for each in home.rounds()] == [
        (round_id, kind, "finished") for round_id, kind in enumerate(kinds, start=1)
    ]
    assert home.store is not None
    for record in home.rounds():
        assert record.cohort == ("anna", "bert", "carl")
        verdicts = {each.client_id: each.verdict for each in home.store.contributions(record.round_id)}
        assert verdicts.get("carl", "declined") == "declined"
        assert (verdicts["anna"], verdicts["bert"]) == ("accepted", "accepted")
    trained = [json.loads(agents[2].require_line(WAIT_S)) for _ in range(N_ROUNDS)]
    assert [each["event"] for each in trained] == ["released"] * N_ROUNDS
    assert trained[-1]["round_id"] == N_ROUNDS + 1

    # A second invitation ends the first, and the running agent with it.
    home.run("invite", "carl", "--data", "federation")
    wait_until(lambda: "the broker refuses this client" in agents[2].log_path.read_text(), "carl is refused")
    end(agents.pop())
    home.run("join", "carl.invitation", "--profile", "./carl")
    agents.append(home.start("agent", "--profile", "./carl", "--json"))
    assert json.loads(agents[2].require_line(WAIT_S))["event"] == "released"

    # SIGTERM ends the aggregator and its broker; a restart goes on with the next round.
    end(aggregator)
    wait_until(lambda: not is_listening(home.port), "the broker is gone with its aggregator")
    aggregator = home.start(
        "aggregator", "--data", "./federation", "--n-rounds", str(N_ROUNDS + 2), "--until-done"
    )
    aggregator.require_line(WAIT_S)
    aggregator.wait(WAIT_S)
    assert [each.round_id for each in home.rounds()] == list(range(1, len(home.rounds()) + 1))
    assert home.finished("train") == N_ROUNDS + 2
    wait_until(lambda: not is_listening(home.port), "the broker is gone with its aggregator")
    for agent in agents:
        end(agent)

    # Recognition needs no network: carl, who never recorded anything, uses what the others learned.
    board = home.start(
        *("sim-board", "--person", "5", "--counts", "swipe_left=4,swipe_right=4,other=2"),
        *("--speed", "0", "--exit-at-end", "--marks", "./carl.marks.json"),
    )
    port = board.require_line(WAIT_S)
    recogniser = home.start("recognise", "--profile", "./carl", "--port", port, "--json")
    recognised = []
    while (event := json.loads(recogniser.require_line(WAIT_S)))["event"] != "lost":
        if event["event"] == "recognised":
            recognised.append(event["activity"])
    end(recogniser)
    marks = json.loads((home.folder / "carl.marks.json").read_bytes())
    performed = [mark["label"] for mark in marks if mark["label"] != "other"]
    assert len(performed) == 8
    # Two homes taught it, so that one or two may be missed; none is invented or taken for the other.
    assert len(recognised) >= 6
    assert is_in_order(recognised, performed)


def is_in_order(part: list[str], whole: list[str]) -> bool:
    """Return whether `part` is `whole` with some left out."""
    rest = iter(whole)
    return all(each in rest for each in part)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_takes_are_recorded_from_a_board_by_hand(tmp_path: Path, stack: ExitStack) -> None:
    home = Household(tmp_path, stack)
    board = home.start("sim-board", "--counts", "swipe_left=4", "--speed", "0", "--exit-at-end")
    port = board.require_line(WAIT_S)
    said = home.run("record", "swipe_left", "--takes", "3", "--port", port, "--profile", "./anna")
    lines = said.splitlines()
    assert lines[0].startswith("perform swipe_left 3 times")
    assert [line.split(",")[0] for line in lines[1:4]] == [f"  {n}/3  swipe_left" for n in (1, 2, 3)]
    assert lines[4].endswith("anna holds 3 swipe_left")


def test_a_client_sees_what_the_federation_bought_it(tmp_path: Path, stack: ExitStack) -> None:
    """Two homes over a real broker; each agent asks the released models about takes that it held out."""
    home = Household(tmp_path, stack)
    keys = ("--federation", "home", "--activities", "swipe_left,swipe_right,other", "--port", str(home.port))
    rounds = ("--n-rounds", "3", "--interval-s", "0", "--evaluate-every", "0")
    # Only with a third client rounds begin: by then both have recorded all.
    aggregator = home.start(
        *("aggregator", "--data", "./federation", *keys, *rounds, "--min-clients", "3", "--min-updates", "2")
    )
    aggregator.require_line(WAIT_S)
    agents = []
    for client_id, person in (("anna", "11"), ("bert", "12")):
        home.admit(client_id)
        marks = ("--marks", f"./{client_id}.marks.json")
        counts = ("--counts", "swipe_left=12,swipe_right=12,other=14", "--person", person)
        port = home.start("sim-board", *counts, *marks, "--speed", "0", "--exit-at-end").require_line(WAIT_S)
        agent = home.start(
            *("agent", "--profile", f"./{client_id}", "--port", port, "--json", *marks, "--is-other-recorded")
        )
        assert count_until_lost(agent) >= 30
        agents.append(agent)
    home.admit("carl")
    home.start("agent", "--profile", "./carl", "--json")
    events: list[dict[str, object]] = []
    while not any((each["event"], each.get("round_id")) == ("benefit", 4) for each in events):
        events.append(json.loads(agents[0].require_line(WAIT_S)))
    benefits = [each for each in events if each["event"] == "benefit"]
    assert {each["way"] for each in benefits} == {"held out"}
    told = json.loads(home.run("benefit", "--profile", "./anna", "--json"))["rounds"]
    assert [each["round_id"] for each in told][-1] == 4
    last = told[-1]
    assert last["n_trained"] + last["n_takes"] >= 30
    assert last["n_takes"] >= 6
    assert last["difference_low"] <= last["difference"] <= last["difference_high"]
    home.run("benefit", "--profile", "./anna", "--picture", "benefit.png")
    assert (tmp_path / "benefit.png").read_bytes().startswith(b"\x89PNG")
