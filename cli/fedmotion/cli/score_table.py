"""How a stream's score is shown to people."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fedmotion.host.stream_score import ActivityScore, StreamScore
from fedmotion.protocol.identity import OTHER


def show(console: Console, score: StreamScore) -> None:
    """Print the score: a row a gesture, then the whole in words."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for column in ("performed", "found", "confused", "missed", "false alarms", "delay"):
        table.add_column(column, justify="right")
    for each in score.activities:
        table.add_row(*_row(each))
    table.add_section()
    table.add_row(
        "all",
        str(score.n_performed),
        _with_share(score.n_found, score.n_performed),
        str(score.n_confused),
        str(score.n_missed),
        str(score.n_false_alarms),
        _seconds(score.delay_median_s),
    )
    console.print(table)
    console.print(in_words(score), highlight=False, soft_wrap=True)


def in_words(score: StreamScore) -> str:
    """Return the sentence below the table."""
    sentence = (
        f"{score.seconds / 60:.1f} minutes, {score.false_alarms_per_hour:.1f} false alarms an hour; decided "
        f"{_seconds(score.delay_median_s)} (median) and {_seconds(score.delay_p95_s)} (95 %) after the end"
    )
    if score.n_outside:
        sentence += f"; {score.n_outside} marks were not seen whole and do not count"
    return sentence


def _row(each: ActivityScore) -> list[str]:
    if each.activity == OTHER:
        return [f"[dim]{OTHER}[/]", str(each.n_performed), "", "", "", str(each.n_false_alarms), ""]
    return [
        escape(each.activity),
        str(each.n_performed),
        _with_share(each.n_found, each.n_performed),
        str(each.n_confused),
        str(each.n_missed),
        str(each.n_false_alarms),
        _seconds(each.delay_median_s),
    ]


def _with_share(count: int, of: int) -> str:
    return f"{count} ({count / of:.0%})" if of else str(count)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f} s"
