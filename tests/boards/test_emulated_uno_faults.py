"""What the real firmware does about each fault of its hardware, in the emulated Uno's own time.

After each of them the board goes on by itself, STATUS says what was, and no reading was made up: every sample
that comes is one that the virtual sensor gave, and each is sent once.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fedmotion.boards.emulated_uno import FOR_EVER, RESET_BROWN_OUT, BoardFault, EmulatedUno
from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.simulated_node import RESET_POWER_ON
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.protocol.serial_frames import Command, Fault, Hello, Result, ResultCode, Samples, Status
from fedmotion.protocol.serial_framing import Frame, FrameDecoder, encode_frame


def sensor() -> VirtualMpu6050:
    """A sensor whose readings are all different, by its noise, and never zero."""
    t_s = np.array([0.0, 1000.0])
    force = np.tile([1.0, 2.0, STANDARD_GRAVITY_MPS2], (2, 1))
    return VirtualMpu6050(Motion(t_s, force, np.full((2, 3), 0.5)), seed=4)


class Board:
    """The board and all that its host has heard."""

    def __init__(self, uno: EmulatedUno) -> None:
        self.uno = uno
        self.decoder = FrameDecoder()
        self.frames: list[Frame] = []

    def run(self, seconds: float) -> list[Frame]:
        """Let time pass and return what came in it."""
        new = self.decoder.feed(self.uno.advance(self.uno.now_us + round(seconds * 1e6)))
        self.frames += new
        return new

    def send(self, data: bytes) -> None:
        self.uno.receive(data)

    def status(self) -> Status:
        self.send(b"\0" + encode_frame(Command(Command.GET_STATUS), 0))
        return [frame.body for frame in self.run(0.05) if isinstance(frame.body, Status)][-1]

    def check_truth(self, n_bad: int = 0) -> None:
        """Every row is a reading of the sensor, in order, and none comes twice."""
        felt = [tuple(counts.tolist()) for _, counts in self.uno.felt]
        rows = [tuple(row) for row in rows_of(self.frames)]
        position = 0
        for row in rows:
            position = felt.index(row, position) + 1
        assert self.decoder.counters.n_bad == n_bad


def rows_of(frames: list[Frame]) -> list[list[int]]:
    return [row for frame in frames if isinstance(frame.body, Samples) for row in frame.body.counts.tolist()]


@pytest.fixture
def board(firmware_elf: Path) -> Iterator[Board]:
    with EmulatedUno(firmware_elf, sensor(), is_traced=True) as uno:
        yield Board(uno)


def test_without_a_sensor_the_board_says_so_and_finds_it_when_it_comes(board: Board) -> None:
    board.uno.fault(BoardFault.UNPLUG_SENSOR)
    first, *_ = board.run(2.0)
    assert isinstance(first.body, Hello)
    assert rows_of(board.frames) == []
    status = board.status()
    assert status.faults == Fault.SENSOR_ABSENT
    assert status.n_samples == 0
    assert status.n_sensor_errors > 0
    board.uno.fault(BoardFault.PLUG_SENSOR)
    board.run(1.0)
    assert len(rows_of(board.run(1.0))) == 100
    board.check_truth()


@pytest.mark.parametrize("away_s", [0.0, 0.003, 0.2, 3.0])
@pytest.mark.parametrize("at_us", [0, 5_000, 9_990, 10_120, 10_300, 10_600])
def test_a_sensor_that_goes_at_any_moment_and_comes_back_makes_no_false_reading(
    board: Board, away_s: float, at_us: int
) -> None:
    board.run(0.5 + at_us * 1e-6)
    board.uno.fault(BoardFault.UNPLUG_SENSOR)
    board.run(away_s)
    board.uno.fault(BoardFault.PLUG_SENSOR)
    board.run(1.0)
    assert len(rows_of(board.run(0.5))) == 50
    assert board.status().n_dropped == 0
    board.check_truth()


def test_refused_addresses_cost_samples_and_nothing_else(board: Board) -> None:
    board.run(0.5)
    board.uno.fault(BoardFault.NACK_ADDRESSES, 1)
    n = len(rows_of(board.run(1.0)))
    assert n == 99
    board.uno.fault(BoardFault.NACK_DATA, 20)
    board.run(2.0)
    assert len(rows_of(board.run(0.5))) == 50
    status = board.status()
    assert status.faults == Fault.SENSOR_ABSENT
    assert status.n_sensor_errors > 1
    board.check_truth()


@pytest.mark.parametrize("n_clocks", [1, 5, 9])
def test_a_bus_that_a_sensor_holds_is_clocked_free(board: Board, n_clocks: int) -> None:
    board.run(0.5)
    board.uno.fault(BoardFault.HOLD_SDA, n_clocks)
    board.run(1.0)
    assert len(rows_of(board.run(0.5))) == 50
    status = board.status()
    assert status.faults & Fault.BUS_STUCK
    board.check_truth()


@pytest.mark.parametrize("wire", [BoardFault.HOLD_SDA, BoardFault.HOLD_SCL])
def test_a_wire_that_is_held_for_long_is_said_and_the_board_goes_on_after_it(
    board: Board, wire: BoardFault
) -> None:
    board.run(0.5)
    board.uno.fault(wire, FOR_EVER)
    board.run(0.1)
    assert rows_of(board.run(2.0)) == []
    assert board.status().faults & Fault.BUS_STUCK
    board.uno.fault(wire, 0)
    board.run(1.0)
    assert len(rows_of(board.run(0.5))) == 50
    board.check_truth()


def test_another_sensor_is_named_and_not_read(board: Board) -> None:
    board.uno.fault(BoardFault.WHO_AM_I, 0x12)
    board.run(1.5)
    assert rows_of(board.frames) == []
    assert board.status().faults == Fault.SENSOR_WRONG


@pytest.mark.parametrize("who_am_i", [0x70, 0x71, 0x98])
def test_a_clone_is_read_and_named(board: Board, who_am_i: int) -> None:
    board.uno.fault(BoardFault.WHO_AM_I, who_am_i)
    board.run(1.0)
    board.send(b"\0" + encode_frame(Command(Command.GET_HELLO), 0))
    hello = [frame.body for frame in board.run(0.1) if isinstance(frame.body, Hello)][-1]
    assert hello.sensor_id == who_am_i
    assert len(rows_of(board.frames)) > 80
    assert board.status().faults == 0


def brown_out(uno: EmulatedUno) -> None:
    uno.restart(0, RESET_BROWN_OUT)


def power_cycle(uno: EmulatedUno) -> None:
    uno.restart(1_000_000, RESET_POWER_ON)


def reset_button(uno: EmulatedUno) -> None:
    uno.restart()


@pytest.mark.parametrize(("reset", "cause"), [(brown_out, 3), (power_cycle, 0), (reset_button, 1)])
@pytest.mark.parametrize("at_us", [0, 10_300, 10_800, 11_200])
def test_a_reset_at_any_moment_begins_anew_and_says_why(
    board: Board, reset: Callable[[EmulatedUno], None], cause: int, at_us: int
) -> None:
    board.run(0.5 + at_us * 1e-6)
    reset(board.uno)
    frames = board.run(1.5)
    # What a frame was cut into ends at the next frame's end, so HELLO itself may be lost: the host asks.
    board.send(b"\0" + encode_frame(Command(Command.GET_HELLO), 0))
    board.run(0.1)
    hello = [frame.body for frame in board.frames if isinstance(frame.body, Hello)][-1]
    assert hello.reset_cause == cause
    assert board.status().faults == 0
    assert len(rows_of(frames)) > 120
    assert board.decoder.counters.n_bad <= 1
    board.check_truth(board.decoder.counters.n_bad)


def test_garbage_and_impossible_commands_change_nothing_and_are_counted(board: Board) -> None:
    board.run(0.5)
    rng = np.random.default_rng(8)
    for _ in range(20):
        board.send(rng.bytes(30) + b"\0")
        board.run(0.05)
    for command in (
        Command(Command.SET_PERIOD_US, 10),
        Command(Command.SET_ACCEL_FULL_SCALE_G, 3),
        Command(Command.SET_GYRO_FULL_SCALE_DPS, 7),
        Command(Command.SET_TEXT_MODE, 9),
    ):
        board.send(b"\0" + encode_frame(command, 7))
        board.run(0.05)
    codes = [frame.body.code for frame in board.frames if isinstance(frame.body, Result)]
    assert codes[-4:] == [ResultCode.OUT_OF_RANGE] * 4
    status = board.status()
    assert status.n_bad_commands >= 24
    assert (status.faults, status.n_dropped, status.n_sensor_errors) == (0, 0, 0)
    assert len(rows_of(board.run(0.5))) == 50
    board.check_truth()


def test_a_flood_of_commands_is_answered_or_counted_and_the_samples_go_on(board: Board) -> None:
    board.run(0.5)
    board.send(b"\0" + b"".join(encode_frame(Command(Command.GET_STATUS), i) for i in range(500)))
    frames = board.run(1.0)
    assert len(rows_of(frames)) + board.status().n_dropped >= 99
    assert board.uno.n_overruns == 0
    board.check_truth()


def test_a_corrupt_eeprom_is_said_and_its_id_not_used(firmware_elf: Path, tmp_path: Path) -> None:
    eeprom = tmp_path / "eeprom.bin"
    with EmulatedUno(firmware_elf, sensor(), eeprom=eeprom) as uno:
        board = Board(uno)
        board.run(0.3)
        board.send(b"\0" + encode_frame(Command(Command.SET_BOARD_ID, 0x1122334455667788), 0))
        board.run(0.5)
        assert board.status().faults == 0
    kept = bytearray(eeprom.read_bytes())
    position = next(i for i, byte in enumerate(kept) if byte == 0x55)
    kept[position] ^= 0x10
    eeprom.write_bytes(kept)
    with EmulatedUno(firmware_elf, sensor(), eeprom=eeprom) as uno:
        board = Board(uno)
        first, *_ = board.run(0.5)
        assert isinstance(first.body, Hello)
        assert first.body.board_id == 0
        assert board.status().faults == Fault.SETTINGS_LOST


@pytest.mark.parametrize("period_us", [10_000, 2_000])
def test_no_sample_is_lost_and_each_is_stamped_with_its_bursts_start(board: Board, period_us: int) -> None:
    board.run(0.3)
    board.send(b"\0" + encode_frame(Command(Command.SET_PERIOD_US, period_us), 0))
    board.run(0.3)
    board.uno.bursts.clear()
    frames = board.run(5.0)
    samples = [frame for frame in frames if isinstance(frame.body, Samples)]
    stamps_us = [frame.t_us + k * period_us for frame in samples for k in range(len(frame.body.counts))]  # type: ignore[union-attr]  # SAMPLES
    starts_us = np.array([burst.start_us for burst in board.uno.bursts])
    assert abs(len(stamps_us) - 5_000_000 / period_us) <= 8
    assert np.diff(stamps_us).min() > period_us - 60
    assert np.diff(stamps_us).max() < period_us + 60
    # The chip starts its clock after the C start-up code: an offset that stays the same.
    whole = [stamp for stamp in stamps_us if stamp > starts_us[0] - 1_000]  # the first frame is from before
    offsets_us = starts_us[: len(whole)] - whole
    assert np.ptp(offsets_us) < 40
    assert np.ptp(np.diff(starts_us)) < 100
    status = board.status()
    assert (status.faults, status.n_dropped, status.n_sensor_errors, status.n_transmit_stalls) == (0, 0, 0, 0)
    board.check_truth()
