"""How a DA14580 with an empty OTP takes a program over a UART: its boot ROM's bytes, and what it can run.

Source: Dialog application note AN-B-001, "DA14580 Booting from Serial Interfaces", section 6 and table 5. The
chip sends STX, the host SOH and a length, the chip ACK or NAK, the host the program, the chip its checksum,
and the host ACK. The chip then maps its RAM to address 0 and resets itself into the program.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor

from fedmotion.protocol.intel_hex import read_intel_hex

SOH = 0x01
STX = 0x02
ACK = 0x06
NAK = 0x15

RAM_ADDRESS = 0x2000_0000
RAM_BYTES = 42 * 1024
"""SysRAM, into which the boot ROM loads (DA14580 data sheet, memory map)."""

_N_VECTOR_BYTES = 8
_ELF = b"\x7fELF"
_HEX = b":"


@dataclass(frozen=True, slots=True)
class Pins:
    """A UART that the boot ROM tries."""

    transmit: str
    receive: str
    baud: int


PINS: Sequence[Pins] = (
    Pins("P0_0", "P0_1", 57_600),
    Pins("P0_2", "P0_3", 115_200),
    Pins("P0_4", "P0_5", 57_600),
    Pins("P0_6", "P0_7", 9_600),
)
"""In its order, over and over, with SPI and I2C on the same pins in between (AN-B-001, table 1)."""


def header(n_bytes: int) -> bytes:
    """Return what answers STX: so many bytes of program will come."""
    if not 1 <= n_bytes <= RAM_BYTES:
        raise ValueError(f"a DA14580 takes 1 to {RAM_BYTES} bytes, got {n_bytes}")
    return bytes([SOH]) + n_bytes.to_bytes(2, "little")


def checksum(program: bytes) -> int:
    """Return what the chip answers to the program: all its bytes, exclusive or."""
    return reduce(xor, program, 0)


def read_program(content: bytes, name: str) -> bytes:
    """Return the program in `content`, a file called `name`: Intel HEX, or the bytes as they lie in RAM.

    Raises
    ------
    ValueError
        If it is an ELF file, damaged, larger than the RAM, or no program that begins with a stack and a reset
        vector of this chip.
    """
    if content.startswith(_ELF):
        raise ValueError(f"{name} is an ELF file: its neighbour firmware.hex or firmware.bin is wanted")
    program = content
    if content.lstrip().startswith(_HEX):
        image = read_intel_hex(content, RAM_ADDRESS + RAM_BYTES, name)
        if image.first_address not in {0, RAM_ADDRESS}:
            raise ValueError(
                f"{name} begins at {image.first_address:#x}, a program for the DA14580 begins at 0 or at "
                f"{RAM_ADDRESS:#x}"
            )
        program = image.data
    if len(program) > RAM_BYTES:
        raise ValueError(f"{name} has {len(program)} bytes, the DA14580's RAM {RAM_BYTES}: make it smaller")
    _check_vectors(program, name)
    return program


def _check_vectors(program: bytes, name: str) -> None:
    """Refuse what cannot be a Cortex-M0's program in this RAM, at its own address or at 0."""
    stack = int.from_bytes(program[:4], "little")
    reset = int.from_bytes(program[4:_N_VECTOR_BYTES], "little")
    is_stack = stack % 4 == 0 and any(base < stack <= base + RAM_BYTES for base in (0, RAM_ADDRESS))
    # Bit 0 is set in each address of code: the processor knows Thumb alone (ARMv6-M, B1.5.3).
    is_reset = reset % 2 == 1 and any(
        base + _N_VECTOR_BYTES <= reset - 1 < base + len(program) for base in (0, RAM_ADDRESS)
    )
    if not (is_stack and is_reset):
        raise ValueError(
            f"{name} is no program for the DA14580: it begins with a stack in its RAM (up to "
            f"{RAM_ADDRESS + RAM_BYTES:#x}) and the odd address of its first instruction, got {stack:#x} and "
            f"{reset:#x} (was it built for another board?)"
        )
