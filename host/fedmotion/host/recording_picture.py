"""Recordings in one picture: what a gesture's takes have in common, which are unlike, some over others.

Colours are Okabe and Ito's (2008), which people with colour-vision deficiencies can tell apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from fedmotion.models.take_distance import Likeness, likeness
from fedmotion.models.take_signs import Signs
from fedmotion.protocol.serial_frames import AXES

OVER_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MAX_OVER = len(OVER_COLOURS)
FIGURE_INCHES = (12.0, 7.5)
MAX_GESTURES = 6
N_WORST = 2
_MIN_TAKES = 3
_COLOURS = ("#0072B2", "#D55E00", "#009E73")
_WORST_STYLES: tuple[tuple[str, str], ...] = (("--", "D"), (":", "s"))
_GREY = "#8C8C8C"
_DARK = "#222222"
_ROW_INCHES = 2.55
_UNUSUAL = 2.0
"""Distances of twice the usual one and more are marked off."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One take to draw: `t_s` (n,) from its movement's beginning on, `samples` (n, 6) in m/s2 and rad/s."""

    name: str
    t_s: NDArray[np.float64]
    samples: NDArray[np.float32]
    movement_s: float


def gestures_to_draw(takes: Sequence[Signs], wanted: Sequence[str] = ()) -> list[str]:
    """Return the labels that a picture shows: those wanted, or the first MAX_GESTURES with enough takes.

    Raises
    ------
    ValueError
        If a label is wanted that has too few takes with a movement, or no label has enough.
    """
    counts: dict[str, int] = {}
    for take in takes:
        counts[take.label] = counts.get(take.label, 0) + (take.curve is not None)
    known = sorted(label for label, count in counts.items() if count >= _MIN_TAKES)
    if lacking := [label for label in wanted if label not in known]:
        raise ValueError(
            f"a picture shows gestures with {_MIN_TAKES} takes or more, these are "
            f"{', '.join(known) or 'none'}; got {', '.join(lacking)}"
        )
    if not known:
        raise ValueError(f"a picture shows gestures with {_MIN_TAKES} takes or more, and here is none")
    return list(wanted) or known[:MAX_GESTURES]


