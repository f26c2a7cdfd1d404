"""A view of a stream as a matplotlib figure: two panels whose moving parts can be drawn without the rest.

Colours are Okabe and Ito's (2008), which people with colour-vision deficiencies can tell apart.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fedmotion.host.plot.decimation import decimate
from fedmotion.host.plot.scene import Scene
from fedmotion.host.plot.trace import Span, Units

COLOURS = ("#0072B2", "#D55E00", "#009E73")
_SPAN_COLOUR = "#56B4E9"
_GAP_COLOUR = "#BBBBBB"
_DARK = "#222222"
_GREY = "#666666"
_TROUBLE = "#B00020"
_SAVED_DPI = 110
_NARROWEST_PIXELS = 3
_LEFT, _RIGHT, _BOTTOM, _HEADER, _PANEL_TITLE = 48, 14, 36, 32, 22
"""Room for words, in points."""
_TITLE_CHARACTER, _CORNER_CHARACTER = 7.0, 4.9
"""The usual width of a character, in points: enough to tell whether title and corner would meet."""
_LABEL_PIXELS = 8
"""A character of a gesture's caption, roughly: enough to tell whether two captions would meet."""


class PlotFigure:
    """Draws views of one stream into `figure`.

    What moves is animated: `figure.canvas.draw` leaves it out, and `draw_moving` draws it over a copy of the
    rest. The header changes a few times a second and has a way of its own. Saving draws everything.

    Parameters
    ----------
    figure
        An empty one.
    shown_in
        What the panels' values are in.
    limits_s
        The ends of the time axis, seconds relative to a view's right edge.
    """

    def __init__(self, figure: Figure, shown_in: Units, limits_s: tuple[float, float], x_label: str) -> None:
        self.figure = figure
        self.limits_s = limits_s
        upper, lower = figure.subplots(2, 1, sharex=True)
        self.panels = (
            _Panel(upper, "acceleration", shown_in.accel, least=5.0),
            _Panel(lower, "angular rate", shown_in.gyro, least=0.5 * float(shown_in.factors[3])),
        )
        lower.set_xlabel(x_label)
        lower.set_xlim(*limits_s)
        self._ground = Rectangle((0, 0), 1, 1, transform=figure.transFigure, color=figure.get_facecolor())
        figure.add_artist(self._ground)
        self._title = figure.text(0, 0, "", fontsize=11, fontweight="bold", va="center", color=_DARK)
        self._corner = figure.text(0, 0, "", fontsize=9, va="center", ha="right", color=_DARK)
        self.lay_out()

    def lay_out(self) -> None:
        """Give words the room that they need and the rest to the panels; wanted when the size changes."""
        points = 72 / self.figure.dpi
        width, height = self.figure.bbox.width * points, self.figure.bbox.height * points
        self._width_points = width
        self.figure.subplots_adjust(
            left=_LEFT / width,
            right=1 - _RIGHT / width,
            top=1 - (_HEADER + _PANEL_TITLE) / height,
            bottom=_BOTTOM / height,
            hspace=2 * (_PANEL_TITLE + 12) / height,
        )
        self._ground.set_bounds(0, 1 - _HEADER / height, 1, _HEADER / height)
        middle = 1 - _HEADER / 2 / height
        self._title.set_position((10 / width, middle))
        self._corner.set_position((1 - _RIGHT / width, middle))

    def show(self, scene: Scene) -> bool:
        """Put `scene` into the moving parts; tells whether an axis changed, so that all must be drawn."""
        view = scene.view
        self.panels[0].complain(scene.trouble)
        left_s, right_s = self.panels[0].axes.get_xlim()
        width_pixels = max(1.0, self.panels[0].axes.bbox.width)
        column_s = (right_s - left_s) / width_pixels
        first, stop = np.searchsorted(view.t_s, [view.right_s + left_s, view.right_s + right_s])
        # One row more on both sides, so that lines go on to the edge.
        seen = slice(max(0, int(first) - 1), int(stop) + 1)
        t_s, values = view.t_s[seen], view.values[seen]
        points_s, points = decimate(t_s, values, column_s)
        points_s = points_s - view.right_s
        gaps = gaps_of(t_s - view.right_s, values, _NARROWEST_PIXELS * column_s)
        spans = [
            (span, span.start_s - view.right_s, span.stop_s - view.right_s)
            for span in view.spans
            if span.stop_s - view.right_s >= left_s and span.start_s - view.right_s <= right_s
        ]
        has_changed = False
        for index, panel in enumerate(self.panels):
            has_changed |= panel.show(points_s, points[:, 3 * index : 3 * index + 3], gaps, spans)
        self.panels[0].caption(spans, column_s)
        return has_changed

    def draw_header(self, title: str, corner: str) -> bool:
        """Write the header over what the canvas holds; False where that would change nothing."""
        if not self._write(title, corner):
            return False
        for artist in (self._ground, self._title, self._corner):
            self.figure.draw_artist(artist)
        return True

    def draw_moving(self) -> None:
        """Draw what moves over what the canvas holds."""
        for panel in self.panels:
            for artist in panel.moving():
                self.figure.draw_artist(artist)

    def save(self, scene: Scene, path: Path) -> None:
        """Write `scene` as a picture to `path`, whose ending says in which format."""
        self._write(scene.title, scene.corner)
        self.show(scene)
        self.figure.savefig(path, dpi=_SAVED_DPI)

    def reset_zoom(self) -> None:
        """Show all of the time again, and follow the values."""
        self.panels[0].axes.set_xlim(*self.limits_s)
        for panel in self.panels:
            panel.is_following = True

    def _write(self, title: str, corner: str) -> bool:
        n_free = int((self._width_points - len(corner) * _CORNER_CHARACTER) / _TITLE_CHARACTER) - 3
        shown = title if len(title) <= n_free else f"{title[: max(0, n_free - 1)]}…"
        if (self._title.get_text(), self._corner.get_text()) == (shown, corner):
            return False
        self._title.set_text(shown)
        self._corner.set_text(corner)
        return True


