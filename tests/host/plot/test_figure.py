"""What is drawn is looked for in the pixels."""

from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from fedmotion.host.plot.figure import COLOURS, PlotFigure, fitting_range, gaps_of
from fedmotion.host.plot.scene import Scene
from fedmotion.host.plot.trace import Span, View, units

LIMITS_S = (-10.0, 0.0)
GREY, BLUE = 0.86, (0.83, 0.93, 0.98)


def view(*spans: Span, hole: slice = slice(0, 0), rate_hz: float = 100.0) -> View:
    """Ten seconds with a level of its own for each axis."""
    t_s = np.arange(int(10 * rate_hz)) / rate_hz
    values = np.tile(np.array([8, 0, -8, 2, 0, -2], dtype=np.float32), (len(t_s), 1))
    values[hole] = np.nan
    return View(t_s, values, spans, float(t_s[-1]), rate_hz)


def drawn(tmp_path: Path, scene: Scene) -> tuple[PlotFigure, np.ndarray]:
    figure = Figure(figsize=(11, 6.6))
    FigureCanvasAgg(figure)
    plot = PlotFigure(figure, units(), LIMITS_S, "seconds before now")
    plot.save(scene, tmp_path / "plot.png")
    return plot, matplotlib.image.imread(tmp_path / "plot.png")[:, :, :3]


def at(plot: PlotFigure, pixels: np.ndarray, panel: int, t_s: float, value: float) -> np.ndarray:
    """The pixels around a point of a panel."""
    place = plot.panels[panel].axes.transData.transform((t_s, value)) * 110 / plot.figure.dpi
    column, row = round(float(place[0])), round(len(pixels) - float(place[1]))
    return pixels[row - 2 : row + 3, column - 2 : column + 3].reshape(-1, 3)


def has_colour(pixels: np.ndarray, colour: str) -> bool:
    return bool((np.abs(pixels - np.array(to_rgb(colour))).max(axis=1) < 0.05).any())


def test_each_axis_is_a_line_of_its_colour_at_its_value(tmp_path: Path) -> None:
    plot, pixels = drawn(tmp_path, Scene(view(), "board", "100 Hz"))
    for panel, values in enumerate([(8, 0, -8), (2, 0, -2)]):
        for colour, value in zip(COLOURS, values, strict=True):
            assert has_colour(at(plot, pixels, panel, -5, value), colour)
        assert (at(plot, pixels, panel, -5.1, values[0] / 2) == 1).all()


def test_a_sensor_that_is_not_there_is_said(tmp_path: Path) -> None:
    without_gyro = view()
    without_gyro.values[:, 3:] = np.nan
    plot, _ = drawn(tmp_path, Scene(without_gyro, "board", "100 Hz"))
    for panel, said in enumerate(([], ["not measured"])):
        shown = [text.get_text() for text in plot.panels[panel].axes.texts if text.get_visible()]
        assert shown == said


def test_in_a_gap_there_is_a_band_and_no_line(tmp_path: Path) -> None:
    plot, pixels = drawn(tmp_path, Scene(view(hole=slice(500, 600)), "board", "100 Hz"))
    for panel, value in enumerate((8, 2)):
        inside = at(plot, pixels, panel, -4.5, value)
        assert not has_colour(inside, COLOURS[0])
        np.testing.assert_allclose(inside, GREY, atol=0.02)
        assert has_colour(at(plot, pixels, panel, -5.2, value), COLOURS[0])


def test_a_gap_of_one_sample_at_1_khz_is_seen(tmp_path: Path) -> None:
    plot, pixels = drawn(tmp_path, Scene(view(hole=slice(5000, 5001), rate_hz=1000), "board", "1000 Hz"))
    np.testing.assert_allclose(at(plot, pixels, 0, -5 + 0.001, 4)[7:18:5], GREY, atol=0.03)


def test_a_gesture_is_a_band_in_both_panels_with_its_name_and_probability(tmp_path: Path) -> None:
    plot, pixels = drawn(tmp_path, Scene(view(Span("wave", 4.0, 6.0, 0.93)), "board", "100 Hz"))
    for panel in (0, 1):
        np.testing.assert_allclose(at(plot, pixels, panel, -5.5, 1), np.tile(BLUE, (25, 1)), atol=0.02)
        assert (at(plot, pixels, panel, -7.1, 1) == 1).all()
    assert "wave 93%" in [text.get_text() for text in plot.panels[0].axes.texts]


