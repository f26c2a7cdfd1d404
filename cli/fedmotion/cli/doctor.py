"""`fedmotion doctor`."""

import logging
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import msgspec

from fedmotion.cli.doctor_table import SECTIONS, show
from fedmotion.cli.model_tables import console
from fedmotion.host.doctor_axes import HOW_TO_TURN, look_at_axes
from fedmotion.host.doctor_axes import NAME as AXES_AGREE
from fedmotion.host.doctor_board import look_at_board, look_before
from fedmotion.host.doctor_capture import capture
from fedmotion.host.doctor_checks import Check, guarded, not_checked
from fedmotion.host.doctor_federation import BROKER_CHECKS, look_at_federation
from fedmotion.host.doctor_machine import look_at_machine, may_use
from fedmotion.host.doctor_self_test import NAME as SELF_TEST
from fedmotion.host.doctor_self_test import look_at_self_test
from fedmotion.host.doctor_sensor import look_at_sensor, pieces_of
from fedmotion.host.profile import Profile, find_profile
from fedmotion.host.released_model import this_program
from fedmotion.host.self_test import run_self_test
from fedmotion.host.serial_port import check_port, usb_ports
from fedmotion.protocol.serial_frames import DEFAULT_BAUD

_DEFAULT_SECONDS = 6.0


@click.command(
    "doctor",
    epilog="""\b
Examples:
  fedmotion doctor                                where one board is plugged in
  fedmotion doctor --port /dev/ttyACM0 --profile anna
  fedmotion doctor --turn                         also whether axes are exchanged
  fedmotion doctor --only federation --only machine
  fedmotion doctor --json                         for scripts, or for who helps you
""",
)
@click.option("--port", help="Where the board is; needed where more than one is plugged in.")
@click.option("--profile", help="A name, or a folder where it has a slash.  [default: default]")
@click.option("--baud", default=DEFAULT_BAUD, show_default=True, type=click.IntRange(300, 4_000_000))
@click.option(
    "--seconds",
    default=_DEFAULT_SECONDS,
    show_default=True,
    type=click.FloatRange(4, 3600),
    help="How long to measure the board.",
)
@click.option("--turn", is_flag=True, help="Then measure as long again while you turn the board over.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(SECTIONS)), help="Look at this only; again for more."
)
@click.option("--json", "is_json", is_flag=True, help="One JSON object of all checks.")
def command(
    port: str | None,
    profile: str | None,
    baud: int,
    seconds: float,
    turn: bool,
    only: tuple[str, ...],
    is_json: bool,
) -> None:
    """Find out what keeps a board, a sensor or a federation from working, and what to do about it.

    Lay the board on a table and leave it alone while it is measured. Opening its port starts an Arduino
    anew. Exits with 0 where all is well, 1 where something is to be done.
    """
    # What is wrong is said by the checks, once and in their own words.
    logging.getLogger("fedmotion").addHandler(logging.NullHandler())
    wanted = only or tuple(SECTIONS)
    whose = find_profile(profile or "default")
    checks: list[Check] = []
    if {"board", "sensor"} & set(wanted):
        checks += _look_at_board(port, baud, seconds, is_turned=turn)
    if "federation" in wanted:
        checks += _look_at_federation(whose, checks, is_asked_for=profile is not None)
    if "machine" in wanted:
        checks += look_at_machine(whose)
    checks = [check for check in checks if check.section in wanted]
    findings = [check for check in checks if check.is_finding]
    if is_json:
        told = {
            "program": this_program(),
            "platform": platform.platform(),
            "is_well": not findings,
            "checks": checks,
        }
        click.echo(msgspec.json.encode(told))
    else:
        show(console(), checks)
    raise SystemExit(1 if findings else 0)


def _look_at_federation(whose: Profile, checks: list[Check], *, is_asked_for: bool) -> list[Check]:
    if not may_use(whose):
        why = f"you may not read {whose.directory}"
        what = "`fedmotion doctor --only machine` says what to do about it"
        return [
            Check("federation", "invitation", "failed", why, what_to_do=what),
            *not_checked("federation", BROKER_CHECKS, why),
        ]
    if whose.invitation.exists():
        click.echo("asking the broker ...", err=True)
    rate_hz = next((check.value for check in checks if check.name == "rate"), None)
    return look_at_federation(whose, is_asked_for=is_asked_for, board_rate_hz=rate_hz)


def _look_at_board(port: str | None, baud: int, seconds: float, *, is_turned: bool) -> list[Check]:
    found = check_port(port) if port is not None else _only_port()
    if not found:
        why = "no serial port is on USB"
        what = (
            "plug the board in with a cable that carries data (many only charge), or name its port with "
            "--port; without a board: --only federation --only machine"
        )
        return [
            Check("board", "port", "failed", why, what_to_do=what),
            *not_checked("sensor", ["sensor"], why),
        ]
    before = look_before(found)
    if any(check.is_finding for check in before):
        why = "the port cannot be opened"
        return [*before, *not_checked("board", ["HELLO"], why), *not_checked("sensor", ["sensor"], why)]
    checks = list(before)

    def look() -> Iterator[Check]:
        with _progress(found, seconds, "leave the board alone") as on_progress:
            captured = capture(found, baud, seconds, on_progress=on_progress)
        yield from look_at_board(captured)
        yield from look_at_sensor(captured)
        if captured.hello is None:
            yield from not_checked("sensor", [SELF_TEST], "no board")
        else:
            click.echo(f"{found}: the sensor's self-test, leave the board alone ...", err=True)
            yield from look_at_self_test(run_self_test(found, baud))
        if captured.hello is None or not is_turned:
            why = "no board" if captured.hello is None else "--turn would check it while you turn the board"
            yield from not_checked("sensor", [AXES_AGREE], why)
            return
        with _progress(found, seconds, HOW_TO_TURN) as on_progress:
            turned = capture(found, baud, seconds, on_progress=on_progress)
        yield from look_at_axes(pieces_of(turned))

    return checks + guarded("board", "measuring", look)


def _only_port() -> str:
    """Return the one port on USB, "" where there is none; raises ValueError where there are more."""
    on_usb = usb_ports()
    if len(on_usb) > 1:
        listed = ", ".join(f"{port} ({description})" for port, description in on_usb.items())
        raise ValueError(f"more than one board may be meant: give --port with one of {listed}")
    return next(iter(on_usb), "")


@contextmanager
def _progress(port: str, seconds: float, request: str) -> Iterator[Callable[[float], object]]:
    """Give what the share done is told: a bar on a terminal, else a line."""
    if not sys.stderr.isatty():
        click.echo(f"{port}: measuring for {seconds:g} s, {request} ...", err=True)
        yield lambda _: None
        return
    # Imported here because a pipe has no use for it.
    from rich.console import Console  # noqa: PLC0415  (see above)
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415  (see above)

    columns = (TextColumn(f"{port}: {request}"), BarColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share: bar.update(task, completed=share)
