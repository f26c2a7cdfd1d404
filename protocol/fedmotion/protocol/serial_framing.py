"""Frames on the serial line: COBS, CRC-16 and resynchronisation, as protocol/serial.md has them.

`FrameDecoder` takes bytes in pieces of any size and never raises: what is damaged is counted.
"""

import binascii
import struct
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from cobs import cobs

from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.self_test_frame import SelfTest
from fedmotion.protocol.serial_frames import (
    Body,
    Command,
    Hello,
    OtherVersionError,
    Result,
    Samples,
    Status,
)

DELIMITER = b"\0"
MAX_ENCODED_BYTES = 256
_HEADER = struct.Struct("<BHI")
_CRC = struct.Struct("<H")
_SHORTEST = _HEADER.size + _CRC.size
_FROM_NODE = {body.TYPE: body.decode for body in (Hello, Samples, Status, Result, SelfTest)}
_N_TEXT_CHARACTERS = 32
_TEXT = bytes([*b"\t\r\n", *range(32, 127)])


class Frame(NamedTuple):
    """One checked frame: its u16 sequence number, its u32 time in microseconds and what it says."""

    sequence: int
    t_us: int
    body: Body


def crc16(data: bytes) -> int:
    """Return the CRC-16/CCITT-FALSE of `data`: polynomial 0x1021, start 0xFFFF, 0x29B1 for b"123456789"."""
    return binascii.crc_hqx(data, 0xFFFF)


def encode_frame(body: Body, sequence: int, t_us: int = 0) -> bytes:
    """Return the bytes that go on the line: COBS of header, payload and CRC, then the delimiter."""
    frame_type = body.type if isinstance(body, Command) else body.TYPE
    plain = _HEADER.pack(frame_type, sequence & 0xFFFF, t_us & 0xFFFFFFFF) + body.encode()
    return bytes(cobs.encode(plain + _CRC.pack(crc16(plain)))) + DELIMITER


def decode_frame(encoded: bytes) -> Frame:
    """Return the frame in `encoded`, the bytes between two delimiters.

    Raises
    ------
    MessageError
        With the reason in words: not COBS, too short, wrong CRC, unknown type, impossible payload.
    """
    try:
        plain = cobs.decode(encoded)
    except cobs.DecodeError:
        raise _DamagedFrameError("cobs", "the bytes are not COBS") from None
    if len(plain) < _SHORTEST:
        raise _DamagedFrameError("short", f"a frame has at least {_SHORTEST} bytes, got {len(plain)}")
    content = plain[: -_CRC.size]
    (sent,) = _CRC.unpack_from(plain, len(content))
    if crc16(content) != sent:
        raise _DamagedFrameError("crc", f"the CRC is {crc16(content):04x}, the frame says {sent:04x}")
    frame_type, sequence, t_us = _HEADER.unpack_from(content)
    payload = content[_HEADER.size :]
    decode = _FROM_NODE.get(frame_type)
    try:
        if decode is not None:
            return Frame(sequence, t_us, decode(payload))
        if frame_type in Command.ARGUMENTS:
            return Frame(sequence, t_us, Command.decode(frame_type, payload))
    except MessageError as error:
        raise _DamagedFrameError("payload", str(error)) from error
    raise _DamagedFrameError("type", f"frame type 0x{frame_type:02x} is unknown to this version")


class _DamagedFrameError(MessageError):
    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(slots=True)
class LineCounters:
    """What a line has delivered so far.

    `n_bad` counts damaged frames (`by_kind` tells how: cobs, short, crc, type, payload, oversized).
    What comes before the first good frame is `n_skipped_bytes` and not damage: opening a port cuts a frame.
    """

    n_bytes: int = 0
    n_frames: int = 0
    n_bad: int = 0
    n_skipped_bytes: int = 0
    n_text_bytes: int = 0


class FrameDecoder:
    """Cuts a byte stream into checked frames and finds its way back after damage.

    `other_version` is the format of the last HELLO that was refused for it; None where none was.
    """

    def __init__(self) -> None:
        self.counters = LineCounters()
        self.by_kind: Counter[str] = Counter()
        self.last_error = ""
        self.other_version: int | None = None
        self._buffer = bytearray()
        self._n_discarded = 0
        self._is_synchronised = False

    @property
    def looks_like_text(self) -> bool:
        """Whether the line so far carried lines of text and no frame: another firmware, or text mode."""
        counters = self.counters
        return (
            counters.n_frames == 0
            and counters.n_text_bytes >= _N_TEXT_CHARACTERS
            and counters.n_text_bytes > 0.9 * counters.n_bytes
        )

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that `data` completes, in order."""
        counters = self.counters
        counters.n_bytes += len(data)
        if not self._is_synchronised:
            counters.n_text_bytes += len(data) - len(data.translate(None, _TEXT))
        first, *others = data.split(DELIMITER)
        self._buffer += first
        frames: list[Frame] = []
        for part in others:
            self._end(frames)
            self._buffer += part
        if len(self._buffer) > MAX_ENCODED_BYTES:
            self._n_discarded += len(self._buffer)
            self._buffer.clear()
        return frames

    def _end(self, frames: list[Frame]) -> None:
        part = bytes(self._buffer)
        n_bytes = self._n_discarded + len(part)
        self._buffer.clear()
        self._n_discarded = 0
        if n_bytes > MAX_ENCODED_BYTES:
            text = f"a frame has at most {MAX_ENCODED_BYTES} bytes before its delimiter, got {n_bytes}"
            self._refuse(n_bytes, "oversized", text)
        elif part:
            self._take(part, frames)

    def _take(self, part: bytes, frames: list[Frame]) -> None:
        try:
            frame = decode_frame(part)
        except _DamagedFrameError as error:
            if isinstance(error.__cause__, OtherVersionError):
                self.other_version = error.__cause__.version
            self._refuse(len(part), error.kind, str(error))
            return
        self._is_synchronised = True
        self.counters.n_frames += 1
        frames.append(frame)

    def _refuse(self, n_bytes: int, kind: str, text: str) -> None:
        self.last_error = text
        if self._is_synchronised:
            self.counters.n_bad += 1
            self.by_kind[kind] += 1
        else:
            self.counters.n_skipped_bytes += n_bytes
