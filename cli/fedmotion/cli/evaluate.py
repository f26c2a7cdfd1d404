"""`fedmotion evaluate`."""

from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fedmotion.cli.options import CommaSeparated
from fedmotion.simulation.evaluation.figures import Figures, figures
from fedmotion.simulation.evaluation.movements import Movements, load_movements
from fedmotion.simulation.evaluation.plan import Axes, Cut, Plan, Split
from fedmotion.simulation.evaluation.report import document, markdown
from fedmotion.simulation.evaluation.run import complete, n_steps, run


@click.command(
    "evaluate",
    epilog="""\b
Examples:
  fedmotion evaluate recordings.npz --json result.json
  fedmotion evaluate recordings.npz --labels swipe_left,swipe_right,wave --pictures ./pictures
  fedmotion evaluate recordings.npz --labels swipe_left --other walk,jog --unseen squat --one-sided
  fedmotion evaluate ./anna ./bert ./carl         the recordings of three profiles on this host
  fedmotion evaluate recordings.npz --model pca_svm,cnn,mlp
  fedmotion evaluate walking.npz --windows fixed --rate-hz 20 --newcomers 1600,1610 --seeds 2
""",
)
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--labels", type=CommaSeparated(), default=(), help="The gestures; without it all labels.")
@click.option(
    "--other",
    type=CommaSeparated(),
    default=(),
    help="Labels to train as `other`, movement that is no gesture.",
)
@click.option(
    "--unseen",
    type=CommaSeparated(),
    default=(),
    help="Labels that nobody trains on: gestures recognised in them are false alarms.",
)
@click.option("--one-sided", is_flag=True, help="Each client has some kinds of `other` only, all different.")
@click.option(
    "--model",
    "models",
    type=CommaSeparated(),
    default=("pca_svm",),
    show_default="pca_svm",
    help="What learns: pca_svm, cnn or mlp, or several one after another. Networks need fedmotion[tflite].",
)
@click.option(
    "--axes",
    type=click.Choice(["six", "accel", "both"]),
    default="six",
    show_default=True,
    help="With the gyroscope, without it, or both ways.",
)
@click.option(
    "--split",
    type=click.Choice(["people", "classes"]),
    default="people",
    show_default=True,
    help="What a client has: a person's movements, or some of the gestures of everybody.",
)
@click.option(
    "--windows",
    "cut",
    type=click.Choice(["movement", "fixed"]),
    default="movement",
    show_default=True,
    help="One window a recording round its centre of energy, or one after the other, overlapping by half.",
)
@click.option("--rate-hz", default=50.0, show_default=True, help="Samples a second after resampling.")
@click.option("--window-length", default=96, show_default=True, help="Samples in a window.")
@click.option("--rounds", default=50, show_default=True, type=click.IntRange(1, 1000), help="Train rounds.")
@click.option("--components", default=60, show_default=True, help="Principal components.")
@click.option(
    "--seeds", default=5, show_default=True, type=click.IntRange(1, 100), help="How often all is repeated."
)
@click.option(
    "--personal",
    default=1,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Takes of each gesture that the newcomer records for a personalised model; 0: none.",
)
@click.option("--turned", is_flag=True, help="Newcomers also wear their boards turned, and mirrored.")
@click.option("--newcomers", type=CommaSeparated(), default=(), help="Who is held out; without it everybody.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
@click.option("--markdown", "markdown_path", type=click.Path(path_type=Path), help="Write the tables here.")
@click.option("--pictures", type=click.Path(path_type=Path, file_okay=False), help="Draw into this folder.")
def command(
    sources: tuple[Path, ...],
    labels: tuple[str, ...],
    other: tuple[str, ...],
    unseen: tuple[str, ...],
    one_sided: bool,
    models: tuple[str, ...],
    axes: str,
    split: Split,
    cut: Cut,
    rate_hz: float,
    window_length: int,
    rounds: int,
    components: int,
    seeds: int,
    personal: int,
    turned: bool,
    newcomers: tuple[str, ...],
    json_path: Path | None,
    markdown_path: Path | None,
    pictures: Path | None,
) -> None:
    """See what federation buys on your recordings: each alone, federated, personalised, all in one place.

    SOURCES are npz files of recordings or folders of profiles. Each person in turn is a newcomer whom nobody
    trains on; the others are the clients. Runs on this machine only; docs/evaluation.md says how to read it.
    """
    for path in (json_path, markdown_path):
        if path is not None and not path.parent.is_dir():
            raise ValueError(f"{path} cannot be written: there is no folder {path.parent}")
    plan = Plan(
        gestures=labels,
        other=other,
        unseen=unseen,
        is_one_sided=one_sided,
        split=split,
        cut=cut,
        rate_hz=rate_hz,
        window_length=window_length,
        n_components=components,
        n_rounds=rounds,
        n_seeds=seeds,
        n_personal=personal,
        is_turned=turned,
        newcomers=newcomers,
    )
    movements = load_movements(sources, plan)
    plan = complete(plan, movements)
    wanted: tuple[Axes, ...] = ("six", "accel") if axes == "both" else ("six" if axes == "six" else "accel",)
    console = Console(highlight=False, stderr=True)
    plans = [
        msgspec.structs.replace(plan, model=model, axes=each)
        for model in dict.fromkeys(models)
        for each in wanted
    ]
    for each in plans:
        each.configuration(0)
    results = _run(console, movements, plans)
    tables = markdown(movements, results)
    if json_path is not None:
        json_path.write_bytes(
            msgspec.json.format(msgspec.json.encode(document(movements, results)), indent=2) + b"\n"
        )
    if markdown_path is None:
        click.echo(tables, nl=False)
    else:
        markdown_path.write_text(tables, "utf-8")
    if pictures is not None:
        _draw(console, movements, results, pictures)


def _run(console: Console, movements: Movements, plans: list[Plan]) -> list[Figures]:
    columns = (
        BarColumn(30),
        TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=sum(n_steps(plan) for plan in plans))

        def on_done(what: str) -> None:
            progress.update(task, advance=1, description=what)

        return [figures(run(movements, plan, on_done)) for plan in plans]


def _draw(console: Console, movements: Movements, results: list[Figures], folder: Path) -> None:
    try:
        from fedmotion.simulation.evaluation import pictures  # noqa: PLC0415 - matplotlib, which is an extra
    except ImportError:
        raise click.ClickException("pictures need matplotlib: pip install 'fedmotion[demo]'") from None
    for result in results:
        title = f"{movements.source}, {'six axes' if result.plan.axes == 'six' else 'accelerometer only'}"
        for path in pictures.save_pictures(result, folder, title):
            console.print(f"picture: {path}")
