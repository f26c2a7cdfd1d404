import math
import random

import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.host.imu_stream import ImuBlock, ImuStream, si_scale
from fedmotion.protocol.serial_frames import Command, Hello, Samples, Status
from fedmotion.protocol.serial_framing import DELIMITER, FrameDecoder, encode_frame

HELLO = Hello(
    firmware_version=(0, 1, 0),
    board="test",
    board_id=7,
    sensor_id=0x68,
    accel_full_scale_g=2,
    gyro_full_scale_dps=250,
    period_us=10_000,
)


class Board:
    """Makes the bytes that a board sends; its faults are the test's."""

    def __init__(self, hello: Hello = HELLO, *, index: int = 0, t_us: int = 0, sequence: int = 0) -> None:
        self.hello = hello
        self.index = index
        self.t_us = t_us
        self.sequence = sequence

    def say_hello(self) -> bytes:
        return self._frame(self.hello, self.t_us)

    def samples(self, counts: NDArray[np.int16] | int) -> bytes:
        if isinstance(counts, int):
            counts = np.full((counts, 6), self.index % 1000, dtype=np.int16)
        frame = self._frame(Samples(self.index % 2**32, self.hello.period_us, counts), self.t_us)
        self.skip(len(counts))
        return frame

    def skip(self, n_samples: int) -> None:
        self.index += n_samples
        self.t_us += n_samples * self.hello.period_us

    def _frame(self, body: Hello | Samples | Status, t_us: int) -> bytes:
        frame = encode_frame(body, self.sequence, t_us % 2**32)
        self.sequence += 1
        return frame


class Line:
    """Collects what the host asks the board."""

    def __init__(self) -> None:
        self.sent = b""

    def __call__(self, data: bytes) -> bool:
        self.sent += data
        return True

    def commands(self) -> list[int]:
        frames = FrameDecoder().feed(self.sent)
        return [frame.body.type for frame in frames if isinstance(frame.body, Command)]


def opened(board: Board) -> ImuStream:
    stream = ImuStream(Line())
    stream.opened(0.0)
    assert stream.feed(board.say_hello(), 0.0) == []
    return stream


def one(blocks: list[ImuBlock]) -> ImuBlock:
    assert len(blocks) == 1
    return blocks[0]


def test_counts_become_si_units_as_computed_by_hand() -> None:
    board = Board()
    stream = opened(board)
    # Half of +-2 g is 1 g = 9.80665 m/s2; half of +-250 deg/s is 125 deg/s = 2.1816616 rad/s.
    block = one(stream.feed(board.samples(np.array([[16384, -16384, 0, 16384, -16384, 1]], np.int16)), 0.0))
    assert block.samples.dtype == np.float32
    np.testing.assert_allclose(
        block.samples, [[9.80665, -9.80665, 0, 2.1816616, -2.1816616, 1.3315806e-4]], rtol=1e-6
    )
    assert block.counts.tolist() == [[16384, -16384, 0, 16384, -16384, 1]]


@pytest.mark.parametrize(("accel_g", "gyro_dps"), [(4, 500), (8, 1000), (16, 2000)])
def test_the_scale_is_the_boards_own(accel_g: int, gyro_dps: int) -> None:
    hello = Hello((0, 1, 0), "test", 7, 0x68, accel_g, gyro_dps, 10_000)
    np.testing.assert_allclose(si_scale(hello)[0] * 32768, accel_g * 9.80665, rtol=1e-6)
    np.testing.assert_allclose(si_scale(hello)[5] * 32768, math.radians(gyro_dps), rtol=1e-6)


def test_axes_are_put_in_order_with_their_signs_and_saturation_stays() -> None:
    # The first channel is -ay, the second is ax, the others are in order but for a turned gz.
    hello = Hello((0, 1, 0), "test", 7, 0x68, 2, 250, 10_000, axis_order=(-2, 1, 3, 4, 5, -6))
    board = Board(hello)
    stream = opened(board)
    block = one(stream.feed(board.samples(np.array([[-32768, 20, 30, 40, 50, 60]], np.int16)), 0.0))
    assert block.counts.tolist() == [[20, 32767, 30, 40, 50, -60]]
    assert stream.counters.n_saturated == 1


def test_samples_of_a_frame_are_one_period_apart_and_frames_join_into_one_block() -> None:
    board = Board(t_us=5_000)
    stream = opened(board)
    block = one(stream.feed(board.samples(3) + board.samples(2), 0.0))
    assert block.t_us.tolist() == [5_000, 15_000, 25_000, 35_000, 45_000]
    assert block.t_us.dtype == np.int64
    assert block.has_gap_before
    following = one(stream.feed(board.samples(1), 0.0))
    assert following.t_us.tolist() == [55_000]
    assert not following.has_gap_before


