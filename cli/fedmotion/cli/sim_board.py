"""`fedmotion sim-board`."""

import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import click

from fedmotion.boards.board_service import Service
from fedmotion.boards.emulated_board import EMULATED_BOARDS, run_da14580, run_uno
from fedmotion.boards.emulator_build import EmulatorError
from fedmotion.boards.fault_plan import emulated_fault_names, fault_names, parse_faults
from fedmotion.boards.simulated_board import BOARDS, run
from fedmotion.cli.options import CommaSeparated


class _Performance(TypedDict):
    person: str
    recordings: Path | None
    labels: tuple[str, ...]
    counts: dict[str, int] | None
    seed: int
    turned: str
    is_posing: bool


@click.command(
    "sim-board",
    epilog="""\b
Examples:
  fedmotion sim-board                                    person 1, on a free TCP port
  fedmotion sim-board --port pty --person 7 --seed 2     person 7, another performance, on a pty
  fedmotion sim-board --counts swipe_left=3,other=5      what is performed
  fedmotion sim-board --recordings utd.npz --labels swipe_left,swipe_right --person 3
  fedmotion sim-board --board uno --port pty             the real firmware in an emulated Arduino Uno
  fedmotion sim-board --board da14580 --port pty         the same in an emulated DA14580, a Cortex-M0
  fedmotion sim-board --fault unplug_sensor@5 --fault plug_sensor@8      how does the host bear it?
  fedmotion sim-board --turned x                         worn upside down; z:-90 is a quarter turn
  fedmotion sim-board --turned x --poses                 what `fedmotion mount` asks for
Then, with the address that it prints:
  fedmotion record swipe_left --port ADDRESS
""",
)
@click.option(
    "--board",
    type=click.Choice((*BOARDS, *EMULATED_BOARDS)),
    default="simulated",
    show_default=True,
    help="Which board; uno and da14580 run the real firmware.",
)
@click.option(
    "--elf",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="With --board uno or da14580: the firmware; else what was built or came with this package.",
)
@click.option(
    "--eeprom",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --board uno: the file that keeps the board's settings.",
)
@click.option(
    "--boot-loader",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="With --board uno: a boot loader's .hex file; without --elf the board then waits to be flashed.",
)
@click.option(
    "--port", default="tcp:0", show_default=True, help="tcp:PORT (0: a free one; on loopback) or pty."
)
@click.option(
    "--person",
    default="1",
    show_default=True,
    help="A simulated person's number, or the recordings' subject.",
)
@click.option(
    "--recordings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="npz file of takes to play.",
)
@click.option(
    "--labels", type=CommaSeparated(), default=(), help="Gestures to perform; with --recordings: to play."
)
@click.option("--counts", type=CommaSeparated(), help="How many of each activity, as LABEL=N,...")
@click.option("--rate-hz", type=float, help="Samples a second; 100 if not given. Real firmware has its own.")
@click.option("--accel-full-scale-g", type=int, help="2, 4, 8 (if not given) or 16; not real firmware's.")
@click.option(
    "--gyro-full-scale-dps", type=int, help="250, 500, 1000 (if not given) or 2000; not real firmware's."
)
@click.option(
    "--speed", default=1.0, show_default=True, help="Times real time; 0: as fast as the reader reads."
)
@click.option("--seed", default=0, show_default=True, help="Which performance of this person.")
@click.option(
    "--turned",
    default="",
    metavar="AXIS[:DEGREES]",
    help="The board is turned on its wrist about its x, y or z axis; half a turn without degrees.",
)
@click.option(
    "--poses",
    "is_posing",
    is_flag=True,
    help="Hold the two poses that `fedmotion mount` asks for, the first for 15 s, in place of gestures.",
)
@click.option("--board-id", type=int, help="The id that the board says it has; 0: none. Not real firmware's.")
@click.option("--marks", type=click.Path(path_type=Path), help="Write what is performed when, as JSON.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:ARGUMENT]@SECONDS",
    help="What goes wrong when, in the board's time; again for more. Any board: "
    f"{', '.join(fault_names())}. An uno or da14580 also: {', '.join(emulated_fault_names())}.",
)
@click.option("--starts-at-once", is_flag=True, help="Perform now and not when the port is first opened.")
@click.option("--exit-at-end", is_flag=True, help="End with the performance; else rest for ever.")
def command(
    board: str,
    elf: Path | None,
    eeprom: Path | None,
    boot_loader: Path | None,
    port: str,
    person: str,
    recordings: Path | None,
    labels: tuple[str, ...],
    counts: tuple[str, ...] | None,
    rate_hz: float | None,
    accel_full_scale_g: int | None,
    gyro_full_scale_dps: int | None,
    speed: float,
    seed: int,
    turned: str,
    is_posing: bool,
    board_id: int | None,
    marks: Path | None,
    faults: tuple[str, ...],
    starts_at_once: bool,
    exit_at_end: bool,
) -> None:
    """Be a board without hardware: a virtual MPU6050 on a wrist, on a port like a real board's."""
    stop = threading.Event()

    def announce(address: str) -> None:
        click.echo(address)
        begin = "now" if starts_at_once else "when this port is first opened"
        end = "ends" if exit_at_end else "rests for ever: start it again for more"
        what = "the two poses are held" if is_posing else f"person {person} performs"
        click.echo(f"{what} {begin}, then {end}", err=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    performed: _Performance = {
        "person": person,
        "recordings": recordings,
        "labels": labels,
        "counts": None if counts is None else parse_counts(counts),
        "seed": seed,
        "turned": turned,
        "is_posing": is_posing,
    }
    service: Service = {
        "speed": speed,
        "marks_path": marks,
        "starts_at_once": starts_at_once,
        "exit_at_end": exit_at_end,
        "faults": parse_faults(faults, is_emulated=board in EMULATED_BOARDS),
        "tell": lambda text: click.echo(text, err=True),
        "announce": announce,
        "stop": stop,
    }
    settings = {
        "--rate-hz": rate_hz,
        "--accel-full-scale-g": accel_full_scale_g,
        "--gyro-full-scale-dps": gyro_full_scale_dps,
        "--board-id": board_id,
    }
    _check_options(board, elf, eeprom or boot_loader, settings)
    if board in EMULATED_BOARDS:
        try:
            if board == "uno":
                run_uno(elf=elf, port=port, eeprom=eeprom, boot_loader=boot_loader, **performed, **service)
            else:
                run_da14580(elf=elf, port=port, **performed, **service)
        except EmulatorError as error:
            raise click.ClickException(str(error)) from None
        return
    run(
        board=board,
        port=port,
        rate_hz=100.0 if rate_hz is None else rate_hz,
        accel_full_scale_g=8 if accel_full_scale_g is None else accel_full_scale_g,
        gyro_full_scale_dps=1000 if gyro_full_scale_dps is None else gyro_full_scale_dps,
        board_id=board_id or 0,
        **performed,
        **service,
    )


def _check_options(
    board: str, elf: Path | None, uno_file: Path | None, settings: Mapping[str, float | None]
) -> None:
    """Refuse what this board does not have."""
    if board in EMULATED_BOARDS:
        for name, value in settings.items():
            if value is not None:
                raise click.UsageError(f"{name} is the firmware's own on the {board}, set by commands")
    elif elf is not None:
        raise click.UsageError("--elf goes with --board uno or da14580")
    if board != "uno" and uno_file is not None:
        raise click.UsageError("--eeprom and --boot-loader go with --board uno")


def parse_counts(parts: tuple[str, ...]) -> dict[str, int]:
    """Return {label: n} of parts `LABEL=N`; raises ValueError where one is something else."""
    counts: dict[str, int] = {}
    for part in parts:
        label, _, number = part.rpartition("=")
        if not label or not (number.isascii() and number.isdigit()):
            raise ValueError(f"--counts is LABEL=N,..., got {part!r}")
        counts[label] = int(number)
    return counts
