"""A node's ear: commands out of the bytes from a host, and a name for each that it cannot obey."""

import struct
from dataclasses import dataclass

from cobs import cobs

from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.serial_frames import Command, ResultCode
from fedmotion.protocol.serial_framing import DELIMITER, MAX_ENCODED_BYTES, crc16, decode_frame

_HEADER = struct.Struct("<BH")
_N_AROUND_BYTES = 9
"""Header and CRC."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A command, or why there is none: `code` is the answer, None for damage, which gets no answer."""

    type: int
    sequence: int
    argument: int
    code: ResultCode | None


_DAMAGE = Heard(0, 0, 0, None)


class CommandReader:
    """Cuts bytes at delimiters, as `serial_framing.FrameDecoder` does for the host's end.

    Unlike a host, a node answers to frames that are whole and yet not understood, so it needs their
    header; and what precedes the first good frame is damage here: a host begins with a delimiter.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_too_long = False

    def feed(self, data: bytes) -> list[Heard]:
        """Return what `data` completes, in order."""
        first, *others = data.split(DELIMITER)
        heard: list[Heard] = []
        self._keep(first)
        for part in others:
            if self._is_too_long:
                heard.append(_DAMAGE)
            elif self._buffer:
                heard.append(_hear(bytes(self._buffer)))
            self._buffer.clear()
            self._is_too_long = False
            self._keep(part)
        return heard

    def _keep(self, part: bytes) -> None:
        self._buffer += part
        if len(self._buffer) > MAX_ENCODED_BYTES:
            self._is_too_long = True
            self._buffer.clear()


def _hear(encoded: bytes) -> Heard:
    try:
        frame = decode_frame(encoded)
    except MessageError:
        return _refused(encoded)
    if isinstance(frame.body, Command):
        return Heard(frame.body.type, frame.sequence, frame.body.argument, ResultCode.OK)
    return _DAMAGE  # a node's frame: somebody's echo


def _refused(encoded: bytes) -> Heard:
    """Return the answer to a whole frame that is no command of this version, or damage."""
    try:
        plain = cobs.decode(encoded)
    except cobs.DecodeError:
        return _DAMAGE
    if len(plain) < _N_AROUND_BYTES or crc16(plain[:-2]) != int.from_bytes(plain[-2:], "little"):
        return _DAMAGE
    frame_type, sequence = _HEADER.unpack_from(plain)
    if not 0x40 <= frame_type <= 0x7F:
        return _DAMAGE
    is_known = frame_type in Command.ARGUMENTS
    code = ResultCode.BAD_LENGTH if is_known else ResultCode.UNKNOWN_COMMAND
    return Heard(frame_type, sequence, 0, code)
