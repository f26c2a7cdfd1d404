"""`fedmotion ports`."""

import click
import msgspec

from fedmotion.host.ports import PortReport, survey
from fedmotion.host.ports_listening import LISTEN_S, Heard, listen
from fedmotion.protocol.serial_frames import DEFAULT_BAUD, FORMAT_VERSION


@click.command(
    "ports",
    epilog="""\b
Examples:
  fedmotion ports                                 what is plugged in; opens nothing
  fedmotion ports --listen                        also what runs on each
  fedmotion ports /dev/ttyACM0 --listen           on this one
  fedmotion ports --listen --json
Then:
  fedmotion doctor --port PORT
""",
)
@click.argument("ports", nargs=-1, metavar="[PORT]...")
@click.option("--listen", "is_listening", is_flag=True, help="Open each and ask what runs there.")
@click.option("--baud", default=DEFAULT_BAUD, show_default=True, type=click.IntRange(300, 4_000_000))
@click.option(
    "--seconds",
    default=LISTEN_S,
    show_default=True,
    type=click.FloatRange(0.1, 600),
    help="How long to listen.",
)
@click.option("--json", "is_json", is_flag=True, help="Everything as JSON.")
def command(ports: tuple[str, ...], is_listening: bool, baud: int, seconds: float, is_json: bool) -> None:
    """List the serial ports, the boards behind them, and who may open them.

    --listen opens each port and asks for HELLO: an Arduino starts anew when its port is opened, so that what
    it was doing ends. Exits with 0 where all is well, 1 where something is in the way.
    """
    reports = survey(ports)
    heard: dict[str, Heard] = {}
    for report in reports:
        if is_listening and not report.problem:
            click.echo(f"listening to {report.port} for up to {seconds:g} s ...", err=True)
            heard[report.port] = listen(report.port, baud=baud, wait_s=seconds)
    problems = _problems(reports, heard)
    if is_json:
        told = [{**msgspec.to_builtins(each), "heard": heard.get(each.port)} for each in reports]
        whole = {"serial_format": FORMAT_VERSION, "ports": told, "problems": problems}
        click.echo(msgspec.json.encode(whole))
    else:
        _show(reports, heard, is_listening=is_listening)
    for problem in problems:
        click.echo(problem, err=True)
    raise SystemExit(1 if problems else 0)


def _problems(reports: list[PortReport], heard: dict[str, Heard]) -> list[str]:
    """Return each thing that is in the way of using a board, with what to do."""
    if not reports:
        none = (
            "this machine lists no serial port: plug the board in with a cable that carries data (many only "
        )
        return [none + "charge), or name a port"]
    found = [report.problem for report in reports if report.problem]
    for port, each in heard.items():
        if each.kind != "fedmotion":
            found.append(each.sentence if each.kind == "not_open" else f"{port}: {each.sentence}")
    return found


def _show(reports: list[PortReport], heard: dict[str, Heard], *, is_listening: bool) -> None:
    if not reports:
        return
    # Imported here because rich takes longer to import than the rest of the command.
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  (see above)
    from rich.markup import escape  # noqa: PLC0415  (see above)
    from rich.table import Table  # noqa: PLC0415  (see above)

    from fedmotion.cli.model_tables import console  # noqa: PLC0415  (see above)

    table = Table(box=SIMPLE_HEAD)
    for column in ("port", "what it is", "USB", "may be opened", *(("runs",) if is_listening else ())):
        table.add_column(column, overflow="fold")
    for report in reports:
        row = [report.port, report.board or report.description, report.usb or "-"]
        state = "[red]no, see below[/]" if report.problem else "[green]yes[/]"
        runs = _runs(heard.get(report.port))
        table.add_row(*map(escape, row), state, *((runs,) if is_listening else ()))
    console().print(table)
    if not is_listening:
        click.echo("what runs on them: fedmotion ports --listen (opening a port starts an Arduino anew)")


def _runs(heard: Heard | None) -> str:
    from rich.markup import escape  # noqa: PLC0415 - as above

    if heard is None:
        return "[dim]not asked[/]"
    if heard.kind == "fedmotion":
        return f"[green]{escape(heard.sentence)}[/]"
    words = {
        "other_version": "a fedmotion of another format",
        "other_program": "another program",
        "nothing": "nothing heard",
        "not_open": "could not be opened",
    }
    return f"[red]{words[heard.kind]}, see below[/]"
