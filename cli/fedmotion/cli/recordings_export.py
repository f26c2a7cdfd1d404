"""`fedmotion recordings export`."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from fedmotion.cli.recording_choice import by_label, choose, open_recordings, profile_option, which_options
from fedmotion.host.recording_export import SUFFIXES, export


@click.command(
    "export",
    epilog="""\b
Examples:
  fedmotion recordings export anna.npz --profile anna
  fedmotion recordings export swipes.csv --label swipe_left
  fedmotion recordings export takes 3-9 12        a folder with a csv for each
""",
)
@click.argument("place", type=click.Path(path_type=Path), metavar="FILE|FOLDER")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@which_options
@profile_option
def command(place: Path, ids: tuple[str, ...], label: str | None, person: str | None, profile: str) -> None:
    """Write recordings into FILE (npz or csv) or FOLDER, readable to you only.

    Samples are in m/s2 and rad/s as the board measured them, with the times in microseconds, who wore it, on
    which hand and how turned. `fedmotion recordings import` makes the same recordings of it. What leaves this
    machine with such a file is motion: fedmotion itself never sends it.
    """
    if place.suffix and place.suffix.lower() not in SUFFIXES and not place.is_dir():
        raise ValueError(f"a file ends in {' or '.join(SUFFIXES)}, and a folder has no ending; got {place}")
    of, store = open_recordings(profile)
    with store:
        chosen = choose(store.entries(), ids, label=label, person=person)
        if not chosen:
            raise ValueError(f"{of.directory} has no recording to export")
        columns = (TextColumn("writing takes"), BarColumn(), MofNCompleteColumn())
        errors = Console(stderr=True)
        with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
            task = progress.add_task("", total=len(chosen))
            files = export(store, chosen, place, on_recording=lambda: progress.advance(task))
    n_bytes = sum(file.stat().st_size for file in files)
    into = str(place) if len(files) == 1 and files[0] == place else f"{len(files)} files of {place}"
    click.echo(f"{into}: {by_label(chosen)}, {n_bytes} bytes")
