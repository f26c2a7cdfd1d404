"""What a round costs beside training: announcement to next announcement, with nothing to train.

An aggregator and its agents as processes of their own, a broker as `start_broker` starts it, SQLite FULL,
outboxes and receipts as always. Beside it, from the same run: the same messages over the same broker and
nothing else, the same commits and nothing else, and Flower's gRPC server where an interpreter has it.

    .venv/bin/python benchmarks/round_overhead.py --flower-python /path/to/flwr/bin/python
"""

import argparse
import json
import os
import queue
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np

from fedmotion.aggregator.configuration import AggregatorConfiguration
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import open_federation
from fedmotion.aggregator.invitations import AGGREGATOR, broker_accounts, invite
from fedmotion.aggregator.publisher import aggregator_will
from fedmotion.aggregator.service import Service
from fedmotion.broker import mosquitto_files
from fedmotion.broker.accounts import Account, new_password, write_accounts
from fedmotion.broker.address import parse_address
from fedmotion.broker.door import Connected, Event, Received
from fedmotion.broker.embedded import start_broker
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.host.agent import Agent
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.profile import Profile, join
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.trainer import Answer
from fedmotion.models import family
from fedmotion.models.specification import ArraySpecification, Specification, pca_svm
from fedmotion.protocol.invitation import encode_invitation
from fedmotion.protocol.messages import Announcement
from fedmotion.protocol.topics import Topics

GOAL_MS = 50.0
FEDERATION = "bench"
FAMILY = "null"
N_WARM_UP = 5

_FLOWER_SERVER = """
import sys, time, json, logging
import numpy as np
import flwr
from flwr.common import ndarrays_to_parameters
logging.getLogger("flwr").setLevel(logging.ERROR)
port, n_clients, n_rounds, n_bytes = map(int, sys.argv[1:])
times = []
class Timed(flwr.server.strategy.FedAvg):
    def configure_fit(self, *args, **more):
        times.append(time.monotonic())
        return super().configure_fit(*args, **more)
strategy = Timed(
    fraction_evaluate=0.0, min_fit_clients=n_clients, min_available_clients=n_clients,
    initial_parameters=ndarrays_to_parameters([np.zeros(n_bytes // 4, np.float32)]))
flwr.server.start_server(server_address=f"127.0.0.1:{port}", strategy=strategy,
    config=flwr.server.ServerConfig(num_rounds=n_rounds))
print(json.dumps({"version": flwr.__version__, "times": times}))
"""
_FLOWER_CLIENT = """
import sys, logging
import flwr
logging.getLogger("flwr").setLevel(logging.ERROR)
class Null(flwr.client.NumPyClient):
    def fit(self, parameters, config):
        return [parameters[0] + 1], 20, {}
flwr.client.start_client(server_address=f"127.0.0.1:{sys.argv[1]}", client=Null().to_client(), insecure=True)
"""


def main() -> None:
    """Measure and print one table."""
    options = _options()
    if options.role:
        _play(options)
        return
    print(f"{options.clients} agents, model of {options.model_bytes} bytes, {options.rounds} rounds")
    print(f"{_machine()}\n")
    print(f"{'announcement to next announcement':<58}{'median':>9}{'p95':>9}{'best':>9}  ms")
    commit = commits(options.rounds, options.model_bytes)
    bare = bare_rounds(options)
    ours = fedmotion_rounds(options, saves_each_change=False)
    row("fedmotion", ours.times_ms)
    if options.broker != "nats":
        saving = fedmotion_rounds(options, saves_each_change=True)
        row("fedmotion, mosquitto told autosave_on_changes true", saving.times_ms)
    row("limit: the same messages over the same broker, no more", bare)
    row("limit: one durable SQLite commit of the model's size", commit)
    flower = flower_rounds(options)
    if flower:
        row(f"peer: Flower {flower[0]}, start_server (no store, no receipts)", flower[1])
    else:
        print("peer: Flower is not installed: pip install flwr, then --flower-python ITS/bin/python")
    median = percentile(ours.times_ms, 50)
    print(f"\ngoal: a median of at most {GOAL_MS:.0f} ms: {'kept' if median <= GOAL_MS else 'MISSED'}")
    print(f"to the messages alone {median / percentile(bare, 50):.2f}", end="")
    # An outbox, then the aggregator's store: one after the other in every round.
    print(
        f", with two commits added {median / (percentile(bare, 50) + 2 * percentile(commit, 50)):.2f}", end=""
    )
    print(f", to Flower {median / percentile(flower[1], 50):.2f}" if flower else "")
    print("\nwhere a round's time goes (medians, ms after the announcement):")
    print("  " + "  ".join(f"{name} {ms:.1f}" for name, ms in ours.phases_ms.items()))
    print(f"load average afterwards {os.getloadavg()[0]:.2f}")


