"""`fedmotion recordings delete`."""

import sys

import click

from fedmotion.cli.recording_choice import (
    by_label,
    choose,
    n_disclosed,
    open_recordings,
    profile_option,
    profile_words,
    ranges,
    which_options,
)


@click.command(
    "delete",
    epilog="""\b
Examples:
  fedmotion recordings delete 12 --profile anna
  fedmotion recordings delete 3-9 12 --yes
  fedmotion recordings delete --label swipe_left --person bert
  fedmotion recordings delete 12 --for-good       no `restore` gives it back
""",
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@which_options
@click.option("--for-good", "is_for_good", is_flag=True, help="Erase them, deleted ones too: no undo.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@profile_option
def command(
    ids: tuple[str, ...],
    label: str | None,
    person: str | None,
    is_for_good: bool,
    is_sure: bool,
    profile: str,
) -> None:
    """Delete recordings: those with the ids given, or of a label or person.

    They are not trained on any more and `fedmotion recordings restore` gives them back, until they are erased
    with --for-good.
    """
    if not ids and label is None and person is None:
        raise click.UsageError("say which: ids, --label or --person")
    of, store = open_recordings(profile, read_only=False)
    with store:
        entries = store.entries() + (store.entries(is_deleted=True) if is_for_good else [])
        chosen = choose(entries, ids, label=label, person=person)
        n_told = n_disclosed(of, (entry for entry in chosen if entry.deleted_unix_s is None))
        if n_told:
            click.echo(
                f"{n_told} of them are in the sums that this profile gave its federation: without them no "
                "more sums are given until they are restored or you join again",
                err=True,
            )
        what = f"{by_label(chosen)} of {of.directory}"
        if not is_sure:
            how = "for good, which nothing undoes" if is_for_good else "(`restore` gives them back)"
            _ask(f"delete {what} {how}?")
        found = [entry.recording_id for entry in chosen]
        n_deleted = store.erase(found) if is_for_good else store.delete(found)
    click.echo(f"deleted {n_deleted}: {what}{', for good' if is_for_good else ''}")
    if not is_for_good:
        click.echo(f"undo: fedmotion recordings restore {ranges(found)}{profile_words(profile)}")


def _ask(question: str) -> None:
    try:
        is_meant = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        # A script reads no question: what became of its call must stand in words.
        raise click.ClickException("nothing was deleted: where nobody can answer, say --yes") from None
    if not is_meant:
        raise click.Abort
