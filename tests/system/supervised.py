"""A whole federation as processes of their own, and a supervisor that starts again what was killed."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from random import SystemRandom
from typing import Self

from behaving_answers import CLIENTS, answer
from deadly_aggregator import configuration

from fedmotion.aggregator.aggregation import STRATEGIES, next_basis, next_parameters
from fedmotion.aggregator.federation_records import ModelReference
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import open_federation
from fedmotion.aggregator.invitations import AGGREGATOR, broker_accounts, invite
from fedmotion.aggregator.schedule import next_kind
from fedmotion.aggregator.strategies.strategy import Update
from fedmotion.broker.accounts import new_password, write_accounts
from fedmotion.broker.embedded import RunningBroker, start_broker
from fedmotion.host.profile import Profile, join
from fedmotion.host.released_model import ReleasedModelFile
from fedmotion.models.parameters import initial_parameters
from fedmotion.protocol.invitation import encode_invitation
from fedmotion.protocol.tensors import encode_arrays, sha256_of
from fedmotion.simulation.stage import free_port

HERE = Path(__file__).parent
POLL_S = 0.01


class Supervised:
    """One program; each of its lives gets the next of `plans`, and then none."""

    def __init__(self, log_path: Path, script: str, arguments: list[str], plans: list[str]) -> None:
        self.log_path = log_path
        self.n_killed = 0
        self._command = [sys.executable, str(HERE / script), *arguments]
        self._plans = plans
        self._process = self._start()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def look(self) -> None:
        """Start it again if it was killed; any other end is a failure of the program."""
        status = self._process.poll()
        if status is None:
            return
        assert status == -signal.SIGKILL, f"status {status}: {self.log_path.read_text()[-3000:]}"
        self.n_killed += 1
        self._process = self._start()

    def end(self) -> int:
        self._process.terminate()
        return self._process.wait(10)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        plan = self._plans.pop(0) if self._plans else ""
        with self.log_path.open("ab") as log:
            return subprocess.Popen([*self._command, plan], stdout=log, stderr=log)


class Federation:
    """A real mosquitto, an aggregator and the three clients of `behaving_answers`, founded and running.

    `aggregator_plans` and `agent_plans` name the deaths (`deadly.Deaths`) of one life each;
    `broker_plan` those of the broker, at points of the aggregator.
    """

    def __init__(
        self,
        folder: Path,
        n_rounds: int,
        *,
        aggregator_plans: list[str] | None = None,
        agent_plans: dict[str, list[str]] | None = None,
        broker_plan: str = "",
    ) -> None:
        self.folder = folder
        self.n_rounds = n_rounds
        self.n_broker_restarts = 0
        self._stack = ExitStack()
        with self._stack as stack:
            self.broker = self._start_broker(stack)
            url = self.broker.address(AGGREGATOR, self._password).to_url()
            self.store = FederationStore(folder / "federation.sqlite", read_only=True)
            stack.callback(self.store.close)
            victim = "broker" if broker_plan else "self"
            self.aggregator = Supervised(
                folder / "aggregator.log",
                "deadly_aggregator.py",
                [str(folder), url, str(n_rounds), victim],
                [broker_plan] if broker_plan else list(aggregator_plans or []),
            )
            stack.callback(self.aggregator.close)
            self.agents: dict[str, Supervised] = {}
            for client_id in CLIENTS:
                self.agents[client_id] = Supervised(
                    folder / f"{client_id}.log",
                    "deadly_agent.py",
                    [str(folder / client_id)],
                    list((agent_plans or {}).get(client_id, [])),
                )
                stack.callback(self.agents[client_id].close)
            self._stack = stack.pop_all()

    def _start_broker(self, stack: ExitStack) -> RunningBroker:
        keys = configuration(self.n_rounds)
        port = free_port()
        store = FederationStore(self.folder / "federation.sqlite")
        try:
            open_federation(store, keys.federation, keys.specification(), SystemRandom())
            for client_id in CLIENTS:
                invitation = invite(store, client_id, "127.0.0.1", port)
                join(Profile(self.folder / client_id), encode_invitation(invitation).encode())
            self._password = new_password()
            write_accounts(self.folder / "broker", broker_accounts(store, self._password))
        finally:
            store.close()
        broker = stack.enter_context(start_broker(self.folder / "broker", port, "mosquitto"))
        self._write_pid(broker)
        return broker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def programs(self) -> list[Supervised]:
        return [self.aggregator, *self.agents.values()]

    def supervise(self, until: Callable[[], bool], timeout_s: float = 90.0) -> None:
        """Start again what was killed, until something is so."""
        until_s = time.monotonic() + timeout_s
        while True:
            for program in self.programs:
                program.look()
            if not self.broker.is_running:
                self.broker.restart()
                self.n_broker_restarts += 1
                self._write_pid(self.broker)
            if until():
                return
            assert time.monotonic() < until_s, f"it did not come to that; {self._what_happened()}"
            time.sleep(POLL_S)

    def _what_happened(self) -> str:
        logs = (f"== {each.log_path.name}\n{each.log_path.read_text()[-1500:]}" for each in self.programs)
        return "\n".join((f"last rounds: {self.store.rounds()[-2:]}", *logs))

    def run_to_the_end(self, timeout_s: float = 90.0) -> None:
        """Supervise until all rounds are over and every client has its receipts and the last model."""
        self.supervise(self.is_over, timeout_s)
        for program in self.programs:
            assert program.end() == 0, program.log_path.read_text()[-3000:]

    def reach_round(self, round_id: int) -> None:
        """Supervise until a round is open, or was."""
        self.supervise(lambda: self.store.last_round_id() >= round_id)

    def reach_points(self, n_more: int, at_most_s: float) -> None:
        """Supervise until the programs have reached so many more points, or for so long."""
        n_points, until_s = self.n_points() + n_more, time.monotonic() + at_most_s
        self.supervise(lambda: self.n_points() >= n_points or time.monotonic() > until_s)

    def is_over(self) -> bool:
        schedule = configuration(self.n_rounds).rules(configuration(self.n_rounds).specification()).schedule
        lineage_id = self.store.current_model().lineage_id
        return (
            self.store.the_open_round() is None
            and next_kind(schedule, self.store.progress(lineage_id)) is None
            and self.n_pending() == 0
            and all(self._released_round(client_id) == self._last_trained() for client_id in CLIENTS)
        )

    def n_points(self) -> int:
        """How many points all programs have reached so far."""
        return sum(path.read_bytes().count(b"\n") for path in self.folder.glob("*.points"))

    def n_pending(self) -> int:
        """How many contributions wait in outboxes."""
        return sum(
            _count(Profile(self.folder / client_id).outbox, "pending")
            for client_id in CLIENTS
            if Profile(self.folder / client_id).outbox.exists()
        )

    def _released_round(self, client_id: str) -> int | None:
        federation = self.store.federation()
        assert federation is not None
        kept = ReleasedModelFile(Profile(self.folder / client_id).released_model)
        model = kept.read(federation.federation_id)
        return None if model is None else model.round_id

    def _last_trained(self) -> int:
        return max(record.round_id for record in self.store.rounds() if record.kind == "train")

    def _write_pid(self, broker: RunningBroker) -> None:
        beside = self.folder / "broker.pid.new"
        beside.write_text(str(broker.pid))
        beside.replace(self.folder / "broker.pid")

    def assert_every_round_is_recorded_once(self) -> None:
        """Compute all of the lineage again from what honest clients answer, and compare each round."""
        store, specification = self.store, configuration(self.n_rounds).specification()
        rounds = store.rounds()
        assert [record.round_id for record in rounds] == list(range(1, len(rounds) + 1))
        kinds = [record.kind for record in rounds]
        assert kinds.count("statistics") == 1
        assert kinds.count("train") == self.n_rounds
        assert kinds.count("evaluate") == self.n_rounds // 2
        assert _count(store.path, "spool") == 0
        assert _count(store.path, "contributions") == len(rounds) * len(CLIENTS)
        assert store.refusals() == {}
        parameters = initial_parameters(specification)
        sha256 = sha256_of(parameters)
        for record in rounds:
            assert (record.state, record.reason) == ("finished", "")
            assert record.cohort == tuple(CLIENTS)
            assert record.base_sha256 == sha256
            counted = {each.client_id: each.n_windows for each in store.contributions(record.round_id)}
            assert counted == CLIENTS
            assert {each.verdict for each in store.contributions(record.round_id)} == {"accepted"}
            assert record.n_windows == sum(CLIENTS.values())
            answers = (
                (client_id, answer(specification, record.kind, record.round_id, parameters, client_id))
                for client_id in CLIENTS
            )
            updates = [Update(client_id, each.n_windows, each.arrays) for client_id, each in answers]
            if record.kind == "evaluate":
                assert record.result_sha256 is None
                assert record.metrics["n_windows"] == sum(CLIENTS.values())
                continue
            if record.kind == "statistics":
                parameters = next_basis(specification, parameters, updates)
            else:
                parameters = next_parameters(specification, parameters, updates, STRATEGIES["fedavg"])
            sha256 = sha256_of(parameters)
            assert record.result_sha256 == sha256
            model = ModelReference(record.lineage_id, record.round_id, sha256)
            assert store.arrays_of(model) == encode_arrays(parameters)
        assert store.current_model().sha256 == sha256


def _count(path: Path, table: str) -> int:
    """Return the rows of a table that another program may be writing to."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)) as connection:
        try:
            (n_rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        except sqlite3.OperationalError:
            # Its first life died before it had made the table.
            return 0
    return int(n_rows)