def draw(takes: Sequence[Signs], gestures: Sequence[str], title: str) -> Figure:
    """Return the picture of these gestures, a row each."""
    figure = Figure(figsize=(13.5, 1.25 + _ROW_INCHES * len(gestures)), layout="constrained")
    figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
    rows = figure.subplots(len(gestures), 3, squeeze=False, width_ratios=[1.25, 1.25, 1.0])
    for row, gesture in zip(rows, gestures, strict=True):
        of = [take for take in takes if take.label == gesture and take.curve is not None]
        compared = likeness(np.stack([take.curve for take in of if take.curve is not None]))
        worst = np.argsort(-compared.distances)[:N_WORST]
        for sensor, axes in enumerate(row[:2]):
            _draw_sensor(axes, of, compared, worst.tolist(), sensor)
        row[0].set_title(f"{gesture}   ({len(of)} takes)", loc="left", fontsize=10, fontweight="bold")
        _draw_distances(row[2], of, compared, worst.tolist())
    for axes, text in zip(rows[0], ("acceleration", "angular rate", "how unlike the others"), strict=True):
        axes.set_title(text, loc="right", fontsize=9, color=_GREY)
    for axes in rows[-1][:2]:
        axes.set_xlabel("the movement, from its beginning to its end")
    rows[-1][2].set_xlabel("distance to the others (1: usual)")
    figure.legend(handles=_legend(), loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    return figure


def save(takes: Sequence[Signs], gestures: Sequence[str], title: str, path: Path) -> None:
    """Write the picture to `path`, whose ending says in which format."""
    draw(takes, gestures, title).savefig(path, dpi=130)


def draw_over(figure: Figure, takes: Sequence[Drawn], title: str, *, is_degrees: bool = False) -> None:
    """Draw the six axes of takes over each other into `figure`, each from its movement's beginning on.

    Raises
    ------
    ValueError
        If there are none, or more than MAX_OVER, beyond which colours are not told apart.
    """
    if not 1 <= len(takes) <= MAX_OVER:
        raise ValueError(f"1 to {MAX_OVER} takes are told apart in one picture, got {len(takes)}")
    figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
    panels = figure.subplots(3, 2, sharex=True, sharey="col")
    for index, axis in enumerate(AXES):
        axes = panels[index % 3][index // 3]
        factor = 180 / np.pi if is_degrees and index >= 3 else 1.0
        for colour, take in zip(OVER_COLOURS, takes, strict=False):
            axes.plot(take.t_s, take.samples[:, index] * factor, color=colour, lw=1.3, label=take.name)
            axes.axvline(take.movement_s, color=colour, lw=0.8, ls=":")
        axes.axvline(0, color=_GREY, lw=0.8, ls=":")
        axes.grid(alpha=0.2)
        axes.spines[["top", "right"]].set_visible(False)
        unit = ("deg/s" if is_degrees else "rad/s") if index >= 3 else "m/s²"
        axes.set_ylabel(f"{axis}, {unit}")
    for axes in panels[2]:
        axes.set_xlabel("seconds from the movement's beginning; dotted: where each ends")
    lines, names = panels[0][0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=4, fontsize=9, frameon=False)


def save_over(takes: Sequence[Drawn], title: str, path: Path, *, is_degrees: bool = False) -> None:
    """Write the picture of `draw_over` to `path`, whose ending says in which format; raises as that does."""
    figure = Figure(figsize=FIGURE_INCHES, layout="constrained")
    draw_over(figure, takes, title, is_degrees=is_degrees)
    figure.savefig(path, dpi=130)


def check_ending(path: Path) -> None:
    """Raise ValueError where no picture can be written to a path that ends so."""
    known = Figure().canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in known:
        raise ValueError(f"a picture's ending is one of {', '.join(sorted(known))}, got {str(path)!r}")


def _draw_sensor(
    axes: Axes, takes: Sequence[Signs], compared: Likeness, worst: Sequence[int], sensor: int
) -> None:
    present = np.any([take.present for take in takes], axis=0)[3 * sensor : 3 * sensor + 3]
    axes.set_xlim(0, 100)
    axes.xaxis.set_major_formatter("{x:.0f} %")
    axes.set_ylabel("rad/s" if sensor else "m/s²")
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    if not present.any():
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=_GREY)
        return
    n_points = len(compared.middle)
    percent = (np.arange(n_points) + 0.5) * 100 / n_points
    for component in np.flatnonzero(present).tolist():
        axis, colour = 3 * sensor + component, _COLOURS[component]
        middle, spread = compared.middle[:, axis], compared.spread[:, axis]
        axes.fill_between(percent, middle - spread, middle + spread, color=colour, alpha=0.22, lw=0)
        axes.plot(percent, middle, color=colour, lw=2.2)
        for index, (style, _) in zip(worst, _WORST_STYLES, strict=False):
            curve = takes[index].curve
            if curve is not None:
                axes.plot(percent, curve[:, axis], color=colour, lw=0.9, ls=style)


def _draw_distances(axes: Axes, takes: Sequence[Signs], compared: Likeness, worst: Sequence[int]) -> None:
    people = sorted({take.person for take in takes}, key=lambda name: (len(name), name))
    height = {person: len(people) - 1 - index for index, person in enumerate(people)}
    rows = np.array([height[take.person] for take in takes], dtype=float)
    # Dots of one person beside each other, in the order of their distance.
    rows += 0.24 * np.sin(2.4 * np.arange(len(takes)))
    axes.axvspan(_UNUSUAL, max(_UNUSUAL, compared.distances.max() * 1.6), color=_GREY, alpha=0.12, lw=0)
    axes.scatter(compared.distances, rows, s=14, color=_GREY, alpha=0.75, lw=0)
    # One name above its mark and one below, so that neighbours stay readable.
    for index, (_, marker), lift in zip(worst, _WORST_STYLES, (6, -6), strict=False):
        distance = float(compared.distances[index])
        axes.scatter([distance], [rows[index]], s=36, marker=marker, color=_DARK, zorder=3)
        axes.annotate(
            _short(takes[index].name),
            (distance, rows[index]),
            xytext=(6, lift),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=_DARK,
        )
    shown = [person if len(people) <= 12 else "" for person in people]
    axes.set_yticks([height[person] for person in people], shown, fontsize=8)
    axes.set_ylabel("person")
    axes.set_ylim(-0.6, len(people) - 0.4)
    axes.set_xlim(0, max(_UNUSUAL * 1.15, float(compared.distances.max()) * 1.3))
    axes.grid(axis="x", alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)


def _legend() -> list[Line2D | Patch]:
    axes = [
        Line2D([], [], color=colour, lw=2.2, label=name) for colour, name in zip(_COLOURS, "xyz", strict=True)
    ]
    worst = [
        Line2D([], [], color=_DARK, lw=1.1, ls=style, marker=marker, ms=5, label=text)
        for (style, marker), text in zip(_WORST_STYLES, ("most unlike", "next"), strict=True)
    ]
    band = Patch(color=_GREY, alpha=0.3, label="median of all takes, ± one robust deviation")
    return [*axes, band, *worst]


def _short(name: str) -> str:
    """Return the part of a name that tells takes of one file apart."""
    return f"#{name.rpartition('#')[2]}" if "#" in name else name
