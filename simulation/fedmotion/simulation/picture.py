"""A demo in one picture: accuracy by round, and the newcomer's stream with what was recognised in it.

Colours are Okabe and Ito's (2008), which people with colour-vision deficiencies can tell apart.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedmotion.host.stream_score import match
from fedmotion.protocol.identity import OTHER
from fedmotion.simulation.demo import DemoResult
from fedmotion.simulation.scoring import Decision

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GREY = "#8C8C8C"
_ROW_S = 40.0
_AXIS_NAMES = (("x", "#999999"), ("y", "#555555"), ("z", "#BBBBBB"))


def draw(result: DemoResult, activities: Sequence[str], title: str) -> Figure:
    """Return the picture of a demo."""
    colours = dict(zip((a for a in activities if a != OTHER), _COLOURS, strict=False))
    end_s = result.script.motion.duration_s
    n_rows = max(1, int(np.ceil(end_s / _ROW_S)))
    figure = Figure(figsize=(12, 3.6 + 1.5 * n_rows), layout="constrained")
    figure.suptitle(title)
    grid = figure.add_gridspec(n_rows + 1, 2, height_ratios=[2.0, *([1.0] * n_rows)], width_ratios=[2, 1])
    _draw_rounds(figure.add_subplot(grid[0, 0]), result)
    _draw_false_alarms(figure.add_subplot(grid[0, 1]), result)
    rows = [figure.add_subplot(grid[1 + index, :]) for index in range(n_rows)]
    for index, row in enumerate(rows):
        _draw_stream(row, result, colours, index * _ROW_S, is_first=index == 0, is_last=index == n_rows - 1)
    score = result.recognised
    rows[0].set_title(
        f"The newcomer's stream: {score.n_correct} of {score.n_performed} gestures recognised, "
        f"{score.n_confused} confused, {score.n_missed} missed, {score.n_false_alarms} false alarms",
        fontsize=10,
    )
    return figure


def check_ending(path: Path) -> None:
    """Raise ValueError where no picture can be written to a path that ends so."""
    known = Figure().canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in known:
        raise ValueError(f"a picture's ending is one of {', '.join(sorted(known))}, got {str(path)!r}")


def save(result: DemoResult, activities: Sequence[str], title: str, path: Path) -> None:
    """Write the picture to `path`; its ending says in which format."""
    draw(result, activities, title).savefig(path, dpi=120)


def _draw_rounds(axes: Axes, result: DemoResult) -> None:
    numbers = np.arange(len(result.by_round))
    axes.plot(
        numbers,
        [examined.accuracy for examined in result.by_round],
        "o-",
        color=_COLOURS[0],
        label=f"federated {result.federated.accuracy:.2f}",
        zorder=3,
    )
    pooled = result.pooled.accuracy
    axes.axhline(pooled, color=_COLOURS[2], lw=6, alpha=0.4, label=f"all data pooled {pooled:.2f}")
    mean = float(np.mean([alone.accuracy for alone in result.alone.values()]))
    for alone in result.alone.values():
        axes.axhline(alone.accuracy, color=_GREY, lw=0.8, alpha=0.6)
    axes.axhline(mean, color=_COLOURS[1], ls="--", label=f"alone, mean {mean:.2f} (grey: each)")
    axes.set(
        xlabel="train rounds",
        ylabel="accuracy on the newcomer",
        ylim=(0.0, 1.03),
        xlim=(-0.2, len(numbers) - 0.8),
    )
    axes.set_xticks(numbers if len(numbers) <= 25 else numbers[:: len(numbers) // 12])
    axes.legend(loc="lower right", fontsize=9, framealpha=0.9)
    axes.grid(alpha=0.25)


def _draw_false_alarms(axes: Axes, result: DemoResult) -> None:
    models = {
        **{f"{client_id}, alone": (alone, _GREY) for client_id, alone in result.alone.items()},
        "federated": (result.federated, _COLOURS[0]),
        "all data pooled": (result.pooled, _COLOURS[2]),
    }
    counts = [examined.n_false_alarms for examined, _ in models.values()]
    bars = axes.barh(list(models), counts, color=[colour for _, colour in models.values()])
    axes.bar_label(bars, padding=3, fontsize=9)
    axes.invert_yaxis()
    n_other = result.federated.n_other
    axes.set(
        xlim=(0, max(1, *counts) * 1.15),
        xlabel=f"false alarms in {n_other} other movements",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x", alpha=0.25)


def _draw_stream(
    axes: Axes,
    result: DemoResult,
    colours: dict[str, str],
    start_s: float,
    *,
    is_first: bool,
    is_last: bool,
) -> None:
    motion = result.script.motion
    inside = (motion.t_s >= start_s) & (motion.t_s < start_s + _ROW_S)
    for axis, (name, colour) in enumerate(_AXIS_NAMES):
        force = motion.specific_force_mps2[inside, axis]
        axes.plot(motion.t_s[inside], force, color=colour, lw=0.7, label=f"a{name}")
    low, high = motion.specific_force_mps2.min() - 2, motion.specific_force_mps2.max() + 2
    for mark in result.script.marks:
        axes.axvspan(
            mark.start_us / 1e6,
            mark.stop_us / 1e6,
            color=colours.get(mark.label, "#B8B8B8"),
            alpha=0.22,
            lw=0,
        )
    found = match(result.script.marks, result.decisions)
    for decision, index in zip(result.decisions, found, strict=True):
        truth = OTHER if index is None else result.script.marks[index].label
        _flag(axes, decision, colours[decision.activity], high, is_right=truth == decision.activity)
    axes.set(xlim=(start_s, start_s + _ROW_S), ylim=(low, high + 0.25 * (high - low)), ylabel="m/s²")
    if is_first:
        axes.legend(loc="lower right", ncols=3, fontsize=7, framealpha=0.9)
    if is_last:
        axes.set_xlabel("seconds   (shade: performed, grey is other movement; flag: recognised, ✗ wrongly)")


def _flag(axes: Axes, decision: Decision, colour: str, y: float, *, is_right: bool) -> None:
    axes.plot(
        [decision.start_us / 1e6, decision.stop_us / 1e6], [y, y], color=colour, lw=4, solid_capstyle="butt"
    )
    text = decision.activity if is_right else f"✗ {decision.activity}"
    centre = (decision.start_us + decision.stop_us) / 2e6
    axes.text(centre, y + 1, text, ha="center", va="bottom", fontsize=6.5, color=colour, clip_on=True)
