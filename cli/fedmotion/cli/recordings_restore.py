"""`fedmotion recordings restore`."""

import click

from fedmotion.cli.recording_choice import by_label, choose, open_recordings, profile_option, which_options


@click.command(
    "restore",
    epilog="""\b
Examples:
  fedmotion recordings list --deleted             what there is to restore
  fedmotion recordings restore 12 --profile anna
  fedmotion recordings restore --all
""",
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "is_all", is_flag=True, help="All that are deleted.")
@which_options
@profile_option
def command(ids: tuple[str, ...], is_all: bool, label: str | None, person: str | None, profile: str) -> None:
    """Give deleted recordings back as they were, under the ids that they had."""
    if is_all == bool(ids or label is not None or person is not None):
        raise click.UsageError("say which: ids, --label or --person, or --all")
    of, store = open_recordings(profile, read_only=False)
    with store:
        deleted = store.entries(is_deleted=True)
        if not deleted:
            raise ValueError(f"no recording of {of.directory} is deleted")
        chosen = choose(deleted, ids, label=label, person=person)
        n_restored = store.restore([entry.recording_id for entry in chosen])
    click.echo(f"restored {n_restored}: {by_label(chosen)} of {of.directory}")
