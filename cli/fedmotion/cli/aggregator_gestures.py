"""`fedmotion aggregator gestures`: the owner's side of a set of gestures that grows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.growing import accept, add, decline, describe
from fedmotion.cli.aggregator_folder import DATA_OPTION, AggregatorFolder
from fedmotion.cli.gesture_tables import (
    console,
    report_likeness,
    show_example,
    show_owners_list,
    show_proposals,
)

_JSON = click.option("--json", "is_json", is_flag=True, help="Everything as JSON.")
_OF = click.option("--of", "client_id", help="Of this client, where several propose it.")
_NEXT = "a running aggregator begins its lineage between two rounds, else the next start does"


@click.group(
    "gestures",
    epilog="""\b
Examples:
  fedmotion aggregator gestures proposals         what clients would like
  fedmotion aggregator gestures accept circle     the set grows, the rounds go on
  fedmotion aggregator gestures decline Circle --why "we have circle"
""",
)
def command() -> None:
    """Keep the federation's list of gestures; also while the aggregator runs."""


@command.command(
    "list",
    epilog="""\b
Examples:
  fedmotion aggregator gestures list
  fedmotion aggregator gestures list --data ./federation --json
""",
)
@DATA_OPTION
@_JSON
def list_gestures(data: Path, is_json: bool) -> None:
    """List the gestures and what each is."""
    with _store(data) as store:
        listed = store.listed()
    if is_json:
        click.echo(msgspec.json.encode(listed))
        return
    show_owners_list(console(), listed)


@command.command(
    "proposals",
    epilog="""\b
Examples:
  fedmotion aggregator gestures proposals
  fedmotion aggregator gestures proposals --example circle      draw what came with it
  fedmotion aggregator gestures proposals --all --json
""",
)
@DATA_OPTION
@click.option("--all", "is_all", is_flag=True, help="Also those that are answered or withdrawn.")
@click.option("--example", "name", help="Draw the examples that came with the proposals of this gesture.")
@_JSON
def proposals(data: Path, is_all: bool, name: str | None, is_json: bool) -> None:
    """List what clients propose, with the names that are alike."""
    with _store(data) as store:
        found = [each for each in store.proposals() if is_all or each.state == "open"]
        listed = [each.name for each in store.listed()]
    if is_json:
        click.echo(msgspec.json.encode(found))
        return
    if not found:
        click.echo("no proposal is open", err=True)
        return
    screen = console()
    show_proposals(screen, found, listed)
    for each in found:
        if each.name == name and each.example is not None:
            screen.print(f"{each.client_id}:")
            show_example(screen, each.example)


@command.command(
    "accept",
    epilog="""\b
Examples:
  fedmotion aggregator gestures accept circle
  fedmotion aggregator gestures accept circle --of anna --sentence "a full circle in the air"
""",
)
@click.argument("name")
@_OF
@click.option("--sentence", help="Your own words instead of the client's.")
@DATA_OPTION
def accept_proposal(name: str, client_id: str | None, sentence: str | None, data: Path) -> None:
    """Take the proposed gesture NAME into the list: all rounds from then on learn it."""
    with _store(data) as store:
        report_likeness(console(is_error=True), name, [each.name for each in store.listed()])
        chosen = accept(store, name, client_id=client_id, sentence=sentence)
    click.echo(f"{name} of {chosen.client_id} is accepted; {_NEXT}")


@command.command(
    "add",
    epilog="""\b
Examples:
  fedmotion aggregator gestures add wave --sentence "the hand waves twice"
  fedmotion aggregator gestures add wave --sentence "..." --data ./federation
""",
)
@click.argument("name")
@click.option("--sentence", required=True, help="What it is, in one line of at most 200 characters.")
@DATA_OPTION
def add_gesture(name: str, sentence: str, data: Path) -> None:
    """Take a gesture into the list that nobody has proposed."""
    with _store(data) as store:
        report_likeness(console(is_error=True), name, [each.name for each in store.listed()])
        add(store, name, sentence)
    click.echo(f"{name} is added; {_NEXT}")


@command.command(
    "decline",
    epilog="""\b
Examples:
  fedmotion aggregator gestures decline Circle --why "we have circle"
  fedmotion aggregator gestures decline circle --of bert --why "anna's words are clearer"
""",
)
@click.argument("name")
@_OF
@click.option("--why", required=True, help="What the proposer is told.")
@DATA_OPTION
def decline_proposal(name: str, client_id: str | None, why: str, data: Path) -> None:
    """Decline the proposals of NAME."""
    with _store(data) as store:
        n_declined = decline(store, name, why, client_id=client_id)
    click.echo(f"{n_declined} proposal{'' if n_declined == 1 else 's'} of {name} declined")


@command.command(
    "describe",
    epilog="""\b
Examples:
  fedmotion aggregator gestures describe circle --sentence "a full circle in the air"
  fedmotion aggregator gestures describe circle --no-example
""",
)
@click.argument("name")
@click.option("--sentence", help="What it is, in one line of at most 200 characters.")
@click.option("--no-example", "is_example_removed", is_flag=True, help="Take its example away.")
@DATA_OPTION
def describe_gesture(name: str, sentence: str | None, is_example_removed: bool, data: Path) -> None:
    """Say what a gesture of the list is."""
    if sentence is None and not is_example_removed:
        raise ValueError("describe takes --sentence, --no-example or both")
    with _store(data) as store:
        described = describe(store, name, sentence, is_example_removed=is_example_removed)
    click.echo(f"{described.name}: {described.sentence or '-'}")


@contextmanager
def _store(data: Path) -> Iterator[FederationStore]:
    folder = AggregatorFolder(data)
    with folder.open_store(folder.read_configuration()) as store:
        yield store