class _Panel:
    """One sensor's three axes."""

    def __init__(self, axes: Axes, name: str, unit: str, *, least: float) -> None:
        self.axes = axes
        self.is_following = True
        self._least = least
        self._half_range = 4 * least
        self._is_ours = False
        axes.set_title(f"{name}, {unit}", loc="left", fontsize=10, color=_GREY, pad=4)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
        self._lines = [
            Line2D([], [], color=colour, lw=1.3, label=label, animated=True)
            for colour, label in zip(COLOURS, "xyz", strict=True)
        ]
        for line in self._lines:
            axes.add_line(line)
        legend = [Line2D([], [], color=colour, lw=2.5) for colour in COLOURS]
        axes.legend(
            legend, "xyz", loc="lower right", bbox_to_anchor=(1.0, 0.985), ncols=3, frameon=False, fontsize=9
        )
        self._gaps = self._bands(_GAP_COLOUR, 0.55, zorder=0.5)
        self._spans = self._bands(_SPAN_COLOUR, 0.25, zorder=0.6)
        self._captions: list[Text] = []
        axes.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2.5, 5, 10]))
        self._absent = axes.text(
            0.5, 0.55, "not measured", transform=axes.transAxes, ha="center", color=_GREY, animated=True
        )
        self._trouble = axes.text(
            0.5, 0.5, "", transform=axes.transAxes, fontsize=11, ha="center", va="center", color=_TROUBLE
        )
        self._trouble.set(animated=True, visible=False, zorder=10)
        self._trouble.set_bbox({"facecolor": "white", "edgecolor": _TROUBLE, "boxstyle": "round,pad=0.6"})
        self._follow()
        axes.callbacks.connect("ylim_changed", self._on_limits)

    def show(
        self,
        points_s: NDArray[np.float64],
        points: NDArray[np.float32],
        gaps: Sequence[tuple[float, float]],
        spans: Sequence[tuple[Span, float, float]],
    ) -> bool:
        """Move lines (m,) x (m, 3) and bands; tells whether the value axis changed."""
        for line, values in zip(self._lines, points.T, strict=True):
            line.set_data(points_s, values)
        self._absent.set_visible(bool(len(points)) and bool(np.isnan(points).all()))
        self._gaps.set_verts([_quad(*gap) for gap in gaps])
        self._spans.set_verts([_quad(start_s, stop_s) for _, start_s, stop_s in spans])
        if not self.is_following:
            return False
        largest = float(np.nanmax(np.abs(points), initial=0.0)) if points.size else 0.0
        half_range = fitting_range(largest, self._half_range, self._least)
        has_changed = half_range != self._half_range or self.axes.get_ylim() != (-half_range, half_range)
        self._half_range = half_range
        if has_changed:
            self._follow()
        return has_changed

    def complain(self, trouble: str) -> None:
        """Write in the middle what a person should know, if anything."""
        self._trouble.set(text=textwrap.fill(trouble, 60), visible=bool(trouble))

    def caption(self, spans: Sequence[tuple[Span, float, float]], column_s: float) -> None:
        """Write the gestures' names at the top, in a second row where they would meet."""
        while len(self._captions) < len(spans):
            self._captions.append(
                self.axes.text(
                    0,
                    0,
                    "",
                    transform=self.axes.get_xaxis_transform(),
                    fontsize=9.5,
                    fontweight="bold",
                    ha="center",
                    va="top",
                    color=_DARK,
                    clip_on=True,
                    animated=True,
                )
            )
        ends_s = [-np.inf, -np.inf]
        for text in self._captions[len(spans) :]:
            text.set_visible(False)
        for text, (span, start_s, stop_s) in zip(self._captions, spans, strict=False):
            middle_s = (start_s + stop_s) / 2
            half_s = len(span.caption) * _LABEL_PIXELS * column_s / 2
            row = 0 if middle_s - half_s >= ends_s[0] else 1
            ends_s[row] = middle_s + half_s
            text.set(text=span.caption, position=(middle_s, 0.98 - 0.09 * row), visible=True)

    def moving(self) -> list[Artist]:
        """Return what is drawn anew in each frame, undermost first."""
        texts = (text for text in (*self._captions, self._absent, self._trouble) if text.get_visible())
        return [self._gaps, self._spans, *self._lines, *texts]

    def _bands(self, colour: str, alpha: float, zorder: float) -> PolyCollection:
        bands = PolyCollection(
            [],
            facecolors=[colour],
            alpha=alpha,
            linewidths=0,
            transform=self.axes.get_xaxis_transform(),
            zorder=zorder,
            animated=True,
        )
        self.axes.add_collection(bands, autolim=False)
        return bands

    def _follow(self) -> None:
        self._is_ours = True
        self.axes.set_ylim(-self._half_range, self._half_range)
        self._is_ours = False

    def _on_limits(self, _: Axes) -> None:
        # A person has zoomed: from here on the axis is theirs until they reset it.
        self.is_following = self.is_following and self._is_ours


