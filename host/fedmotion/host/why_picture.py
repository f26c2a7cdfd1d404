"""One decision in one picture: the window beside the nearest own take, and every activity's probability.

Colours are Okabe and Ito's (2008), which people with colour-vision deficiencies can tell apart.
"""

import secrets
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fedmotion.host.why import Explanation

_COLOURS = ("#0072B2", "#D55E00", "#009E73")
_CHOSEN = "#0072B2"
_GREY = "#9A9A9A"
_DARK = "#222222"


def draw(explained: Explanation, title: str) -> Figure:
    """Return the picture; `title` says which decision it is of."""
    n_bars = len(explained.activities)
    figure = Figure(figsize=(12.0, max(5.4, 2.0 + 0.36 * n_bars)), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1.7, 1.0])
    figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
    above = figure.add_subplot(grid[0, 0])
    below = figure.add_subplot(grid[1, 0], sharex=above)
    for sensor, axes in enumerate((above, below)):
        _draw_sensor(axes, explained, sensor)
    above.set_title(_compared(explained), loc="left", fontsize=10)
    above.tick_params(labelbottom=False)
    below.set_xlabel("seconds from the window's beginning")
    _draw_probabilities(figure.add_subplot(grid[:, 1]), explained)
    figure.legend(handles=_legend(explained), loc="outside lower left", ncols=5, fontsize=8, frameon=False)
    return figure


def save(explained: Explanation, title: str, path: Path) -> None:
    """Write the picture to `path` as PNG; who looks meanwhile sees the old one or the new one whole."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draw(explained, title).savefig(beside, format="png", dpi=110)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _draw_sensor(axes: Axes, explained: Explanation, sensor: int) -> None:
    seconds = np.arange(len(explained.window)) / explained.rate_hz
    for component, colour in enumerate(_COLOURS):
        axis = 3 * sensor + component
        axes.plot(seconds, explained.window[:, axis], color=colour, lw=2.0)
        if explained.nearest is not None:
            axes.plot(seconds, explained.nearest.take.window[:, axis], color=colour, lw=1.2, ls=(0, (4, 2)))
    axes.set_xlim(0, float(seconds[-1]))
    axes.set_ylabel("angular rate, rad/s" if sensor else "acceleration, m/s²")
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_probabilities(axes: Axes, explained: Explanation) -> None:
    order = np.argsort(explained.probabilities, kind="stable")
    names = [explained.activities[index] for index in order]
    values = [explained.probabilities[index] for index in order]
    colours = [_CHOSEN if name == explained.activity else _GREY for name in names]
    axes.barh(range(len(names)), values, color=colours, height=0.66)
    for row, value in enumerate(values):
        # Inside of a long bar and behind a short one: both stay within the axes.
        inside = value > 0.8
        axes.text(
            value + (-0.015 if inside else 0.015),
            row,
            f"{value:.1%}",
            va="center",
            ha="right" if inside else "left",
            fontsize=9,
            color="white" if inside else _DARK,
        )
    axes.set_yticks(range(len(names)), names)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_fontweight("bold" if name == explained.activity else "normal")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title("how likely each activity is", loc="left", fontsize=10)
    if explained.least:
        axes.axvline(explained.least, color=_DARK, lw=1.0, ls=":")
        axes.set_xlabel(f"dotted: told from {explained.least:.0%} on")
    axes.spines[["top", "right"]].set_visible(False)


def _compared(explained: Explanation) -> str:
    nearest = explained.nearest
    if nearest is None:
        return "no own take to compare with"
    usual = "" if nearest.usual is None else f"; takes of it are usually {nearest.usual:.1f} apart"
    who = "" if nearest.take.person == "unset" else f" of {nearest.take.person}"
    return (
        f"nearest of {explained.n_takes} own takes: {nearest.take.label}{who}, recording "
        f"{nearest.take.recording_id}\n{nearest.distance:.1f} away for the model{usual}"
    )


def _legend(explained: Explanation) -> list[Line2D]:
    axes = [
        Line2D([], [], color=colour, lw=2.0, label=name) for colour, name in zip(_COLOURS, "xyz", strict=True)
    ]
    lines = [Line2D([], [], color=_DARK, lw=2.0, label="what was recognised")]
    if explained.nearest is not None:
        lines.append(Line2D([], [], color=_DARK, lw=1.2, ls=(0, (4, 2)), label="the nearest own take"))
    return [*axes, *lines]
