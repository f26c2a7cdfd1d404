"""A demo's programs: who is started with which command line, and what is heard from them.

Every process is the command that a user starts, every board a byte stream on a port, every round a real one.
"""

import json
import random
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_records import RoundRecord
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import open_federation
from fedmotion.aggregator.invitations import AGGREGATOR, broker_accounts, invite
from fedmotion.boards.script import Script
from fedmotion.broker.accounts import new_password, write_accounts
from fedmotion.broker.embedded import BrokerKind, start_broker
from fedmotion.host.profile import Profile, join
from fedmotion.host.stream_score import match
from fedmotion.protocol.configuration import describe
from fedmotion.protocol.invitation import encode_invitation
from fedmotion.simulation.cast import Cast, Role
from fedmotion.simulation.programs import Program, ProgramError
from fedmotion.simulation.scoring import Decision

_HOST = "127.0.0.1"
_QUIET_S = 60.0
_POLL_S = 0.05
_ROUNDS_S = 120.0


def _ignore(*_: object) -> None:
    return


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of what while a demo runs, always in the thread that runs it."""

    on_stage: Callable[[str], object] = _ignore
    on_take: Callable[[str, str], object] = _ignore
    on_round: Callable[[RoundRecord], object] = _ignore
    on_decision: Callable[[Decision, str], object] = _ignore


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a demo keeps its files."""

    path: Path

    @property
    def store(self) -> Path:
        """The aggregator's store."""
        return self.path / "federation.sqlite"

    def profile(self, role: Role) -> Path:
        """Return the folder of a role's agent."""
        return self.path / role.client_id

    def marks(self, role: Role) -> Path:
        """Return where a role's board writes what it performs when."""
        return self.path / f"{role.client_id}.marks.json"


@dataclass(frozen=True, slots=True)
class Boards:
    """What a demo's boards are, given to its people in turn; `elves` are the emulated ones' firmware."""

    kinds: tuple[str, ...] = ("simulated",)
    elves: tuple[Path, ...] = ()

    def options(self, index: int) -> list[str]:
        """Return how `fedmotion sim-board` is told of the board number `index`."""
        place = index % len(self.kinds)
        elf = ["--elf", str(self.elves[place])] if self.elves else []
        return ["--board", self.kinds[place], *elf]


