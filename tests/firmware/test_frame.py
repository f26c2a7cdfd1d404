"""fm_frame against the golden bytes and against the Python codec, both ways."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cobs import cobs

from fedmotion.boards.command_reader import CommandReader, Heard
from fedmotion.protocol.serial_frames import ResultCode, Samples
from fedmotion.protocol.serial_framing import crc16, encode_frame

VECTORS = json.loads((Path(__file__).parents[2] / "protocol" / "vectors" / "serial.json").read_text())
FRAMES = VECTORS["frames"]
COMMANDS = [vector for vector in FRAMES if vector["kind"] == "Command"]
NO_COMMAND = 255


def encoded(ffi: Any, c: Any, plain: bytes, capacity: int = 255) -> bytes:
    """What the C encoder makes of a frame's bytes before COBS and CRC."""
    buffer = ffi.new("uint8_t[]", max(capacity, 1))
    encoder = ffi.new("fm_encoder *")
    sequence, t_us = int.from_bytes(plain[1:3], "little"), int.from_bytes(plain[3:7], "little")
    c.fm_encoder_begin(encoder, buffer, capacity, plain[0], sequence, t_us)
    for byte in plain[7:]:
        c.fm_encoder_u8(encoder, byte)
    return bytes(ffi.buffer(buffer, c.fm_encoder_end(encoder)))


def heard(ffi: Any, c: Any, data: bytes) -> Iterator[Heard]:
    """What the C decoder and interpreter make of a host's bytes, in the words of the Python one."""
    decoder, frame, settings = ffi.new("fm_decoder *"), ffi.new("fm_host_frame *"), ffi.new("fm_settings *")
    settings.has_self_test = True
    c.fm_decoder_begin(decoder)
    for byte in data:
        kind = c.fm_decoder_feed(decoder, byte, frame)
        if kind == c.FM_HEARD_FRAME:
            code = c.fm_command_obey(settings, frame, 1)
            if code == NO_COMMAND:
                yield Heard(0, 0, 0, None)
            elif code in {ResultCode.UNKNOWN_COMMAND, ResultCode.BAD_LENGTH}:
                yield Heard(frame.type, frame.sequence, 0, ResultCode(code))
            else:
                argument = int.from_bytes(bytes(frame.argument)[: frame.n_payload], "little")
                yield Heard(frame.type, frame.sequence, argument, ResultCode.OK)
        elif kind == c.FM_HEARD_DAMAGE:
            yield Heard(0, 0, 0, None)


@pytest.mark.parametrize("vector", VECTORS["crc16"], ids=lambda vector: vector["data"][:18] or "nothing")
def test_the_crc_is_that_of_the_golden_bytes(c: Any, vector: dict[str, Any]) -> None:
    crc = 0xFFFF
    for byte in bytes.fromhex(vector["data"]):
        crc = c.fm_crc16(crc, byte)
    assert crc == vector["crc16"]


@pytest.mark.parametrize("vector", FRAMES, ids=lambda vector: vector["name"])
def test_c_writes_the_golden_frames_byte_for_byte(ffi: Any, c: Any, vector: dict[str, Any]) -> None:
    assert encoded(ffi, c, bytes.fromhex(vector["plain"])[:-2]).hex() == vector["line"]


@pytest.mark.parametrize("vector", COMMANDS, ids=lambda vector: vector["name"])
def test_c_reads_the_golden_commands(ffi: Any, c: Any, vector: dict[str, Any]) -> None:
    fields = vector["fields"]
    expected = Heard(fields["type"], vector["sequence"], fields["argument"], ResultCode.OK)
    assert list(heard(ffi, c, bytes.fromhex(vector["line"]))) == [expected]


def test_random_frames_are_those_of_the_python_codec(ffi: Any, c: Any) -> None:
    rng = random.Random(1)
    for _ in range(2000):
        plain = rng.randbytes(7) + bytes(rng.choices((0, 1, 255, rng.randrange(256)), k=rng.randrange(244)))
        crc = crc16(plain).to_bytes(2, "little")
        assert encoded(ffi, c, plain) == cobs.encode(plain + crc) + b"\0"


def test_a_batch_is_the_frame_that_python_reads(ffi: Any, c: Any) -> None:
    rng = np.random.default_rng(2)
    batch, buffer = ffi.new("fm_batch *"), ffi.new("uint8_t[255]")
    for n in range(1, 9):
        counts = rng.integers(-32768, 32768, (n, 6)).astype(np.int16)
        c.fm_batch_begin(batch, buffer, 65535, 2**32 - 3, 2**32 - 5, 1000)
        for row in counts:
            c.fm_batch_append(batch, ffi.new("int16_t[6]", row.tolist()))
        line = bytes(ffi.buffer(buffer, c.fm_batch_end(batch)))
        assert line == encode_frame(Samples(2**32 - 3, 1000, counts), 65535, 2**32 - 5)


def test_a_frame_that_does_not_fit_is_none_and_nothing_is_written_behind_its_buffer(ffi: Any, c: Any) -> None:
    plain = bytes(range(1, 31))
    whole = encoded(ffi, c, plain)
    for capacity in range(255):
        buffer = ffi.new("uint8_t[256]", b"\xaa" * 256)
        encoder = ffi.new("fm_encoder *")
        c.fm_encoder_begin(encoder, buffer, capacity, 1, 0x0302, 0x07060504)
        for byte in plain[7:]:
            c.fm_encoder_u8(encoder, byte)
        n = c.fm_encoder_end(encoder)
        assert n == (len(whole) if capacity >= len(whole) else 0)
        assert bytes(buffer)[max(capacity, 1) :] == b"\xaa" * (256 - max(capacity, 1))


@pytest.mark.parametrize("seed", range(20))
def test_c_hears_what_the_simulated_node_hears_in_a_damaged_line(
    ffi: Any, c: Any, damaged_line: Callable[[int], bytes], seed: int
) -> None:
    data = damaged_line(seed)
    expected = CommandReader().feed(data)
    assert list(heard(ffi, c, data)) == expected
    assert sum(each.code is ResultCode.OK for each in expected) > 50


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_what_the_golden_bytes_refuse_is_no_command(ffi: Any, c: Any, vector: dict[str, Any]) -> None:
    line = bytes.fromhex(vector["line"])
    assert list(heard(ffi, c, line)) == CommandReader().feed(line)
