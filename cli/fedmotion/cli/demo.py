"""`fedmotion demo`."""

import signal
import statistics
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Self

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from fedmotion.aggregator.configuration import LEARNING_RATES
from fedmotion.aggregator.federation_records import RoundRecord
from fedmotion.boards.emulated_board import EMULATED_BOARDS, find_elf
from fedmotion.boards.emulator_build import DA14580, UNO, EmulatorError, emulator_path
from fedmotion.broker.embedded import BrokerError, BrokerKind
from fedmotion.cli.options import CommaSeparated
from fedmotion.models.networks import NETWORKS
from fedmotion.models.tflite_door import graph
from fedmotion.simulation.cast import Cast, recorded_cast, simulated_cast
from fedmotion.simulation.demo import Demo, DemoResult
from fedmotion.simulation.programs import ProgramError
from fedmotion.simulation.scoring import Decision
from fedmotion.simulation.stage import Boards, Watch


@click.command(
    "demo",
    epilog="""\b
Examples:
  fedmotion demo
  fedmotion demo --seed 3 --json result.json --picture result.png
  fedmotion demo --model cnn                  a small network, trained in the TFLite runtime
  fedmotion demo --boards uno                 the real firmware, on emulated Arduino Unos
  fedmotion demo --boards uno,da14580         two kinds of processor in one federation
  fedmotion demo --recordings utd_mhad_inertial.npz --labels swipe_left,swipe_right --unseen 5
""",
)
@click.option("--seed", default=0, show_default=True, help="Which people, and which performances.")
@click.option(
    "--recordings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="npz file of real people's takes instead of simulated people.",
)
@click.option("--labels", type=CommaSeparated(), help="With --recordings: the gestures to learn.")
@click.option("--unseen", help="With --recordings: the person whom nobody trains on.")
@click.option(
    "--model",
    type=click.Choice(tuple(LEARNING_RATES)),
    default="pca_svm",
    show_default=True,
    help="What learns: a linear model of features, or a small network.",
)
@click.option("--rounds", default=12, show_default=True, type=click.IntRange(1, 1000), help="Train rounds.")
@click.option(
    "--speed",
    default=12.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Of the newcomer's performance, times real time; 0: as fast as it goes.",
)
@click.option(
    "--boards",
    type=CommaSeparated(),
    default="simulated",
    show_default=True,
    metavar="KIND,...",
    help="What the boards are, in turn: simulated, or uno and da14580, which run real firmware in emulators.",
)
@click.option("--broker", type=click.Choice(["mosquitto", "nats"]), help="Insist on one kind of broker.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures to this file.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    default="fedmotion-demo.png",
    show_default=True,
    help="Write the picture to this file.",
)
@click.option("--keep", type=click.Path(path_type=Path), help="Keep all files and logs in this new folder.")
def command(
    seed: int,
    recordings: Path | None,
    labels: tuple[str, ...] | None,
    unseen: str | None,
    model: str,
    rounds: int,
    speed: float,
    boards: tuple[str, ...],
    broker: BrokerKind | None,
    json_path: Path | None,
    picture: Path,
    keep: Path | None,
) -> None:
    """See four people's sensors teach each other a gesture, and a fifth person recognised.

    Starts a broker, an aggregator, five boards and five agents on this machine, all as programs of their
    own, in about half a minute. Nothing leaves the machine.
    """
    try:
        from fedmotion.simulation import picture as pictures  # noqa: PLC0415 - matplotlib, which is an extra
    except ImportError:
        raise click.ClickException("the picture needs matplotlib: pip install 'fedmotion[demo]'") from None
    cast = _cast(seed, recordings, labels, unseen)
    own_boards = _boards(boards)
    # Now, and not after half a minute.
    if model in NETWORKS:
        graph(model)
    pictures.check_ending(picture)
    for path in (picture, json_path):
        if path is not None and not path.parent.is_dir():
            raise ValueError(f"{path} cannot be written: there is no folder {path.parent}")
    if keep is not None:
        if keep.exists():
            raise ValueError(f"--keep names a new folder, {keep} is there already")
        keep.mkdir(parents=True)
    # As Ctrl-C does, and unlike by default, so that all programs end with this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console(highlight=False)
    new_folder = nullcontext(str(keep)) if keep else tempfile.TemporaryDirectory(prefix="fedmotion-demo-")
    with new_folder as folder, _Screen(console, cast, rounds) as screen:
        demo = Demo(cast, Path(folder), seed, rounds, speed, broker, screen.watch, own_boards, model)
        try:
            result = demo.run()
        except (ProgramError, BrokerError) as error:
            raise click.ClickException(str(error)) from None
    pictures.save(result, cast.activities, _title(cast, seed), picture)
    if json_path is not None:
        json_path.write_bytes(msgspec.json.format(msgspec.json.encode(_figures(result)), indent=2) + b"\n")
    _show(console, result)
    console.print(f"picture: {picture}" + (f"    figures: {json_path}" if json_path else ""))


def _boards(kinds: tuple[str, ...]) -> Boards:
    """Return what the boards are, with firmware and emulators found before anything starts."""
    if kinds == ("simulated",):
        return Boards()
    if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(EMULATED_BOARDS):
        raise click.UsageError(
            f"--boards is simulated, or of {', '.join(EMULATED_BOARDS)} each once, got {','.join(kinds)!r}"
        )
    try:
        for kind in kinds:  # compiled once here, and not by four programs at a time
            emulator_path(UNO if kind == "uno" else DA14580)
        return Boards(kinds, tuple(find_elf(board=kind) for kind in kinds))
    except EmulatorError as error:
        raise click.ClickException(str(error)) from None


