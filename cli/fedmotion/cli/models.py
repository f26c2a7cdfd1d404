"""`fedmotion models`: the models on this host, and what is in them."""

import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from fedmotion.broker.private_file import write_private
from fedmotion.cli.aggregator_folder import DEFAULT_FOLDER
from fedmotion.cli.model_places import (
    MODEL_SYNTAX,
    ModelRow,
    find_model,
    personal_record,
    rows_here,
    rows_of_aggregator,
    rows_of_folder,
    rows_of_profile,
)
from fedmotion.cli.model_tables import (
    SHORT,
    console,
    how_it_was_made,
    show_decisions,
    show_difference,
    show_report,
    show_rows,
)
from fedmotion.cli.models_export import command as export_command
from fedmotion.host.decided_otherwise import decision_difference
from fedmotion.host.profile import find_profile
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.released_model import this_program, utc
from fedmotion.models.model_difference import difference
from fedmotion.models.model_file import SUFFIX, encode_model_file
from fedmotion.models.model_report import report_on

_JSON = click.option("--json", "is_json", is_flag=True, help="Everything as JSON.")


@click.group(
    "models",
    epilog=f"""{MODEL_SYNTAX}
\b
Examples:
  fedmotion models list                           what is here
  fedmotion models show anna                      the released model that the profile anna keeps
  fedmotion models diff federation@1 federation@12
  fedmotion models save federation swipes.safetensors
  fedmotion models export anna anna.tflite --header anna.h --profile anna
""",
)
def command() -> None:
    """List models, show and compare them, save one into a file, and write one for a microcontroller.

    A model file is a safetensors file, which everybody can open; docs/models.md has its layout.
    """


@command.command(
    "list",
    epilog="""\b
Examples:
  fedmotion models list                           all profiles, and ./federation
  fedmotion models list --profile anna
  fedmotion models list --aggregator federation   also while it runs
  fedmotion models list ./archive                 the model files of a folder
""",
)
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--profile", help="Only this profile's.")
@click.option("--aggregator", type=click.Path(path_type=Path, file_okay=False), help="Only this folder's.")
@_JSON
def list_models(folder: Path | None, profile: str | None, aggregator: Path | None, is_json: bool) -> None:
    """List the models here, or those of one place.

    What is named under WHERE is how `show`, `diff` and `save` name the model. A `*` is the released one.
    """
    if sum(place is not None for place in (folder, profile, aggregator)) > 1:
        raise ValueError("one place at a time: give --profile, --aggregator or FOLDER")
    found: Iterable[ModelRow | str]
    if profile is not None:
        found = rows_of_profile(profile)
    elif aggregator is not None:
        found = rows_of_aggregator(aggregator)
    else:
        found = rows_here(Path(DEFAULT_FOLDER)) if folder is None else rows_of_folder(folder)
    rows, troubles = _parted(found)
    if is_json:
        click.echo(msgspec.json.encode(rows))
    elif rows:
        show_rows(console(), rows)
    else:
        click.echo(
            "no models here yet: `fedmotion train` makes one of your recordings, and an agent keeps the "
            "first that its federation releases",
            err=True,
        )
    for trouble in troubles:
        click.echo(f"not listed: {trouble}", err=True)
    if troubles:
        sys.exit(1)


@command.command(
    "show",
    epilog=f"""{MODEL_SYNTAX}
\b
Examples:
  fedmotion models show anna
  fedmotion models show anna@personal             and how it was made
  fedmotion models show federation@12 --json
""",
)
@click.argument("model")
@_JSON
def show(model: str, is_json: bool) -> None:
    """Say what MODEL is, what it recognises, and by which features."""
    report = report_on(find_model(model))
    record = personal_record(model)
    if is_json:
        told = {} if record is None else {"personal": msgspec.to_builtins(record)}
        click.echo(msgspec.json.encode({**msgspec.to_builtins(report), **told}))
        return
    screen = console()
    if record is not None:
        screen.print(f"{how_it_was_made(record)}.", soft_wrap=True)
    show_report(screen, report)


@command.command(
    "diff",
    epilog=f"""{MODEL_SYNTAX}
\b
Examples:
  fedmotion models diff federation@1 federation@12
  fedmotion models diff old.safetensors anna --profile anna      also on her recordings
""",
)
@click.argument("a")
@click.argument("b")
@click.option("--profile", help="Also say which of this profile's recordings the two decide otherwise.")
@_JSON
def diff(a: str, b: str, profile: str | None, is_json: bool) -> None:
    """Say what lies between the models A and B; each is a MODEL."""
    model_a, model_b = find_model(a), find_model(b)
    found = difference(model_a, model_b)
    decided = None
    if profile is not None:
        of = find_profile(profile)
        client_id = of.read_invitation().client_id if of.invitation.exists() else profile
        with RecordingStore(of.recordings, clock=time.time, read_only=True) as store:
            decided = decision_difference(store, client_id, model_a, model_b)
    if is_json:
        click.echo(msgspec.json.encode({"difference": found, "decisions": decided}))
        return
    screen = console()
    show_difference(screen, found)
    if decided is not None:
        show_decisions(screen, str(profile), decided)


@command.command(
    "save",
    epilog=f"""{MODEL_SYNTAX}
\b
Examples:
  fedmotion models save anna swipes.safetensors
  fedmotion models save federation round-12.safetensors --round 12
""",
)
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--round", "round_id", type=click.IntRange(0), help="Of an aggregator's models, this round's.")
def save(model: str, file: Path, round_id: int | None) -> None:
    """Write MODEL into FILE, to be kept or to be tried elsewhere.

    FILE is new and ends in .safetensors. It holds what was learned and no motion; what that tells of
    those who taught it is in docs/decisions/0008.
    """
    if file.suffix != SUFFIX:
        raise ValueError(f"a model file ends in {SUFFIX}, got {file}")
    if file.exists():
        raise ValueError(f"{file} is there already: give another name, or take it away first")
    if not file.parent.is_dir():
        raise ValueError(f"{file} cannot be written: there is no folder {file.parent}")
    found = replace(find_model(model, round_id), written_utc=utc(time.time()), written_by=this_program())
    data = encode_model_file(found)
    write_private(file, data)
    click.echo(
        f"{file}: round {found.round_id} of {found.federation}, {len(data)} bytes, "
        f"sha256 {found.sha256.hex()[:SHORT]}"
    )


command.add_command(export_command)


def _parted(found: Iterable[ModelRow | str]) -> tuple[list[ModelRow], list[str]]:
    rows, troubles = [], []
    for each in found:
        if isinstance(each, str):
            troubles.append(each)
        else:
            rows.append(each)
    return rows, troubles
