"""The whole node in C on a clock of the test's own, read by the host's own codec."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from fedmotion.protocol.serial_frames import Command, Fault, Hello, Result, ResultCode, Samples, Status
from fedmotion.protocol.serial_framing import DELIMITER, Frame, FrameDecoder

Reader = Callable[[list[Frame]], list[tuple[int, int, list[int]]]]
START_UP_US = 200_000
"""Reset, wake and settle: 170 ms, and a first period."""


def hellos(frames: list[Frame]) -> list[Hello]:
    return [frame.body for frame in frames if isinstance(frame.body, Hello)]


def results(frames: list[Frame]) -> list[Result]:
    return [frame.body for frame in frames if isinstance(frame.body, Result)]


def assert_healthy(status: Status) -> None:
    assert status.faults == 0
    assert status.n_dropped == 0
    assert status.n_sensor_errors == 0
    assert status.n_bad_commands == 0
    assert status.n_transmit_stalls == 0


def test_a_node_begins_by_saying_what_it_is(make_board: Callable[..., Any]) -> None:
    board = make_board(is_started=False)
    board.start(reset_cause=3)
    first = board.run(10_000)[0]
    assert (first.sequence, first.body) == (
        0,
        Hello((0, 1, 0), "fake", 0, 0x68, 8, 1000, 10_000, reset_cause=3),
    )


def test_a_still_board_streams_its_counts_at_100_hz(board: Any, samples_of: Reader) -> None:
    frames = board.run(3_000_000)
    samples = samples_of(frames)
    assert [index for index, _, _ in samples] == list(range(len(samples)))
    assert len(samples) > 270
    assert max(abs(later[1] - earlier[1] - 10_000) for earlier, later in pairwise(samples)) <= 4
    assert {tuple(row[1:]) for _, _, row in samples} == {(-1234, 4096, -5, 32767, -3276)}
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    status = [frame.body for frame in frames if isinstance(frame.body, Status)]
    assert len(status) == 2
    assert status[0].temperature_lsb == -3920
    assert_healthy(board.status())


@pytest.mark.parametrize("period_us", [1_000, 2_000, 3_333, 10_000, 65_535])
def test_each_rate_is_kept_with_no_reading_twice(board: Any, samples_of: Reader, period_us: int) -> None:
    board.run(START_UP_US)
    board.command(Command.SET_PERIOD_US, period_us)
    frames = board.run(5_000_000)
    (hello,) = hellos(frames)
    assert hello.period_us == period_us
    new = samples_of([frame for frame in frames if abs(getattr(frame.body, "period_us", 0) - period_us) <= 3])
    # At 1 kHz the node first learns the sensor's clock, for 400 conversions.
    assert len(new) >= 5_000_000 // period_us - (450 if period_us == 1_000 else 40)
    assert [index for index, _, _ in new] == list(range(new[0][0], new[0][0] + len(new)))
    # Within a batch a time is what the frame implies, which is true to 50 us; no reading comes twice.
    steps = [later[1] - earlier[1] for earlier, later in pairwise(new)]
    assert max(abs(step - period_us) for step in steps) <= 60
    counts = [row[0] for _, _, row in new]
    assert all(earlier != later for earlier, later in pairwise(counts))
    assert_healthy(board.status())


def test_nothing_stumbles_where_clock_index_and_sequence_wrap(
    make_board: Callable[..., Any], samples_of: Reader
) -> None:
    board = make_board(2**32 - 1_000_000)
    board.raw.node.sampler.next_index = 2**32 - 50
    board.raw.node.sequence = 65_500
    samples = samples_of(board.run(3_000_000))
    assert [index for index, _, _ in samples] == [(2**32 - 50 + k) % 2**32 for k in range(len(samples))]
    steps = [(later[1] - earlier[1]) % 2**32 for earlier, later in pairwise(samples)]
    assert max(abs(step - 10_000) for step in steps) <= 4
    assert len(samples) > 270
    assert_healthy(board.status())


@pytest.mark.parametrize("command_type", [Command.SET_PERIOD_US, 0x44, 0x45])
def test_after_a_change_the_first_sample_has_the_scale_that_hello_said(
    board: Any, samples_of: Reader, command_type: int
) -> None:
    board.run(START_UP_US)
    board.command(command_type, {0x43: 1_000, 0x44: 2, 0x45: 250}[command_type])
    frames = board.run(800_000)
    at = next(k for k, frame in enumerate(frames) if isinstance(frame.body, Hello))
    before, after = frames[:at], frames[at:]
    assert {tuple(row[1:]) for _, _, row in samples_of(before)} <= {(-1234, 4096, -5, 32767, -3276)}
    scaled = {0x43: (4096, -3276), 0x44: (16384, -3276), 0x45: (4096, -13107)}[command_type]
    assert {(row[2], row[5]) for _, _, row in samples_of(after)} == {scaled}
    assert_healthy(board.status())


def test_the_same_setting_again_changes_nothing(board: Any, samples_of: Reader) -> None:
    board.run(START_UP_US)
    board.command(Command.SET_ACCEL_FULL_SCALE_G, 8)
    frames = board.run(500_000)
    assert [result.code for result in results(frames)] == [ResultCode.OK]
    samples = samples_of(frames)
    assert max(later[1] - earlier[1] for earlier, later in pairwise(samples)) <= 10_004


@pytest.mark.parametrize(
    ("command_type", "argument", "code"),
    [
        (Command.GET_HELLO, 0, ResultCode.OK),
        (Command.GET_STATUS, 0, ResultCode.OK),
        (Command.SET_PERIOD_US, 1_000, ResultCode.OK),
        (Command.SET_PERIOD_US, 999, ResultCode.OUT_OF_RANGE),
        (Command.SET_PERIOD_US, 0, ResultCode.OUT_OF_RANGE),
        (Command.SET_PERIOD_US, 65_535, ResultCode.OK),
        (Command.SET_PERIOD_US, 65_536, ResultCode.OUT_OF_RANGE),
        (Command.SET_PERIOD_US, 65_536 + 10_000, ResultCode.OUT_OF_RANGE),
        (Command.SET_PERIOD_US, 2**32 - 1, ResultCode.OUT_OF_RANGE),
        *[(Command.SET_ACCEL_FULL_SCALE_G, g, ResultCode.OK) for g in (2, 4, 8, 16)],
        *[(Command.SET_ACCEL_FULL_SCALE_G, g, ResultCode.OUT_OF_RANGE) for g in (0, 1, 3, 32, 255)],
        *[(Command.SET_GYRO_FULL_SCALE_DPS, dps, ResultCode.OK) for dps in (250, 500, 1000, 2000)],
        *[(Command.SET_GYRO_FULL_SCALE_DPS, dps, ResultCode.OUT_OF_RANGE) for dps in (0, 251, 4000, 65_535)],
        (Command.SET_TEXT_MODE, 1, ResultCode.OK),
        (Command.SET_TEXT_MODE, 2, ResultCode.OUT_OF_RANGE),
        (Command.SET_STREAMING, 0, ResultCode.OK),
        (Command.SET_STREAMING, 255, ResultCode.OUT_OF_RANGE),
        (Command.SET_BOARD_ID, 2**64 - 1, ResultCode.OK),
    ],
)
def test_each_command_is_answered_as_the_wire_says(
    board: Any, command_type: int, argument: int, code: int
) -> None:
    board.run(START_UP_US)
    n_bad = board.raw.node.faults.n_bad_commands
    sequence = board.command(command_type, argument)
    frames = board.run(30_000)
    assert results(frames) == [Result(command_type, sequence, code)]
    at = next(k for k, frame in enumerate(frames) if isinstance(frame.body, Result))
    kind = Status if command_type == Command.GET_STATUS else Hello
    is_followed = code == ResultCode.OK and command_type not in {Command.SET_TEXT_MODE, Command.SET_STREAMING}
    assert (len(frames) > at + 1 and isinstance(frames[at + 1].body, kind)) == is_followed
    assert board.raw.node.faults.n_bad_commands - n_bad == (code != ResultCode.OK)


def test_a_refused_command_changes_nothing(board: Any) -> None:
    board.run(START_UP_US)
    for command_type, argument in [(0x43, 999), (0x44, 3), (0x45, 1), (0x46, 2), (0x48, 2)]:
        board.command(command_type, argument)
    board.command(Command.GET_HELLO)
    (hello,) = hellos(board.run(100_000))
    assert (hello.period_us, hello.accel_full_scale_g, hello.gyro_full_scale_dps) == (10_000, 8, 1000)
    status = board.status()
    assert (status.n_bad_commands, status.is_streaming, status.faults) == (5, True, 0)


def test_streaming_off_is_silence_and_its_instants_keep_their_numbers(board: Any, samples_of: Reader) -> None:
    last = samples_of(board.run(2 * START_UP_US))[-1]
    board.command(Command.SET_STREAMING, 0)
    board.run(20_000)
    assert samples_of(board.run(1_000_000)) == []
    assert not board.status().is_streaming
    n_transfers = board.raw.n_transfers
    board.run(500_000)
    assert board.raw.n_transfers == n_transfers
    board.command(Command.SET_STREAMING, 1)
    first = samples_of(board.run(100_000))[0]
    assert first[1] - last[1] == pytest.approx(10_000 * (first[0] - last[0]), abs=8)
    assert_healthy(board.status())


def test_text_mode_is_what_the_serial_plotter_draws(board: Any) -> None:
    board.run(START_UP_US)
    board.command(Command.SET_TEXT_MODE, 1)
    board.run(20_000)
    text = board.run_bytes(2_000_000).decode("ascii")
    lines = text.split("\r\n")
    assert len(lines) == 201
    assert lines[-1] == ""
    assert all(line.startswith("ax:") for line in lines[:-1])
    assert {line.split(",", 1)[1] for line in lines[:-1]} == {"ay:-1234,az:4096,gx:-5,gy:32767,gz:-3276"}


def test_frames_among_text_begin_with_a_delimiter_of_their_own(board: Any) -> None:
    board.run(START_UP_US)
    board.command(Command.SET_TEXT_MODE, 1)
    board.run(20_000)
    board.command(Command.GET_HELLO)
    parts = board.run_bytes(50_000).split(DELIMITER)
    frames = FrameDecoder().feed(DELIMITER.join([b"", *parts[1:]]))
    assert [type(frame.body) for frame in frames] == [Result, Hello]
    board.command(Command.SET_TEXT_MODE, 0)
    after = FrameDecoder().feed(board.run_bytes(100_000))
    assert any(isinstance(frame.body, Samples) for frame in after)


def test_text_lines_are_those_of_python_for_every_width(ffi: Any, c: Any) -> None:
    values = [0, 1, -1, 9, 10, -10, 99, 100, 999, -1000, 9999, 10000, -32768, 32767, 12345, -305]
    for k in range(len(values)):
        counts = (values[k:] + values[:k])[:6]
        line = ffi.new("char[61]")
        n = c.fm_text_line(line, ffi.new("int16_t[6]", counts))
        names = ("ax", "ay", "az", "gx", "gy", "gz")
        expected = ",".join(f"{name}:{value}" for name, value in zip(names, counts, strict=True)) + "\r\n"
        assert bytes(ffi.buffer(line, n)).decode() == expected


def test_the_board_id_is_kept_over_a_restart(board: Any) -> None:
    board.run(START_UP_US)
    board.command(Command.SET_BOARD_ID, 0x0123456789ABCDEF)
    (hello,) = hellos(board.run(200_000))
    assert hello.board_id == 0x0123456789ABCDEF
    board.start()
    assert hellos(board.run(50_000))[0].board_id == 0x0123456789ABCDEF
    assert_healthy(board.status())


def test_writing_the_store_delays_no_sample(board: Any, samples_of: Reader) -> None:
    board.run(START_UP_US)
    board.command(Command.SET_PERIOD_US, 1_000)
    board.run(600_000)
    board.command(Command.SET_BOARD_ID, 0x0102030405060708)
    samples = samples_of(board.run(300_000))
    assert board.raw.n_store_writes >= 10
    assert len(samples) >= 290
    assert_healthy(board.status())


def test_the_same_id_again_wears_nothing(board: Any) -> None:
    board.run(START_UP_US)
    for _ in range(3):
        board.command(Command.SET_BOARD_ID, 5)
        board.run(200_000)
    assert board.raw.n_store_writes == 12


def test_a_reset_in_the_middle_of_a_frame_costs_that_frame_alone(make_board: Callable[..., Any]) -> None:
    board = make_board()
    before = board.run_bytes(START_UP_US + 100_000)
    board.start(reset_cause=1)
    after = board.run_bytes(START_UP_US + 100_000)
    for n_cut in range(1, 12):
        decoder = FrameDecoder()
        whole = decoder.feed(before)
        frames = decoder.feed(before[-28:-n_cut] + after)
        assert decoder.counters.n_bad == 1
        assert isinstance(frames[0].body, Hello)
        assert len(whole) > 5
        assert (frames[0].sequence, frames[0].body.reset_cause) == (0, 1)


@pytest.mark.parametrize("place", range(12))
def test_a_damaged_store_is_said_and_its_id_not_used(make_board: Callable[..., Any], place: int) -> None:
    board = make_board()
    board.run(START_UP_US)
    board.command(Command.SET_BOARD_ID, 77)
    board.run(200_000)
    board.raw.store[place] ^= 0x10
    board.start()
    assert hellos(board.run(50_000))[0].board_id == 0
    status = board.status()
    assert status.faults == Fault.SETTINGS_LOST
    # It is mended by setting the id again.
    board.command(Command.SET_BOARD_ID, 78)
    board.run(200_000)
    board.start()
    assert hellos(board.run(50_000))[0].board_id == 78
    assert_healthy(board.status())


def test_a_line_without_room_drops_frames_whole_and_counts_them(board: Any, samples_of: Reader) -> None:
    board.run(START_UP_US)
    board.raw.is_line_full = True
    assert board.run(1_000_000) == []
    board.raw.is_line_full = False
    samples = samples_of(board.run(500_000))
    assert [index for index, _, _ in samples] == list(range(samples[0][0], samples[0][0] + len(samples)))
    status = board.status()
    assert status.faults == Fault.TRANSMIT_STALLED
    assert status.n_dropped == 100
    assert status.n_transmit_stalls == 101  # the STATUS of that second, too


def test_instants_that_pass_while_nothing_runs_are_missed_and_said(board: Any, samples_of: Reader) -> None:
    board.run(START_UP_US)
    before = samples_of(board.run(100_000))
    board.raw.now_us += 105_000
    after = samples_of(board.run(100_000))
    assert after[0][0] - before[-1][0] >= 10
    assert after[1][1] - before[-1][1] == pytest.approx(10_000 * (after[1][0] - before[-1][0]), abs=8)
    assert board.status().faults == Fault.SAMPLES_LATE


def test_a_flood_from_the_host_delays_no_sample(board: Any, samples_of: Reader) -> None:
    board.run(START_UP_US)
    board.send(bytes(range(1, 256)) * 200 + b"\0")
    samples = samples_of(board.run(2_000_000))
    assert board.raw.n_read == board.raw.n_received
    assert max(abs(later[1] - earlier[1] - 10_000) for earlier, later in pairwise(samples)) <= 8
    assert board.status().n_bad_commands == 1


def test_the_node_keeps_to_the_wire_where_a_thousand_commands_come_at_once(board: Any) -> None:
    board.run(START_UP_US)
    for _ in range(1_000):
        board.command(Command.GET_STATUS)
    frames = board.run(5_000_000)
    assert [result.command_sequence for result in results(frames)] == list(range(1_000))
    assert [frame.sequence for frame in frames] == list(
        range(frames[0].sequence, frames[0].sequence + len(frames))
    )
    assert_healthy(board.status())


def test_a_node_says_how_long_its_processor_may_sleep(board: Any, c: Any, ffi: Any) -> None:
    node = ffi.addressof(board.raw.node)
    assert c.fm_node_rest_us(node) == 2**31 - 1  # the sensor is looked for by pauses, nothing has an instant
    board.run(START_UP_US)
    for us in (1_000, 3_000, 5_500, 9_000):
        board.run(us)
        until_us = (board.raw.node.sampler.due_us - board.raw.now_us) % 2**32
        # From 60 us before the instant on it waits for it, and does nothing else.
        assert c.fm_node_rest_us(node) == pytest.approx(until_us - 60, abs=4)
