"""A DA14580 without silicon: the firmware's real binary in unicorn's Cortex-M0."""

import struct
from pathlib import Path

from fedmotion.boards.emulated_processor import EmulatedProcessor
from fedmotion.boards.emulator_build import DA14580, EmulatorError, emulator_path
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050

RAM_ADDRESS = 0x2000_0000
RAM_BYTES = 42 * 1024

_ELF_START = b"\x7fELF\x01\x01"
"""32 bits, little endian."""
_ELF_ARM = 40
_ELF_LOAD = 1


class EmulatedDa14580(EmulatedProcessor):
    """A board that runs `firmware`; it does what `NodeServer` asks of a node.

    Opening its port does not reset it: the serial adapters of such boards have no wire for that. After a
    reset the firmware is in its RAM again, as a memory chip beside it would have it loaded.

    Parameters
    ----------
    firmware
        An ELF, or the image that is loaded to 20000000.
    sensor, clock_ppm, is_traced
        See EmulatedProcessor.

    Raises
    ------
    EmulatorError
        If there is no emulator, or the firmware is none for this chip. What the firmware then does without
        clock, power or pads ends the emulator, and is the error's text.
    """

    def __init__(
        self, firmware: Path, sensor: VirtualMpu6050, *, clock_ppm: int = 0, is_traced: bool = False
    ) -> None:
        pieces = read_image(firmware)
        super().__init__([str(emulator_path(DA14580))], sensor, clock_ppm=clock_ppm, is_traced=is_traced)
        for address, data in pieces:
            self._order(b"L", argument=address, data=data)


def read_image(path: Path) -> list[tuple[int, bytes]]:
    """Return what of an ELF or an image is loaded, with the addresses.

    Raises
    ------
    EmulatorError
        If it is neither, or does not fit into the chip's RAM.
    """
    content = path.read_bytes()
    pieces = _loaded(path, content) if content[:4] == _ELF_START[:4] else [(RAM_ADDRESS, content)]
    pieces = [(address, data) for address, data in pieces if data]
    is_inside = all(at >= RAM_ADDRESS and at + len(data) <= RAM_ADDRESS + RAM_BYTES for at, data in pieces)
    if not is_inside or not pieces or pieces[0][0] != RAM_ADDRESS or len(pieces[0][1]) < 8:
        raise EmulatorError(
            f"{path} is no firmware for a DA14580: an image begins with its vectors at {RAM_ADDRESS:#x} "
            f"and ends within {RAM_BYTES} bytes"
        )
    stack, start = struct.unpack_from("<II", pieces[0][1])
    if not all(RAM_ADDRESS < word <= RAM_ADDRESS + RAM_BYTES for word in (stack, start)) or not start & 1:
        raise EmulatorError(
            f"{path} is no firmware for a DA14580: its vectors are {stack:#x} for the stack and {start:#x} "
            "to start at"
        )
    return pieces


def _loaded(path: Path, content: bytes) -> list[tuple[int, bytes]]:
    """Return the segments that an ELF has loaded, at their physical addresses (TIS ELF 1.2, book I)."""
    if not content.startswith(_ELF_START) or struct.unpack_from("<H", content, 18)[0] != _ELF_ARM:
        raise EmulatorError(f"{path} is no firmware for a DA14580: it is an ELF for another processor")
    (table_at,) = struct.unpack_from("<I", content, 28)
    entry_bytes, n_entries = struct.unpack_from("<HH", content, 42)
    pieces = []
    for index in range(n_entries):
        kind, at, _, address, n_bytes = struct.unpack_from("<5I", content, table_at + index * entry_bytes)
        if kind == _ELF_LOAD:
            pieces.append((address, content[at : at + n_bytes]))
    return pieces
