"""`fedmotion recordings check`."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from fedmotion.cli.options import CommaSeparated
from fedmotion.host.profile import find_profile
from fedmotion.host.recording_files import load_recordings
from fedmotion.host.recording_review import AcceptedTakes, take_of
from fedmotion.host.recording_store import DamagedRecordingError, RecordingStore
from fedmotion.models.recording_check import RecordingCheck
from fedmotion.models.recording_findings import WHAT_TO_DO, Finding
from fedmotion.models.take_signs import Signs
from fedmotion.models.takes import Take

_N_EXAMPLES = 3
_COLOURS = {"unusable": "bold red", "doubtful": "yellow", "note": "dim"}


@click.command(
    "check",
    epilog="""\b
Examples:
  fedmotion recordings check --profile anna --picture takes.png
  fedmotion recordings check --profile anna --accept 12 --accept 31
  fedmotion recordings check utd.npz --picture swipes.png --gestures swipe_left,swipe_right
""",
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--profile", help="The profile whose recordings to check.  [default: default]")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw each gesture's takes into this file.")
@click.option(
    "--gestures", type=CommaSeparated(), default=(), help="Which ones to draw.  [default: the first 6]"
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all findings to this file.")
@click.option(
    "--claimed-rate", type=click.FloatRange(0, min_open=True), help="The rate that a readme claims."
)
@click.option(
    "--accept",
    multiple=True,
    type=click.IntRange(1),
    metavar="ID",
    help="Train on this recording all the same.",
)
def command(
    files: tuple[Path, ...],
    profile: str | None,
    picture: Path | None,
    gestures: tuple[str, ...],
    json_path: Path | None,
    claimed_rate: float | None,
    accept: tuple[int, ...],
) -> None:
    """Find bad recordings and name them, before anything is trained.

    Of a profile's recordings or of FILES (npz). Takes that are unusable are not trained on unless accepted;
    doubtful ones are. Exits with 0 where nothing is wrong, 1 where something is.
    """
    if files and (profile or accept):
        raise click.UsageError(
            "check either a profile's recordings or FILES; only a profile's can be accepted"
        )
    if claimed_rate and not files:
        raise click.UsageError("--claimed-rate goes with FILES: a profile's rates are the board's own")
    _check_places(picture, json_path)
    whole = RecordingCheck()
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    if files:
        n_damaged, accepted = 0, frozenset[str]()
        opened = [load_recordings(path) for path in files]
        takes: Iterable[Take] = chain.from_iterable(opened)
        if claimed_rate is not None:
            takes = (replace(take, declared_rate_hz=claimed_rate) for take in takes)
        _look(whole, takes, sum(map(len, opened)), errors)
        title = ", ".join(path.name for path in files)
    else:
        title, accepted, n_damaged = _look_at_profile(whole, profile or "default", accept, errors)
    found = [each for each in whole.findings() if each.take not in accepted]
    if json_path is not None:
        told = {"n_takes": len(whole.signs), "accepted": sorted(accepted), "findings": found}
        json_path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    _show(console, title, whole.signs, found, len(accepted))
    if picture is not None:
        _draw(whole.signs, gestures, title, picture)
        console.print(f"picture: {escape(str(picture))}")
    if n_damaged or any(each.severity != "note" for each in found):
        raise SystemExit(1)


def _check_places(picture: Path | None, json_path: Path | None) -> None:
    """Raise what would only show at the end of a long check."""
    for path in (picture, json_path):
        if path is not None and not path.parent.is_dir():
            raise ValueError(f"{path} cannot be written: there is no folder {path.parent}")
    if picture is not None:
        try:
            from fedmotion.host import recording_picture  # noqa: PLC0415 - matplotlib, which is an extra
        except ImportError:
            raise click.ClickException(
                "the picture needs matplotlib: pip install 'fedmotion[demo]'"
            ) from None
        recording_picture.check_ending(picture)


def _look(whole: RecordingCheck, takes: Iterable[Take], n_takes: int, errors: Console) -> None:
    columns = (TextColumn("looking at takes"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        for take in progress.track(takes, total=n_takes):
            whole.add(take)


def _look_at_profile(
    whole: RecordingCheck, name: str, accept: Sequence[int], errors: Console
) -> tuple[str, frozenset[str], int]:
    """Look at a profile's recordings; return a title, the accepted takes, and how many are damaged."""
    profile = find_profile(name)
    if not profile.recordings.exists():
        raise ValueError(
            f"the profile {profile.directory} has no recordings yet: `fedmotion record LABEL` makes some"
        )
    file = AcceptedTakes(profile.recordings)
    with RecordingStore(profile.recordings, clock=time.time, read_only=True) as store:
        ids = store.recording_ids()
        if unknown := sorted(set(accept) - set(ids)):
            known = f"{ids[0]} to {ids[-1]}" if ids else "none"
            raise ValueError(
                f"--accept names recordings of {profile.directory}, whose ids are {known}; got "
                f"{', '.join(map(str, unknown))}"
            )
        sha256, damaged = look_at_store(whole, store, errors)
    n_damaged = len(damaged)
    if accept:
        file.add(sha256[f"#{each}"] for each in accept if f"#{each}" in sha256)
    kept = file.read()
    return str(profile.directory), frozenset(name for name, each in sha256.items() if each in kept), n_damaged


