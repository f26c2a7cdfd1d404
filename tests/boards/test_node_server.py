"""A node on a real line: pyserial over TCP and over a pty, its pace, its faults."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import serial

from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.line_damage import LineDamage
from fedmotion.boards.node_server import Listener, NodeServer
from fedmotion.boards.posix_terminal import PtyLine
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.tcp_line import TcpListener
from fedmotion.boards.virtual_mpu6050 import IDEAL, VirtualMpu6050
from fedmotion.protocol.serial_frames import Command, Fault, Hello, Result, ResultCode, Samples, Status
from fedmotion.protocol.serial_framing import Frame, FrameDecoder, encode_frame

LISTENERS: list[Callable[[], Listener]] = [TcpListener, PtyLine]
DEADLINE_S = 20.0


def node(period_us: int = 10_000, transmit_buffer_bytes: int | None = None) -> SimulatedNode:
    force = np.tile([0.0, 0.0, STANDARD_GRAVITY_MPS2], (2, 1))
    motion = Motion(np.array([0.0, 1000.0]), force, np.zeros((2, 3)))
    sensor = VirtualMpu6050(motion, imperfection=IDEAL)
    return SimulatedNode(sensor, period_us=period_us, transmit_buffer_bytes=transmit_buffer_bytes)


@contextmanager
def serving(server: NodeServer) -> Iterator[NodeServer]:
    stop = threading.Event()
    thread = threading.Thread(target=server.serve, args=(stop,))
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


class Reader:
    """A host with pyserial: opens the address and reads frames until something holds."""

    def __init__(self, address: str) -> None:
        self.port = serial.serial_for_url(address, timeout=0.05)
        self.decoder = FrameDecoder()
        self.frames: list[Frame] = []

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.port.close()

    def send(self, command: Command, sequence: int = 0) -> None:
        self.port.write(encode_frame(command, sequence))

    def until(self, holds: Callable[[list[Frame]], bool]) -> list[Frame]:
        deadline_s = time.monotonic() + DEADLINE_S
        while not holds(self.frames):
            assert time.monotonic() < deadline_s, f"waited in vain; {len(self.frames)} frames came"
            self.frames += self.decoder.feed(self.port.read(4096))
        return self.frames


def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread to make it so."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.002)


def n_of(kind: type, n: int = 1) -> Callable[[list[Frame]], bool]:
    return lambda frames: sum(isinstance(frame.body, kind) for frame in frames) >= n


def indices(frames: list[Frame]) -> list[int]:
    return [
        body.first_index + k
        for frame in frames
        if isinstance(body := frame.body, Samples)
        for k in range(len(body.counts))
    ]


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_newcomer_hears_hello_and_then_a_board_at_rest_from_its_first_sample(
    listener: Callable[[], Listener],
) -> None:
    with serving(NodeServer(node(), listener())) as server, Reader(server.address) as reader:
        frames = reader.until(n_of(Samples, 10))
    assert isinstance(frames[0].body, Hello)
    assert indices(frames)[:10] == list(range(10))
    for frame in frames:
        if isinstance(frame.body, Samples):
            assert frame.body.counts.tolist() == [[0, 0, 4096, 0, 0, 0]]
    assert reader.decoder.counters.n_bad == 0


@pytest.mark.parametrize("listener", LISTENERS)
def test_commands_over_a_real_line_are_answered(listener: Callable[[], Listener]) -> None:
    with serving(NodeServer(node(), listener())) as server, Reader(server.address) as reader:
        reader.until(n_of(Hello))
        reader.send(
            Command(Command.SET_BOARD_ID, 0x0A0D0003110413), 77
        )  # bytes that terminals like to change
        frames = reader.until(n_of(Hello, 2))
    assert [frame.body for frame in frames if isinstance(frame.body, Result)] == [
        Result(Command.SET_BOARD_ID, 77, ResultCode.OK)
    ]
    hello = [frame.body for frame in frames if isinstance(frame.body, Hello)][-1]
    assert hello.board_id == 0x0A0D0003110413


@pytest.mark.parametrize("listener", LISTENERS)
def test_as_fast_as_the_reader_reads_no_sample_of_a_minute_at_1_khz_is_lost(
    listener: Callable[[], Listener],
) -> None:
    server = NodeServer(node(period_us=1_000), listener(), speed=0)
    with serving(server), Reader(server.address) as reader:
        frames = reader.until(n_of(Samples, 7_500))
        frames = reader.until(n_of(Status, 60))
    assert indices(frames)[:60_000] == list(range(60_000))
    status = [frame.body for frame in frames if isinstance(frame.body, Status)][59]
    assert (status.faults, status.n_samples, status.n_dropped) == (0, 60_000, 0)
    assert reader.decoder.counters.n_bad == reader.decoder.counters.n_skipped_bytes == 0


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_client_that_comes_back_hears_hello_again_and_the_stream_goes_on(
    listener: Callable[[], Listener],
) -> None:
    with serving(NodeServer(node(), listener())) as server:
        with Reader(server.address) as reader:
            reader.until(n_of(Samples, 5))
        until(lambda: not server.has_client)
        with Reader(server.address) as again:
            frames = again.until(n_of(Samples, 5))
    assert isinstance(frames[0].body, Hello)
    assert indices(frames)[0] > 4
    assert np.diff(indices(frames)).tolist() == [1] * (len(indices(frames)) - 1)


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_real_time_passes_as_the_clock_says_and_begins_with_the_first_client() -> None:
    clock = Clock()
    server = NodeServer(node(), TcpListener(), clock=clock)
    clock.now_s = 100.0  # nobody came for a while
    with serving(server), Reader(server.address) as reader:
        until(lambda: server.has_client)
        clock.now_s += 0.125  # the port settles
        reader.until(n_of(Hello))
        clock.now_s += 2.5
        frames = reader.until(n_of(Samples, 250))
        until(lambda: server.node.now_us == 2_500_000)
    assert indices(frames) == list(range(250))


def test_in_real_time_a_reader_that_does_not_read_costs_samples_and_the_rest_is_whole() -> None:
    clock = Clock()
    server = NodeServer(node(1_000, transmit_buffer_bytes=256), PtyLine(), clock=clock)
    with serving(server), Reader(server.address) as reader:
        until(lambda: server.has_client)
        clock.now_s += 0.125
        reader.until(n_of(Hello))
        clock.now_s += 10.0
        until(lambda: server.node.now_us == 10_000_000)
        clock.now_s += 0.5
        reader.until(n_of(Samples, 50))
        clock.now_s += 1.0
        frames = reader.until(
            lambda frames: any(isinstance(f.body, Status) and f.body.n_dropped > 5_000 for f in frames)
        )
    status = next(frame.body for frame in reversed(frames) if isinstance(frame.body, Status))
    assert status.faults == Fault.TRANSMIT_STALLED
    assert status.n_transmit_stalls > 600
    assert max(np.diff(indices(frames))) > 5_000
    assert reader.decoder.counters.n_bad == 0


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_pulled_cable_ends_the_line_and_plugged_in_the_node_boots(listener: Callable[[], Listener]) -> None:
    with serving(NodeServer(node(), listener())) as server:
        with Reader(server.address) as reader:
            reader.until(n_of(Samples, 5))
            server.post(server.pull_cable)
            with pytest.raises(serial.SerialException):
                reader.until(lambda _: False)
        with pytest.raises(serial.SerialException):
            serial.serial_for_url(server.address, timeout=0.05)
        plugged = threading.Event()
        server.post(server.plug_in)
        server.post(plugged.set)
        assert plugged.wait(DEADLINE_S)
        with Reader(server.address) as again:
            frames = again.until(n_of(Samples, 3))
    assert isinstance(frames[0].body, Hello)
    assert frames[0].body.reset_cause == 0
    # It has run since it got power, heard by nobody, and counts from that moment.
    assert [frame.t_us for frame in frames if isinstance(frame.body, Samples)][:3] == [
        10_000 * (index + 1) for index in indices(frames)[:3]
    ]


def test_restart_freeze_and_noise_on_demand() -> None:
    board = node()
    with serving(NodeServer(board, TcpListener())) as server, Reader(server.address) as reader:
        reader.until(n_of(Samples, 5))
        server.post(lambda: server.inject(b"\0boot: hello\r\n\0\x05\x01\0"))
        reader.until(lambda _: reader.decoder.counters.n_bad >= 2)
        server.post(server.restart_node)
        frames = reader.until(n_of(Hello, 2))
        restarted = [frame for frame in frames if isinstance(frame.body, Hello)][1]
        assert (restarted.sequence, restarted.t_us) == (0, 0)
        server.post(lambda: setattr(board, "is_frozen", True))
        until(lambda: board.is_frozen)
        n_before = board.n_samples
        while reader.port.read(4096):
            pass
        assert board.n_samples == n_before


def test_a_bad_cable_loses_bytes_and_adds_noise_by_seed() -> None:
    data = bytes(range(256)) * 40
    damage = LineDamage(1, drop_probability=0.01, garbage_probability=0.001)
    damaged = damage.apply(data[:5_000]) + damage.apply(data[5_000:])
    assert damaged == LineDamage(1, drop_probability=0.01, garbage_probability=0.001).apply(data)
    assert 50 < damage.n_dropped_bytes < 160
    assert len(damaged) == len(data) - damage.n_dropped_bytes + damage.n_garbage_bytes
    assert LineDamage(1).apply(data) == data
    with pytest.raises(ValueError, match="drop_probability is 0 to 1, got 2"):
        LineDamage(1, drop_probability=2)


def test_damage_on_the_line_costs_frames_and_never_the_stream() -> None:
    damage = LineDamage(3, drop_probability=0.002, garbage_probability=0.0005)
    server = NodeServer(node(), TcpListener(), speed=0, damage=damage)
    with serving(server), Reader(server.address) as reader:
        frames = reader.until(n_of(Samples, 2_000))
    assert reader.decoder.counters.n_bad > 50
    assert (np.diff(indices(frames)) >= 1).all()
    for frame in frames:
        if isinstance(frame.body, Samples):
            assert frame.body.counts.tolist() == [[0, 0, 4096, 0, 0, 0]]


def test_an_impossible_speed_is_refused() -> None:
    listener = TcpListener()
    with pytest.raises(ValueError, match=r"speed is 0 \(as fast as the reader\) to 1000, got -1"):
        NodeServer(node(), listener, speed=-1)
    listener.close()
