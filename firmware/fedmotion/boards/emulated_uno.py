"""An Arduino Uno without an Arduino: the firmware's real binary in simavr."""

from pathlib import Path

from fedmotion.boards.elf_file import AVR, loaded_segments
from fedmotion.boards.emulated_processor import (
    BRIDGE_BYTES,
    FOR_EVER,
    RESET_BROWN_OUT,
    BoardFault,
    EmulatedProcessor,
)
from fedmotion.boards.emulator_build import UNO, emulator_path
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.protocol.intel_hex import FlashImage, read_intel_hex

__all__ = ["BRIDGE_BYTES", "FOR_EVER", "RESET_BROWN_OUT", "BoardFault", "EmulatedUno"]

FLASH_BYTES = 32 * 1024
"""Of an ATmega328P."""


class EmulatedUno(EmulatedProcessor):
    """A board that runs `firmware`; it does what `NodeServer` asks of a node.

    Parameters
    ----------
    firmware
        An ELF or, where its name ends so, an Intel .hex file; None: an erased flash.
    sensor, clock_ppm, is_traced
        See EmulatedProcessor.
    eeprom
        File that keeps the EEPROM; None: it lives as long as the board.
    boot_loader
        Intel HEX file of a boot loader, with which a reset then begins; what it writes stays over resets.

    Raises
    ------
    EmulatorError
        If there is no emulator, or it cannot run this ELF.
    ValueError
        If a file is no ELF for an AVR or no Intel HEX for this chip's flash, or firmware and boot loader
        overlap.
    """

    def __init__(
        self,
        firmware: Path | None,
        sensor: VirtualMpu6050,
        *,
        eeprom: Path | None = None,
        boot_loader: Path | None = None,
        clock_ppm: int = 0,
        is_traced: bool = False,
    ) -> None:
        is_hex = firmware is not None and firmware.suffix == ".hex"
        program = _read_hex(firmware) if is_hex and firmware is not None else None
        if firmware is not None and not is_hex:
            # simavr takes any machine's, and runs it as this one's.
            loaded_segments(firmware.read_bytes(), str(firmware), "an Uno", AVR)
        loader = None if boot_loader is None else _read_hex(boot_loader)
        if program is not None and loader is not None and program.end_address > loader.first_address:
            raise ValueError(
                f"{firmware} ends at {program.end_address:#x}, where the boot loader {boot_loader} has begun "
                f"at {loader.first_address:#x}: give a smaller program"
            )
        elf = "-" if firmware is None or is_hex else str(firmware)
        command = [str(emulator_path(UNO)), elf, "-" if eeprom is None else str(eeprom)]
        super().__init__(command, sensor, clock_ppm=clock_ppm, is_traced=is_traced)
        if program is not None:
            self._load(program)
        if loader is not None:
            self._load(loader, is_boot_loader=True)

    def announce(self) -> None:
        """Reset the board, as the DTR line of a port that is opened does."""
        self.restart()

    def _load(self, image: FlashImage, *, is_boot_loader: bool = False) -> None:
        self._order(b"L", is_boot_loader, argument=image.first_address, data=image.data)


def _read_hex(path: Path) -> FlashImage:
    return read_intel_hex(path.read_bytes(), FLASH_BYTES, str(path))
