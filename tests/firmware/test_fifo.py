"""At 1 kHz the sensor paces the samples: each conversion comes once, with a number and a time of its own."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from fedmotion.protocol.serial_frames import Command, Fault, Samples, Status
from fedmotion.protocol.serial_framing import Frame

Sample = tuple[int, int, list[int]]
Reader = Callable[[list[Frame]], list[Sample]]
STILL = [-1234, 4096, -5, 32767, -3276]
LEARNT_US = 1_000_000
"""Start-up, the settings, and 400 conversions until the sensor's clock is known."""


def at_1_khz(make_board: Callable[..., Any], ppm: int = 0, start_us: int = 0, who_am_i: int = 0x68) -> Any:
    board = make_board(start_us)
    board.raw.registers[0x75] = who_am_i
    board.raw.sensor_off_ppm = ppm
    board.run(200_000)
    board.command(Command.SET_PERIOD_US, 1_000)
    board.run(LEARNT_US)
    return board


def conversion(sample: Sample) -> int:
    """Which conversion since the sensor woke this is, by its first count."""
    return sample[2][0] - 1


def assert_each_has_its_number(samples: list[Sample]) -> None:
    """Numbers and conversions advance together, also over a gap, and nothing else came out of the FIFO."""
    assert all(row[1:] == STILL for _, _, row in samples)
    assert len({index - conversion((index, t_us, row)) for index, t_us, row in samples}) == 1
    assert all(later[0] > earlier[0] and later[1] > earlier[1] for earlier, later in pairwise(samples))


@pytest.mark.parametrize("start_us", [0, 2**32 - 1_500_000])
@pytest.mark.parametrize("ppm", [0, 1_000, 10_000, -10_000, 20_000, -20_000, 40_000, -40_000])
def test_each_conversion_comes_once_and_with_its_time(
    make_board: Callable[..., Any], samples_of: Reader, ppm: int, start_us: int
) -> None:
    board = at_1_khz(make_board, ppm, start_us)
    frames = board.run(3_000_000)
    samples = samples_of(frames)
    period_us = 1_000 + ppm / 1_000
    assert len(samples) == pytest.approx(3_000_000 / period_us, abs=10)
    assert all(later[0] - earlier[0] == 1 for earlier, later in pairwise(samples))
    unwrapped = [(index, (t_us - start_us) % 2**32, row) for index, t_us, row in samples]
    assert_each_has_its_number(unwrapped)
    awake_us = (board.raw.awake_since_us - start_us) % 2**32
    errors_us = [
        t_us - awake_us - conversion((index, t_us, row)) * period_us for index, t_us, row in unwrapped
    ]
    assert max(errors_us) < 40
    assert min(errors_us) > -40
    told_us = {frame.body.period_us for frame in frames if isinstance(frame.body, Samples)}
    assert max(abs(told - period_us) for told in told_us) <= 3
    assert board.status().faults == 0
    assert board.raw.n_overflows == 0


@pytest.mark.parametrize("late_us", [2_500, 20_000, 70_000])
def test_a_late_node_loses_nothing_that_the_fifo_holds(
    make_board: Callable[..., Any], samples_of: Reader, late_us: int
) -> None:
    board = at_1_khz(make_board, 10_000)
    samples = samples_of(board.run(200_000))
    board.raw.now_us += late_us
    samples += samples_of(board.run(300_000))
    assert_each_has_its_number(samples)
    assert all(later[0] - earlier[0] == 1 for earlier, later in pairwise(samples))
    assert board.status().faults == 0


@pytest.mark.parametrize("ppm", [0, 20_000, -20_000])
@pytest.mark.parametrize("late_us", [90_000, 200_000, 200_400, 1_000_000])
def test_a_fifo_that_ran_over_costs_a_gap_of_its_size_and_is_said(
    make_board: Callable[..., Any], samples_of: Reader, late_us: int, ppm: int
) -> None:
    board = at_1_khz(make_board, ppm)
    samples = samples_of(board.run(200_000))
    n_before = len(samples)
    board.raw.now_us += late_us
    samples += samples_of(board.run(300_000))
    assert board.raw.n_overflows == 1
    assert_each_has_its_number(samples)
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(samples)]
    assert sum(gap > 1 for gap in gaps) == 1
    assert max(gaps) > 80
    assert len(samples) - n_before > 250
    status = board.status()
    assert (status.faults, status.n_sensor_errors) == (Fault.FIFO_OVERFLOW, 1)


def test_a_sensor_with_half_the_fifo_is_known_by_its_name(
    make_board: Callable[..., Any], samples_of: Reader
) -> None:
    board = at_1_khz(make_board, who_am_i=0x70)
    board.raw.n_fifo_limit = 512
    samples = samples_of(board.run(100_000))
    board.raw.now_us += 30_000
    samples += samples_of(board.run(100_000))
    assert board.status().faults == 0
    board.raw.now_us += 60_000
    samples += samples_of(board.run(100_000))
    assert board.raw.n_overflows == 1
    assert_each_has_its_number(samples)
    assert board.status().faults == Fault.FIFO_OVERFLOW


