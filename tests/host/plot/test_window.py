"""The window with a toolkit that is made here: keys, wheel and timer come from the test, pixels go to it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.backend_bases import (
    FigureManagerBase,
    KeyEvent,
    MouseEvent,
    ResizeEvent,
    TimerBase,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fedmotion.host.plot.scene import Scene
from fedmotion.host.plot.trace import View, units
from fedmotion.host.plot.window import PlotWindow


class Timer(TimerBase):
    is_started = False

    def _timer_start(self) -> None:
        self.is_started = True

    def _timer_stop(self) -> None:
        self.is_started = False


class Manager(FigureManagerBase):
    """Does what the test has planned, with a timer's tick and a waiting draw after each step."""

    plan: ClassVar[list[Callable[["Canvas"], object]]] = []

    def show(self) -> None:
        pass

    @classmethod
    def start_main_loop(cls) -> None:
        for step in [lambda _: None, lambda _: None, *cls.plan]:
            if not plt.get_fignums():
                return
            canvas = plt.gcf().canvas
            assert isinstance(canvas, Canvas)
            step(canvas)
            canvas.turn()


class Canvas(FigureCanvasAgg):
    _timer_cls = Timer
    manager_class = Manager
    n_draws = 0
    n_blits = 0
    wants_draw = True
    timer: Timer

    def new_timer(self, interval: int | None = None, callbacks: Any = None) -> Timer:
        self.timer = Timer(interval, callbacks)
        return self.timer

    def turn(self) -> None:
        if self.wants_draw:
            self.wants_draw = False
            self.draw()
        if self.timer.is_started:
            self.timer.is_started = False
            self.timer._on_timer()  # type: ignore[attr-defined]  # what a toolkit's timer calls

    def draw(self) -> None:
        self.n_draws += 1
        super().draw()  # type: ignore[no-untyped-call]  # matplotlib's has no types
        self.blit()

    def draw_idle(self, *_: object, **__: object) -> None:
        self.wants_draw = True

    def blit(self, _: object = None) -> None:
        self.n_blits += 1

    def pixels(self) -> np.ndarray:
        """What is on the screen."""
        return np.asarray(self.buffer_rgba())[:, :, :3].copy()  # type: ignore[no-untyped-call]  # likewise

    def press(self, key: str) -> None:
        KeyEvent("key_press_event", self, key)._process()  # type: ignore[attr-defined]  # likewise

    def scroll(self, t_s: float, value: float, step: int, key: str | None = None) -> None:
        x, y = self.figure.axes[0].transData.transform((t_s, value))
        event = MouseEvent("scroll_event", self, x, y, step=step, key=key)
        event._process()  # type: ignore[attr-defined]  # likewise


class Source:
    """A flat stream whose level the test sets; each look finds another second of it."""

    units = units()
    limits_s = (-10.0, 0.0)
    x_label = "seconds before now"

    def __init__(self) -> None:
        self.level = 5.0
        self.n_looks = 0
        self.page = 0

    def scene(self) -> Scene:
        self.n_looks += 1
        t_s = np.arange(1000) / 100 + self.n_looks
        values = np.full((1000, 6), self.level, dtype=np.float32)
        return Scene(View(t_s, values, (), float(t_s[-1]), 100.0), f"page {self.page}", "100 Hz")

    def turn(self, n_pages: int) -> None:
        self.page += n_pages


@pytest.fixture(autouse=True)
def toolkit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("toolkit_of_this_test")
    module.FigureCanvas = Canvas  # type: ignore[attr-defined]  # a backend's module is known by this name
    monkeypatch.setitem(sys.modules, module.__name__, module)
    before = plt.get_backend()
    plt.switch_backend(f"module://{module.__name__}")
    yield
    plt.close("all")
    plt.switch_backend(before)


def run(source: Source, *plan: Callable[[Canvas], object], **options: Any) -> tuple[PlotWindow, Canvas]:
    window = PlotWindow(source, **options)
    canvas = plt.gcf().canvas
    assert isinstance(canvas, Canvas)
    Manager.plan = list(plan)
    window.run()
    assert plt.get_fignums() == []
    return window, canvas


def nothing(_: Canvas) -> None:
    pass


def test_frames_draw_only_what_moves() -> None:
    source = Source()
    window, canvas = run(source, *[nothing] * 20)
    assert window.n_frames == 22
    # Once for the window's opening and once for the axis of the angular rate, which had to widen.
    assert canvas.n_draws == 2
    assert canvas.n_blits >= window.n_frames