class Stage:
    """Starts a demo's programs one after another; `stack` ends them."""

    def __init__(
        self,
        cast: Cast,
        configuration: AggregatorConfiguration,
        folder: Folder,
        watch: Watch,
        stack: ExitStack,
        boards: Boards,
    ) -> None:
        self.line_counts = {"n_frames": 0, "n_bad": 0, "n_dropped": 0}
        self._cast = cast
        self._configuration = configuration
        self._folder = folder
        self._watch = watch
        self._stack = stack
        self._boards = boards
        self._broker_url = ""
        self.agents: list[Program] = []
        """The learners', once `teach` has started them."""

    def start_broker(self, prefer: BrokerKind | None) -> str:
        """Found the federation, invite everyone, start a broker that knows them, and return its kind."""
        directory = self._folder.path / "broker"
        directory.mkdir(parents=True)
        port = free_port()
        store = FederationStore(self._folder.store)
        try:
            open_federation(
                store,
                self._configuration.federation,
                self._configuration.specification(),
                random.SystemRandom(),
            )
            for role in self._cast.roles:
                invitation = invite(store, role.client_id, _HOST, port)
                join(Profile(self._folder.profile(role)), encode_invitation(invitation).encode())
            password = new_password()
            write_accounts(directory, broker_accounts(store, password))
        finally:
            store.close()
        broker = self._stack.enter_context(start_broker(directory, port, prefer, host=_HOST))
        self._broker_url = broker.address(AGGREGATOR, password).to_url()
        self._watch.on_stage(f"broker: {broker.kind} on {_HOST}:{port}")
        return broker.kind

    def teach(self) -> None:
        """Start the learners' boards and agents, and wait until each has recorded its performance."""
        learners = self._cast.learners
        n_movements = sum(sum(role.counts.values()) for role in learners)
        self._watch.on_stage(f"{len(learners)} people perform {n_movements} movements, each before a board")
        boards = [self._start_board(role, "tcp:0", speed=0) for role in learners]
        self.agents = [
            self._start_agent("agent", role, board.require_line(_QUIET_S))
            for role, board in zip(learners, boards, strict=True)
        ]
        for role, agent in zip(learners, self.agents, strict=True):
            while (event := json.loads(agent.require_line(_QUIET_S)))["event"] != "lost":
                if event["event"] == "recorded":
                    self._watch.on_take(role.client_id, event["label"])
            self._count(event)
        for board in boards:
            board.wait(_QUIET_S)

    def run_rounds(self) -> None:
        """Start the aggregator and wait until its rounds are over."""
        configuration = self._configuration
        self._watch.on_stage("the aggregator runs rounds")
        arguments = ["aggregator", "--data", str(self._folder.path), "--broker", self._broker_url]
        arguments += ["--until-done", *_as_options(configuration)]
        aggregator = self._stack.enter_context(Program("aggregator", arguments, self._folder.path))
        store = FederationStore(self._folder.store, read_only=True)
        try:
            last = 0
            until_s = time.monotonic() + _ROUNDS_S
            is_over = False
            while not is_over and time.monotonic() < until_s:
                # Asked before reading, so that the last look comes after the end.
                is_over = not aggregator.is_running
                for record in store.rounds(after=last):
                    if record.state != "open":
                        last = record.round_id
                        self._watch.on_round(record)
                for agent in self.agents:
                    agent.check_running()
                time.sleep(0 if is_over else _POLL_S)
        finally:
            store.close()
        if not is_over:
            raise ProgramError(f"the rounds are not over after {_ROUNDS_S:.0f} s; the last was round {last}")
        aggregator.wait(1.0)

    def perform(self, script: Script, speed: float) -> list[Decision]:
        """Let the newcomer perform `script` in one stream, and return what its agent recognised."""
        newcomer = self._cast.newcomer
        self._watch.on_stage(f"a newcomer performs {newcomer.n_gestures} gestures among other movement")
        board = self._start_board(newcomer, "tcp:0", speed)
        agent = self._start_agent("recognise", newcomer, board.require_line(_QUIET_S))
        decisions: list[Decision] = []
        while (event := json.loads(agent.require_line(_QUIET_S)))["event"] != "lost":
            if event["event"] == "recognised":
                decision = Decision(
                    event["activity"], event["start_us"], event["stop_us"], event["probability"]
                )
                decisions.append(decision)
                (index,) = match(script.marks, [decision])
                self._watch.on_decision(decision, "rest" if index is None else script.marks[index].label)
        self._count(event)
        return decisions

    def _start_board(self, role: Role, port: str, speed: float) -> Program:
        options = self._boards.options(self._cast.roles.index(role))
        arguments = ["sim-board", *options, "--port", port, "--person", role.person]
        if self._cast.recordings is not None:
            arguments += ["--recordings", str(self._cast.recordings)]
            arguments += ["--labels", ",".join(self._cast.gestures)]
        arguments += [
            *("--counts", ",".join(f"{label}={count}" for label, count in role.counts.items())),
            *("--seed", str(role.performance_seed), "--speed", str(speed), "--exit-at-end"),
            *("--marks", str(self._folder.marks(role))),
        ]
        return self._start(f"{role.client_id}-board", arguments)

    def _start_agent(self, command: str, role: Role, port: str) -> Program:
        arguments = [
            *(command, "--profile", str(self._folder.profile(role)), "--port", port, "--json"),
            *("--marks", str(self._folder.marks(role)), "--is-other-recorded", "--person", role.person),
            # The newcomer is who is asked here: all that a home has is trained on, as it is alone and pooled.
            *("--held-out-share", "0"),
        ]
        return self._start(f"{role.client_id}-agent", arguments)

    def _start(self, name: str, arguments: list[str]) -> Program:
        return self._stack.enter_context(Program(name, arguments, self._folder.path))

    def _count(self, event: dict[str, int]) -> None:
        for key in self.line_counts:
            self.line_counts[key] += event[key]


def _as_options(configuration: AggregatorConfiguration) -> list[str]:
    """Return the keys that differ from their defaults as the command line's options."""
    options: list[str] = []
    for key in describe(AggregatorConfiguration):
        value = getattr(configuration, key.name)
        if value != key.default:
            options.append(f"--{key.name.replace('_', '-')}")
            options.append(",".join(value) if isinstance(value, tuple) else str(value))
    return options


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
    return port
