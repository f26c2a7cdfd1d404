"""How the doctor's checks are shown: a table a section, then what to do."""

from collections.abc import Sequence
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedmotion.host.doctor_checks import Check, State

SECTIONS = {"board": "board", "sensor": "sensor at rest", "federation": "federation", "machine": "machine"}
_COLOURS: dict[State, str] = {"ok": "green", "warning": "yellow", "failed": "bold red", "not checked": "dim"}
_MARKS: dict[State, str] = {"ok": "✓", "warning": "!", "failed": "✗", "not checked": "-"}
_WIDE = 110
"""Columns of a terminal from which a check fits into a line or two."""


def show(console: Console, checks: Sequence[Check]) -> None:
    """Print `checks`; nothing depends on colour alone, and a narrow terminal gets fewer columns."""
    is_wide = console.width >= _WIDE
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("", "check", *(("state", "measured", "limit") if is_wide else ("measured",))):
        table.add_column(column, overflow="fold")
    n_columns = len(table.columns)
    for section, title in SECTIONS.items():
        of_section = [check for check in checks if check.section == section]
        if not of_section:
            continue
        table.add_row("", f"[bold]{title}[/]", *[""] * (n_columns - 2))
        for check in _joined(of_section):
            table.add_row(*_row(check, is_wide=is_wide))
        table.add_section()
    console.print(table)
    findings = [check for check in checks if check.is_finding]
    for check in findings:
        colour = _COLOURS[check.state]
        console.print(f"[{colour}]{_MARKS[check.state]} {escape(check.name)}[/]: {escape(check.what_to_do)}")
    console.print(summary(checks))


def _row(check: Check, *, is_wide: bool) -> list[str]:
    colour = _COLOURS[check.state]
    mark, name = f"[{colour}]{_MARKS[check.state]}[/]", escape(check.name)
    measured, limit = escape(check.measured), f"[dim]{escape(check.limit)}[/]"
    if check.state == "not checked":
        measured = f"[dim]{measured}[/]"
    if is_wide:
        return [mark, name, f"[{colour}]{check.state}[/]", measured, limit]
    return [mark, name, f"{measured} [dim](limit: {escape(check.limit)})[/]" if check.limit else measured]


def _joined(checks: Sequence[Check]) -> list[Check]:
    """Return `checks` with those in a row that were not checked for the same reason as one."""
    joined: list[Check] = []
    for (state, measured), group in groupby(checks, key=lambda check: (check.state, check.measured)):
        alike = list(group)
        if state == "not checked" and len(alike) > 2:
            name = f"{alike[0].name} and {len(alike) - 1} more"
            joined.append(Check(alike[0].section, name, "not checked", measured))
        else:
            joined += alike
    return joined


def summary(checks: Sequence[Check]) -> str:
    """Return how many checks there were of each state."""
    counts = {state: sum(check.state == state for check in checks) for state in _COLOURS}
    parts = ", ".join(f"{_MARKS[state]} {count} {state}" for state, count in counts.items() if count)
    if any(check.is_finding for check in checks):
        return f"{len(checks)} checks: {parts}"
    well = "nothing is wrong with what was checked" if counts["not checked"] else "all is well"
    return f"{len(checks)} checks: {parts}; {well}"
