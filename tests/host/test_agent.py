"""A whole agent with a board at the end of a real line."""

import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from fedmotion.boards import simulated_board
from fedmotion.boards.line_damage import LineDamage
from fedmotion.broker.memory import MemoryBroker, MemoryDoor
from fedmotion.delivery.retained_model import publish_retained
from fedmotion.host.agent import Agent, AgentEvent
from fedmotion.host.board_line import BoardLine
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.guided.plan import plan_takes
from fedmotion.host.imu_stream import ImuBlock, StreamCounters
from fedmotion.host.marks import by_marks, read_marks
from fedmotion.host.profile import Profile, join
from fedmotion.host.recogniser import Recognition
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.serial_port import Bytes, Lost, Opened
from fedmotion.host.take_recording import record_takes
from fedmotion.host.work_thread import WorkThread
from fedmotion.models.specification import Parameters, Specification
from fedmotion.protocol.invitation import Invitation, encode_invitation
from fedmotion.protocol.topics import Topics

WAIT_S = 30
INVITATION = Invitation(
    federation="kitchen",
    federation_id=UUID(int=11),
    host="127.0.0.1",
    port=1,
    client_id="ada",
    password="secret",
)


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    made = Profile(tmp_path / "ada")
    join(made, encode_invitation(INVITATION).encode())
    return made


@contextmanager
def board(marks: Path, port: str = "tcp:0", **options: object) -> Iterator[str]:
    """Run a simulated board that plays 3 swipes each way as fast as it is read; yield its address."""
    address: queue.SimpleQueue[str] = queue.SimpleQueue()
    stop = threading.Event()
    thread = threading.Thread(
        target=simulated_board.run,
        kwargs={
            "port": port,
            "person": 3,
            "counts": {"swipe_left": 3, "swipe_right": 3},
            "speed": 0,
            "marks_path": marks,
            "announce": address.put,
            "stop": stop,
            **options,
        },
    )
    thread.start()
    try:
        yield address.get(timeout=WAIT_S)
    finally:
        stop.set()
        thread.join()


def a_door(broker: MemoryBroker) -> Callable[..., MemoryDoor]:
    def open_door(_profile: Profile, _invitation: Invitation, on_event: object, will: object) -> MemoryDoor:
        return MemoryDoor(broker, name="ada", on_event=on_event, will=will)  # type: ignore[arg-type]

    return open_door


@contextmanager
def running(make_agent: Callable[[], Agent]) -> Iterator[Agent]:
    """Make and run an agent in a thread of its own."""
    made: queue.SimpleQueue[Agent] = queue.SimpleQueue()

    def work() -> None:
        agent = make_agent()
        made.put(agent)
        agent.run()

    thread = threading.Thread(target=work)
    thread.start()
    agent = made.get(timeout=WAIT_S)
    try:
        yield agent
    finally:
        agent.stop()
        thread.join()


@pytest.mark.parametrize("port", ["tcp:0", "pty"])
def test_what_a_person_does_is_recorded_under_its_marks(
    tmp_path: Path, profile: Profile, specification: Specification, port: str
) -> None:
    recorded: queue.SimpleQueue[Recording] = queue.SimpleQueue()
    with (
        board(tmp_path / "marks.json", port) as address,
        running(
            lambda: Agent(
                profile,
                AgentConfiguration(port=address, person="ada", hand="right", mounting="wrist"),
                finding=specification,
                labelling=by_marks(read_marks(tmp_path / "marks.json")),
                open_door=a_door(MemoryBroker()),
                on_recording=recorded.put,
            )
        ) as agent,
    ):
        takes = [recorded.get(timeout=WAIT_S) for _ in range(6)]
    assert Counter(take.label for take in takes) == {"swipe_left": 3, "swipe_right": 3}
    counters = agent.board_counters
    assert counters is not None
    assert (counters.n_bad, counters.n_dropped, counters.n_restarts) == (0, 0, 0)
    assert counters.n_frames > 1000
    with RecordingStore(profile.recordings, clock=lambda: 0.0, read_only=True) as store:
        assert store.count_by_label() == {"swipe_left": 3, "swipe_right": 3}


def test_a_damaged_line_costs_samples_and_never_the_agent(
    tmp_path: Path, profile: Profile, specification: Specification
) -> None:
    recorded: queue.SimpleQueue[Recording] = queue.SimpleQueue()
    damage = LineDamage(1, drop_probability=1e-4, garbage_probability=1e-4)
    with (
        board(tmp_path / "marks.json", damage=damage, counts={"swipe_left": 20}) as address,
        running(
            lambda: Agent(
                profile,
                AgentConfiguration(port=address),
                finding=specification,
                labelling=by_marks(read_marks(tmp_path / "marks.json")),
                open_door=a_door(MemoryBroker()),
                on_recording=recorded.put,
            )
        ) as agent,
    ):
        takes = [recorded.get(timeout=WAIT_S) for _ in range(5)]
    assert {take.label for take in takes} == {"swipe_left"}
    counters = agent.board_counters
    assert counters is not None
    assert counters.n_bad > 0
    assert counters.n_dropped >= counters.n_gaps > 0


