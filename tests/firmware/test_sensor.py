"""The MPU6050's driver in the node, against registers that answer, forget, vanish and get stuck."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from fedmotion.protocol.serial_frames import Command, Fault, Hello
from fedmotion.protocol.serial_framing import Frame

Reader = Callable[[list[Frame]], list[tuple[int, int, list[int]]]]
START_UP_US = 200_000
STILL = (-1234, 4096, -5, 32767, -3276)
WHO_AM_I = 0x75


def assert_only_readings(samples: list[tuple[int, int, list[int]]]) -> None:
    """No zeros, nothing stale, no reading of another scale."""
    assert {tuple(row[1:]) for _, _, row in samples} <= {STILL}
    assert all(earlier[2][0] != later[2][0] for earlier, later in pairwise(samples))


def test_a_sensor_is_reset_woken_and_told_its_settings_in_this_order(board: Any) -> None:
    board.run(START_UP_US)
    written = [(word >> 8, word & 0xFF) for word in board.raw.written[0 : board.raw.n_written]]
    assert written == [
        (0x6B, 0x80),  # device reset
        (0x6B, 0x01),  # awake, by the gyroscope's clock
        (0x19, 0x00),  # every conversion
        (0x1A, 0x03),  # 42 Hz, below half of 100 Hz
        (0x1B, 0x10),  # 1000 deg/s
        (0x1C, 0x10),  # 8 g
        (0x23, 0x00),  # nothing into the FIFO
        (0x38, 0x01),  # data ready is told in INT_STATUS
    ]


@pytest.mark.parametrize(
    ("period_us", "filter_"),
    [
        (1_001, 0),
        (1_953, 0),
        (1_954, 1),
        (2_000, 1),
        (2_659, 1),
        (5_102, 2),
        (5_103, 3),
        (10_000, 3),
        (20_000, 4),
        (40_000, 5),
        (65_535, 6),
    ],
)
def test_the_filter_s_band_ends_below_half_the_rate(c: Any, period_us: int, filter_: int) -> None:
    bandwidth_hz = {0: 256, 1: 188, 2: 98, 3: 42, 4: 20, 5: 10, 6: 5}
    chosen = c.fm_mpu6050_filter(period_us)
    half_rate_hz = 500_000 / period_us
    assert bandwidth_hz[chosen] <= half_rate_hz
    assert chosen == 0 or bandwidth_hz[chosen - 1] > half_rate_hz
    assert filter_ == chosen


def test_at_1_khz_the_filter_is_the_widest_whose_gyroscope_converts_at_1_khz(c: Any) -> None:
    assert c.fm_mpu6050_filter(1_000) == 1


@pytest.mark.parametrize("who_am_i", [0x68, 0x70, 0x71, 0x72, 0x73, 0x74, 0x98])
def test_relatives_are_used_and_named(
    make_board: Callable[..., Any], samples_of: Reader, who_am_i: int
) -> None:
    board = make_board()
    board.raw.registers[WHO_AM_I] = who_am_i
    frames = board.run(500_000)
    hello = frames[0].body
    assert isinstance(hello, Hello)
    assert hello.sensor_id == who_am_i
    assert len(samples_of(frames)) > 25
    # The newer ones filter acceleration by a register of its own.
    assert board.raw.registers[0x1D] == (3 if 0x70 <= who_am_i <= 0x74 else 0)
    assert board.status().faults == 0


def test_a_sensor_at_the_other_address_is_found(make_board: Callable[..., Any], samples_of: Reader) -> None:
    board = make_board()
    board.raw.address = 0x69
    assert len(samples_of(board.run(500_000))) > 25
    assert board.status().faults == 0


@pytest.mark.parametrize("who_am_i", [0x00, 0x12, 0x6F, 0xFF])
def test_another_sensor_is_not_read_and_is_said(
    make_board: Callable[..., Any], samples_of: Reader, who_am_i: int
) -> None:
    board = make_board()
    board.raw.registers[WHO_AM_I] = who_am_i
    frames = board.run(1_000_000)
    assert isinstance(frames[0].body, Hello)
    assert samples_of(frames) == []
    assert board.status().faults == Fault.SENSOR_WRONG
    assert board.raw.n_written == 0
    board.raw.registers[WHO_AM_I] = 0x68
    frames = board.run(1_000_000)
    assert [frame.body.sensor_id for frame in frames if isinstance(frame.body, Hello)] == (
        [0x68] if who_am_i != 0x68 else []
    )
    assert_only_readings(samples_of(frames))
    assert len(samples_of(frames)) > 60


def test_without_a_sensor_the_node_says_so_and_goes_on(
    make_board: Callable[..., Any], samples_of: Reader
) -> None:
    board = make_board()
    board.raw.is_plugged = False
    frames = board.run(2_000_000)
    hello = frames[0].body
    assert isinstance(hello, Hello)
    assert hello.sensor_id == 0
    assert samples_of(frames) == []
    status = board.status()
    assert status.faults == Fault.SENSOR_ABSENT
    assert (status.n_samples, status.n_sensor_errors) == (0, pytest.approx(202, abs=3))
    board.raw.is_plugged = True
    frames = board.run(1_000_000)
    assert [frame.body.sensor_id for frame in frames if isinstance(frame.body, Hello)] == [0x68]
    samples = samples_of(frames)
    assert_only_readings(samples)
    assert samples[0][0] > 200
    assert board.status().faults == Fault.SENSOR_ABSENT  # latched


@pytest.mark.parametrize("period_us", [1_000, 10_000])
@pytest.mark.parametrize("away_us", [0, 400, 5_000, 1_000_000])
def test_unplugged_at_any_byte_of_a_burst_no_false_sample_comes(
    make_board: Callable[..., Any], samples_of: Reader, period_us: int, away_us: int
) -> None:
    board = make_board()
    board.run(START_UP_US)
    board.command(Command.SET_PERIOD_US, period_us)
    board.run(600_000)
    samples = []
    for k in range(40):
        board.raw.unplug_us = (board.raw.now_us + 8_000 + 113 * k) % 2**32
        board.raw.has_unplug_time = True
        while board.raw.is_plugged:
            samples += samples_of(board.run(50))
        samples += samples_of(board.run(away_us))
        board.raw.is_plugged = True
        samples += samples_of(board.run(400_000 if period_us != 1_000 else 800_000))
        assert board.raw.node.sensor.state == 4
    assert_only_readings(samples)
    status = board.status()
    assert status.faults == Fault.SENSOR_ABSENT
    indices = [index for index, _, _ in samples]
    assert indices == sorted(set(indices))
    assert status.n_sensor_errors > 0


def test_one_refused_address_costs_one_sample(board: Any, samples_of: Reader) -> None:
    board.run(START_UP_US)
    board.raw.n_nacks = 1
    samples = samples_of(board.run(500_000))
    assert samples[-1][0] - samples[0][0] + 1 - len(samples) <= 1
    status = board.status()
    assert (status.faults, status.n_sensor_errors) == (Fault.SENSOR_ABSENT, 1)
    assert_only_readings(samples)


def test_a_sensor_that_refuses_for_long_is_found_again(board: Any, samples_of: Reader) -> None:
    board.run(START_UP_US)
    board.raw.n_nacks = 20
    board.run(3_000_000)
    samples = samples_of(board.run(1_000_000))
    assert len(samples) >= 99
    assert_only_readings(samples)


@pytest.mark.parametrize("n_forgotten", range(1, 8))
def test_a_setting_that_did_not_arrive_is_noticed(
    make_board: Callable[..., Any], samples_of: Reader, n_forgotten: int
) -> None:
    board = make_board()
    board.run(120_000)
    board.raw.n_forgotten_writes = n_forgotten
    samples = samples_of(board.run(2_000_000))
    assert_only_readings(samples)
    assert len(samples) > 100


def test_a_sensor_that_fell_asleep_is_woken_and_its_old_reading_not_sent(
    board: Any, samples_of: Reader
) -> None:
    board.run(START_UP_US)
    board.raw.registers[0x6B] = 0x41
    samples = samples_of(board.run(1_000_000))
    assert_only_readings(samples)
    assert len(samples) > 70
    assert board.status().faults == Fault.SENSOR_ABSENT


@pytest.mark.parametrize("n_clocks", [1, 8, 9])
def test_a_held_data_line_is_clocked_free(board: Any, samples_of: Reader, n_clocks: int) -> None:
    board.run(START_UP_US)
    board.raw.sda_held_clocks = n_clocks
    samples = samples_of(board.run(1_000_000))
    assert len(samples) > 70
    assert_only_readings(samples)
    status = board.status()
    assert status.faults == Fault.BUS_STUCK
    assert board.raw.n_recoveries == 1


@pytest.mark.parametrize("line", ["is_scl_held", "sda_held_clocks"])
def test_a_line_held_for_long_is_said_and_mended_by_itself(board: Any, samples_of: Reader, line: str) -> None:
    board.run(START_UP_US)
    setattr(board.raw, line, 2**31 if line == "sda_held_clocks" else True)
    board.run(20_000)
    frames = board.run(2_000_000)
    assert samples_of(frames) == []
    assert board.status().faults == Fault.BUS_STUCK
    setattr(board.raw, line, 0)
    samples = samples_of(board.run(1_000_000))
    assert len(samples) > 70
    assert_only_readings(samples)


def test_commands_are_obeyed_while_the_sensor_is_away(board: Any, samples_of: Reader) -> None:
    board.run(START_UP_US)
    board.raw.is_plugged = False
    board.run(500_000)
    board.command(Command.SET_ACCEL_FULL_SCALE_G, 2)
    board.command(Command.SET_PERIOD_US, 20_000)
    frames = board.run(100_000)
    assert [type(frame.body).__name__ for frame in frames if not hasattr(frame.body, "faults")] == [
        "Result",
        "Hello",
    ] * 2
    self_reset = board.raw.registers[0x1C]
    assert self_reset == 0x10
    board.raw.is_plugged = True
    samples = samples_of(board.run(1_000_000))
    assert {row[2] for _, _, row in samples} == {16384}
    assert samples[1][1] - samples[0][1] == pytest.approx(20_000, abs=8)
