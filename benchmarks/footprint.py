"""What an agent weighs: idle on a streaming board and having trained; its command's start; packages for it.

.venv/bin/python benchmarks/footprint.py --flower-python /path/to/flwr/bin/python
"""

import argparse
import os
import queue
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.founding import open_federation
from fedmotion.aggregator.invitations import AGGREGATOR, broker_accounts, invite
from fedmotion.broker.accounts import new_password, write_accounts
from fedmotion.broker.door import Event, Received
from fedmotion.broker.embedded import start_broker
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.host.profile import Profile, join
from fedmotion.models.specification import pca_svm
from fedmotion.protocol.invitation import encode_invitation
from fedmotion.protocol.topics import Topics
from fedmotion.simulation.cast import simulated_cast
from fedmotion.simulation.demo import Demo
from fedmotion.simulation.stage import Boards, Folder, Stage, Watch

GOAL_MB = 60.0
GOAL_TRAINING_MB = 64.0
GOAL_HELP_S = 0.3
FEDERATION = "bench"
CLIENT = "client-1"
MEGABYTE = 1e6

_BARE = "import numpy, paho.mqtt.client, serial, time; print('ready', flush=True); time.sleep(600)"
_BARE_TRAINING = """
import time
import numpy as np
from fedmotion.models.networks import N_OUTPUTS, NETWORKS, initial_arrays
from fedmotion.models.tflite_door import graph
network, random = NETWORKS["cnn"], np.random.default_rng(0)
cnn = graph("cnn")
cnn.begin(initial_arrays(network, 0))
windows = random.normal(size=(16, network.window_length, 6)).astype(np.float32)
labels, ones = np.zeros(16, np.int32), np.ones(16, np.float32)
for _ in range(100):
    cnn.step(windows, labels, ones, np.ones(N_OUTPUTS, np.float32), learning_rate=0.01)
print("ready", flush=True)
time.sleep(600)
"""
_FLOWER_SERVER = """
import sys, flwr
strategy = flwr.server.strategy.FedAvg(min_available_clients=2)
flwr.server.start_server(server_address=f"127.0.0.1:{sys.argv[1]}", strategy=strategy,
    config=flwr.server.ServerConfig(num_rounds=1))
"""
_FLOWER_CLIENT = """
import sys, flwr
class Null(flwr.client.NumPyClient):
    pass
flwr.client.start_client(server_address=f"127.0.0.1:{sys.argv[1]}", client=Null().to_client(), insecure=True)
"""


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of streaming before memory is read")
    parser.add_argument("--repeats", type=int, default=10, help="starts of the command")
    parser.add_argument("--flower-python", help="an interpreter that has flwr, in an environment of its own")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f} before")
    print(f"Python {sys.version.split()[0]}\n")

    print(f"{'memory, MB':<58}{'RSS':>9}{'PSS':>9}")
    agent = agent_memory(options.seconds)
    _memory_row("fedmotion agent, joined, board at 100 samples a second", agent)
    bare = memory_of([sys.executable, "-c", _BARE], "ready")
    _memory_row("limit: python with numpy, paho and pyserial imported", bare)
    flower = flower_memory(options.flower_python)
    if flower is None:
        print("peer: Flower is not installed: pip install flwr, then --flower-python ITS/bin/python")
    else:
        _memory_row("peer: Flower's start_client, connected and idle", flower)
    print(f"scikit-learn is loaded in the agent: {'YES' if agent.has_sklearn else 'no'}")
    print(f"goal: at most {GOAL_MB:.0f} MB: {_kept(agent.rss_mb <= GOAL_MB)}", end="")
    print(f"; to the limit {agent.rss_mb / bare.rss_mb:.2f}", end="")
    print("" if flower is None else f", to Flower {agent.rss_mb / flower.rss_mb:.2f}")

    trained = {model: training_memory(model) for model in ("cnn", "mlp", "pca_svm")}
    for model, memory in trained.items():
        _memory_row(f"fedmotion agent that trained a {model} in twelve rounds", memory)
    bare = memory_of([sys.executable, "-c", _BARE_TRAINING], "ready")
    _memory_row("limit: python that does nothing but train a cnn", bare)
    worst_mb = max(trained["cnn"].peak_mb, trained["mlp"].peak_mb)
    print(f"goal: a network at most {GOAL_TRAINING_MB:.0f} MB, at its peak {worst_mb:.1f}: ", end="")
    print(f"{_kept(worst_mb <= GOAL_TRAINING_MB)}; to the limit {worst_mb / bare.peak_mb:.2f}")

    print(f"\n{'start of a process, s':<58}{'median':>9}{'p95':>9}{'best':>9}")
    program = str(Path(sys.executable).with_name("fedmotion"))
    help_s = _start_row("fedmotion --help", [program, "--help"], options.repeats)
    pass_s = _start_row("limit: python -c pass", [sys.executable, "-c", "pass"], options.repeats)
    _start_row("fedmotion agent --help", [program, "agent", "--help"], options.repeats)
    print(f"goal: a median of at most {GOAL_HELP_S} s: {_kept(help_s <= GOAL_HELP_S)}", end="")
    print(f"; to the limit {help_s / pass_s:.2f}")

    packages = installed_for("fedmotion")
    print(f"\npackages installed for an agent, fedmotion itself included: {len(packages)}")
    print("  " + ", ".join(sorted(packages)))
    if options.flower_python:
        code = "import importlib.metadata as m; print(*{each.name.lower() for each in m.distributions()})"
        done = subprocess.run(
            [options.flower_python, "-c", code], check=False, capture_output=True, text=True
        )
        n_packages = len(set(done.stdout.split()) - {"pip", "setuptools", "wheel"})
        print(f"peer: packages in Flower's environment without pip: {n_packages}")
    print(f"load average afterwards {os.getloadavg()[0]:.2f}")


