"""The serial codec against the golden bytes, both ways."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cobs import cobs

from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.self_test_frame import SelfTest
from fedmotion.protocol.serial_frames import Body, Command, Hello, Result, Samples, Status
from fedmotion.protocol.serial_framing import Frame, FrameDecoder, crc16, decode_frame, encode_frame

VECTORS = json.loads((Path(__file__).parents[2] / "protocol" / "vectors" / "serial.json").read_text())
FRAMES = [pytest.param(vector, id=vector["name"]) for vector in VECTORS["frames"]]
REFUSED = [pytest.param(vector, id=vector["name"]) for vector in VECTORS["refused"]]
TYPES: tuple[type[Body], ...] = (Hello, Samples, Status, Result, SelfTest, Command)
BODIES = {body.__name__: body for body in TYPES}


def meaning(vector: dict[str, Any]) -> Body:
    fields = dict(vector["fields"])
    for name in {"firmware_version", "axis_order", "deviation_permille", "rest_counts"} & set(fields):
        fields[name] = tuple(fields[name])
    if "counts" in fields:
        fields["counts"] = np.array(fields["counts"], np.int16)
    return BODIES[vector["kind"]](**fields)


@pytest.mark.parametrize("vector", VECTORS["cobs"], ids=lambda vector: vector["name"])
def test_cobs_is_that_of_the_paper(vector: dict[str, Any]) -> None:
    plain, encoded = bytes.fromhex(vector["plain"]), bytes.fromhex(vector["encoded"])
    assert cobs.encode(plain) == encoded
    assert cobs.decode(encoded) == plain


def test_cobs_of_the_papers_figure_3_byte_for_byte() -> None:
    assert cobs.encode(b"\x45\0\0\x2c\x4c\x79\0\0\x40\x06\x4f\x37") == (
        b"\x02\x45\x01\x04\x2c\x4c\x79\x01\x05\x40\x06\x4f\x37"
    )


def test_the_crc_of_123456789_is_29b1() -> None:
    assert crc16(b"123456789") == 0x29B1


@pytest.mark.parametrize("vector", VECTORS["crc16"], ids=lambda vector: vector["data"][:18] or "nothing")
def test_the_crc_is_that_of_dividing_bit_by_bit(vector: dict[str, Any]) -> None:
    assert crc16(bytes.fromhex(vector["data"])) == vector["crc16"]


@pytest.mark.parametrize("vector", FRAMES)
def test_a_frame_is_read_as_what_it_means(vector: dict[str, Any]) -> None:
    line = bytes.fromhex(vector["line"])
    assert decode_frame(line[:-1]) == Frame(vector["sequence"], vector["t_us"], meaning(vector))


@pytest.mark.parametrize("vector", FRAMES)
def test_a_meaning_is_written_as_its_frame(vector: dict[str, Any]) -> None:
    assert encode_frame(meaning(vector), vector["sequence"], vector["t_us"]).hex() == vector["line"]


@pytest.mark.parametrize("vector", REFUSED)
def test_a_line_that_is_no_frame_is_refused_in_words_and_counted_by_kind(vector: dict[str, Any]) -> None:
    line = bytes.fromhex(vector["line"])
    good = encode_frame(Command(Command.GET_HELLO), 0)
    decoder = FrameDecoder()
    frames = decoder.feed(good + line + good)
    assert [frame.body for frame in frames] == [Command(Command.GET_HELLO)] * 2
    assert decoder.by_kind == {vector["counted_as"]: 1}
    assert decoder.counters.n_bad == 1
    assert decoder.last_error
    with pytest.raises(MessageError, match=r"."):
        decode_frame(line[:-1])


def test_hello_at_rest_in_units() -> None:
    hello = meaning(VECTORS["frames"][0])
    assert isinstance(hello, Hello)
    assert hello.accel_scale_g == 1 / 16384
    assert 1 / hello.gyro_scale_dps == pytest.approx(131, abs=0.1)


def test_a_status_at_rest_in_degrees() -> None:
    # RM-MPU-6000A, register 65: counts / 340 + 36.53; -3920 / 340 = -11.529
    status = meaning(VECTORS["frames"][6])
    assert isinstance(status, Status)
    assert status.temperature_degc == pytest.approx(25.0, abs=0.01)


@pytest.mark.parametrize(
    "body",
    [
        Hello((0, 1, 0), "a name that is too long", 0, 0x68, 2, 250, 1000),
        Hello((0, 1, 0), "größe", 0, 0x68, 2, 250, 1000),
        Hello((0, 1, 0), "\n", 0, 0x68, 2, 250, 1000),
        Hello((0, 1, 256), "uno", 0, 0x68, 2, 250, 1000),
        Hello((0, 1, 0), "uno", 2**64, 0x68, 2, 250, 1000),
        Samples(0, 1000, np.zeros((17, 6), np.int16)),
        Samples(0, 1000, np.zeros((0, 6), np.int16)),
        Samples(0, 1000, np.zeros((2, 7), np.int16)),
        Samples(0, 1000, np.zeros((2, 6), np.int32)),
        Samples(2**32, 1000, np.zeros((2, 6), np.int16)),
        Samples(0, 65_536, np.zeros((2, 6), np.int16)),
        Status(0, 0, 0, 65_536, 0, 0, 0, is_streaming=True),
        Result(0x41, -1, 0),
        Command(0x40),
        Command(Command.SET_PERIOD_US, 2**32),
        Command(Command.SET_TEXT_MODE, -1),
    ],
)
def test_what_does_not_fit_the_wire_is_a_value_error(body: Body) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode_frame(body, 0)


def test_a_bit_of_status_that_a_later_version_may_set_is_ignored() -> None:
    plain = bytes.fromhex("000000000000000000000000000000000000fe")
    assert Status.decode(plain).is_streaming is False
    assert Status.decode(plain[:-1] + b"\xff").is_streaming is True


def test_samples_are_equal_by_what_they_hold() -> None:
    counts = np.arange(12, dtype=np.int16).reshape(2, 6)
    assert Samples(1, 1000, counts) == Samples(1, 1000, counts.copy())
    assert Samples(1, 1000, counts) != Samples(1, 1000, counts + np.int16(1))
    assert Samples(1, 1000, counts) != Samples(1, 1000, counts[:1])
    assert Samples(1, 1000, counts) != "samples"
