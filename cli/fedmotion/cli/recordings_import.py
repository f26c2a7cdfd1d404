"""`fedmotion recordings import`."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fedmotion.cli.agent_program import FINDING
from fedmotion.cli.options import CommaSeparated
from fedmotion.cli.recording_choice import json_option, profile_option, profile_words
from fedmotion.host.import_rows import ImportOptions
from fedmotion.host.profile import find_profile
from fedmotion.host.recording_export import SUFFIXES
from fedmotion.host.recording_import import ImportReport, import_file
from fedmotion.host.recording_staging import StagingStore
from fedmotion.host.sample_tables import TIMES_US
from fedmotion.host.sample_units import parse_units
from fedmotion.protocol.identity import Hand

_N_EXAMPLES = 3


@click.command(
    "import",
    epilog="""\b
Examples:
  fedmotion recordings import utd.npz --profile anna
  fedmotion recordings import punch.csv --label punch --person bert --units g,deg/s --rate-hz 119
  fedmotion recordings import walk.csv --label other --time-unit ms --whole
  fedmotion recordings import monitor.log --label wave --rate-hz 100
  fedmotion recordings import utd.npz --dry-run           what would become of it
  fedmotion recordings import takes                       a folder that `export` has written
""",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@profile_option
@click.option("--label", default="", help="What was performed, where the file does not say it.")
@click.option("--person", default="", help="Who performed it, likewise.")
@click.option("--hand", type=click.Choice(get_args(Hand)), help="Which hand wore the board, likewise.")
@click.option("--mounting", default="", help="Where it was worn, in your words, likewise.")
@click.option(
    "--units",
    metavar="ACCEL,GYRO",
    help="In place of the file's: g,deg/s or m/s2,rad/s or counts@2g,counts@250dps, ...",
)
@click.option(
    "--rate-hz", type=click.FloatRange(0.1, 100_000), help="Samples a second, where the file has no times."
)
@click.option(
    "--time-unit", type=click.Choice(list(TIMES_US)), help="Of a column of times that does not say it."
)
@click.option(
    "--columns", type=CommaSeparated(), default=(), help="Names of a table's columns that has none."
)
@click.option("--rows-per-take", type=click.IntRange(2), help="A table's takes are so many rows each.")
@click.option("--whole", "is_whole", is_flag=True, help="Cut no take into movements, however long.")
@click.option(
    "--skip-bad-rows", "skips_bad_rows", is_flag=True, help="Leave out and count what is no sample."
)
@click.option(
    "--trust-units", "trusts_units", is_flag=True, help="Import what does not weigh 9.81 m/s2 at rest."
)
@click.option("--dry-run", "is_dry", is_flag=True, help="Read and check everything, store nothing.")
@json_option
def command(
    files: tuple[Path, ...],
    profile: str,
    label: str,
    person: str,
    hand: Hand | None,
    mounting: str,
    units: str | None,
    rate_hz: float | None,
    time_unit: str | None,
    columns: tuple[str, ...],
    rows_per_take: int | None,
    is_whole: bool,
    skips_bad_rows: bool,
    trusts_units: bool,
    is_dry: bool,
    is_json: bool,
) -> None:
    """Take in recordings from FILES: npz, tables in text (csv), or what a board's sketch printed.

    A file is imported whole or not at all; what is in the profile already is left out and named. Takes of up
    to 8 s become one recording each, longer ones one for each movement in them. docs/recording-files.md says
    which columns and units are understood.
    """
    options = ImportOptions(
        label=label,
        person=person,
        hand=hand,
        mounting=mounting,
        units=parse_units(units) if units else None,
        rate_hz=rate_hz,
        time_unit=time_unit,
        columns=columns,
        rows_per_take=rows_per_take,
        is_whole=is_whole,
        skips_bad_rows=skips_bad_rows,
    )
    files = tuple(file for path in files for file in _files_of(path))
    of = find_profile(profile)
    of.create()
    reports: list[ImportReport] = []
    refused: list[str] = []
    with StagingStore(of.recordings, clock=time.time) as store:
        for path in files:
            try:
                reports.append(_import(store, path, options, trusts_units=trusts_units, is_dry=is_dry))
            except (ValueError, OSError) as error:
                if len(files) == 1:
                    raise
                refused.append(str(error))
                click.echo(f"not imported: {error}", err=True)
                continue
            if not is_json:
                _tell(reports[-1], is_dry=is_dry)
        counts = store.count_by_label()
    if is_json:
        click.echo(msgspec.json.encode({"files": reports, "refused": refused}))
    elif not is_dry:
        click.echo(f"{of.directory} holds {', '.join(f'{n} {name}' for name, n in counts.items()) or 'none'}")
        if any(each.severity == "unusable" for report in reports for each in report.findings):
            click.echo(f"`fedmotion recordings check{profile_words(profile)}` says all of the unusable ones")
    if refused:
        sys.exit(2)


def _files_of(path: Path) -> list[Path]:
    """Return the files that a folder of `recordings export` holds, in order, or the file itself."""
    if not path.is_dir():
        return [path]
    files = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"the folder {path} has no file that ends in {' or '.join(SUFFIXES)}")
    return files


def _import(
    store: StagingStore, path: Path, options: ImportOptions, *, trusts_units: bool, is_dry: bool
) -> ImportReport:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task(path.name, total=1.0)
        return import_file(
            store,
            path,
            options,
            finding=FINDING,
            trusts_units=trusts_units,
            is_dry=is_dry,
            on_progress=lambda share: progress.update(task, completed=share),
        )


def _tell(report: ImportReport, *, is_dry: bool) -> None:
    takes = "1 take" if report.n_takes == 1 else f"{report.n_takes} takes"
    would = "would become" if is_dry else "became"
    recordings = "1 new recording" if report.n_added == 1 else f"{report.n_added} new recordings"
    click.echo(f"{report.file}: {takes} {would} {recordings}")
    for note in report.notes:
        click.echo(f"  {note}")
    if report.n_long:
        click.echo(
            f"  {report.n_long} longer than 8 s were cut into their movements (--whole keeps them whole); "
            f"{report.n_cut_off} movements at an end or a gap left out"
        )
    if report.n_skipped_rows:
        click.echo(f"  {report.n_skipped_rows} bad rows left out, the first: {report.first_skipped_row}")
    _examples("there already", report.duplicates)
    _examples("not imported", report.without_movement)
    for severity in ("unusable", "doubtful"):
        found = [each for each in report.findings if each.severity == severity]
        if found:
            kinds = Counter(each.kind for each in found)
            click.echo(f"  {severity}: {', '.join(f'{n} {kind}' for kind, n in kinds.items())}")
            _examples("", [f"{each.take}  {each.sentence}".strip() for each in found])


def _examples(what: str, sentences: Sequence[str]) -> None:
    if not sentences:
        return
    indent = "    "
    if what:
        click.echo(f"  {what}: {len(sentences)}")
    for sentence in sentences[:_N_EXAMPLES]:
        click.echo(f"{indent}{sentence}")
    if len(sentences) > _N_EXAMPLES:
        click.echo(f"{indent}and {len(sentences) - _N_EXAMPLES} more (--json says all)")
