"""The sensor's self-test in the node: by RM's formulas, and with a sensor that moves, forgets or goes."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fedmotion.boards.self_test import CODES, registers
from fedmotion.protocol.self_test_frame import SelfTest, SelfTestOutcome
from fedmotion.protocol.serial_frames import Command, Hello, Result, ResultCode
from fedmotion.protocol.serial_framing import Frame

START_UP_US = 200_000
TEST_US = 600_000
TRIMS = (2073, 2367, 2215, 5876, -5371, 6429)
"""Of CODES, in counts of 8 g and 250 degrees a second: 1392.64 * 1.033738^12 and so on, by a calculator."""
REST = (-120, 60, 4096, 131, -262, 0)


@pytest.fixture
def still(make_board: Callable[..., Any]) -> Any:
    """A board that lies still with a sound sensor, and does not stream."""
    board = make_board()
    lay_still(board, TRIMS)
    board.run(START_UP_US)
    board.command(Command.SET_STREAMING, 0)
    board.run(20_000)
    return board


def lay_still(board: Any, push: Sequence[int], codes: Sequence[int] = CODES) -> None:
    board.raw.is_still = True
    board.raw.still = list(REST)
    board.raw.push = list(push)
    for at, byte in enumerate(registers(codes)):
        board.raw.registers[0x0D + at] = byte


def reports(frames: list[Frame]) -> list[SelfTest]:
    return [frame.body for frame in frames if isinstance(frame.body, SelfTest)]


def codes_of(frames: list[Frame]) -> list[int]:
    return [frame.body.code for frame in frames if isinstance(frame.body, Result)]


def report_of(board: Any) -> SelfTest:
    board.command(Command.RUN_SELF_TEST)
    (report,) = reports(board.run(TEST_US))
    return report


@pytest.mark.parametrize("code", range(1, 32))
def test_the_trim_is_that_of_the_register_map(c: Any, code: int) -> None:
    accel = 4096 * 0.34 * (0.92 / 0.34) ** ((code - 1) / (2**5 - 2))
    gyro = 25 * 131 * 1.046 ** (code - 1)
    assert c.fm_self_test_trim(False, code) == pytest.approx(accel, abs=0.6, rel=2e-4)
    assert c.fm_self_test_trim(True, code) == pytest.approx(gyro, abs=0.6, rel=2e-4)


def test_a_sound_sensor_is_as_the_factory_left_it(still: Any) -> None:
    report = report_of(still)
    assert report.outcome == SelfTestOutcome.DONE
    assert (report.limit_permille, report.rest_full_scale_dps) == (140, 250)
    assert all(abs(value) <= 1 for value in report.deviation_permille)
    assert report.rest_counts == (131, -262, 0)
    assert report.temperature_lsb == -3920
    assert still.status().faults == 0


@pytest.mark.parametrize("axis", range(6))
def test_an_axis_that_answers_too_little_is_that_axis(make_board: Callable[..., Any], axis: int) -> None:
    board = make_board()
    lay_still(board, [int(trim * (0.8 if at == axis else 1.1)) for at, trim in enumerate(TRIMS)])
    board.run(START_UP_US)
    board.command(Command.SET_STREAMING, 0)
    report = report_of(board)
    wanted = [-200 if at == axis else 100 for at in range(6)]
    assert list(report.deviation_permille) == [pytest.approx(value, abs=1) for value in wanted]


def test_an_axis_that_answers_the_wrong_way_or_not_at_all(still: Any) -> None:
    still.raw.push = [-TRIMS[0], 0, *TRIMS[2:]]
    report = report_of(still)
    assert list(report.deviation_permille[:2]) == [pytest.approx(-2000, abs=2), -1000]


def test_an_axis_without_a_trim_is_not_judged(make_board: Callable[..., Any]) -> None:
    board = make_board()
    lay_still(board, TRIMS, codes=(0, *CODES[1:5], 0))
    board.run(START_UP_US)
    board.command(Command.SET_STREAMING, 0)
    report = report_of(board)
    assert [value == SelfTest.NO_TRIM for value in report.deviation_permille] == [
        True,
        *[False] * 4,
        True,
    ]


def test_while_it_streams_the_test_is_refused_and_no_sample_is_lost(
    board: Any, samples_of: Callable[[list[Frame]], list[tuple[int, int, list[int]]]]
) -> None:
    board.run(START_UP_US)
    board.command(Command.RUN_SELF_TEST)
    frames = board.run(1_000_000)
    assert codes_of(frames) == [ResultCode.BUSY]
    assert reports(frames) == []
    indices = [index for index, _, _ in samples_of(frames)]
    assert indices == list(range(indices[0], indices[0] + len(indices)))
    assert board.status().n_bad_commands == 1


def test_a_target_without_room_for_it_does_not_know_the_command(
    make_board: Callable[..., Any], ffi: Any
) -> None:
    board = make_board(is_started=False)
    board.raw.port.self_test = ffi.NULL
    board.start()
    board.run(START_UP_US)
    board.command(Command.RUN_SELF_TEST)
    assert codes_of(board.run(50_000)) == [ResultCode.UNKNOWN_COMMAND]
    board.command(Command.SET_STREAMING, 0)
    board.command(Command.RUN_SELF_TEST)
    frames = board.run(TEST_US)
    assert codes_of(frames) == [ResultCode.OK, ResultCode.UNKNOWN_COMMAND]
    assert reports(frames) == []


def test_during_the_test_nothing_can_be_set_and_questions_are_answered(still: Any) -> None:
    still.command(Command.RUN_SELF_TEST)
    still.run(50_000)
    for command_type, argument in (
        (Command.SET_STREAMING, 1),
        (Command.SET_PERIOD_US, 5_000),
        (Command.RUN_SELF_TEST, 0),
        (Command.GET_HELLO, 0),
        (Command.GET_STATUS, 0),
    ):
        still.command(command_type, argument)
    frames = still.run(50_000)
    busy, ok = ResultCode.BUSY, ResultCode.OK
    assert codes_of(frames) == [busy, busy, busy, ok, ok]
    assert len(reports(still.run(TEST_US))) == 1


@pytest.mark.parametrize("period_us", [1_000, 10_000])
def test_afterwards_the_stream_goes_on_with_its_own_settings(
    make_board: Callable[..., Any],
    samples_of: Callable[[list[Frame]], list[tuple[int, int, list[int]]]],
    period_us: int,
) -> None:
    board = make_board(2**32 - 700_000)  # the clock wraps within the test
    board.run(START_UP_US)
    board.command(Command.SET_PERIOD_US, period_us)
    board.run(600_000)
    lay_still(board, TRIMS)
    board.command(Command.SET_STREAMING, 0)
    assert report_of(board).outcome == SelfTestOutcome.DONE
    board.raw.is_still = False
    board.command(Command.SET_STREAMING, 1)
    samples = samples_of(board.run(1_500_000))
    # 8 g and 1000 degrees a second again.
    assert {tuple(row[1:]) for _, _, row in samples} == {(-1234, 4096, -5, 32767, -3276)}
    indices = [index for index, _, _ in samples]
    assert indices == list(range(indices[0], indices[0] + len(indices)))
    assert len(samples) > 900_000 / period_us
    status = board.status()
    assert (status.faults, status.n_sensor_errors) == (0, 0)


def test_a_board_that_is_moved_meanwhile_is_not_judged(still: Any) -> None:
    still.command(Command.RUN_SELF_TEST)
    still.run(203_000)
    still.raw.still = [REST[0] + 300, *REST[1:]]
    (report,) = reports(still.run(TEST_US))
    assert report == SelfTest(SelfTestOutcome.MOVED, 140, 250, (0,) * 6, (0,) * 3, 0)


@pytest.mark.parametrize("after_us", [0, 5_000, 100_000, 215_000, 420_000])
def test_a_sensor_that_goes_meanwhile_is_said_and_found_again(still: Any, after_us: int) -> None:
    still.command(Command.RUN_SELF_TEST)
    early = still.run(after_us)
    still.raw.is_plugged = False
    (report,) = reports([*early, *still.run(TEST_US)])
    assert report.outcome == SelfTestOutcome.SENSOR_LOST
    still.raw.is_plugged = True
    still.run(500_000)
    assert report_of(still).outcome == SelfTestOutcome.DONE


@pytest.mark.parametrize("after_us", [2_000, 110_000, 170_000])
def test_a_sensor_that_is_just_being_set_is_waited_for(make_board: Callable[..., Any], after_us: int) -> None:
    """A host that opens the port starts an Arduino anew, and asks as soon as HELLO has come."""
    board = make_board()
    lay_still(board, TRIMS)
    board.run(after_us)
    board.command(Command.SET_STREAMING, 0)
    board.run(2_000)
    board.command(Command.RUN_SELF_TEST)
    (report,) = reports(board.run(START_UP_US + TEST_US))
    assert report.outcome == SelfTestOutcome.DONE


def test_a_sensor_that_never_was_there_is_not_waited_for_longer(make_board: Callable[..., Any]) -> None:
    board = make_board()
    board.raw.is_plugged = False
    board.run(START_UP_US)
    board.command(Command.SET_STREAMING, 0)
    board.run(20_000)
    board.command(Command.RUN_SELF_TEST)
    assert reports(board.run(390_000)) == []
    (report,) = reports(board.run(20_000))
    assert report.outcome == SelfTestOutcome.SENSOR_LOST


@pytest.mark.parametrize("n_forgotten", [1, 2, 3])
def test_settings_that_do_not_arrive_judge_nothing(still: Any, n_forgotten: int) -> None:
    still.raw.n_forgotten_writes = n_forgotten
    assert report_of(still).outcome == SelfTestOutcome.SENSOR_LOST
    assert report_of(still).outcome == SelfTestOutcome.DONE


def test_a_sensor_with_another_kind_of_trim_is_not_pushed(make_board: Callable[..., Any]) -> None:
    board = make_board()
    board.raw.registers[0x75] = 0x70
    board.run(START_UP_US)
    board.command(Command.SET_STREAMING, 0)
    board.run(20_000)
    board.command(Command.RUN_SELF_TEST)
    (report,) = reports(board.run(5_000))
    assert report.outcome == SelfTestOutcome.UNKNOWN_SENSOR
    written = board.raw.written[0 : board.raw.n_written]
    assert not any(word >> 8 in {0x1B, 0x1C} and word & 0xE0 for word in written)  # nothing was pushed
    assert not any(isinstance(frame.body, Hello) for frame in board.run(TEST_US))
