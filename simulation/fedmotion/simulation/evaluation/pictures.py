"""An evaluation in pictures: confusion, learning curves, false alarms.

Colours are Okabe and Ito's (2008), which people with colour-vision deficiencies can tell apart.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedmotion.simulation.evaluation.alarms import FalseAlarms
from fedmotion.simulation.evaluation.figures import Figures, Method
from fedmotion.simulation.evaluation.measures import Spread

_BLUE, _VERMILION, _GREEN, _PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
_GREY = "#666666"
_DPI = 130
_MOST_NUMBERED = 12
"""Classes beyond which a confusion's cells have no numbers."""


def save_pictures(figures: Figures, folder: Path, title: str) -> list[Path]:
    """Write the pictures into `folder`, which is made where there is none, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"confusion": confusion(figures, title), "learning": learning(figures, title)}
    if figures.false_alarms is not None:
        pictures["false-alarms"] = false_alarms(figures.false_alarms, title)
    paths = []
    for name, picture in pictures.items():
        model = "" if figures.family == "pca_svm" else f"-{figures.family}"
        paths.append(folder / f"{name}-{figures.plan.axes}{model}.png")
        picture.savefig(paths[-1], dpi=_DPI)
    return paths


def confusion(figures: Figures, title: str) -> Figure:
    """Return the confusions of those alone and of the federation, in shares of each true class."""
    activities = figures.plan.gestures if figures.plan.is_closed else figures.plan.activities
    n = len(activities)
    picture = Figure(figsize=(3.6 + 0.56 * n, 2.2 + 0.27 * n), layout="constrained")
    picture.suptitle(title, fontsize=10)
    axes = picture.subplots(1, 2, sharey=True)
    for each, name, method in zip(
        axes, ("each alone", "federated"), (figures.alone, figures.federated), strict=True
    ):
        _draw_confusion(each, activities, method)
        each.set_title(f"{name}: accuracy {method.accuracy.mean:.2f}", fontsize=9)
    axes[0].set_ylabel("performed", fontsize=9)
    picture.supxlabel("decided", fontsize=9)
    return picture


def learning(figures: Figures, title: str) -> Figure:
    """Return accuracy by round and by number of clients."""
    picture = Figure(figsize=(11, 4.4), layout="constrained")
    picture.suptitle(title, fontsize=10)
    is_wide = len(figures.by_n_clients) > 1
    by_round, *rest = (
        picture.subplots(1, 2, sharey=True, width_ratios=[3, 2]) if is_wide else [picture.subplots()]
    )
    _draw_rounds(by_round, figures)
    if rest:
        _draw_clients(rest[0], figures)
    return picture


def false_alarms(alarms: FalseAlarms, title: str) -> Figure:
    """Return how many gestures each model recognises against its false alarms, those alone as dots."""
    picture = Figure(figsize=(8, 5), layout="constrained")
    picture.suptitle(title, fontsize=10)
    axes = picture.subplots()
    for index, (client_id, each) in enumerate(alarms.alone.items()):
        axes.plot(
            each.per_hour.mean, each.recognised.mean, "o", ms=9, color=_VERMILION, mec="white", zorder=5,
            label="each client alone" if index == 0 else None,
        )  # fmt: skip
        axes.annotate(
            client_id, (each.per_hour.mean, each.recognised.mean), (7, -3), textcoords="offset points",
            fontsize=8, color=_GREY,
        )  # fmt: skip
    curve = alarms.federated.curve
    axes.plot(
        [point.per_hour for point in curve], [point.recognised for point in curve], "-", color=_BLUE, lw=2,
        label="federated, threshold from 0 up", zorder=4,
    )  # fmt: skip
    axes.plot(
        alarms.federated.per_hour.mean, alarms.federated.recognised.mean, "D", ms=9, color=_BLUE, mec="white",
        label="federated", zorder=6,
    )  # fmt: skip
    right = 1.12 * max(1.0, *(each.per_hour.mean for each in (*alarms.alone.values(), alarms.federated)))
    axes.set(
        xlim=(-0.02 * right, right),
        ylim=(0, 1.04),
        xlabel=f"false alarms an hour, of {60 * alarms.hours:.0f} minutes of movement never trained on",
        ylabel="newcomers' gestures recognised",
    )
    axes.legend(loc="lower right", fontsize=9)
    axes.grid(alpha=0.25)
    return picture


def _draw_confusion(axes: Axes, activities: Sequence[str], method: Method) -> None:
    n = len(activities)
    counts = np.array(method.confusion, np.float64)[:n, :n]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(n), activities, rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
    axes.set_yticks(range(n), activities, fontsize=7)
    if n > _MOST_NUMBERED:
        return
    for row, column in np.argwhere(shares >= 0.005):
        share = shares[row, column]
        axes.text(
            column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7,
            color="white" if share > 0.6 else "black",
        )  # fmt: skip


def _draw_rounds(axes: Axes, figures: Figures) -> None:
    for points, colour, name in (
        (figures.pooled_by_round, _GREEN, "pooled, same settings"),
        (figures.federated_by_round, _BLUE, "federated"),
    ):
        _draw_band(axes, np.arange(len(points)), points, colour, f"{name} {points[-1].mean:.2f}")
    alone = figures.alone.accuracy.mean
    axes.axhline(alone, color=_VERMILION, ls="--", label=f"each alone, mean {alone:.2f}")
    axes.axhspan(
        figures.alone_worst.mean, figures.alone_best.mean, color=_VERMILION, alpha=0.10, lw=0,
        label=f"alone, worst to best {figures.alone_worst.mean:.2f} to {figures.alone_best.mean:.2f}",
    )  # fmt: skip
    axes.set(
        xlabel="train rounds",
        ylabel="accuracy on newcomers",
        ylim=(0, 1.03),
        xlim=(0, len(figures.federated_by_round) - 1),
    )
    axes.legend(loc="lower right", fontsize=8, framealpha=0.9)
    axes.grid(alpha=0.25)


def _draw_clients(axes: Axes, figures: Figures) -> None:
    counts = [*figures.by_n_clients, figures.n_clients]
    points = [*figures.by_n_clients.values(), figures.federated.accuracy]
    _draw_band(axes, np.array(counts), points, _PURPLE, "federated", marker="o")
    axes.set(xlabel="clients in the federation")
    axes.set_xticks(counts)
    axes.legend(loc="lower right", fontsize=8)
    axes.grid(alpha=0.25)


def _draw_band(
    axes: Axes, x: np.ndarray, points: Sequence[Spread], colour: str, label: str, marker: str = ""
) -> None:
    mean, sd = (np.array([getattr(point, name) for point in points]) for name in ("mean", "sd"))
    axes.plot(x, mean, color=colour, lw=1.8, marker=marker, label=label, zorder=3)
    axes.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.2, lw=0)
