"""`fedmotion flash`."""

import contextlib
import hashlib
import json
import time
from importlib.resources import files
from pathlib import Path

import click

from fedmotion.cli.flash_da14580 import BOARD as DA14580
from fedmotion.cli.flash_da14580 import KEPT, load_and_start
from fedmotion.cli.flash_progress import Say, progress
from fedmotion.host import ram_loader
from fedmotion.host.programmer import (
    ATTEMPTS,
    FLASH_BYTES,
    OPTIBOOT,
    BootLoader,
    LostSyncError,
    Programmer,
    ProgrammingError,
    check_image,
)
from fedmotion.host.serial_line import SerialLine
from fedmotion.host.serial_port import available_ports, usb_ports
from fedmotion.protocol.da14580_boot import PINS, read_program
from fedmotion.protocol.intel_hex import FlashImage, read_intel_hex
from fedmotion.protocol.serial_frames import DEFAULT_BAUD

_N_RUNS = 3
"""Where bytes are lost it begins anew so often, before that is told to a person."""


@click.command(
    "flash",
    epilog="""\b
Examples:
  fedmotion flash uno                            where one board is plugged in
  fedmotion flash nano --port /dev/ttyUSB0       tries both boot loaders that Nanos are sold with
  fedmotion flash uno --port /dev/ttyACM0 --hex firmware.hex       a program that you built
  fedmotion flash da14580 --port /dev/ttyUSB1    into its RAM, until power is lost
Then:
  fedmotion record swipe_left --port PORT
""",
)
@click.argument("board", type=click.Choice((*ATTEMPTS, DA14580)))
@click.option("--port", help="Where the board is; needed where more than one is plugged in.")
@click.option(
    "--hex",
    "--image",
    "path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your own build: Intel HEX, for the da14580 also .bin; else the firmware in this package.",
)
@click.option("--json", "is_json", is_flag=True, help="At the end one JSON object of what was done.")
def command(board: str, port: str | None, path: Path | None, is_json: bool) -> None:
    """Write the firmware into BOARD through its boot loader, and wait until it speaks.

    Nothing else is needed: no compiler and no programmer. An interrupted command is just run again. Uno and
    Nano keep the program, which is read back; a DA14580 gets it into its RAM, and has lost it without power.
    """
    content, name = _program(board, path)
    image = _checked(board, content, name)

    def say(text: str) -> None:
        click.echo(text, err=is_json)

    if port is None:
        port = _only_port(say)
    with contextlib.closing(SerialLine(port, _first_baud(board))) as line:
        try:
            if board == DA14580:
                found = load_and_start(port, image.data, name, line, say)
            else:
                found = _flash(board, port, image, name, line, say)
        except ProgrammingError as error:
            raise click.ClickException(f"{port}: {error}") from error
        except KeyboardInterrupt:
            still = f"{ram_loader.STILL} and" if board == DA14580 else "the boot loader is still there,"
            click.echo(f"interrupted: {still} run the command again", err=True)
            raise
    if is_json:
        program = {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(image.data)}
        click.echo(json.dumps({"board": board, "port": port, "program": program, **found}))
    else:
        if board == DA14580:
            click.echo(KEPT)
        click.echo(f"next: fedmotion record swipe_left --port {port}")


def _first_baud(board: str) -> int:
    return PINS[0].baud if board == DA14580 else ATTEMPTS[board][0].baud


def _program(board: str, path: Path | None) -> tuple[bytes, str]:
    """Return the file's bytes and what to call it."""
    if path is not None:
        return path.read_bytes(), str(path)
    for suffix in ("hex", "bin"):
        shipped = files("fedmotion.boards").joinpath("images", f"{board}.{suffix}")
        if shipped.is_file():
            return shipped.read_bytes(), f"the shipped {shipped.name}"
    raise ValueError(f"there is no firmware for the {board} in this package: name yours with --image")


def _checked(board: str, content: bytes, name: str) -> FlashImage:
    """Return the program; raises ValueError where it is none for `board`."""
    if board == DA14580:
        return FlashImage(0, read_program(content, name))
    image = read_intel_hex(content, FLASH_BYTES, name)
    check_image(image, OPTIBOOT, name)
    return image


def _flash(
    board: str, port: str, image: FlashImage, name: str, line: SerialLine, say: Say
) -> dict[str, object]:
    """Return what was found and done, for JSON."""

    def announce(attempt: BootLoader) -> None:
        say(f"{port}: looking for the boot loader ({attempt.name}, {attempt.baud} baud)")

    programmer = Programmer(line, clock=time.monotonic)
    for n_more in reversed(range(_N_RUNS)):
        boot_loader = programmer.connect(board, announce)
        check_image(image, boot_loader, name)
        say(f"{port}: {boot_loader.name} answers; writing {name}, {len(image.data)} bytes")
        try:
            with progress(say, "pages") as on_page:
                n_pages = programmer.write(image, on_page)
            break
        except LostSyncError as error:
            if n_more == 0:
                raise
            say(f"{port}: beginning anew, since {error.what}")
    say(f"{port}: all {n_pages} pages were read back and are right")
    programmer.start()
    hello = programmer.wait_for_hello()
    if hello is None:
        raise ProgrammingError(
            f"{name} was written and read back, but no fedmotion firmware speaks at {DEFAULT_BAUD} baud: "
            "press the board's reset button and try fedmotion record; with --hex, see what was built"
        )
    version = ".".join(map(str, hello.firmware_version))
    say(f"{port}: the board runs fedmotion {version} for {hello.board!r}, board id {hello.board_id}")
    return {
        "boot_loader": boot_loader.name,
        "boot_loader_baud": boot_loader.baud,
        "n_pages": n_pages,
        "firmware_version": version,
        "firmware_board": hello.board,
        "board_id": hello.board_id,
        "baud": DEFAULT_BAUD,
    }


def _only_port(say: Say) -> str:
    on_usb = usb_ports()
    if len(on_usb) == 1:
        ((port, description),) = on_usb.items()
        say(f"{port}: the only serial port on USB ({description})")
        return port
    if on_usb:
        listed = ", ".join(f"{port} ({description})" for port, description in on_usb.items())
        raise ValueError(f"more than one board may be meant: give --port with one of {listed}")
    others = ", ".join(available_ports()) or "none"
    raise ValueError(
        "no serial port is on USB: plug the board in with a cable that carries data, or give --port "
        f"(ports on this machine: {others})"
    )
