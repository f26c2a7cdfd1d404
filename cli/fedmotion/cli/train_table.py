"""How a training is shown: how well each label is decided, what was left out, what to record next."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedmotion.host.own_training import TrainingReport

_N_LEFT_OUT = 3


def show_training(console: Console, report: TrainingReport) -> None:
    """Print a report of `train_own`."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("label", overflow="fold")
    for name in ("takes", "right", "share", "95 % between"):
        table.add_column(name, justify="right")
    table.add_column("taken for", overflow="fold")
    for each in report.labels:
        table.add_row(
            escape(each.label),
            str(each.n_takes),
            str(each.n_right),
            f"{each.share:.0%}",
            f"{each.low:.0%} and {each.high:.0%}",
            escape(_counted(each.taken_for)),
        )
    console.print(table)
    folds = f"{min(report.by_fold):.0%} to {max(report.by_fold):.0%}"
    console.print(
        f"[bold]{report.accuracy:.0%}[/] of {report.n_takes} takes are decided rightly by models that had "
        f"not seen them (95 % between {report.low:.0%} and {report.high:.0%}; by part {folds})"
    )
    if report.n_other:
        console.print(f"of {report.n_other} takes of other, {report.n_false_alarms} are taken for a gesture")
    console.print(
        "[dim]takes of one sitting are alike: expect somewhat less on another day, and record more then[/]"
    )
    if report.left_out:
        console.print(f"left out as unusable: {len(report.left_out)}")
        for recording_id, why in list(report.left_out.items())[:_N_LEFT_OUT]:
            console.print(f"  [dim]recording {recording_id}: {escape(why)}[/]")
        if len(report.left_out) > _N_LEFT_OUT:
            console.print("  [dim]`fedmotion recordings check` names them all[/]")
    if report.not_asked_for:
        console.print(f"not asked for: {escape(_counted(report.not_asked_for))}")
    for sentence in report.advice:
        console.print(f"[yellow]→[/] {escape(sentence)}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {count}" for label, count in counts.items())