def test_the_label_way_records_until_there_are_enough(tmp_path: Path, specification: Specification) -> None:
    seen: list[tuple[str, int]] = []
    with (
        board(tmp_path / "marks.json") as address,
        RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as store,
    ):
        done = record_takes(
            AgentConfiguration(port=address, person="ada"),
            store,
            plan_takes(["wave"], 4),
            finding=specification,
            on_take=lambda take, n: seen.append((take.label, n)),
            on_trouble=pytest.fail,
        )
        assert store.count_by_label() == {"wave": 4}
    assert done.n_held == {"wave": 4}
    assert done.is_complete
    assert seen == [("wave", 1), ("wave", 2), ("wave", 3), ("wave", 4)]


def test_recording_waits_for_a_port_and_says_what_is_wrong_until_it_is_told_to_stop(
    tmp_path: Path, specification: Specification
) -> None:
    troubles: list[str] = []
    with RecordingStore(tmp_path / "r.sqlite", clock=lambda: 0.0) as store:
        done = record_takes(
            AgentConfiguration(port="/dev/no-such-port"),
            store,
            plan_takes(["wave"], 4),
            finding=specification,
            on_take=lambda _take, _n: None,
            on_trouble=troubles.append,
            should_stop=lambda: bool(troubles),
        )
    assert done.n_kept == 0
    assert "there is no port" in troubles[0]


class FakePort:
    """A port without a line: the test speaks as the board."""

    def __init__(self) -> None:
        self.sent = b""
        self.n_starts = 0
        self.n_taken = 0

    def start(self) -> None:
        self.n_starts += 1

    def write(self, data: bytes) -> bool:
        self.sent += data
        return True

    def taken(self, n_bytes: int) -> None:
        self.n_taken += n_bytes

    def close(self) -> None:
        return


def test_a_released_model_is_swapped_between_two_windows_and_every_gesture_is_decided(
    profile: Profile,
    specification: Specification,
    performance: ImuBlock,
    model_message: Callable[..., bytes],
    trained_parameters: Parameters,
) -> None:
    """The stream comes in pieces, and a new model of the same content between any two of them."""
    broker = MemoryBroker()
    recognised: list[Recognition] = []
    agent = Agent(
        profile,
        AgentConfiguration(),
        finding=specification,
        open_door=a_door(broker),
        on_recognition=recognised.append,
    )
    agent.start()
    publisher = MemoryDoor(broker, name="aggregator", on_event=lambda _event: None)
    publisher.start()
    length = 200
    for round_id, start in enumerate(range(0, len(performance.t_us), length), start=1):
        publish_model(publisher, model_message(trained_parameters, round_id=round_id))
        broker.deliver()
        publish_model(publisher, model_message(trained_parameters, round_id=round_id))
        broker.deliver()
        while not agent.queue.empty():
            agent.handle(agent.queue.get())
        assert agent.recogniser.round_id == round_id
        agent._on_block(
            ImuBlock(
                performance.t_us[start : start + length],
                performance.samples[start : start + length],
                performance.counts[start : start + length],
                start == 0,
                performance.node,
            )
        )
    agent.close()
    assert Counter(each.activity for each in recognised) == {"swipe_left": 10, "swipe_right": 10}
    assert len({each.round_id for each in recognised}) > 10


def publish_model(door: MemoryDoor, message: bytes) -> None:
    publish_retained(door, Topics("kitchen"), "released", message)


def test_an_agent_that_only_recognises_opens_its_port_with_its_first_model_and_tells_of_its_loss(
    profile: Profile,
    specification: Specification,
    model_message: Callable[..., bytes],
    trained_parameters: Parameters,
) -> None:
    broker, port = MemoryBroker(), FakePort()
    lost: list[StreamCounters] = []
    agent = Agent(
        profile,
        AgentConfiguration(port="socket://127.0.0.1:1", takes_part=False),
        finding=specification,
        open_door=a_door(broker),
        open_port=lambda _port, _baud, _on_event: port,
        on_lost=lost.append,
    )
    agent.start()
    assert port.n_starts == 0
    publisher = MemoryDoor(broker, name="aggregator", on_event=lambda _event: None)
    publisher.start()
    broker.deliver()
    for round_id in (1, 2):
        publish_model(publisher, model_message(trained_parameters, round_id=round_id))
        broker.deliver()
        while not agent.queue.empty():
            agent.handle(agent.queue.get())
        assert port.n_starts == 1
    agent.handle(Lost("not there yet"))
    assert lost == []
    agent.handle(Opened("socket://127.0.0.1:1"))
    agent.handle(Lost("gone"))
    assert len(lost) == 1
    agent.close()


