"""Gestures, their examples and proposals as people read them."""

from collections.abc import Iterable, Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedmotion.aggregator.federation_records import ProposalRecord
from fedmotion.cli.model_tables import console as plain_console
from fedmotion.host.gesture_rows import GestureRow
from fedmotion.protocol.example_trace import points_of
from fedmotion.protocol.gestures import alike
from fedmotion.protocol.messages import N_EXAMPLE_POINTS, ExampleTrace, Gesture
from fedmotion.protocol.serial_frames import AXES

_BARS = "▁▂▃▄▅▆▇█"
_COLOURS = {
    "learned": "green",
    "accepted": "cyan",
    "proposed": "yellow",
    "declined": "red",
    "refused": "bold red",
    "withdrawn": "dim",
}


def console(*, is_error: bool = False) -> Console:
    """Return where tables go: coloured on a terminal, plain elsewhere."""
    return Console(stderr=True, highlight=False) if is_error else plain_console()


def show_list(screen: Console, rows: Sequence[GestureRow]) -> None:
    """Print a client's gestures."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("gesture", "what it is", "federation", "your takes", "you teach it"):
        table.add_column(column, justify="right" if column == "your takes" else "left", overflow="fold")
    for row in rows:
        standing = f"[{_COLOURS[row.standing]}]{row.standing}[/]"
        why = f": {escape(row.why)}" if row.why else ""
        taught = "yes" if row.is_taught else "no"
        table.add_row(
            escape(row.name),
            _said(row.sentence, row.has_example),
            standing + why,
            str(row.n_takes or "-"),
            taught,
        )
    if rows:
        screen.print(table)


def show_gesture(screen: Console, row: GestureRow, example: ExampleTrace | None) -> None:
    """Print one gesture, and its example where there is one."""
    for name, value in (
        ("gesture", row.name),
        ("what it is", row.sentence or "-"),
        ("federation", row.standing + (f": {row.why}" if row.why else "")),
        ("your takes", str(row.n_takes or "none")),
        ("you teach it", "yes" if row.is_taught else "no: it came after you joined"),
    ):
        screen.print(f"{name:13} {escape(value)}")
    if example is not None:
        show_example(screen, example)


def show_example(screen: Console, example: ExampleTrace) -> None:
    """Print an example trace: one line of bars an axis, and all that it says in numbers."""
    points = points_of(example)
    screen.print(
        f"\n{N_EXAMPLE_POINTS} instants over {example.duration_s:.2f} s, {len(example.counts)} bytes:"
    )
    for index, axis in enumerate(AXES):
        peak = example.acceleration_mps2 if index < 3 else example.rate_radps
        unit = "m/s2" if index < 3 else "rad/s"
        column = points[:, index]
        levels = np.rint((column / peak + 1) / 2 * (len(_BARS) - 1)) if peak else np.full(len(column), 3)
        bars = "".join(_BARS[int(level)] for level in levels.clip(0, len(_BARS) - 1))
        screen.print(f"  {axis}  {bars}  {column.min():7.2f} to {column.max():6.2f} {unit}", soft_wrap=True)


def show_owners_list(screen: Console, gestures: Iterable[Gesture]) -> None:
    """Print the federation's list as its owner sees it."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("gesture", "what it is", "stands"):
        table.add_column(column, overflow="fold")
    for each in gestures:
        stands = "learned" if each.is_learned else "accepted"
        said = "learned" if each.is_learned else "accepted, its lineage begins between two rounds"
        table.add_row(
            escape(each.name),
            _said(each.sentence, each.example is not None),
            f"[{_COLOURS[stands]}]{said}[/]",
        )
    screen.print(table)


def show_proposals(screen: Console, proposals: Sequence[ProposalRecord], listed: Sequence[str]) -> None:
    """Print proposals with the names that each is like."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("gesture", "of", "what it is", "state", "received (UTC)"):
        table.add_column(column, overflow="fold")
    for each in proposals:
        state = "proposed" if each.state == "open" else each.state
        why = f": {escape(each.why)}" if each.why else ""
        table.add_row(
            escape(each.name),
            each.client_id,
            _said(each.sentence, each.example is not None),
            f"[{_COLOURS[state]}]{each.state}[/]{why}",
            each.received_utc[:16],
        )
    screen.print(table)
    names = sorted({each.name for each in proposals if each.state == "open"})
    for name in names:
        report_likeness(screen, name, [*listed, *(other for other in names if other != name)])


def report_likeness(screen: Console, name: str, known: Iterable[str]) -> bool:
    """Print each known name that `name` may be another spelling of; return whether there is one."""
    found = alike(name, known)
    for each in found:
        screen.print(
            f"[yellow]{escape(repr(name))} may be there already:[/] {escape(str(each))}", soft_wrap=True
        )
    return bool(found)


def _said(sentence: str, has_example: bool) -> str:
    return escape(sentence or "-") + (" (with an example)" if has_example else "")
