"""A DA14580 without silicon: the firmware's real binary in unicorn's Cortex-M0."""

import struct
from pathlib import Path

from fedmotion.boards.elf_file import ARM, START, loaded_segments
from fedmotion.boards.emulated_processor import EmulatedProcessor
from fedmotion.boards.emulator_build import DA14580, emulator_path
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050

RAM_ADDRESS = 0x2000_0000
RAM_BYTES = 42 * 1024
_N_VECTOR_BYTES = 8


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
        If there is no emulator. What the firmware does without clock, power or pads ends it, and is the
        error's text.
    ValueError
        If the firmware is none for this chip.
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
    ValueError
        If it is neither or cut off, or does not fit into the chip's RAM.
    """
    content = path.read_bytes()
    pieces = [(RAM_ADDRESS, content)]
    if content.startswith(START):
        pieces = loaded_segments(content, str(path), "a DA14580", ARM)
    is_inside = all(at >= RAM_ADDRESS and at + len(data) <= RAM_ADDRESS + RAM_BYTES for at, data in pieces)
    if not is_inside or not pieces or pieces[0][0] != RAM_ADDRESS or len(pieces[0][1]) < _N_VECTOR_BYTES:
        raise ValueError(
            f"{path} is no firmware for a DA14580: an image begins with its vectors at {RAM_ADDRESS:#x} "
            f"and ends within {RAM_BYTES} bytes"
        )
    stack, start = struct.unpack_from("<II", pieces[0][1])
    # Bit 0 is set in each address of code: the processor knows Thumb alone (ARMv6-M, B1.5.3).
    is_start = start & 1 and any(at <= start - 1 < at + len(data) for at, data in pieces)
    end = max(at + len(data) for at, data in pieces)
    if not RAM_ADDRESS < stack <= RAM_ADDRESS + RAM_BYTES or not is_start:
        raise ValueError(
            f"{path} is no firmware for a DA14580: its vectors are {stack:#x} for the stack and {start:#x} "
            f"to start at, and it is loaded from {RAM_ADDRESS:#x} to {end:#x}"
        )
    return pieces
