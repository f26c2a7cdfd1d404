"""`fedmotion gestures`: the federation's list, and what this client adds to it."""

import shlex
import sys
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

import click
import msgspec

from fedmotion.cli.gesture_tables import console, report_likeness, show_example, show_gesture, show_list
from fedmotion.host.disclosure import DisclosureFile
from fedmotion.host.gesture_book import GestureBook
from fedmotion.host.gesture_rows import GestureRow, rows_of
from fedmotion.host.profile import Profile, find_profile
from fedmotion.host.recording_store import RecordingStore
from fedmotion.protocol.example_trace import example_of
from fedmotion.protocol.gestures import alike, check_gesture, check_sentence
from fedmotion.protocol.invitation import Invitation
from fedmotion.protocol.messages import ExampleTrace

_PROFILE = click.option(
    "--profile", default="default", show_default=True, help="A name, or a folder where it has a slash."
)
_JSON = click.option("--json", "is_json", is_flag=True, help="Everything as JSON.")


@click.group(
    "gestures",
    epilog="""\b
Examples:
  fedmotion gestures list                         what the federation knows, and what you have
  fedmotion gestures propose circle --sentence "a full circle in the air, clockwise"
  fedmotion gestures teach circle                 your takes of it may teach it
""",
)
def command() -> None:
    """See the federation's gestures, propose more, and choose which ones your takes teach.

    The list comes with the agent, and what you propose leaves with it: `fedmotion agent` is to run now or
    later. docs/gestures.md says what each step tells others.
    """


@command.command(
    "list",
    epilog="""\b
Examples:
  fedmotion gestures list
  fedmotion gestures list --profile anna --json
""",
)
@_PROFILE
@_JSON
def list_gestures(profile: str, is_json: bool) -> None:
    """List the federation's gestures, your takes of each, and what became of your proposals."""
    of, _ = _joined(profile)
    with _book(of) as book:
        rows, received = _rows(of, book), book.received_unix_s()
    if is_json:
        click.echo(msgspec.json.encode(rows))
        return
    show_list(console(), rows)
    if received is None:
        click.echo("no list of the federation's came yet: run `fedmotion agent` once", err=True)


@command.command(
    "show",
    epilog="""\b
Examples:
  fedmotion gestures show circle
  fedmotion gestures show circle --json
""",
)
@click.argument("name")
@_PROFILE
@_JSON
def show(name: str, profile: str, is_json: bool) -> None:
    """Say what NAME is, with its example where its proposer has published one."""
    of, _ = _joined(profile)
    with _book(of) as book:
        rows = {row.name: row for row in _rows(of, book)}
        listed = book.gestures()
    if name not in rows:
        near = [str(each.name) for each in alike(name, rows)]
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(rows) or 'none yet'}"
        raise ValueError(f"there is no gesture {name!r}: {hint}")
    example = next((each.example for each in (listed.gestures if listed else ()) if each.name == name), None)
    if is_json:
        click.echo(msgspec.json.encode({"gesture": rows[name], "example": example}))
        return
    show_gesture(console(), rows[name], example)


@command.command(
    "propose",
    epilog="""\b
Examples:
  fedmotion gestures propose circle --sentence "a full circle in the air, clockwise"
  fedmotion gestures propose circle --sentence "..." --with-example 12     publish take 12 of yours
""",
)
@click.argument("name")
@click.option("--sentence", required=True, help="What it is, in one line of at most 200 characters.")
@click.option(
    "--with-example",
    "take",
    type=click.IntRange(1),
    help="Publish the outline of this take of yours (an id of `fedmotion recordings list`), shown first.",
)
@click.option(
    "--yes",
    "is_agreed",
    is_flag=True,
    help="Ask nothing: neither about a name that is alike nor about the example.",
)
@_PROFILE
def propose(name: str, sentence: str, take: int | None, is_agreed: bool, profile: str) -> None:
    """Propose the gesture NAME to the federation's owner, and agree to teach it.

    Your takes of NAME stay here as all others do; once the owner has accepted, what is learned from them
    leaves with each round. With an example 24 instants of one take are published to all clients: that is
    motion of yours.
    """
    check_gesture(name)
    check_sentence(sentence)
    of, invitation = _joined(profile)
    n_takes = _takes(of)[name]
    example = None if take is None else _example(of, take, name)
    with _book(of) as book:
        rows = _rows(of, book)
        is_alike = report_likeness(console(is_error=True), name, [row.name for row in rows])
        if (
            is_alike
            and not is_agreed
            and sys.stdin.isatty()
            and not click.confirm("Propose it all the same?")
        ):
            raise click.Abort
        if example is not None:
            _agree(example, is_agreed=is_agreed)
        book.propose(invitation.federation_id, invitation.client_id, uuid4(), name, sentence, example)
    click.echo(
        f"{name} is proposed to the owner of {invitation.federation}; it leaves with the agent, and "
        "`fedmotion gestures list` says what became of it"
    )
    if not n_takes:
        click.echo(f"you have no take of it yet: `fedmotion record {shlex.quote(name)}` makes some", err=True)