def _cast(seed: int, recordings: Path | None, labels: tuple[str, ...] | None, unseen: str | None) -> Cast:
    if recordings is None:
        if labels or unseen:
            raise click.UsageError("--labels and --unseen go with --recordings FILE.npz")
        return simulated_cast(seed)
    if not labels or not unseen:
        raise click.UsageError("--recordings needs --labels GESTURE,... and --unseen PERSON")
    return recorded_cast(recordings, labels, unseen, seed)


def _title(cast: Cast, seed: int) -> str:
    people = f"people of {cast.recordings.name}" if cast.recordings else "simulated people"
    return f"fedmotion demo: {' / '.join(cast.gestures)}, {len(cast.learners)} {people}, seed {seed}"


class _Screen:
    """What the demo shows while it runs: a line for each stage, and under it a bar or lines.

    Bars are drawn on a terminal only; where output is piped, a bar's last state is one line.
    """

    def __init__(self, console: Console, cast: Cast, n_rounds: int) -> None:
        self._console = console
        self._cast = cast
        self._n_rounds = n_rounds
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self.watch = Watch(self._on_stage, self._on_take, self._on_round, self._on_decision)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bars()

    def _on_stage(self, text: str) -> None:
        self._end_bars()
        self._console.print(f"[bold]•[/bold] {text}")

    def _on_take(self, client_id: str, _label: str) -> None:
        role = next(role for role in self._cast.learners if role.client_id == client_id)
        self._advance(
            client_id, sum(role.counts.values()), f"movements of person {role.person} found and recorded"
        )

    def _on_round(self, record: RoundRecord) -> None:
        if record.state == "failed":
            self._console.print(f"  round {record.round_id} ({record.kind}) failed: {record.reason}")
        elif record.kind == "train":
            self._advance("train rounds", self._n_rounds, f"{record.n_windows} windows, none of them sent")

    def _on_decision(self, decision: Decision, truth: str) -> None:
        mark = "[green]✓[/green]" if truth == decision.activity else f"[red]✗[/red] it was {truth}"
        self._console.print(f"    {decision.start_us / 1e6:6.1f} s  {decision.activity:<14} {mark}")

    def _advance(self, name: str, total: int, note: str) -> None:
        if self._bars is None:
            self._bars = Progress(
                TextColumn("  {task.description:<12}"),
                BarColumn(30),
                TextColumn("{task.completed:3.0f} of {task.total:.0f} {task.fields[note]}"),
                console=self._console,
            )
            self._bars.start()
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total, note=note)
        self._bars.update(self._tasks[name], advance=1, note=note)

    def _end_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._bars = None
        self._tasks.clear()


def _show(console: Console, result: DemoResult) -> None:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("the newcomer is recognised by a model of")
    table.add_column("windows", justify="right")
    table.add_column("accuracy", justify="right")
    table.add_column("false alarms", justify="right")
    n_learners, n_windows = len(result.alone), sum(result.n_windows.values())
    rows = [
        *((f"{name}, alone", result.n_windows[name], [alone]) for name, alone in result.alone.items()),
        ("mean of those alone", "", list(result.alone.values())),
        (f"[bold]all {n_learners}, federated[/bold]", n_windows, [result.federated]),
        (f"all {n_learners}, their data pooled", n_windows, [result.pooled]),
    ]
    for name, windows, models in rows:
        accuracy = statistics.fmean(model.accuracy for model in models)
        n_false_alarms = statistics.fmean(model.n_false_alarms for model in models)
        of_other = f"{n_false_alarms:g} of {result.federated.n_other}"
        table.add_row(name, str(windows), f"{accuracy:.2f}", of_other)
    console.print(table)
    score, board = result.recognised, result.board
    hashes = [each[:12] for each in (board.firmware_sha256 or "").split(",") if each]
    firmware = f" with firmware {' and '.join(hashes)}" if hashes else ""
    console.print(
        f"recognised live: {score.n_correct} of {score.n_performed} gestures "
        f"({score.n_confused} confused, {score.n_missed} missed), {score.n_false_alarms} false alarms"
    )
    console.print(
        f"boards: {board.kind}{firmware}, {board.n_frames} frames, {board.n_bad} bad, "
        f"{board.n_dropped} dropped; {result.n_rounds} train rounds over {result.broker}; "
        f"{result.seconds:.1f} s in all"
    )


def _figures(result: DemoResult) -> dict[str, object]:
    return {
        "seconds": round(result.seconds, 3),
        "n_rounds": result.n_rounds,
        "accuracy": {
            "alone": [alone.accuracy for alone in result.alone.values()],
            "federated": result.federated.accuracy,
            "pooled": result.pooled.accuracy,
            "by_round": [examined.accuracy for examined in result.by_round],
        },
        "false_alarms": {
            "n_other": result.federated.n_other,
            "alone": [alone.n_false_alarms for alone in result.alone.values()],
            "federated": result.federated.n_false_alarms,
            "pooled": result.pooled.n_false_alarms,
            "by_round": [examined.n_false_alarms for examined in result.by_round],
        },
        "recognised": msgspec.to_builtins(result.recognised),
        "board": msgspec.to_builtins(result.board),
        "broker": result.broker,
    }
