"""Intel HEX, the text in which compilers give a microcontroller's program, to bytes.

The format is Intel's "Hexadecimal Object File Format Specification", revision A (1988).
"""

import re
from dataclasses import dataclass

_DATA = 0x00
_END_OF_FILE = 0x01
_EXTENDED_SEGMENT_ADDRESS = 0x02
_START_SEGMENT_ADDRESS = 0x03
_EXTENDED_LINEAR_ADDRESS = 0x04
_START_LINEAR_ADDRESS = 0x05

_PAYLOAD_BYTES = {
    _END_OF_FILE: 0,
    _EXTENDED_SEGMENT_ADDRESS: 2,
    _START_SEGMENT_ADDRESS: 4,
    _EXTENDED_LINEAR_ADDRESS: 2,
    _START_LINEAR_ADDRESS: 4,
}
_RECORD = re.compile(rb":([0-9A-Fa-f]{2})+")
_ERASED = 0xFF
_LONGEST_SAID = 40


@dataclass(frozen=True, slots=True)
class FlashImage:
    """What a flash holds from `first_address` on; bytes that the file leaves out are FF, as erased."""

    first_address: int
    data: bytes

    @property
    def end_address(self) -> int:
        """The first address behind it."""
        return self.first_address + len(self.data)


def read_intel_hex(content: bytes, flash_bytes: int, name: str) -> FlashImage:
    """Return the image in `content`, a whole file called `name`, for a flash of `flash_bytes`.

    Raises
    ------
    ValueError
        If it is no Intel HEX, a record is damaged or of no known type, an address is beyond the flash or
        given twice, there is no data, or the end-of-file record is missing or not the last.
    """
    if content.startswith(b"\x7fELF"):
        raise ValueError(f"{name} is an ELF file, an Intel HEX file is wanted: its neighbour firmware.hex")
    flash = _bytes_by_address(content, flash_bytes, name)
    if not flash:
        raise ValueError(f"{name} holds no data")
    first, last = min(flash), max(flash)
    return FlashImage(first, bytes(flash.get(address, _ERASED) for address in range(first, last + 1)))


def _bytes_by_address(content: bytes, flash_bytes: int, name: str) -> dict[int, int]:
    flash: dict[int, int] = {}
    upper_address = 0
    has_ended = False
    for number, line in enumerate(map(bytes.strip, content.splitlines()), start=1):
        if not line:
            continue
        where = f"{name}, line {number}"
        if has_ended:
            raise ValueError(f"{where}: nothing may follow the end-of-file record")
        address, kind, data = _record(line, where)
        if kind == _DATA:
            _place(flash, upper_address + address, data, flash_bytes, where)
        elif kind == _END_OF_FILE:
            has_ended = True
        elif kind == _EXTENDED_SEGMENT_ADDRESS:
            upper_address = int.from_bytes(data, "big") << 4
        elif kind == _EXTENDED_LINEAR_ADDRESS:
            upper_address = int.from_bytes(data, "big") << 16
        # The others say where a PC's program starts; a microcontroller's starts where its reset goes.
    if not has_ended:
        raise ValueError(f"{name} has no end-of-file record (:00000001FF): it is cut off, or another format")
    return flash


def _record(line: bytes, where: str) -> tuple[int, int, bytes]:
    """Return address, type and data of one line `:LLAAAATT<data>CC`."""
    said = line[:_LONGEST_SAID].decode("ascii", errors="replace")
    if not _RECORD.fullmatch(line):
        raise ValueError(f"{where}: a record is ':' and pairs of hexadecimal digits, got {said!r}")
    record = bytes.fromhex(line[1:].decode("ascii"))
    if len(record) < 5 or len(record) != 5 + record[0]:
        raise ValueError(f"{where}: the record's length does not fit its first byte, got {said!r}")
    if sum(record) & 0xFF:
        raise ValueError(
            f"{where}: the checksum should be {-sum(record[:-1]) & 0xFF:02X}, got {record[-1]:02X}: "
            "the file is damaged"
        )
    kind, data = record[3], record[4:-1]
    if kind != _DATA and kind not in _PAYLOAD_BYTES:
        raise ValueError(f"{where}: a record's type is 00 to 05, got {kind:02X}")
    if kind != _DATA and len(data) != _PAYLOAD_BYTES[kind]:
        raise ValueError(f"{where}: type {kind:02X} has {_PAYLOAD_BYTES[kind]} bytes, got {len(data)}")
    return int.from_bytes(record[1:3], "big"), kind, data


def _place(flash: dict[int, int], address: int, data: bytes, flash_bytes: int, where: str) -> None:
    if address + len(data) > flash_bytes:
        raise ValueError(
            f"{where}: the flash ends at {flash_bytes:#x}, got {len(data)} bytes at {address:#x}: "
            "was it built for another board?"
        )
    for offset, byte in enumerate(data, start=address):
        if offset in flash:
            raise ValueError(f"{where}: the byte at {offset:#x} was given before")
        flash[offset] = byte
