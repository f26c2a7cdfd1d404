"""The real firmware on an emulated Uno, at the end of a real line: pyserial over a pty and over TCP."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import serial
from click.testing import CliRunner

from fedmotion.boards.emulated_board import find_elf, open_emulated_port, run_uno
from fedmotion.boards.emulated_uno import BoardFault, EmulatedUno
from fedmotion.boards.emulator_build import EmulatorError
from fedmotion.boards.node_server import NodeServer
from fedmotion.boards.simulated_board import make_script
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.cli.main import command as fedmotion
from fedmotion.protocol.serial_frames import Command, Fault, Hello, Samples, Status
from fedmotion.protocol.serial_framing import Frame, FrameDecoder, encode_frame

BAUD = 500_000
DEADLINE_S = 30.0
PORTS = ("tcp:0", "pty")


def sensor(seed: int = 1) -> VirtualMpu6050:
    script = make_script(person=3, recordings=None, labels=(), counts={"swipe_left": 4}, seed=seed)
    return VirtualMpu6050(script.motion, seed=seed)


@contextmanager
def serving(elf: Path, port: str, speed: float = 0.0) -> Iterator[tuple[NodeServer, EmulatedUno]]:
    stop = threading.Event()
    with EmulatedUno(elf, sensor(), is_traced=True) as uno:
        server = NodeServer(uno, open_emulated_port(port, uno), speed=speed)
        thread = threading.Thread(target=server.serve, args=(stop,))
        thread.start()
        try:
            yield server, uno
        finally:
            stop.set()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


class Host:
    """pyserial and the frames of what it reads."""

    def __init__(self, address: str, baud: int = BAUD) -> None:
        self.port = serial.serial_for_url(address, baudrate=baud, timeout=0.05)
        self.decoder = FrameDecoder()
        self.frames: list[Frame] = []

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: object) -> None:
        self.port.close()

    def send(self, command: Command) -> None:
        self.port.write(b"\0" + encode_frame(command, 0))

    def until(self, holds: Callable[[list[Frame]], bool]) -> list[Frame]:
        deadline_s = time.monotonic() + DEADLINE_S
        while not holds(self.frames):
            assert time.monotonic() < deadline_s, f"waited in vain; {len(self.frames)} frames came"
            self.frames += self.decoder.feed(self.port.read(4096))
        return self.frames


def done(server: NodeServer, action: Callable[[], None]) -> None:
    """Have the serving thread do this, and wait until it is done."""
    is_done = threading.Event()
    server.post(action)
    server.post(is_done.set)
    assert is_done.wait(DEADLINE_S)


def n_of(kind: type, n: int = 1) -> Callable[[list[Frame]], bool]:
    return lambda frames: sum(isinstance(frame.body, kind) for frame in frames) >= n


def bodies(frames: list[Frame], kind: type) -> list:  # type: ignore[type-arg]  # of that kind
    return [frame.body for frame in frames if isinstance(frame.body, kind)]


def rows_of(frames: list[Frame]) -> list[list[int]]:
    return [row for body in bodies(frames, Samples) for row in body.counts.tolist()]


def indices_of(frames: list[Frame]) -> list[int]:
    return [body.first_index + k for body in bodies(frames, Samples) for k in range(len(body.counts))]


@pytest.mark.parametrize("port", PORTS)
def test_the_firmware_streams_over_a_line_with_no_bad_frame_and_no_drop(
    firmware_elf: Path, port: str
) -> None:
    with serving(firmware_elf, port) as (server, uno), Host(server.address) as host:
        frames = host.until(n_of(Status, 5))
        assert uno.baud == BAUD
    first = frames[0].body
    assert isinstance(first, Hello)
    assert (first.board, first.sensor_id, first.period_us) == ("uno", 0x68, 10_000)
    assert indices_of(frames) == list(range(len(indices_of(frames))))
    assert len(indices_of(frames)) > 450
    assert host.decoder.counters.n_bad == host.decoder.counters.n_skipped_bytes == 0
    status = bodies(frames, Status)[-1]
    assert (status.faults, status.n_dropped, status.n_sensor_errors, status.n_transmit_stalls) == (0, 0, 0, 0)
    assert uno.n_lost_bytes == uno.n_overruns == 0


def test_the_stream_is_the_virtual_sensors_at_the_same_instants(firmware_elf: Path) -> None:
    with serving(firmware_elf, "tcp:0") as (server, uno), Host(server.address) as host:
        frames = host.until(n_of(Samples, 500))
        hello = bodies(frames, Hello)[-1]
    felt = uno.felt
    t_us = np.array([instant for instant, _ in felt])
    replayed = sensor()
    replayed.set_full_scales(hello.accel_full_scale_g, hello.gyro_full_scale_dps)
    counts, _ = replayed.read(t_us)
    streamed = np.array(rows_of(frames))
    first = felt.index(next(pair for pair in felt if pair[1].tolist() == streamed[0].tolist()))
    assert first < 3  # a reading or two while it starts
    assert streamed.tolist() == counts[first : first + len(streamed)].tolist()


def test_in_real_time_a_second_takes_a_second(firmware_elf: Path) -> None:
    with serving(firmware_elf, "tcp:0", speed=1.0) as (server, uno), Host(server.address) as host:
        host.until(n_of(Hello))
        start_s, start_us = time.monotonic(), uno.now_us
        frames = host.until(n_of(Samples, 60))
        taken_s = time.monotonic() - start_s
        passed_s = (uno.now_us - start_us) * 1e-6
    assert host.decoder.counters.n_bad == 0
    assert indices_of(frames) == list(range(len(indices_of(frames))))
    # A late machine slips behind, none runs ahead by more than one look at the clock.
    assert 0.4 < passed_s < taken_s + 0.25


def test_an_unplugged_sensor_sends_nothing_and_a_replugged_one_goes_on_by_itself(firmware_elf: Path) -> None:
    with serving(firmware_elf, "tcp:0") as (server, uno), Host(server.address) as host:
        host.until(n_of(Samples, 50))
        server.post(lambda: uno.fault(BoardFault.UNPLUG_SENSOR))
        host.until(
            lambda frames: bodies(frames, Status)[-1:] != [] and bodies(frames, Status)[-1].faults != 0
        )
        silent_from = len(host.frames)
        n = len(bodies(host.frames, Status))
        host.until(n_of(Status, n + 2))
        assert rows_of(host.frames[silent_from:]) == []
        server.post(lambda: uno.fault(BoardFault.PLUG_SENSOR))
        before = len(host.frames)
        host.until(lambda frames: len(rows_of(frames[before:])) > 100)
        n = len(bodies(host.frames, Status))
        frames = host.until(n_of(Status, n + 1))
    status = bodies(frames, Status)[-1]
    assert status.faults & Fault.SENSOR_ABSENT  # it latches
    assert status.n_sensor_errors > 0
    felt = {tuple(counts.tolist()) for _, counts in uno.felt}
    assert all(tuple(row) in felt for row in rows_of(frames))
    assert host.decoder.counters.n_bad == 0


@pytest.mark.parametrize("port", PORTS)
def test_opening_the_port_again_resets_the_board(firmware_elf: Path, port: str) -> None:
    with serving(firmware_elf, port) as (server, uno):
        with Host(server.address) as host:
            host.until(n_of(Samples, 100))
        deadline_s = time.monotonic() + DEADLINE_S
        while server.has_client:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        motion_us = uno.motion_us
        with Host(server.address) as host:
            frames = host.until(n_of(Samples, 20))
            assert uno.motion_us > motion_us
    greeting = frames[0]
    assert isinstance(greeting.body, Hello)
    assert (greeting.sequence, greeting.body.reset_cause) == (0, 1)
    assert indices_of(frames)[:20] == list(range(20))
    assert host.decoder.counters.n_bad == 0


def test_a_pulled_cable_takes_the_power_and_the_motion_goes_on_without_the_board(firmware_elf: Path) -> None:
    with serving(firmware_elf, "tcp:0", speed=1.0) as (server, uno):
        with Host(server.address) as host:
            host.until(n_of(Samples, 5))
        done(server, server.pull_cable)
        before_us = uno.motion_us
        assert not server.has_client
        done(server, server.plug_in)
        assert before_us < uno.motion_us
        with Host(server.address) as host:
            frames = host.until(n_of(Samples, 5))
    hello = bodies(frames, Hello)[0]
    assert hello.reset_cause in {0, 1}  # power on; opening the port then resets it from outside
    assert host.decoder.counters.n_bad == 0


def test_an_emulator_that_dies_ends_the_board_with_a_sentence(firmware_elf: Path) -> None:
    with EmulatedUno(firmware_elf, sensor()) as uno:
        uno.advance(1_000)
        uno._process.kill()
        uno._process.wait()
        with pytest.raises(EmulatorError, match="the emulator has ended: it said nothing"):
            uno.advance(2_000)


def test_a_host_that_stops_reading_loses_frames_and_never_gets_a_false_one(firmware_elf: Path) -> None:
    with serving(firmware_elf, "pty", speed=1.0) as (server, uno), Host(server.address) as host:
        host.until(n_of(Samples))
        host.send(Command(Command.SET_PERIOD_US, 2_000))
        host.until(
            lambda frames: bodies(frames, Hello)[-1:] != [] and bodies(frames, Hello)[-1].period_us == 2_000
        )
        host.until(n_of(Samples, 20))
        deadline_s = time.monotonic() + DEADLINE_S
        while uno.n_lost_bytes < 500:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        goal = uno.now_us // 2_000  # what is sampled from now on comes after the gap
        frames = host.until(lambda frames: indices_of(frames)[-1] > goal)
    felt = {tuple(counts.tolist()) for _, counts in uno.felt}
    assert all(tuple(row) in felt for row in rows_of(frames))
    steps = np.diff(indices_of(frames))
    assert (steps >= 1).all()
    assert steps.max() > 10  # the gap
    assert host.decoder.counters.n_bad <= 4


def test_a_port_opened_at_another_baud_rate_hears_noise_and_the_log_says_why(
    firmware_elf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(firmware_elf, "pty") as (server, _), Host(server.address, baud=115_200) as host:
        n_bytes = 0
        deadline_s = time.monotonic() + DEADLINE_S
        while n_bytes < 3_000:
            assert time.monotonic() < deadline_s
            data = host.port.read(4096)
            n_bytes += len(data)
            host.frames += host.decoder.feed(data)
        host.port.baudrate = BAUD
        host.until(n_of(Samples, 5))
    assert "was opened at 115200 baud, the board speaks 500000" in caplog.text


def test_settings_stay_in_the_boards_eeprom_file(firmware_elf: Path, tmp_path: Path) -> None:
    for expected in (0, 77):
        with EmulatedUno(firmware_elf, sensor(), eeprom=tmp_path / "eeprom.bin") as uno:
            decoder = FrameDecoder()
            hello = bodies(decoder.feed(uno.advance(200_000)), Hello)[0]
            assert hello.board_id == expected
            uno.receive(b"\0" + encode_frame(Command(Command.SET_BOARD_ID, 77), 0))
            frames = decoder.feed(uno.advance(500_000))
            assert bodies(frames, Hello)[-1].board_id == 77


def test_the_whole_board_performs_and_ends(firmware_elf: Path, tmp_path: Path) -> None:
    addresses: queue.Queue[str] = queue.Queue()
    thread = threading.Thread(
        target=run_uno,
        kwargs={
            "counts": {"swipe_left": 2},
            "speed": 0,
            "exit_at_end": True,
            "marks_path": tmp_path / "marks.json",
            "announce": addresses.put,
        },
    )
    thread.start()
    frames: list[Frame] = []
    decoder = FrameDecoder()
    with serial.serial_for_url(addresses.get(timeout=DEADLINE_S), timeout=0.05) as port:
        while thread.is_alive():
            try:
                frames += decoder.feed(port.read(4096))
            except serial.SerialException:
                break
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert decoder.counters.n_bad == 0
    assert len(rows_of(frames)) > 300
    assert (tmp_path / "marks.json").is_file()


def test_without_a_firmware_the_command_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedmotion.boards.emulated_board.BUILT_ELF", tmp_path / "firmware.elf")
    monkeypatch.setattr("fedmotion.boards.emulated_board._SHIPPED_HEX", ("images", "none.hex"))
    with pytest.raises(EmulatorError, match="there is no firmware for the Uno"):
        find_elf()
    result = CliRunner().invoke(fedmotion, ["sim-board", "--board", "uno"])
    assert result.exit_code == 1
    assert "build it with `make firmware`, or name one with --elf" in result.output


def test_what_a_firmware_decides_is_no_option_of_its_board() -> None:
    result = CliRunner().invoke(fedmotion, ["sim-board", "--board", "uno", "--rate-hz", "50"])
    assert result.exit_code == 2
    assert "--rate-hz is the firmware's own on the uno" in result.output
    result = CliRunner().invoke(fedmotion, ["sim-board", "--elf", __file__])
    assert result.exit_code == 2
    assert "--elf goes with --board uno or da14580" in result.output
    result = CliRunner().invoke(fedmotion, ["sim-board", "--board", "da14580", "--eeprom", "kept.bin"])
    assert result.exit_code == 2
    assert "--eeprom and --boot-loader go with --board uno" in result.output