def test_names_that_would_meet_are_in_two_rows(tmp_path: Path) -> None:
    spans = [Span("swipe_left", 4.0, 4.5, 0.9), Span("swipe_right", 4.6, 5.1, 0.9), Span("tap", 8.0, 8.2)]
    plot, _ = drawn(tmp_path, Scene(view(*spans), "board", "100 Hz"))
    heights = {text.get_text(): text.get_position()[1] for text in plot.panels[0].axes.texts}
    assert heights["swipe_left 90%"] > heights["swipe_right 90%"]
    assert heights["tap"] == heights["swipe_left 90%"]


@pytest.mark.parametrize("scene", [Scene(view(), "board", "100 Hz", "it went away"), Scene(view(), "b", "")])
def test_the_header_is_saved_and_trouble_is_said_where_there_is_some(tmp_path: Path, scene: Scene) -> None:
    plot, pixels = drawn(tmp_path, scene)
    assert (pixels[: int(0.06 * len(pixels)), :300] < 0.5).any()
    box = at(plot, pixels, 0, -5, 0).mean()
    assert (box < 1) == bool(scene.trouble) or has_colour(at(plot, pixels, 0, -5, 0), COLOURS[1])
    shown = [text.get_text() for text in plot.panels[0].axes.texts if text.get_visible()]
    assert shown == ([scene.trouble] if scene.trouble else [])


def test_moving_parts_come_over_a_background_without_them() -> None:
    figure = Figure(figsize=(11, 6.6))
    canvas: Any = FigureCanvasAgg(figure)  # whose methods have no types
    plot = PlotFigure(figure, units(), LIMITS_S, "seconds before now")
    plot.show(Scene(view(), "", ""))
    canvas.draw()
    still = np.asarray(canvas.buffer_rgba()).copy()
    plot.draw_moving()
    moved = np.asarray(canvas.buffer_rgba())
    is_changed = (still != moved).any(axis=2)
    # Six lines of two or three pixels over most of the width.
    assert 6 * 700 < np.count_nonzero(is_changed) < 6 * 1100 * 4
    assert plot.draw_header("board", "100 Hz")
    assert not plot.draw_header("board", "100 Hz")


def test_values_beyond_the_axis_widen_it_and_a_persons_zoom_stays() -> None:
    figure = Figure(figsize=(11, 6.6))
    FigureCanvasAgg(figure)
    plot = PlotFigure(figure, units(), LIMITS_S, "seconds before now")
    still, moving = view(), view()
    moving.values[500, 1] = -70
    plot.show(Scene(still, "", ""))
    assert not plot.show(Scene(still, "", ""))
    assert plot.show(Scene(moving, "", ""))
    assert plot.panels[0].axes.get_ylim() == (-100, 100)
    plot.panels[0].axes.set_ylim(-3, 3)
    assert not plot.show(Scene(still, "", ""))
    assert plot.panels[0].axes.get_ylim() == (-3, 3)
    plot.reset_zoom()
    assert plot.show(Scene(still, "", ""))
    assert plot.panels[0].axes.get_ylim() == (-20, 20)


def test_ranges_are_round_grow_at_once_and_shrink_where_there_is_room() -> None:
    assert [fitting_range(each, 1.0, 1.0) for each in (0.2, 9.0, 9.81, 40.0, 200.0)] == [1, 10, 20, 50, 500]
    assert fitting_range(4.9, 10.0, 1.0) == 10
    assert fitting_range(3.8, 10.0, 1.0) == 5
    assert fitting_range(4.7, 5.0, 1.0) == 5


def test_gaps_are_as_long_as_nothing_was_measured() -> None:
    t_s = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 3.2])
    values = np.zeros((6, 6), dtype=np.float32)
    values[2] = np.nan
    values[4, :3] = np.nan
    assert gaps_of(t_s, values, 0.1) == [(1.0, 2.0)]
    assert gaps_of(t_s, values, 3.0) == [(0.0, 3.0)]
    # All of it: that is no gap between samples.
    assert gaps_of(t_s, np.full_like(values, np.nan), 0.1) == []