class Memory:
    """What a process holds: resident, and its share where pages are shared."""

    def __init__(self, pid: int) -> None:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
        self.rss_mb, self.pss_mb = (
            sum(int(kib) for kib in re.findall(rf"^{name}: +(\d+) kB", text, re.MULTILINE)) * 1024 / MEGABYTE
            for name in ("Rss", "Pss")
        )
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        (kib,) = re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        self.peak_mb = int(kib) * 1024 / MEGABYTE
        self.has_sklearn = "/sklearn/" in Path(f"/proc/{pid}/maps").read_text("utf-8")


def agent_memory(seconds: float) -> Memory:
    """Return what a joined agent holds after `seconds` of its board's stream."""
    with tempfile.TemporaryDirectory(prefix="fedmotion-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        port = free_port()
        store = FederationStore(folder / "federation.sqlite")
        specification = pca_svm(("swipe_left", "swipe_right", "other"))
        open_federation(store, FEDERATION, specification, random.SystemRandom())
        invitation = invite(store, CLIENT, "127.0.0.1", port)
        join(Profile(folder / CLIENT), encode_invitation(invitation).encode())
        password = new_password()
        (folder / "broker").mkdir()
        write_accounts(folder / "broker", broker_accounts(store, password))
        store.close()
        broker = stack.enter_context(start_broker(folder / "broker", port))
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        door = PahoDoor(broker.address(AGGREGATOR, password), name=AGGREGATOR, on_event=events.put)
        door.subscribe(Topics(FEDERATION).presence())
        door.start()
        stack.callback(door.close)
        command = [sys.executable, "-m", "fedmotion.cli"]
        board = stack.enter_context(_running([*command, "sim-board", "--rate-hz", "100", "--starts-at-once"]))
        assert board.stdout is not None
        address = board.stdout.readline().strip()
        agent = stack.enter_context(
            _running([*command, "agent", "--profile", str(folder / CLIENT), "--port", address])
        )
        while not isinstance(events.get(timeout=30), Received):
            pass
        time.sleep(seconds)
        return Memory(agent.pid)


def training_memory(model: str) -> Memory:
    """Return what the first of a demo's four agents holds when the rounds are over."""
    with tempfile.TemporaryDirectory(prefix="fedmotion-bench-") as name, ExitStack() as stack:
        demo = Demo(simulated_cast(0), Path(name), model=model)
        stage = Stage(demo.cast, demo.configuration, Folder(Path(name)), Watch(), stack, Boards())
        stage.start_broker(None)
        stage.teach()
        stage.run_rounds()
        return Memory(stage.agents[0].pid)


def memory_of(arguments: Sequence[str], ready: str) -> Memory:
    """Return what a process holds once it has printed `ready`."""
    with _running(arguments) as process:
        assert process.stdout is not None
        if process.stdout.readline().strip() != ready:
            sys.exit(f"{arguments} did not start")
        return Memory(process.pid)


def flower_memory(python: str | None) -> Memory | None:
    """Return what a client of Flower's gRPC server holds while it waits for others; None without Flower."""
    if (
        not python
        or subprocess.run([python, "-c", "import flwr"], check=False, capture_output=True).returncode
    ):
        return None
    port = str(free_port())
    with (
        _running([python, "-c", _FLOWER_SERVER, port]),
        _running([python, "-c", _FLOWER_CLIENT, port]) as client,
    ):
        time.sleep(10)
        if client.poll() is not None:
            sys.exit("Flower's client ended")
        return Memory(client.pid)


def installed_for(package: str) -> set[str]:
    """Return the packages that `package` needs here, without extras, itself included."""
    found: set[str] = set()
    waiting = [package]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found.add(name)
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(arguments: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def _memory_row(name: str, memory: Memory) -> None:
    print(f"{name:<58}{memory.rss_mb:>9.1f}{memory.pss_mb:>9.1f}", flush=True)


def _start_row(name: str, arguments: Sequence[str], repeats: int) -> float:
    times_s = []
    for _ in range(repeats):
        begun_s = time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        times_s.append(time.perf_counter() - begun_s)
    times_s.sort()
    median = statistics.median(times_s)
    p95 = times_s[min(len(times_s) - 1, round(0.95 * (len(times_s) - 1)))]
    print(f"{name:<58}{median:>9.3f}{p95:>9.3f}{times_s[0]:>9.3f}", flush=True)
    return median


def _kept(is_kept: bool) -> str:
    return "kept" if is_kept else "MISSED"


if __name__ == "__main__":
    main()