def percentile(values: list[float], rank: float) -> float:
    """Return a percentile of measured times."""
    return float(np.percentile(values, rank))


def row(name: str, times_ms: list[float]) -> None:
    """Print one line of the table."""
    columns = (percentile(times_ms, 50), percentile(times_ms, 95), min(times_ms))
    print(f"{name:<58}" + "".join(f"{ms:>9.2f}" for ms in columns), flush=True)


def specification(n_bytes: int) -> Specification:
    """Return one whose trained array has `n_bytes`, and no basis: rounds begin with training."""
    n_numbers = n_bytes // 4
    return Specification(
        family=FAMILY,
        activities=("gesture", "other"),
        rate_hz=50.0,
        window_length=96,
        n_features=0,
        n_components=0,
        arrays=(ArraySpecification("weights", (n_numbers,), "float32", "trained"),),
    )


class Rounds:
    """What an aggregator saw, as (point, seconds)."""

    def __init__(self, points: list[tuple[str, float]], n_rounds: int) -> None:
        by_round: list[dict[str, float]] = []
        for point, at_s in points:
            if point == "announced":
                by_round.append({})
            if by_round:
                # Of a point that is reached four times the last one counts.
                by_round[-1][point] = at_s
        measured = by_round[N_WARM_UP : N_WARM_UP + n_rounds + 1]
        starts = [each["announced"] for each in measured]
        self.times_ms = [1e3 * (after - before) for before, after in pairwise(starts)]
        self.phases_ms = {
            name: percentile([1e3 * (each[point] - each["announced"]) for each in measured[:-1]], 50)
            for name, point in (
                ("released copy published", "published"),
                ("last contribution read", "received"),
                ("aggregated", "aggregated"),
                ("committed", "committed"),
                ("receipts sent", "receipted"),
            )
        }


