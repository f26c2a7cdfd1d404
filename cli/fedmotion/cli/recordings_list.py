"""`fedmotion recordings list`."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedmotion.cli.model_tables import console
from fedmotion.cli.recording_choice import choose, json_option, open_recordings, profile_option, which_options
from fedmotion.cli.recordings_check import look_at_store
from fedmotion.host.recording_entry import Entry
from fedmotion.host.recording_review import AcceptedTakes
from fedmotion.host.recording_store import RecordingStore
from fedmotion.models.recording_check import RecordingCheck

_COLOURS = {
    "good": "green",
    "doubtful": "yellow",
    "unusable": "bold red",
    "accepted": "cyan",
    "damaged": "bold red",
}
_MAX_PEOPLE = 8
"""Columns of people in the summary, so that it fits a terminal."""


class Row(msgspec.Struct, frozen=True):
    """One recording as `list` says it; `check` is None where it was not asked for."""

    recording_id: int
    label: str
    person: str
    hand: str
    mounting: str
    is_turned: bool
    recorded_utc: str
    movement_s: float
    rate_hz: float
    n_samples: int
    board: str
    source: str
    take_sha256: str
    check: str | None
    deleted_utc: str | None


@click.command(
    "list",
    epilog="""\b
Examples:
  fedmotion recordings list --profile anna
  fedmotion recordings list --label swipe_left --person anna
  fedmotion recordings list --deleted             what `restore` can give back
  fedmotion recordings list --json
""",
)
@profile_option
@which_options
@click.option("--deleted", "is_deleted", is_flag=True, help="Those that were deleted, instead.")
@click.option("--no-check", "is_unchecked", is_flag=True, help="Do not check them, which takes longest.")
@json_option
def command(
    profile: str, label: str | None, person: str | None, is_deleted: bool, is_unchecked: bool, is_json: bool
) -> None:
    """List a profile's recordings, and how many there are of each label and person."""
    _, store = open_recordings(profile)
    with store:
        entries = store.entries(is_deleted=is_deleted)
        chosen = choose(entries, label=label, person=person)
        verdicts = {} if is_deleted or is_unchecked or not chosen else verdicts_of(store)
    rows = [_row(entry, verdicts.get(entry.recording_id)) for entry in chosen]
    if is_json:
        click.echo(msgspec.json.encode(rows))
        return
    if not rows:
        click.echo("no recording is deleted" if is_deleted else "there are no recordings", err=True)
        return
    screen = console()
    _show(screen, rows)
    _summarise(screen, chosen)


def verdicts_of(store: RecordingStore) -> dict[int, str]:
    """Return what the check says of each recording in one word, a key of _COLOURS."""
    whole = RecordingCheck()
    sha256, damaged = look_at_store(whole, store, Console(stderr=True, highlight=False))
    accepted = AcceptedTakes(store.path).read()
    worst: dict[str, str] = {}
    for finding in whole.findings():
        if finding.severity == "unusable" or (finding.severity == "doubtful" and finding.take not in worst):
            worst[finding.take] = finding.severity
    return {
        **{
            int(name[1:]): "accepted" if name in worst and take in accepted else worst.get(name, "good")
            for name, take in sha256.items()
        },
        **dict.fromkeys(damaged, "damaged"),
    }


def _row(entry: Entry, verdict: str | None) -> Row:
    return Row(
        recording_id=entry.recording_id,
        label=entry.label,
        person=entry.person,
        hand=entry.hand,
        mounting=entry.mounting,
        is_turned=entry.is_turned,
        recorded_utc=in_utc(entry.created_unix_s),
        movement_s=round(entry.movement_s, 3),
        rate_hz=round(entry.rate_hz, 2),
        n_samples=entry.n_samples,
        board=f"{entry.board_id:x}" if entry.board_id else "",
        source=entry.source,
        take_sha256=entry.take,
        check=verdict,
        deleted_utc=None if entry.deleted_unix_s is None else in_utc(entry.deleted_unix_s),
    )


def in_utc(unix_s: float) -> str:
    """Return a time as people read it, in UTC and to the second."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _show(screen: Console, rows: Sequence[Row]) -> None:
    is_deleted, is_checked = rows[0].deleted_utc is not None, rows[0].check is not None
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    right = {"id", "s", "Hz"}
    last = "deleted (UTC)" if is_deleted else "check"
    columns = ("id", "label", "person", "hand", "worn", "recorded (UTC)", "s", "Hz", "board or file")
    for column in (*columns, *([last] if is_deleted or is_checked else [])):
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        cells = [
            str(row.recording_id),
            escape(row.label),
            escape(row.person),
            _said(row.hand),
            escape(_said(row.mounting) + (" (turned)" if row.is_turned else "")),
            row.recorded_utc[:16],
            f"{row.movement_s:.1f}",
            f"{row.rate_hz:.0f}",
            escape(row.source or row.board or "-"),
        ]
        if is_deleted:
            cells.append(str(row.deleted_utc)[:16])
        elif is_checked:
            cells.append(f"[{_COLOURS[str(row.check)]}]{row.check}[/]")
        table.add_row(*cells)
    screen.print(table)


def _said(text: str) -> str:
    return "-" if text == "unset" else text


def _summarise(screen: Console, entries: Sequence[Entry]) -> None:
    people = sorted({entry.person for entry in entries})
    shown = people if len(people) <= _MAX_PEOPLE else []
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("label", *map(_said, shown), "takes", "seconds"):
        table.add_column(escape(column), justify="left" if column == "label" else "right")
    for label in sorted({entry.label for entry in entries}):
        of = [entry for entry in entries if entry.label == label]
        counts = [sum(entry.person == person for entry in of) for person in shown]
        seconds = sum(entry.movement_s for entry in of)
        table.add_row(escape(label), *(str(n or "-") for n in counts), str(len(of)), f"{seconds:.0f}")
    screen.print(table)
    if not shown:
        screen.print(f"of {len(people)} people")