def gaps_of(
    t_s: NDArray[np.float64], values: NDArray[np.float32], narrowest_s: float
) -> list[tuple[float, float]]:
    """Return from when to when nothing was measured, each at least `narrowest_s` wide to be seen."""
    is_gap = np.isnan(values).all(axis=1)
    if not is_gap.any() or is_gap.all():
        return []
    edges = np.diff(np.concatenate([[False], is_gap, [False]]).astype(np.int8))
    gaps: list[tuple[float, float]] = []
    firsts, stops = np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist()
    for first, stop in zip(firsts, stops, strict=True):
        start_s, stop_s = float(t_s[max(0, first - 1)]), float(t_s[min(len(t_s) - 1, stop)])
        lacking_s = max(0.0, narrowest_s - (stop_s - start_s))
        gaps.append((start_s - lacking_s / 2, stop_s + lacking_s / 2))
    return gaps


def fitting_range(largest: float, present: float, least: float) -> float:
    """Return the half range of a value axis that holds `largest`: 1, 2 or 5 times a power of ten.

    It grows at once and shrinks where there is room to spare, so that it does not go to and fro.
    """

    def round_up(value: float) -> float:
        power = 10.0 ** np.floor(np.log10(value))
        return float(next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9)))

    wanted = round_up(max(least, 1.04 * largest))
    return wanted if wanted > present else min(present, round_up(max(least, 1.3 * largest)))


def _quad(start_s: float, stop_s: float) -> list[tuple[float, float]]:
    return [(start_s, 0.0), (start_s, 1.0), (stop_s, 1.0), (stop_s, 0.0)]
