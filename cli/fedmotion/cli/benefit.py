"""`fedmotion benefit`."""

from pathlib import Path

import click
import msgspec

from fedmotion.cli.benefit_table import show_benefit
from fedmotion.cli.model_tables import console
from fedmotion.host.benefit import Benefit, BenefitHistory
from fedmotion.host.profile import find_profile


@click.command(
    "benefit",
    epilog="""\b
Examples:
  fedmotion benefit
  fedmotion benefit --profile anna --picture benefit.png
  fedmotion benefit --json                        all rounds, for scripts
""",
)
@click.option("--profile", default="default", show_default=True, help="A name, or a folder with a slash.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the rounds into this file.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object of all rounds.")
def command(profile: str, picture: Path | None, is_json: bool) -> None:
    """Show what the federation bought you: alone against federated, on your own takes.

    The agent compares after each release, on takes that neither model was trained on, and these figures stay
    here. Alone is a model of your other takes only, trained by the same settings.
    """
    whose = find_profile(profile)
    history = BenefitHistory(whose.benefit).read()
    if not history:
        raise ValueError(
            f"{whose.directory} knows of no comparison yet: `fedmotion agent` makes one after each model "
            "that its federation releases, once it has recorded two labels"
        )
    if picture is not None:
        _draw(history, picture)
    if is_json:
        click.echo(msgspec.json.encode({"rounds": [_told(each) for each in history]}))
        return
    show_benefit(console(), history)
    if picture is not None:
        click.echo(f"picture: {picture}")


def _told(benefit: Benefit) -> dict[str, object]:
    difference = benefit.difference
    told: dict[str, object] = msgspec.to_builtins(benefit)
    names = ("difference", "difference_low", "difference_high")
    return {**told, **dict(zip(names, difference or (None, None, None), strict=True))}


def _draw(history: tuple[Benefit, ...], path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path} cannot be written: there is no folder {path.parent}")
    try:
        from fedmotion.host import benefit_picture  # noqa: PLC0415 - matplotlib, which is an extra
    except ImportError:
        raise click.ClickException("the picture needs matplotlib: pip install 'fedmotion[demo]'") from None
    benefit_picture.save(history, path)
