"""`fedmotion recordings plot`."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fedmotion.cli.recording_choice import choose, open_recordings, profile_option, which_options
from fedmotion.host.recording_store import RecordingStore

if TYPE_CHECKING:
    from fedmotion.host.recording_picture import Drawn


@click.command(
    "plot",
    epilog="""\b
Examples:
  fedmotion recordings plot 12 --profile anna
  fedmotion recordings plot 3-7 12 --save takes.png       without a screen
  fedmotion recordings plot --label swipe_left --person bert
  fedmotion recordings plot 3 31 --as-pictured            boards that are turned differently
""",
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@which_options
@click.option("--degrees", "is_degrees", is_flag=True, help="Angular rate in deg/s; else in rad/s.")
@click.option(
    "--as-pictured", "is_turned_back", is_flag=True, help="As a board worn as pictured would have felt it."
)
@click.option(
    "--save",
    "saved",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a picture (png, svg, pdf) and end; no screen is needed.",
)
@profile_option
def command(
    ids: tuple[str, ...],
    label: str | None,
    person: str | None,
    is_degrees: bool,
    is_turned_back: bool,
    saved: Path | None,
    profile: str,
) -> None:
    """Draw the six axes of recordings over each other, from where each one's movement begins."""
    if not ids and label is None and person is None:
        raise click.UsageError("say which: ids, --label or --person")
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError("plots and pictures need matplotlib: pip install 'fedmotion[demo]'")
    # Import matplotlib, which takes longer than all the rest.
    from fedmotion.host import recording_picture  # noqa: PLC0415 - see above

    if saved is not None:
        recording_picture.check_ending(saved)
        if not saved.absolute().parent.is_dir():
            raise ValueError(f"a picture goes into a folder that exists, got {str(saved)!r}")
    of, store = open_recordings(profile)
    with store:
        chosen = choose(store.entries(), ids, label=label, person=person)
        if len(chosen) > recording_picture.MAX_OVER:
            raise ValueError(
                f"1 to {recording_picture.MAX_OVER} takes are told apart in one picture, got {len(chosen)}: "
                "name some by their ids (`recordings check --picture FILE` draws all)"
            )
        takes = [_drawn(store, entry.recording_id, is_turned_back=is_turned_back) for entry in chosen]
    title = f"{of.directory.name}: {', '.join(sorted({entry.label for entry in chosen}))}"
    if saved is not None:
        recording_picture.save_over(takes, title, saved, is_degrees=is_degrees)
        click.echo(f"picture: {saved}")
        return
    from fedmotion.host.plot.window import show_still  # noqa: PLC0415 - as above

    show_still(lambda figure: recording_picture.draw_over(figure, takes, title, is_degrees=is_degrees))


def _drawn(store: RecordingStore, recording_id: int, *, is_turned_back: bool) -> "Drawn":
    from fedmotion.host.recording_picture import Drawn  # noqa: PLC0415 - as above

    recording = store.get(recording_id)
    if recording is None:
        raise ValueError(f"recording {recording_id} was deleted meanwhile")
    samples = recording.samples()
    return Drawn(
        name=f"#{recording_id} {recording.label}, {recording.person}",
        t_s=(recording.t_us - recording.start_us) / 1e6,
        samples=recording.turn.apply(samples) if is_turned_back else samples,
        movement_s=(recording.stop_us - recording.start_us) / 1e6,
    )