def test_a_frame_is_what_drawing_everything_gives() -> None:
    source, seen = Source(), []

    def look(canvas: Canvas) -> None:
        seen.append(canvas.pixels())

    def lift(_: Canvas) -> None:
        source.level = 6.0

    # Looks: before, after two frames at another level, and after all was drawn anew.
    run(source, nothing, look, lift, nothing, look, Canvas.draw_idle, nothing, look)
    before, blitted, drawn = seen
    assert (before != blitted).any()
    # The header, which counts frames, apart.
    np.testing.assert_array_equal(blitted[60:], drawn[60:])


def test_a_pause_holds_the_picture_while_the_stream_is_read() -> None:
    source, seen = Source(), []

    def look(canvas: Canvas) -> None:
        seen.append((canvas.pixels(), source.n_looks))

    def lift(_: Canvas) -> None:
        source.level = 9.0

    space = lambda canvas: canvas.press(" ")  # noqa: E731 - a step of a plan
    run(source, space, nothing, look, lift, *[nothing] * 5, look, space, nothing, nothing, look)
    (held, n_before), (still, n_after), (gone_on, _) = seen
    np.testing.assert_array_equal(held, still)
    assert n_after > n_before
    assert (gone_on[60:] != still[60:]).any()


def test_the_wheel_zooms_about_the_pointer_and_h_shows_all_again() -> None:
    seen: list[tuple[tuple[float, float], tuple[float, float]]] = []

    def look(canvas: Canvas) -> None:
        axes = canvas.figure.axes[0]
        seen.append((axes.get_xlim(), axes.get_ylim()))

    run(
        Source(),
        look,
        lambda canvas: canvas.scroll(-4.0, 0.0, 1),
        look,
        lambda canvas: canvas.scroll(-4.0, 0.0, 1, "control"),
        look,
        lambda canvas: canvas.scroll(-4.0, 0.0, -9),
        look,
        lambda canvas: canvas.press("h"),
        nothing,
        nothing,
        look,
    )
    assert seen[0] == ((-10.0, 0.0), (-10.0, 10.0))
    np.testing.assert_allclose(seen[1], ((-8.8, -0.8), (-10, 10)))
    np.testing.assert_allclose(seen[2], ((-8.8, -0.8), (-8, 8)))
    # Not beyond what there is.
    np.testing.assert_allclose(seen[3], ((-10, 0), (-8, 8)))
    assert seen[4] == seen[0]


def test_a_paused_picture_that_is_zoomed_has_the_axis_that_it_shows() -> None:
    """Its lines were once drawn for another axis than the one beside them."""
    source, seen = Source(), []
    view = source.scene().view
    view.values[:200] = 45.0
    source.scene = lambda: Scene(view, "", "")  # type: ignore[method-assign]  # a scene that stays

    def look(canvas: Canvas) -> None:
        seen.append(canvas.pixels())

    closer = lambda canvas: canvas.figure.axes[0].set_xlim(-5, 0)  # noqa: E731 - a step of a plan
    run(source, closer, Canvas.draw_idle, nothing, nothing, look, Canvas.draw_idle, nothing, look)
    assert plt.get_fignums() == []
    np.testing.assert_array_equal(seen[0][60:], seen[1][60:])


def test_s_saves_the_picture_and_q_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved: list[Path] = []
    source = Source()
    window, _ = run(
        source,
        nothing,
        lambda canvas: canvas.press("s"),
        nothing,
        lambda canvas: canvas.press("q"),
        *[nothing] * 20,
        on_saved=saved.append,
    )
    (path,) = saved
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.name.startswith("fedmotion-")
    assert window.n_frames < 10


def test_arrows_turn_pages() -> None:
    source = Source()
    run(source, lambda canvas: canvas.press("right"), lambda canvas: canvas.press("right"), nothing)
    assert source.page == 2


def test_words_keep_their_room_in_a_small_window() -> None:
    def shrink(canvas: Canvas) -> None:
        canvas.figure.set_size_inches(5, 3.5, forward=False)
        ResizeEvent("resize_event", canvas)._process()  # type: ignore[attr-defined]  # likewise
        canvas.draw_idle()

    boxes = []

    def look(canvas: Canvas) -> None:
        boxes.append([axes.get_position() for axes in canvas.figure.axes])

    run(Source(), look, shrink, nothing, nothing, look)
    (large, _), (small, lower) = boxes
    # The same number of points left of the axes and below them.
    np.testing.assert_allclose(large.x0 * 11, small.x0 * 5)
    assert lower.y0 * 3.5 * 72 == pytest.approx(36)


def test_a_backend_that_cannot_copy_pixels_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plt.switch_backend("svg")
    with pytest.raises(ValueError, match=r"^no window can be opened here \(the backend svg of MPLBACKEND"):
        PlotWindow(Source())