def look_at_store(
    whole: RecordingCheck, store: RecordingStore, errors: Console
) -> tuple[dict[str, str], dict[int, str]]:
    """Look at all recordings of a store, and say which are damaged.

    Returns the SHA-256 of each take by its name, "#" and the recording's id, and why the damaged ones are.
    """
    sha256: dict[str, str] = {}
    damaged: dict[int, str] = {}
    ids = store.recording_ids()

    def read() -> Iterator[Take]:
        for recording_id in ids:
            try:
                recording = store.get(recording_id)
            except DamagedRecordingError as error:
                damaged[recording_id] = str(error)
                errors.print(escape(str(error)))
                continue
            if recording is not None:
                sha256[f"#{recording_id}"] = recording.take_sha256().hex()
                yield take_of(recording, f"#{recording_id}")

    _look(whole, read(), len(ids), errors)
    return sha256, damaged


def _show(
    console: Console, title: str, takes: Sequence[Signs], found: Sequence[Finding], n_accepted: int
) -> None:
    labels, people = {take.label for take in takes}, {take.person for take in takes}
    console.print(
        f"[bold]{escape(title)}[/]: takes {len(takes)}, labels {len(labels)}, people {len(people)}"
        + (f", {n_accepted} accepted" if n_accepted else "")
    )
    if not found:
        console.print("nothing wrong found")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_lines=False)
    table.add_column("what")
    table.add_column("takes", justify="right")
    table.add_column("which and why", overflow="fold")
    for kind, what_to_do in WHAT_TO_DO.items():
        of_kind = [each for each in found if each.kind == kind]
        for severity, colour in _COLOURS.items():
            of_both = [each for each in of_kind if each.severity == severity]
            if of_both:
                table.add_row(f"{kind}\n[{colour}]{severity}[/]", _count(of_both), _examples(of_both))
        if of_kind:
            table.add_row("", "", f"[dim]→ {what_to_do}[/]", end_section=True)
    console.print(table)
    n_unusable, n_doubtful = (
        len({each.take for each in found if each.severity == severity and each.take})
        for severity in ("unusable", "doubtful")
    )
    console.print(
        f"takes that are unusable: {n_unusable}, doubtful: {n_doubtful}; of a profile's recordings the "
        "unusable ones are not trained on, unless accepted with --accept ID"
    )


def _count(found: Sequence[Finding]) -> str:
    n_takes = len({each.take for each in found if each.take})
    return str(n_takes) if n_takes else "all"


def _examples(found: Sequence[Finding]) -> str:
    lines = [escape(f"{each.take}  {each.sentence}".strip()) for each in found[:_N_EXAMPLES]]
    n_more = len(found) - _N_EXAMPLES
    return "\n".join([*lines, f"[dim]and {n_more} more[/]"] if n_more > 0 else lines)


def _draw(takes: Sequence[Signs], gestures: Sequence[str], title: str, path: Path) -> None:
    from fedmotion.host import recording_picture  # noqa: PLC0415 - matplotlib, which is an extra

    shown = recording_picture.gestures_to_draw(takes, gestures)
    recording_picture.save(takes, shown, title, path)
