"""`fedmotion flash da14580`: into the chip's RAM, through its boot ROM."""

import time
from collections.abc import Sequence

from fedmotion.cli.flash_progress import Say, progress
from fedmotion.host.programmer import LostSyncError, ProgrammingError
from fedmotion.host.ram_loader import NEEDED, RamLoader
from fedmotion.host.serial_line import SerialLine
from fedmotion.protocol.da14580_boot import Pins
from fedmotion.protocol.serial_frames import DEFAULT_BAUD

BOARD = "da14580"
KEPT = "it runs from RAM until the board loses power or is reset (docs/flashing.md says how to keep it)"
_N_RUNS = 3
"""Where bytes are lost it begins anew so often, before that is told to a person."""


def load_and_start(port: str, program: bytes, name: str, line: SerialLine, say: Say) -> dict[str, object]:
    """Load `program`, which `read_program` has passed, and wait until it speaks; return what was found.

    Raises
    ------
    ProgrammingError
        If the boot ROM does not answer, the line goes, or nothing of ours speaks afterwards.
    """
    loader = RamLoader(line, clock=time.monotonic)
    pins: Sequence[Pins] = ()
    for n_more in reversed(range(_N_RUNS)):
        pins = _meet(loader, port, len(program), say)
        say(f"{port}: the boot ROM answers at {pins[0].baud} baud; loading {name}, {len(program)} bytes")
        try:
            with progress(say, "bytes") as on_bytes:
                loader.load(program, on_bytes)
            break
        except LostSyncError as error:
            if n_more == 0:
                raise
            say(f"{port}: beginning anew, since {error.what}")
    say(f"{port}: the boot ROM's checksum is right, the program starts")
    hello = loader.wait_for_hello()
    if hello is None:
        raise ProgrammingError(
            f"{name} was loaded and started, but no fedmotion firmware speaks at {DEFAULT_BAUD} baud: "
            "see that the firmware's UART is on the pins that the boot ROM answered on "
            f"({_in_words(pins)}); with --image, see what was built"
        )
    version = ".".join(map(str, hello.firmware_version))
    say(f"{port}: the board runs fedmotion {version} for {hello.board!r}, board id {hello.board_id}")
    return {
        "boot_loader": "DA14580 boot ROM",
        "boot_loader_baud": pins[0].baud,
        "is_kept_without_power": False,
        "firmware_version": version,
        "firmware_board": hello.board,
        "board_id": hello.board_id,
        "baud": DEFAULT_BAUD,
    }


def _meet(loader: RamLoader, port: str, n_bytes: int, say: Say) -> Sequence[Pins]:
    listened = set[int]()

    def announce(baud: int) -> None:
        if not listened:
            say(f"{port}: looking for the boot ROM: {NEEDED}")
        if baud not in listened:
            listened.add(baud)
            say(f"  listening at {baud} baud")

    return loader.connect(n_bytes, announce)


def _in_words(pins: Sequence[Pins]) -> str:
    return " or ".join(f"{each.transmit} and {each.receive}" for each in pins)
