"""The frame decoder on lines that are cut, damaged, silent, wrapped or another firmware's."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.serial_frames import (
    ACCEL_FULL_SCALES_G,
    GYRO_FULL_SCALES_DPS,
    Body,
    Command,
    Hello,
    Result,
    ResultCode,
    Samples,
    Status,
)
from fedmotion.protocol.serial_framing import Frame, FrameDecoder, decode_frame, encode_frame
from fedmotion.protocol.unwrap import Unwrapper

VECTORS = json.loads((Path(__file__).parents[2] / "protocol" / "vectors" / "serial.json").read_text())
LINES = [bytes.fromhex(vector["line"]) for vector in VECTORS["frames"]]


def random_body(rng: random.Random) -> Body:
    def unsigned(n_bits: int) -> int:
        return rng.choice([0, 1, (1 << n_bits) - 1, rng.getrandbits(n_bits)])

    def counts() -> list[int]:
        return [rng.choice([0, -32768, 32767, -1, rng.randrange(-32768, 32768)]) for _ in range(6)]

    axes = [axis * rng.choice([-1, 1]) for axis in rng.sample(range(1, 7), 6)]
    version = (unsigned(8), unsigned(8), unsigned(8))
    command = rng.choice(list(Command.ARGUMENTS))
    layout = Command.ARGUMENTS[command]
    bodies: list[Body] = [
        Hello(
            version,
            "".join(chr(rng.randrange(33, 127)) for _ in range(rng.randrange(17))),
            unsigned(64),
            unsigned(8),
            rng.choice(ACCEL_FULL_SCALES_G),
            rng.choice(GYRO_FULL_SCALES_DPS),
            max(1, unsigned(32)),
            (axes[0], axes[1], axes[2], axes[3], axes[4], axes[5]),
            unsigned(8),
        ),
        Samples(
            unsigned(32),
            unsigned(16),
            np.array([counts() for _ in range(rng.randrange(1, 17))], np.int16),
        ),
        Status(
            unsigned(16),
            unsigned(32),
            unsigned(32),
            unsigned(16),
            unsigned(16),
            unsigned(16),
            rng.randrange(-32768, 32768),
            rng.random() < 0.5,
        ),
        Result(command, unsigned(16), rng.choice(list(ResultCode))),
        Command(command, unsigned(8 * layout.size) if layout else 0),
    ]
    return rng.choice(bodies)


def random_frames(seed: int, n_frames: int) -> list[Frame]:
    rng = random.Random(seed)
    return [Frame(rng.getrandbits(16), rng.getrandbits(32), random_body(rng)) for _ in range(n_frames)]


def on_the_line(frames: list[Frame]) -> bytes:
    return b"".join(encode_frame(frame.body, frame.sequence, frame.t_us) for frame in frames)


@pytest.mark.parametrize("seed", range(5))
def test_random_frames_come_back(seed: int) -> None:
    frames = random_frames(seed, 400)
    decoder = FrameDecoder()
    assert decoder.feed(on_the_line(frames)) == frames
    assert (decoder.counters.n_bad, decoder.counters.n_skipped_bytes) == (0, 0)


@pytest.mark.parametrize("n_bytes", [1, 3, 64, 100_000])
def test_the_size_of_the_pieces_does_not_matter(n_bytes: int) -> None:
    frames = random_frames(9, 300)
    line = on_the_line(frames) + b"\x05\x01\x02\0" + on_the_line(frames)
    decoder = FrameDecoder()
    decoded = [
        frame
        for start in range(0, len(line), n_bytes)
        for frame in decoder.feed(line[start : start + n_bytes])
    ]
    assert decoded == frames + frames
    assert (decoder.counters.n_bytes, decoder.counters.n_frames) == (len(line), 600)
    assert decoder.by_kind == {"cobs": 1}


@pytest.mark.parametrize("line", LINES, ids=[vector["name"] for vector in VECTORS["frames"]])
def test_no_damage_of_one_byte_makes_another_frame(line: bytes) -> None:
    for place in range(len(line) - 1):
        for value in range(256):
            if value == line[place]:
                continue
            damaged = line[:place] + bytes([value]) + line[place + 1 : -1]
            for part in filter(None, damaged.split(b"\0")):
                with pytest.raises(MessageError):
                    decode_frame(part)


@pytest.mark.parametrize("kind", ["changed", "lost", "inserted", "doubled"])
def test_one_byte_of_damage_costs_at_most_two_frames_and_never_the_next_one(kind: str) -> None:
    frames = [decode_frame(line[:-1]) for line in LINES]
    rng = random.Random(3)
    worst = 0
    for middle, line in enumerate(LINES):
        before, after = LINES[middle - 1], LINES[(middle + 1) % len(LINES)]
        sent = [frames[middle - 1], frames[middle], frames[(middle + 1) % len(LINES)], frames[0]]
        for place in range(len(line)):
            value = bytes([rng.choice([0, 1, 255, line[place] ^ 1 << rng.randrange(8)])])
            put = {"changed": value, "lost": b"", "inserted": value + line[place : place + 1]}
            damaged = line[:place] + put.get(kind, 2 * line[place : place + 1]) + line[place + 1 :]
            decoder = FrameDecoder()
            got = decoder.feed(before + damaged + after + LINES[0])
            assert all(frame in sent for frame in got)
            assert (got[0], got[-1]) == (sent[0], sent[-1])
            worst = max(worst, len(sent) - len(got))
            assert decoder.counters.n_bad <= 2
    assert worst <= 2


@pytest.mark.parametrize("n_lost", [1, 20, 255, 256, 257, 5000])
def test_a_hole_in_the_stream_costs_what_it_touches_and_one_frame_more(n_lost: int) -> None:
    line = b"".join(LINES) * 20
    n_frames = 20 * len(LINES)
    for start in range(500, 900, 7):
        decoder = FrameDecoder()
        got = decoder.feed(line[:start] + line[start + n_lost :])
        n_touched = line[start : start + n_lost].count(b"\0") + 1
        assert n_frames - len(got) <= n_touched + 1
        assert decoder.counters.n_bad <= 1


def test_what_comes_before_the_first_frame_is_skipped_and_is_no_damage() -> None:
    decoder = FrameDecoder()
    assert len(decoder.feed(LINES[1][7:] + LINES[2])) == 1
    assert decoder.counters.n_bad == 0
    assert decoder.counters.n_skipped_bytes == len(LINES[1]) - 7 - 1


def test_delimiters_alone_are_nothing() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(bytes(1000) + LINES[0] + bytes(1000)) != []
    assert (decoder.counters.n_bad, decoder.counters.n_skipped_bytes) == (0, 0)


def test_memory_does_not_grow_with_a_line_that_never_ends_a_frame() -> None:
    decoder = FrameDecoder()
    decoder.feed(LINES[0])
    for _ in range(100):
        assert decoder.feed(b"\x01" * 10_000) == []
        assert len(decoder._buffer) <= 256
    assert decoder.feed(b"\0" + LINES[1]) != []
    assert decoder.by_kind == {"oversized": 1}


@pytest.mark.parametrize("seed", range(20))
def test_noise_yields_no_frame_and_the_next_two_frames_tell_the_truth(seed: int) -> None:
    rng = random.Random(seed)
    decoder = FrameDecoder()
    for _ in range(30):
        assert decoder.feed(rng.randbytes(rng.randrange(2000))) == []
    assert decoder.feed(LINES[3] + LINES[4])[-1] == decode_frame(LINES[4][:-1])


def test_half_frames_yield_nothing() -> None:
    for line in LINES:
        for length in range(len(line) - 1):
            decoder = FrameDecoder()
            assert decoder.feed(line[:length]) == []
            assert decoder.feed(b"\0") == []


def test_another_firmwares_text_is_recognised_as_such() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(b"AccelX:0.12,AccelY:9.81,AccelZ:0.00, GyroX:0.01,GyroY:0.00\r\n" * 3) == []
    assert decoder.looks_like_text


def test_our_own_text_mode_is_text_with_frames_between_the_lines() -> None:
    decoder = FrameDecoder()
    text = b"ax:-12,ay:34,az:16384,gx:-5,gy:0,gz:7\r\n" * 4
    assert decoder.feed(text) == []
    assert decoder.looks_like_text
    assert len(decoder.feed(text + b"\0" + LINES[8] + text)) == 1
    assert not decoder.looks_like_text


def test_noise_and_silence_are_not_text() -> None:
    assert not FrameDecoder().looks_like_text
    decoder = FrameDecoder()
    decoder.feed(random.Random(1).randbytes(1000))
    assert not decoder.looks_like_text


def test_real_output_of_other_firmware_yields_no_frame(data_folder: Path) -> None:
    files = [
        path
        for folder in (
            "raw_serial_logs",
            "serial_formats/real_logs",
            "serial_formats/synthesised_from_real",
        )
        for path in sorted((data_folder / folder).iterdir())
    ]
    assert len(files) >= 20
    for path in files:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for n_bytes in (3, 64, len(data)):
            decoder = FrameDecoder()
            for start in range(0, len(data), n_bytes):
                assert decoder.feed(data[start : start + n_bytes]) == [], path.name
            assert decoder.counters.n_bytes == len(data)
        # Whatever came before, two frames later the line is understood.
        assert decoder.feed(LINES[3] + LINES[4])[-1] == decode_frame(LINES[4][:-1])


def test_sequence_and_time_go_on_where_their_counters_wrap() -> None:
    sequence_of, time_of = Unwrapper(16), Unwrapper(32)
    counts = np.zeros((1, 6), np.int16)
    decoder = FrameDecoder()
    line = b"".join(
        encode_frame(Samples(0, 10_000, counts), 65_530 + i, 2**32 - 35_000 + 10_000 * i) for i in range(12)
    )
    frames = decoder.feed(line)
    assert [frame.sequence for frame in frames][4:8] == [65_534, 65_535, 0, 1]
    assert [frame.t_us for frame in frames][2:5] == [2**32 - 15_000, 2**32 - 5000, 5000]
    assert [sequence_of(frame.sequence) for frame in frames] == list(range(65_530, 65_542))
    assert [time_of(frame.t_us) for frame in frames] == [2**32 - 35_000 + 10_000 * i for i in range(12)]


def test_an_unwrapped_counter_goes_on_for_many_turns() -> None:
    unwrap = Unwrapper(32)
    step = 2**31 - 1
    assert [unwrap(i * step % 2**32) for i in range(50)] == [i * step for i in range(50)]


def test_a_small_step_back_is_a_step_back_and_not_a_turn() -> None:
    unwrap = Unwrapper(16)
    assert [unwrap(value) for value in (5, 65_535, 3, 0)] == [5, -1, 3, 0]