def fedmotion_rounds(options: argparse.Namespace, *, saves_each_change: bool) -> Rounds:
    """Run rounds of the real thing and return their times."""
    with tempfile.TemporaryDirectory(prefix="fedmotion-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        port = free_port()
        store = FederationStore(folder / "federation.sqlite")
        open_federation(store, FEDERATION, specification(options.model_bytes), random.SystemRandom())
        clients = [f"client-{number}" for number in range(options.clients)]
        for client in clients:
            invitation = invite(store, client, "127.0.0.1", port)
            join(Profile(folder / client), encode_invitation(invitation).encode())
        password = new_password()
        (folder / "broker").mkdir()
        write_accounts(folder / "broker", broker_accounts(store, password))
        store.close()
        stack.enter_context(_mosquitto_saving(saves_each_change))
        broker = stack.enter_context(start_broker(folder / "broker", port, options.broker))
        for client in clients:
            stack.enter_context(_child(options, "agent", folder / client))
        url = broker.address(AGGREGATOR, password).to_url()
        leader = stack.enter_context(_child(options, "aggregator", folder, url))
        output, _ = leader.communicate(timeout=60 + options.rounds)
        if leader.returncode != 0:
            sys.exit("the aggregator failed")
        return Rounds(json.loads(output), options.rounds)


def bare_rounds(options: argparse.Namespace) -> list[float]:
    """Send a round's messages over the same kind of broker through the same door, and do nothing else."""
    with tempfile.TemporaryDirectory(prefix="fedmotion-bench-") as name, ExitStack() as stack:
        directory = Path(name)
        clients = [f"client-{number}" for number in range(options.clients)]
        passwords = {client: new_password() for client in [AGGREGATOR, *clients]}
        write_accounts(
            directory,
            [
                Account(user, password, "aggregator" if user == AGGREGATOR else "client", FEDERATION)
                for user, password in passwords.items()
            ],
        )
        stack.enter_context(_mosquitto_saving(False))
        broker = stack.enter_context(start_broker(directory, 0, options.broker))
        for client in clients:
            url = broker.address(client, passwords[client]).to_url()
            stack.enter_context(_child(options, "echo", directory / client, url))
        url = broker.address(AGGREGATOR, passwords[AGGREGATOR]).to_url()
        leader = stack.enter_context(_child(options, "caller", directory, url))
        output, _ = leader.communicate(timeout=60 + options.rounds)
        return [float(each) for each in json.loads(output)]


def commits(n_commits: int, n_bytes: int) -> list[float]:
    """Return the milliseconds of durable commits of one row each, which the next one replaces."""
    with tempfile.TemporaryDirectory(prefix="fedmotion-bench-") as folder:
        database = sqlite3.connect(Path(folder) / "commits.sqlite", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE spool (name TEXT PRIMARY KEY, body BLOB)")
        body = random.Random(1).randbytes(n_bytes)
        times_ms = []
        for _ in range(n_commits):
            begun_s = time.perf_counter()
            database.execute("INSERT OR REPLACE INTO spool VALUES ('it', ?)", (body,))
            times_ms.append(1e3 * (time.perf_counter() - begun_s))
        database.close()
    return times_ms


def flower_rounds(options: argparse.Namespace) -> tuple[str, list[float]] | None:
    """Return Flower's version and the times from round to round, or None without it."""
    python = options.flower_python
    if (
        not python
        or subprocess.run([python, "-c", "import flwr"], check=False, capture_output=True).returncode
    ):
        return None
    port = free_port()
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    n_rounds = options.rounds + N_WARM_UP + 1
    server = subprocess.Popen(
        [python, "-c", _FLOWER_SERVER, *map(str, (port, options.clients, n_rounds, options.model_bytes))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    clients: list[subprocess.Popen[str]] = []
    try:
        _wait_for_port(port)
        clients = [
            subprocess.Popen([python, "-c", _FLOWER_CLIENT, str(port)], **quiet)  # type: ignore[call-overload]  # keywords of a dict
            for _ in range(options.clients)
        ]
        output, _ = server.communicate(timeout=120 + options.rounds)
    finally:
        for process in [*clients, server]:
            process.kill()
            process.communicate()
    answer = json.loads(output.splitlines()[-1])
    times = answer["times"][N_WARM_UP:]
    return answer["version"], [1e3 * (b - a) for a, b in pairwise(times)]


def _play(options: argparse.Namespace) -> None:
    """Be one of the benchmark's own processes."""
    family._MODULES[FAMILY] = family._MODULES["pca_svm"]  # a model that is only ever sent
    {"agent": _be_agent, "aggregator": _be_aggregator, "echo": _be_echo, "caller": _be_caller}[options.role](
        options
    )


def _be_agent(options: argparse.Namespace) -> None:
    def answer(announcement: Announcement, model: LoadedModel) -> Answer:
        # A model that never changed would never be written again.
        arrays = {name: array + np.float32(1) for name, array in model.parameters.items()}
        return Answer(arrays=arrays, n_windows=20, n_steps=announcement.settings.n_epochs)

    agent = Agent(
        Profile(options.folder),
        AgentConfiguration(),
        finding=pca_svm(("gesture", "other")),
        answer_round=answer,
    )
    signal.signal(signal.SIGTERM, lambda *_: agent.stop())
    agent.run()


def _be_aggregator(options: argparse.Namespace) -> None:
    points: list[tuple[str, float]] = []
    configuration = AggregatorConfiguration(
        federation=FEDERATION,
        activities=("gesture", "other"),
        min_clients=options.clients,
        min_updates=options.clients,
        n_rounds=options.rounds + N_WARM_UP + 1,
        evaluate_every=0,
        interval_s=0.0,
    )
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    session = uuid4()
    door = PahoDoor(
        parse_address(options.broker_url),
        name=AGGREGATOR,
        on_event=events.put,
        will=aggregator_will(FEDERATION, session),
    )
    store = FederationStore(options.folder / "federation.sqlite")
    service = Service(
        store,
        door,
        configuration,
        time.monotonic,
        session,
        on_point=lambda point: points.append((point, time.monotonic())),
    )
    service.run(events, threading.Event(), until_done=True)
    store.close()
    print(json.dumps(points))


def _be_echo(options: argparse.Namespace) -> None:
    """Answer each announcement with a message of the model's size, as a client does."""
    topics = Topics(FEDERATION)
    address = parse_address(options.broker_url)
    body = bytes(options.model_bytes)
    events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    door = PahoDoor(address, name=address.username, on_event=events.put)
    door.subscribe(topics.announcement, topics.model("round"), topics.model("released"))
    door.subscribe(topics.receipt(address.username))
    door.start()
    signal.signal(signal.SIGTERM, lambda *_: events.put(None))
    while (event := events.get()) is not None:
        if isinstance(event, Connected):
            door.publish(topics.presence(address.username), b"here", retain=True)
        elif isinstance(event, Received) and event.topic == topics.announcement:
            door.publish(topics.contribution(address.username), body)
    door.close()


def _be_caller(options: argparse.Namespace) -> None:
    """Send what an aggregator sends in a round, and collect."""
    topics = Topics(FEDERATION)
    body = bytes(options.model_bytes)
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    door = PahoDoor(parse_address(options.broker_url), name=AGGREGATOR, on_event=events.put)
    door.subscribe(topics.presence(), topics.contribution())
    door.start()
    _count(events, options.clients, lambda topic: topic.endswith("/presence"))
    starts = []
    for _ in range(N_WARM_UP + options.rounds + 1):
        door.publish(topics.model("round", 0), body, retain=True)
        door.publish(topics.announcement, bytes(300), retain=True)
        starts.append(time.monotonic())
        door.publish(topics.model("released", 0), body, retain=True)
        _count(events, options.clients, lambda topic: topic.endswith("/contribution"))
        for number in range(options.clients):
            door.publish(topics.receipt(f"client-{number}"), bytes(200))
    door.close()
    starts = starts[N_WARM_UP:]
    print(json.dumps([1e3 * (b - a) for a, b in pairwise(starts)]))


def _count(events: "queue.SimpleQueue[Event]", n_wanted: int, is_wanted: Callable[[str], bool]) -> None:
    while n_wanted:
        event = events.get(timeout=30)
        n_wanted -= isinstance(event, Received) and is_wanted(event.topic)


@contextmanager
def _child(
    options: argparse.Namespace, role: str, folder: Path, url: str = ""
) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, __file__, "--role", role, "--folder", str(folder), "--broker-url", url]
    for name in ("rounds", "clients", "model_bytes"):
        arguments += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    if role == options.profile:
        arguments[1:1] = ["-m", "cProfile", "-o", f"/tmp/{role}.prof"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def _mosquitto_saving(each_change: bool) -> Iterator[None]:
    """Have mosquitto save what is retained after every change, or once a second as we tell it."""
    original = mosquitto_files.write_embedded_files

    def write(directory: Path, accounts: tuple[Account, ...], host: str, port: int) -> Path:
        path = original(directory, accounts, host, port)
        lines = [line for line in path.read_text().splitlines() if "autosave_on_changes" not in line]
        lines += ["autosave_on_changes true"] if each_change else []
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    mosquitto_files.write_embedded_files = write  # type: ignore[assignment]  # takes a tuple, which is all it gets
    try:
        yield
    finally:
        mosquitto_files.write_embedded_files = original


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f} before, "
        f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--model-bytes", type=int, default=200_000)
    parser.add_argument("--broker", choices=("mosquitto", "nats"), help="insist on one kind of broker")
    parser.add_argument("--flower-python", help="an interpreter that has flwr, in an environment of its own")
    parser.add_argument("--profile", choices=("agent", "aggregator"), help="cProfile one role into /tmp")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--broker-url", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
