"""`fedmotion sim-board --board uno|da14580`: a performance, a virtual sensor, an emulated board, a port."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Unpack

from fedmotion.boards.baud_check import BaudCheckedListener
from fedmotion.boards.board_service import Service, serve_board
from fedmotion.boards.emulated_da14580 import EmulatedDa14580
from fedmotion.boards.emulated_processor import EmulatedProcessor
from fedmotion.boards.emulated_uno import EmulatedUno
from fedmotion.boards.emulator_build import EmulatorError
from fedmotion.boards.node_server import Listener
from fedmotion.boards.simulated_board import make_script, open_port
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050

EMULATED_BOARDS = ("uno", "da14580")

BUILT_ELF = Path(".pio", "build", "uno", "firmware.elf")
BUILT_DA14580_ELF = Path(".pio", "build", "da14580", "firmware.elf")
"""Where `make firmware` puts them, in a checkout."""

_SHIPPED_HEX = ("images", "uno.hex")
_SHIPPED_BIN = ("images", "da14580.bin")


def find_elf(elf: Path | None = None, board: str = "uno") -> Path:
    """Return a board's firmware: `elf`, or the ELF that was built, or the image in this package.

    Built ones are looked for in the current folder and those above it, then above this package, which
    is in a checkout where it was installed from one to be worked on.

    Raises
    ------
    EmulatorError
        If there is none.
    """
    if elf is not None:
        if not elf.is_file():
            raise EmulatorError(f"there is no firmware {elf}: build it with `make firmware`")
        return elf
    name, built, shipped = (
        ("Uno", BUILT_ELF, _SHIPPED_HEX) if board == "uno" else ("DA14580", BUILT_DA14580_ELF, _SHIPPED_BIN)
    )
    package = Path(str(files("fedmotion.boards")))
    folders = (Path.cwd(), *Path.cwd().parents, *package.parents)
    for path in (*(folder / built for folder in folders), package.joinpath(*shipped)):
        if path.is_file():
            return path
    raise EmulatorError(
        f"there is no firmware for the {name}, neither {built} here or above nor one in this package: "
        "build it with `make firmware`, or name one with --elf"
    )


def make_emulated(
    board: str,
    sensor: VirtualMpu6050,
    *,
    elf: Path | None = None,
    clock_ppm: int = 0,
    is_traced: bool = False,
) -> EmulatedProcessor:
    """Return an emulated board, one of EMULATED_BOARDS, with its firmware as `find_elf` finds it."""
    firmware = find_elf(elf, board)
    kind = EmulatedUno if board == "uno" else EmulatedDa14580
    return kind(firmware, sensor, clock_ppm=clock_ppm, is_traced=is_traced)


def run_uno(
    *,
    elf: Path | None = None,
    port: str = "tcp:0",
    person: int | str = 1,
    recordings: Path | None = None,
    labels: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    seed: int = 0,
    turned: str = "",
    is_posing: bool = False,
    eeprom: Path | None = None,
    boot_loader: Path | None = None,
    **service: Unpack[Service],
) -> None:
    """Run one emulated Uno until `stop` is set or, with `exit_at_end`, its performance has ended.

    Rate, ranges and board id are the firmware's own, changed by commands as on any board. The other
    parameters are those of `simulated_board.run`; `eeprom` is a file that keeps the board's settings.
    With a `boot_loader` (Intel HEX) and no `elf` the board has no firmware yet and waits to be flashed.

    Raises
    ------
    ValueError
        If an argument is impossible, the boot loader's file too.
    EmulatorError
        If there is no firmware or no emulator, or the emulator ends.
    OSError
        If the port, the recordings or the marks cannot be opened.
    """
    firmware = find_elf(elf) if elf is not None or boot_loader is None else None
    script = make_script(
        person=person,
        recordings=recordings,
        labels=labels,
        counts=counts,
        seed=seed,
        turned=turned,
        is_posing=is_posing,
    )
    sensor = VirtualMpu6050(script.motion, seed=seed)
    with EmulatedUno(firmware, sensor, eeprom=eeprom, boot_loader=boot_loader) as uno:
        if boot_loader is not None:
            uno.advance(1_000)  # it has power already, so the port's first opening is a reset from outside
        serve_board(uno, open_emulated_port(port, uno), script, **service)


def run_da14580(
    *,
    elf: Path | None = None,
    port: str = "tcp:0",
    person: int | str = 1,
    recordings: Path | None = None,
    labels: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    seed: int = 0,
    turned: str = "",
    is_posing: bool = False,
    **service: Unpack[Service],
) -> None:
    """Run one emulated DA14580 until `stop` is set or, with `exit_at_end`, its performance has ended.

    Parameters and errors are those of `run_uno`; this chip has no EEPROM.
    """
    script = make_script(
        person=person,
        recordings=recordings,
        labels=labels,
        counts=counts,
        seed=seed,
        turned=turned,
        is_posing=is_posing,
    )
    with EmulatedDa14580(find_elf(elf, "da14580"), VirtualMpu6050(script.motion, seed=seed)) as board:
        serve_board(board, open_emulated_port(port, board), script, **service)


def open_emulated_port(port: str, board: EmulatedProcessor) -> Listener:
    """Return the listener for `tcp:PORT` or `pty`; a pty's baud rate must be the board's."""
    listener = open_port(port)
    if port != "pty":
        return listener
    # Imported here because it needs POSIX.
    from fedmotion.boards.posix_terminal import PtyLine  # noqa: PLC0415  (POSIX only)

    assert isinstance(listener, PtyLine)  # noqa: S101 - what open_port returns for it
    return BaudCheckedListener(listener, listener, lambda: board.baud)
