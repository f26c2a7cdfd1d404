"""What of an ELF file is loaded where, and whether it is for this board's processor at all.

Fields and offsets are those of 32-bit files in little endian, TIS ELF 1.2, book I.
"""

import struct

START = b"\x7fELF"
AVR = 83
ARM = 40
"""Machines, as GNU binutils number them."""

_IS_32_BIT_LITTLE = b"\x01\x01"
_HEADER_BYTES = 52
_LOAD = 1


def loaded_segments(content: bytes, name: str, board: str, machine: int) -> list[tuple[int, bytes]]:
    """Return what the ELF file `content` has loaded, each piece with its physical address.

    `name` is the file's and `board` the one that is to run it, for the sentence.

    Raises
    ------
    ValueError
        If it is no ELF file, one for another processor, or cut off.
    """
    refusal = f"{name} is no firmware for {board}:"
    if not content.startswith(START):
        raise ValueError(f"{refusal} it is no ELF file")
    if len(content) < _HEADER_BYTES:
        raise ValueError(f"{refusal} it is cut off after {len(content)} bytes")
    (of_machine,) = struct.unpack_from("<H", content, 18)
    if content[4:6] != _IS_32_BIT_LITTLE or of_machine != machine:
        raise ValueError(f"{refusal} it is an ELF for another processor")
    segments_at, sections_at = struct.unpack_from("<II", content, 28)
    segment_bytes, n_segments, section_bytes, n_sections = struct.unpack_from("<4H", content, 42)
    end = max(segments_at + segment_bytes * n_segments, sections_at + section_bytes * n_sections)
    if end > len(content):
        raise ValueError(f"{refusal} it is cut off, {len(content)} of {end} bytes")
    pieces = []
    for at in range(segments_at, segments_at + segment_bytes * n_segments, segment_bytes or 1):
        if at + 20 > len(content):
            raise ValueError(f"{refusal} its table of segments is damaged")
        kind, offset, _, address, n_bytes = struct.unpack_from("<5I", content, at)
        if kind == _LOAD and n_bytes:
            if offset + n_bytes > len(content):
                raise ValueError(f"{refusal} it is cut off, {len(content)} of {offset + n_bytes} bytes")
            pieces.append((address, content[offset : offset + n_bytes]))
    return pieces