def test_samples_before_hello_are_counted_and_the_board_is_asked_once_a_second() -> None:
    board, line = Board(), Line()
    stream = ImuStream(line)
    stream.opened(0.0)
    assert line.sent.startswith(DELIMITER)
    assert line.commands() == [Command.GET_HELLO]
    assert stream.feed(board.samples(4), 0.5) == []
    assert stream.feed(board.samples(4), 1.0) == []
    assert stream.feed(board.samples(4), 1.5) == []
    assert len(line.commands()) == 2
    stream.tick(2.1)
    assert len(line.commands()) == 3
    assert stream.counters.n_before_hello == 12
    assert "has not said what it is" in stream.complaint
    block = one(stream.feed(board.say_hello() + board.samples(1), 2.2))
    assert block.t_us.tolist() == [120_000]
    assert stream.complaint == ""
    stream.tick(100.0)
    assert len(line.commands()) == 3


def test_missing_samples_cut_the_stream_and_are_counted() -> None:
    board = Board()
    stream = opened(board)
    data = board.samples(5)
    board.skip(3)
    blocks = stream.feed(data + board.samples(2), 0.0)
    assert [len(block.t_us) for block in blocks] == [5, 2]
    assert [block.has_gap_before for block in blocks] == [True, True]
    assert blocks[1].t_us.tolist() == [80_000, 90_000]
    assert (stream.counters.n_dropped, stream.counters.n_gaps, stream.counters.n_restarts) == (3, 1, 0)


def test_time_and_index_wrap_without_a_gap() -> None:
    board = Board(index=2**32 - 4, t_us=2**32 - 35_000, sequence=65_530)
    stream = opened(board)
    block = one(stream.feed(b"".join(board.samples(2) for _ in range(10)), 0.0))
    assert np.diff(block.t_us).tolist() == [10_000] * 19
    assert block.t_us[0] == 2**32 - 35_000
    counters = stream.counters
    assert (counters.n_gaps, counters.n_dropped, counters.n_lost_frames, counters.n_samples) == (0, 0, 0, 20)


def test_a_board_that_restarts_begins_a_new_segment_in_its_own_time() -> None:
    board = Board(index=1000, t_us=10_000_000)
    stream = opened(board)
    stream.feed(board.samples(5), 0.0)
    reborn = Board()
    blocks = stream.feed(reborn.say_hello() + reborn.samples(5) + reborn.samples(5), 0.0)
    assert [block.t_us.tolist()[0] for block in blocks] == [0]
    assert blocks[0].has_gap_before
    assert len(blocks[0].t_us) == 10
    counters = stream.counters
    assert (counters.n_restarts, counters.n_dropped, counters.n_lost_frames) == (1, 0, 0)


def test_a_change_of_scale_begins_a_new_segment() -> None:
    board = Board()
    stream = opened(board)
    data = board.samples(2)
    board.hello = Hello((0, 1, 0), "test", 7, 0x68, 4, 250, 10_000)
    blocks = stream.feed(data + board.say_hello() + board.samples(2), 0.0)
    assert [block.has_gap_before for block in blocks] == [True, True]
    assert [block.node.accel_full_scale_g for block in blocks] == [2, 4]


def test_a_hello_that_says_the_same_again_cuts_nothing() -> None:
    board = Board()
    stream = opened(board)
    block = one(stream.feed(board.samples(2) + board.say_hello() + board.samples(2), 0.0))
    assert len(block.t_us) == 4


def test_after_reopening_the_scale_is_asked_for_again_and_the_stream_is_cut() -> None:
    board = Board()
    stream = opened(board)
    stream.feed(board.samples(2), 0.0)
    board.skip(10)
    stream.opened(5.0)
    assert stream.feed(board.samples(2), 5.1) == []
    block = one(stream.feed(board.say_hello() + board.samples(2), 5.2))
    assert block.has_gap_before
    # A frame is lost, and twelve samples: ten while the port was away, two before HELLO.
    assert (stream.counters.n_dropped, stream.counters.n_before_hello) == (12, 2)


def test_status_is_kept() -> None:
    board = Board()
    stream = opened(board)
    status = Status(1, 100, 2, 3, 4, 5, 0, is_streaming=True)
    stream.feed(encode_frame(status, 1), 0.0)
    assert stream.status == status


