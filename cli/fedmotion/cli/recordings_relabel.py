"""`fedmotion recordings relabel`."""

import shlex
from collections import defaultdict

import click

from fedmotion.cli.recording_choice import (
    by_label,
    choose,
    n_disclosed,
    open_recordings,
    profile_option,
    profile_words,
    ranges,
)
from fedmotion.protocol.identity import check_label


@click.command(
    "relabel",
    epilog="""\b
Examples:
  fedmotion recordings relabel 12 swipe_left
  fedmotion recordings relabel 3-9 12 swipe_left --profile anna
  fedmotion recordings relabel --from swipe_letf --to swipe_left
  fedmotion recordings relabel --from circle --to circle_cw --person bert
""",
)
@click.argument("words", nargs=-1, metavar="[ID... LABEL]")
@click.option("--from", "label_before", metavar="LABEL", help="All recordings of this label.")
@click.option("--to", "label_after", metavar="LABEL", help="What they are called then.")
@click.option("--person", help="Only those of this person.")
@profile_option
def command(
    words: tuple[str, ...],
    label_before: str | None,
    label_after: str | None,
    person: str | None,
    profile: str,
) -> None:
    """Give recordings another label: those with the ids given, or all of one label.

    All of them or none; the motion is not touched. An agent that runs trains with the new label from its next
    round on.
    """
    if bool(words) == (label_before is not None or label_after is not None):
        raise click.UsageError("give ids and a LABEL, or --from LABEL --to LABEL")
    if words and len(words) < 2:
        raise click.UsageError(f"give ids and a LABEL behind them, got {words[0]!r} alone")
    if not words and (label_before is None or label_after is None):
        raise click.UsageError("--from and --to go together")
    label = check_label(words[-1] if words else str(label_after))
    of, store = open_recordings(profile, read_only=False)
    with store:
        entries = store.entries()
        chosen = choose(entries, words[:-1], label=label_before, person=person)
        changing = [entry for entry in chosen if entry.label != label]
        is_new = all(entry.label != label for entry in entries)
        store.relabel([entry.recording_id for entry in changing], label)
    if not changing:
        click.echo(f"nothing to do: {by_label(chosen)} already")
        return
    click.echo(f"{by_label(changing)}: {label} now")
    if is_new:
        click.echo(f"no recording had the label {label} before: `list` shows whether it is written as meant")
    n_told = n_disclosed(of, changing)
    if n_told:
        click.echo(
            f"{n_told} of them are in the sums that this profile gave its federation: if {label} is no "
            "activity of it, no more sums are given until they are labelled as before or you join again",
            err=True,
        )
    before = defaultdict(list)
    for entry in changing:
        before[entry.label].append(entry.recording_id)
    for former, ids in before.items():
        click.echo(
            f"undo: fedmotion recordings relabel {ranges(ids)} {shlex.quote(former)}{profile_words(profile)}"
        )