def test_a_clone_with_a_fifo_of_its_own_size_is_asked_whether_it_ran_over(
    make_board: Callable[..., Any], samples_of: Reader
) -> None:
    board = at_1_khz(make_board)
    # 42 whole samples: neither full by its name nor uneven, yet the oldest are gone.
    board.raw.n_fifo_limit = 504
    samples = samples_of(board.run(100_000))
    board.raw.now_us += 60_000
    samples += samples_of(board.run(100_000))
    assert board.raw.n_overflows == 1
    assert_each_has_its_number(samples)
    assert board.status().faults == Fault.FIFO_OVERFLOW


@pytest.mark.parametrize("n_bytes", [1, 2, 6, 11, 13, 1_023, 1_030])
def test_bytes_that_are_no_sample_are_never_sent(
    make_board: Callable[..., Any], c: Any, samples_of: Reader, n_bytes: int
) -> None:
    board = at_1_khz(make_board)
    samples = samples_of(board.run(100_000))
    c.fake_board_litter(board.raw, n_bytes)
    samples += samples_of(board.run(200_000))
    assert_each_has_its_number(samples)
    assert len(samples) > 280
    assert board.status().faults == Fault.FIFO_OVERFLOW


def test_a_fifo_that_does_not_empty_yields_nothing_until_it_does(
    make_board: Callable[..., Any], c: Any, samples_of: Reader
) -> None:
    board = at_1_khz(make_board)
    samples = samples_of(board.run(100_000))
    board.raw.is_fifo_reset_deaf = True
    c.fake_board_litter(board.raw, 5)
    samples += samples_of(board.run(500_000))
    assert len(samples) < 130
    board.raw.is_fifo_reset_deaf = False
    samples += samples_of(board.run(200_000))
    assert len(samples) > 250
    assert_each_has_its_number(samples)
    assert board.status().faults == Fault.FIFO_OVERFLOW


@pytest.mark.parametrize("after_us", range(0, 4_000, 250))
def test_a_refused_byte_or_address_makes_no_false_sample(
    make_board: Callable[..., Any], samples_of: Reader, after_us: int
) -> None:
    board = at_1_khz(make_board, -10_000)
    samples = samples_of(board.run(100_000 + after_us))
    board.raw.n_nacks = 1
    samples += samples_of(board.run(200_000))
    assert_each_has_its_number(samples)
    assert len(samples) > 275
    status = board.status()
    assert (status.faults, status.n_sensor_errors) == (Fault.SENSOR_ABSENT, 1)


@pytest.mark.parametrize(("register", "value"), [(0x6A, 0x00), (0x23, 0x00), (0x6B, 0x41), (0x38, 0x00)])
def test_a_sensor_that_forgot_a_setting_is_set_anew(
    make_board: Callable[..., Any], samples_of: Reader, register: int, value: int
) -> None:
    board = at_1_khz(make_board)
    before = samples_of(board.run(100_000))
    board.raw.registers[register] = value
    after = samples_of(board.run(1_000_000))
    assert len(after) > 300
    assert_each_has_its_number(after[-300:])
    assert after[-1][0] - before[-1][0] == pytest.approx((after[-1][1] - before[-1][1]) / 1_000, abs=2)
    assert board.status().faults == Fault.SENSOR_ABSENT


def test_a_stream_that_is_switched_off_and_on_is_no_overflow(
    make_board: Callable[..., Any], samples_of: Reader
) -> None:
    board = at_1_khz(make_board, 10_000)
    board.command(Command.SET_STREAMING, 0)
    board.run(20_000)
    assert samples_of(board.run(1_000_000)) == []
    board.command(Command.SET_STREAMING, 1)
    samples = samples_of(board.run(1_000_000))
    assert len(samples) > 550
    assert_each_has_its_number(samples)
    assert board.status().faults == 0


def test_a_stream_that_is_switched_on_while_it_is_on_loses_nothing(
    make_board: Callable[..., Any], samples_of: Reader
) -> None:
    board = at_1_khz(make_board, 10_000)
    samples = samples_of(board.run(100_000))
    board.command(Command.SET_STREAMING, 1)
    samples += samples_of(board.run(100_000))
    assert_each_has_its_number(samples)
    assert len(samples) == samples[-1][0] - samples[0][0] + 1 >= 180


def test_other_rates_leave_the_fifo_alone(make_board: Callable[..., Any], samples_of: Reader) -> None:
    board = at_1_khz(make_board)
    board.command(Command.SET_PERIOD_US, 2_000)
    before = samples_of(board.run(100_000))
    n_bytes = board.raw.n_fifo_bytes
    samples = samples_of(board.run(500_000))
    assert board.raw.n_fifo_bytes == n_bytes
    assert [index for index, _, _ in samples] == [before[-1][0] + 1 + k for k in range(len(samples))]
    assert len(samples) == pytest.approx(250, abs=8)
    assert board.status().faults == 0


def test_what_it_tells_of_the_temperature_is_the_sensor_s(make_board: Callable[..., Any]) -> None:
    board = at_1_khz(make_board)
    board.raw.node.temperature_lsb = 0
    statuses = [frame.body for frame in board.run(1_100_000) if isinstance(frame.body, Status)]
    assert {status.temperature_lsb for status in statuses} == {-3920}
