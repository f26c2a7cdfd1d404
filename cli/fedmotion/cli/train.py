"""`fedmotion train`."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from fedmotion.broker.private_file import write_private
from fedmotion.cli.model_tables import SHORT, console
from fedmotion.cli.options import CommaSeparated
from fedmotion.cli.train_table import show_training
from fedmotion.host.own_training import Progress as OnProgress
from fedmotion.host.own_training import Stage, train_own
from fedmotion.host.profile import find_profile
from fedmotion.models.model_file import SUFFIX

_WORDS: dict[Stage, str] = {
    "reading": "reading the recordings",
    "training": "training",
    "asking": "asking it about takes it has not seen",
}


@click.command(
    "train",
    epilog="""\b
Examples:
  fedmotion train                                 the gestures that the profile "default" has recorded
  fedmotion train --profile anna --labels swipe_left,swipe_right
  fedmotion train --out swipes.safetensors        and a copy of the model
  fedmotion train --json                          for scripts
""",
)
@click.option("--profile", default="default", show_default=True, help="A name, or a folder with a slash.")
@click.option("--labels", type=CommaSeparated(), default=(), help="The gestures; without it all recorded.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write the model here.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object of all figures.")
def command(profile: str, labels: tuple[str, ...], out: Path | None, is_json: bool) -> None:
    """Make a model of your own recordings, without any federation, and say how good it is.

    `fedmotion recognise` uses it at once. Takes of `other` are used wherever there are some; unusable ones
    are left out. Once a federation has released a model to this profile, that one takes over.
    """
    whose = find_profile(profile)
    if out is not None:
        _check_place(out)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    with training_progress() as on_progress:
        trained = train_own(whose, labels, on_progress=on_progress)
    if out is not None:
        write_private(out, whose.own_model.read_bytes())
    if is_json:
        told = {
            "model": str(whose.own_model if out is None else out),
            "sha256": trained.model.sha256.hex(),
            "activities": trained.model.specification.activities,
            **msgspec.to_builtins(trained.report, str_keys=True),
        }
        click.echo(msgspec.json.encode(told))
        return
    screen = console()
    show_training(screen, trained.report)
    screen.print(f"{whose.own_model}: sha256 {trained.model.sha256.hex()[:SHORT]}", soft_wrap=True)
    if whose.released_model.exists():
        click.echo(
            "recognised by is the federation's released model; `fedmotion models diff` compares the two"
        )
    else:
        option = "" if profile == "default" else f" --profile {profile}"
        click.echo(f"`fedmotion recognise{option} --port PORT` uses it")


def _check_place(out: Path) -> None:
    if out.suffix != SUFFIX:
        raise ValueError(f"a model file ends in {SUFFIX}, got {out}")
    if out.exists():
        raise ValueError(f"{out} is there already: give another name, or take it away first")
    if not out.absolute().parent.is_dir():
        raise ValueError(f"{out} cannot be written: there is no folder {out.parent}")


@contextmanager
def training_progress() -> Iterator[OnProgress]:
    """Give what the share done is told: a bar for each stage on a terminal, nothing else."""
    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        tasks = {stage: bars.add_task(words, total=1.0, visible=False) for stage, words in _WORDS.items()}

        def tell(stage: Stage, share: float) -> None:
            bars.update(tasks[stage], completed=share, visible=True)

        yield tell