@command.command(
    "withdraw",
    epilog="""\b
Examples:
  fedmotion gestures withdraw circle
  fedmotion gestures withdraw circle --profile anna
""",
)
@click.argument("name")
@_PROFILE
def withdraw(name: str, profile: str) -> None:
    """Take your open proposal of NAME back. An example that was published may be kept by whoever read it."""
    of, invitation = _joined(profile)
    with _book(of) as book:
        book.withdraw(invitation.federation_id, invitation.client_id, name)
    click.echo(f"{name} is withdrawn; the owner hears of it when the agent runs")


@command.command(
    "teach",
    epilog="""\b
Examples:
  fedmotion gestures teach circle
  fedmotion gestures teach circle --stop
""",
)
@click.argument("name")
@click.option("--stop", "is_stopped", is_flag=True, help="Agree no longer, from the next round on.")
@_PROFILE
def teach(name: str, is_stopped: bool, profile: str) -> None:
    """Agree that your takes of NAME teach it, though the federation took it up after you joined.

    Without that the agent follows the federation and leaves those takes out of every answer.
    """
    of, _ = _joined(profile)
    with _book(of) as book:
        listed = book.gestures()
        names = [each.name for each in listed.gestures] if listed else []
        if name not in names:
            raise ValueError(f"the federation has {', '.join(names) or 'sent no list yet'}, got {name!r}")
        if is_stopped:
            book.stop_teaching(name)
        else:
            book.teach(name)
    n_takes = _takes(of)[name]
    said = "teach no longer" if is_stopped else "teach"
    click.echo(f"{n_takes} takes of {name} {said} from the next round on")


def _joined(profile: str) -> tuple[Profile, Invitation]:
    of = find_profile(profile)
    return of, of.read_invitation()


def _rows(profile: Profile, book: GestureBook) -> list[GestureRow]:
    return rows_of(book, _takes(profile), DisclosureFile(profile.disclosed).read())


def _book(profile: Profile) -> GestureBook:
    return GestureBook(profile.gestures, clock=time.time)


def _takes(profile: Profile) -> Counter[str]:
    if not profile.recordings.exists():
        return Counter()
    with RecordingStore(profile.recordings, clock=time.time, read_only=True) as store:
        return Counter(store.count_by_label())


def _example(profile: Profile, recording_id: int, name: str) -> ExampleTrace:
    path: Path = profile.recordings
    recording = None
    if path.exists():
        with RecordingStore(path, clock=time.time, read_only=True) as store:
            recording = store.get(recording_id)
    if recording is None:
        raise ValueError(
            f"there is no take {recording_id} in {profile.directory}: `fedmotion recordings list`"
        )
    if recording.label != name:
        raise ValueError(
            f"an example of {name!r} is a take of it, take {recording_id} is of {recording.label!r}"
        )
    is_movement = (recording.t_us >= recording.start_us) & (recording.t_us <= recording.stop_us)
    turned = recording.turn.apply(recording.samples())
    return example_of(recording.t_us[is_movement], turned[is_movement])


def _agree(example: ExampleTrace, *, is_agreed: bool) -> None:
    """Show what would leave and ask; raises where the answer is no, or nobody can be asked."""
    show_example(console(), example)
    click.echo(
        "This is motion of yours. Every client of the federation, its owner and its broker can keep it."
    )
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise ValueError("nobody is here to agree to that: give --yes, or leave --with-example out")
    if not click.confirm("Publish it?"):
        raise click.Abort