@pytest.mark.parametrize("chunk_size", [1, 3, 64])
def test_pieces_of_any_size_give_the_same_samples(chunk_size: int) -> None:
    board = Board()
    data = board.say_hello() + b"".join(board.samples(n) for n in (1, 8, 16, 3, 8))
    stream = ImuStream(Line())
    stream.opened(0.0)
    blocks = [
        block
        for start in range(0, len(data), chunk_size)
        for block in stream.feed(data[start : start + chunk_size], 0.0)
    ]
    t_us = np.concatenate([block.t_us for block in blocks])
    assert t_us.tolist() == [10_000 * i for i in range(36)]
    assert [block.has_gap_before for block in blocks] == [True] + [False] * (len(blocks) - 1)


def test_damage_is_counted_and_costs_only_the_frames_that_it_hit() -> None:
    rng = random.Random(4)
    board = Board()
    stream = opened(board)
    frames = [board.samples(8) for _ in range(200)]
    damaged = sorted(rng.sample(range(1, 199), 20))
    for number in damaged:
        frame = bytearray(frames[number])
        match number % 3:
            case 0:
                frame[rng.randrange(len(frame) - 1)] ^= 0x40  # a wrong CRC, or no COBS
            case 1:
                del frame[: len(frame) // 2]  # half a frame
            case 2:
                frame = bytearray(rng.randbytes(60).replace(b"\0", b"\1")) + b"\0"
        frames[number] = bytes(frame)
    blocks = stream.feed(b"".join(frames), 0.0)
    assert sum(len(block.t_us) for block in blocks) == 180 * 8
    counters = stream.counters
    assert (counters.n_bad, counters.n_dropped, counters.n_lost_frames) == (20, 160, 20)
    assert counters.n_frames == 181


def test_a_jump_of_the_boards_clock_cuts_the_stream() -> None:
    board = Board()
    stream = opened(board)
    data = board.samples(5)
    board.t_us += 30_000_000
    blocks = stream.feed(data + board.samples(5), 0.0)
    assert [block.has_gap_before for block in blocks] == [True, True]
    assert (stream.counters.n_gaps, stream.counters.n_dropped, stream.counters.n_restarts) == (1, 0, 0)


@pytest.mark.parametrize(
    ("period_us", "step_us", "n_gaps"),
    [(10_000, 50_000, 0), (10_000, 50_001, 1), (20_000, 80_000, 0), (20_000, 80_001, 1), (1_000, 50_000, 0)],
)
def test_samples_further_apart_than_four_periods_and_fifty_milliseconds_do_not_follow_each_other(
    period_us: int, step_us: int, n_gaps: int
) -> None:
    board = Board(Hello((0, 1, 0), "test", 7, 0x68, 2, 250, period_us))
    stream = opened(board)
    data = board.samples(5)
    board.t_us += step_us - period_us
    blocks = stream.feed(data + board.samples(5), 0.0)
    assert (len(blocks), stream.counters.n_gaps, stream.counters.n_dropped) == (1 + n_gaps, n_gaps, 0)


def test_several_samples_at_one_instant_are_damage() -> None:
    board = Board()
    stream = opened(board)
    stream.feed(board.samples(1), 0.0)
    impossible = encode_frame(Samples(1, 0, np.zeros((2, 6), np.int16)), 2, 10_000)
    board.skip(2)
    board.sequence += 1
    block = one(stream.feed(impossible + board.samples(1), 0.0))
    assert block.has_gap_before
    counters = stream.counters
    assert (counters.n_bad, counters.n_dropped, counters.n_lost_frames) == (1, 2, 0)


def test_another_firmwares_text_is_named_and_never_taken_for_samples() -> None:
    stream = ImuStream(Line())
    stream.opened(0.0)
    assert stream.feed(b"ax:12\tay:-3\taz:16384\r\n" * 50, 0.0) == []
    assert "prints text" in stream.complaint


def test_garbage_at_a_wrong_baud_rate_is_named() -> None:
    stream = ImuStream(Line())
    stream.opened(0.0)
    assert stream.feed(random.Random(1).randbytes(10_000), 0.0) == []
    assert "check the baud rate" in stream.complaint


def test_what_is_wrong_is_said_in_the_same_words_however_much_more_of_it_comes() -> None:
    stream = ImuStream(Line())
    stream.opened(0.0)
    rng = random.Random(1)
    said = set()
    for _ in range(20):
        stream.feed(rng.randbytes(10_000), 0.0)
        said.add(stream.complaint)
    assert len(said) == 1
