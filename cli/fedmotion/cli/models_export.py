"""`fedmotion models export`."""

from pathlib import Path

import click
import msgspec

from fedmotion.broker.private_file import write_private
from fedmotion.cli.model_places import MODEL_SYNTAX, find_model
from fedmotion.host.model_export import Export, export
from fedmotion.host.profile import find_profile


@click.command(
    "export",
    epilog=f"""{MODEL_SYNTAX}
\b
Examples:
  fedmotion models export anna anna.tflite --profile anna
  fedmotion models export federation@12 swipes.tflite --header swipes.h --profile anna
""",
)
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--header", type=click.Path(path_type=Path, dir_okay=False), help="Also write a C header here.")
@click.option(
    "--profile", default="default", show_default=True, help="Whose takes the 8-bit scales are taken from."
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object of all figures.")
def command(model: str, file: Path, header: Path | None, profile: str, force: bool, is_json: bool) -> None:
    """Write MODEL for a microcontroller into FILE, in 8 bits.

    For models of the families mlp and cnn. Scales are taken from the profile's own takes, at least ten and
    one of each activity. The takes never leave this machine, and neither FILE nor the header holds one.
    docs/export.md says what a board does with them.
    """
    _check_place(file, ".tflite", is_replaced=force)
    if header is not None:
        _check_place(header, ".h", is_replaced=force)
    found = find_model(model)
    made = export(found, find_profile(profile), "model.h" if header is None else header.name)
    write_private(file, made.tflite)
    if header is not None:
        write_private(header, made.header)
    if is_json:
        click.echo(msgspec.json.encode(_told(made, file, header)))
        return
    arena = f"{made.arena.n_bytes} bytes of arena ({'measured' if made.arena.is_measured else 'estimated'})"
    click.echo(f"{file}: {len(made.tflite)} bytes, {arena}")
    if header is not None:
        click.echo(f"{header}: the same as a C array, with what a board does around it")
    click.echo(
        f"of {made.n_takes} takes of {profile}, 8 bits decide {made.n_alike} as the model does; "
        f"{made.n_right_before} are right before, {made.n_right} after"
    )


def _check_place(path: Path, suffix: str, *, is_replaced: bool) -> None:
    if path.suffix != suffix:
        raise ValueError(f"such a file ends in {suffix}, got {path}")
    if path.exists() and not is_replaced:
        raise ValueError(f"{path} is there already: give another name, or --force to replace it")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path} cannot be written: there is no folder {path.parent}")


def _told(made: Export, file: Path, header: Path | None) -> dict[str, object]:
    return {
        "file": str(file),
        "header": None if header is None else str(header),
        "n_bytes": len(made.tflite),
        "arena_bytes": made.arena.n_bytes,
        "is_arena_measured": made.arena.is_measured,
        "n_takes": made.n_takes,
        "n_alike": made.n_alike,
        "n_right": made.n_right,
        "n_right_before": made.n_right_before,
    }
