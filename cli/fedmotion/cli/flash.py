"""`fedmotion flash`."""

import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import click

from fedmotion.host.programmer import (
    ATTEMPTS,
    FLASH_BYTES,
    OPTIBOOT,
    BootLoader,
    Programmer,
    ProgrammingError,
    check_image,
)
from fedmotion.host.programmer import Progress as OnPage
from fedmotion.host.serial_line import SerialLine
from fedmotion.host.serial_port import available_ports, usb_ports
from fedmotion.protocol.intel_hex import FlashImage, read_intel_hex
from fedmotion.protocol.serial_frames import DEFAULT_BAUD

_Say = Callable[[str], None]


@click.command(
    "flash",
    epilog="""\b
Examples:
  fedmotion flash uno                            where one board is plugged in
  fedmotion flash nano --port /dev/ttyUSB0       tries both boot loaders that Nanos are sold with
  fedmotion flash uno --port /dev/ttyACM0 --hex firmware.hex       a program that you built
Then:
  fedmotion record swipe_left --port PORT
""",
)
@click.argument("board", type=click.Choice(tuple(ATTEMPTS)))
@click.option("--port", help="Where the board is; needed where more than one is plugged in.")
@click.option(
    "--hex",
    "hex_path",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Intel HEX file of your own build; else the firmware in this package.",
)
@click.option("--json", "is_json", is_flag=True, help="At the end one JSON object of what was done.")
def command(board: str, port: str | None, hex_path: Path | None, is_json: bool) -> None:
    """Write the firmware into BOARD through its boot loader, read it back, and wait until it speaks.

    Nothing else is needed: no compiler and no programmer. An interrupted command is just run again.
    """
    content, name = _program(board, hex_path)
    image = read_intel_hex(content, FLASH_BYTES, name)
    check_image(image, OPTIBOOT, name)

    def say(text: str) -> None:
        click.echo(text, err=is_json)

    if port is None:
        port = _only_port(say)
    with contextlib.closing(SerialLine(port, ATTEMPTS[board][0].baud)) as line:
        try:
            found = _flash(board, port, image, name, line, say)
        except ProgrammingError as error:
            raise click.ClickException(f"{port}: {error}") from error
        except KeyboardInterrupt:
            click.echo("interrupted: the boot loader is still there, run the command again", err=True)
            raise
    if is_json:
        program = {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "n_bytes": len(image.data)}
        click.echo(json.dumps({"board": board, "port": port, "program": program, **found}))
    else:
        click.echo(f"next: fedmotion record swipe_left --port {port}")


def _program(board: str, hex_path: Path | None) -> tuple[bytes, str]:
    """Return the file's bytes and what to call it."""
    if hex_path is not None:
        return hex_path.read_bytes(), str(hex_path)
    shipped = files("fedmotion.boards").joinpath("images", f"{board}.hex")
    return shipped.read_bytes(), f"the shipped {board}.hex"


def _flash(
    board: str, port: str, image: FlashImage, name: str, line: SerialLine, say: _Say
) -> dict[str, object]:
    """Return what was found and done, for JSON."""

    def announce(attempt: BootLoader) -> None:
        say(f"{port}: looking for the boot loader ({attempt.name}, {attempt.baud} baud)")

    programmer = Programmer(line, clock=time.monotonic)
    boot_loader = programmer.connect(board, announce)
    check_image(image, boot_loader, name)
    say(f"{port}: {boot_loader.name} answers; writing {name}, {len(image.data)} bytes")
    with _progress(say) as on_page:
        n_pages = programmer.write(image, on_page)
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


@contextlib.contextmanager
def _progress(say: _Say) -> Iterator[OnPage]:
    """Give what a page's progress is told: a bar on a terminal, else a line each quarter."""
    if not (sys.stderr.isatty() and sys.stdout.isatty()):
        said = set[int]()

        def tell(n_done: int, n_pages: int) -> None:
            quarter = 4 * n_done // n_pages
            if quarter not in said | {0}:
                said.add(quarter)
                say(f"  {n_done}/{n_pages} pages")

        yield tell
        return
    # Imported here because rich takes longer to import than the rest of the command.
    from rich.console import Console  # noqa: PLC0415  (see above)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415  (see above)

    columns = (TextColumn("  writing"), BarColumn(), MofNCompleteColumn(), TextColumn("pages"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda n_done, n_pages: bar.update(task, completed=n_done, total=n_pages)


def _only_port(say: _Say) -> str:
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