def test_training_does_not_hold_up_the_stream(profile: Profile, specification: Specification) -> None:
    port = FakePort()
    agent = Agent(
        profile,
        AgentConfiguration(port="socket://127.0.0.1:1"),
        finding=specification,
        open_door=a_door(MemoryBroker()),
        open_port=lambda _port, _baud, _on_event: port,
    )
    is_training, may_end = threading.Event(), threading.Event()

    def long_training() -> None:
        is_training.set()
        may_end.wait(WAIT_S)

    agent.start()
    agent._work.submit(long_training)
    assert is_training.wait(WAIT_S)
    agent.handle(Opened("socket://127.0.0.1:1"))
    agent.handle(Bytes(b"ax:1 ay:2 az:3 another firmware's text\r\n"))
    agent.tick()
    assert agent.board is not None
    assert "prints text" in agent.board.stream.complaint
    assert port.sent
    agent.handle(Lost("gone"))
    assert not agent.board.is_open
    may_end.set()
    agent.close()


def test_stopping_is_obeyed_at_once_whatever_waits(profile: Profile, specification: Specification) -> None:
    """The board has sent 2 MB when the agent begins, and it is stopped at the first word of it."""
    port = FakePort()
    agent = Agent(
        profile,
        AgentConfiguration(port="socket://127.0.0.1:1"),
        finding=specification,
        open_door=a_door(MemoryBroker()),
        open_port=lambda _port, _baud, _on_event: port,
    )
    agent.queue.put(Opened("socket://127.0.0.1:1"))
    for _ in range(1000):
        agent.queue.put(Bytes(bytes(2048)))
    handled = agent.handle

    def handle_and_stop(event: AgentEvent) -> None:
        handled(event)
        agent.stop()

    agent.handle = handle_and_stop  # type: ignore[method-assign]  # the agent itself, seen from within
    agent.run()
    assert port.n_taken == 0


def test_a_backlog_of_bytes_does_not_keep_the_clock_waiting(
    profile: Profile, specification: Specification
) -> None:
    port = FakePort()
    agent = Agent(
        profile,
        AgentConfiguration(port="socket://127.0.0.1:1"),
        finding=specification,
        open_door=a_door(MemoryBroker()),
        open_port=lambda _port, _baud, _on_event: port,
    )
    taken: list[int] = []
    agent.queue.put(Opened("socket://127.0.0.1:1"))
    for _ in range(500):
        agent.queue.put(Bytes(bytes(2048)))
    ticked = agent.tick

    def tick() -> None:
        ticked()
        taken.append(port.n_taken)
        if port.n_taken == 500 * 2048:
            agent.stop()

    agent.tick = tick  # type: ignore[method-assign]  # the agent itself, seen from within
    agent.run()
    assert taken == [2**18, 2 * 2**18, 3 * 2**18, 500 * 2048]


def test_a_board_that_sends_nonsense_without_end_is_complained_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = BoardLine("socket://127.0.0.1:1", 500_000, lambda _event: None, open_port=lambda *_: FakePort())
    line.handle(Opened("socket://127.0.0.1:1"), 0.0)
    for number in range(20):
        line.handle(Bytes(b"\x00\xa5\x5a" * 2000), float(number))
        line.tick(float(number))
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


def test_work_runs_in_order_in_a_thread_that_starts_with_the_first_job() -> None:
    work = WorkThread("test")
    assert not any(thread.name == "test" for thread in threading.enumerate())
    done: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(3):
        work.submit(lambda number=number: done.put(number))  # type: ignore[misc]  # bound in the loop
    assert [done.get(timeout=WAIT_S) for _ in range(3)] == [0, 1, 2]
    work.close()
    assert not any(thread.name == "test" for thread in threading.enumerate())


_IDLE = """
import sys, threading, time
from pathlib import Path
from fedmotion.host.agent import Agent, AgentEvent
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.marks import always
from fedmotion.host.profile import Profile
from fedmotion.models.specification import pca_svm
agent = Agent(
    Profile(Path(sys.argv[1])),
    AgentConfiguration(port=sys.argv[2]),
    finding=pca_svm(("a", "other")),
    labelling=always("a"),
)
def watch():
    while agent.board_counters.n_samples < 1000:
        time.sleep(0.05)
    status = Path("/proc/self/status").read_text()
    heavy = [name for name in ("sklearn", "scipy", "matplotlib", "numpy.random") if name in sys.modules]
    print(int(status.split("VmRSS:")[1].split()[0]), *heavy)
    agent.stop()
threading.Thread(target=watch).start()
agent.run()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
def test_an_idle_agent_stays_within_sixty_megabytes_and_does_not_import_scikit_learn(
    tmp_path: Path, profile: Profile
) -> None:
    with board(tmp_path / "marks.json") as address:
        output = subprocess.run(
            [sys.executable, "-c", _IDLE, str(profile.directory), address],
            check=True,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            # Coverage would count what it weighs itself.
            env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        ).stdout
    resident_kb, *heavy = output.split()
    assert heavy == []
    assert int(resident_kb) / 1024 <= 60
