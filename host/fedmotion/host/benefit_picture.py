"""A picture of what each round was worth: alone and federated, on the owner's own takes."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedmotion.host.benefit import Benefit
from fedmotion.host.recording_picture import check_ending
from fedmotion.models.cross_validation import share_interval

_ALONE, _FEDERATED = "#8a8a8a", "#0b6e8f"


def save(history: Sequence[Benefit], path: Path) -> None:
    """Draw the newest lineage's rounds into `path`, with the 95 % interval of each share.

    Raises
    ------
    ValueError
        If matplotlib knows no format of that ending.
    OSError
        If the file cannot be written.
    """
    check_ending(path)
    rounds = [each for each in history if each.lineage_id == history[-1].lineage_id]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    _line(axes, "alone", _ALONE, [(each.round_id, each.n_right_alone, each.n_takes) for each in rounds])
    asked = [each for each in rounds if each.n_right_federated is not None]
    _line(
        axes,
        "federated",
        _FEDERATED,
        [(each.round_id, each.n_right_federated or 0, each.n_takes) for each in asked],
    )
    axes.set_xlabel("round")
    axes.set_ylabel("right of own takes, %")
    axes.set_ylim(0, 103)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    what = "that neither was trained on" if asked else "in turns, of models of the others"
    axes.set_title(f"{rounds[-1].n_takes} own takes {what}; bands: 95 %")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def _line(axes: Axes, name: str, colour: str, points: list[tuple[int, int, int]]) -> None:
    if not points:
        return
    numbers = [round_id for round_id, _, _ in points]
    shares = [100 * right / n for _, right, n in points]
    low, high = zip(*(share_interval(right, n) for _, right, n in points), strict=True)
    axes.plot(numbers, shares, marker="o", color=colour, label=name)
    axes.fill_between(
        numbers, [100 * each for each in low], [100 * each for each in high], color=colour, alpha=0.15
    )
