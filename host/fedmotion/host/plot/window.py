"""The plot in a window of its own, at some 40 frames a second for a fraction of a processor core.

What stands still (axes, grid, words) is drawn once and kept as pixels; each frame copies these back and draws
only what moves ("blitting", matplotlib's user guide, "Faster rendering by using blitting").
"""

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.backend_bases import Event, KeyEvent, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fedmotion.host.plot.figure import PlotFigure
from fedmotion.host.plot.scene import Scene, Source

FRAME_S = 1 / 40
KEYS = "space: pause   scroll, drag with the magnifier: zoom   h: all again   s: save   q: quit"
_HEADER_S = 0.5
_ZOOM_STEP = 1.25
_SHORTEST_S = 0.05


class PlotWindow:
    """Shows a source until it is closed.

    Parameters
    ----------
    on_saved
        Told of each picture that was saved.
    clock
        Seconds, monotonic.

    Raises
    ------
    ValueError
        If no window can be opened here.
    """

    def __init__(
        self,
        source: Source,
        *,
        on_saved: Callable[[Path], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.n_frames = 0
        self._source = source
        self._on_saved = on_saved
        self._clock = clock
        self._figure, self._canvas = _open_window()
        self._plot = PlotFigure(self._figure, source.units, source.limits_s, source.x_label)
        self._scene = source.scene()
        self._shown: Scene | None = None
        self._is_paused = False
        self._background: Any = None
        self._is_stale = False
        self._is_closed = False
        self._drawn_s: deque[float] = deque(maxlen=60)
        self._header_s = clock()
        self._stop_s: float | None = None
        self._timer = self._canvas.new_timer(interval=1)
        self._timer.single_shot = True
        self._timer.add_callback(self._on_timer)
        manager = self._canvas.manager
        if manager is not None:
            manager.set_window_title("fedmotion plot")
            # Our keys instead of the library's, of which s and q would mean something else.
            if manager.key_press_handler_id is not None:
                self._canvas.mpl_disconnect(manager.key_press_handler_id)
        self._canvas.mpl_connect("draw_event", self._on_draw)
        self._canvas.mpl_connect("resize_event", lambda _: self._plot.lay_out())
        self._canvas.mpl_connect("close_event", lambda _: self._close())
        self._canvas.mpl_connect("key_press_event", self._on_key)
        self._canvas.mpl_connect("scroll_event", self._on_scroll)

    def run(self, duration_s: float | None = None) -> None:
        """Show the window until a person closes it, or for `duration_s`."""
        if duration_s is not None:
            self._stop_s = self._clock() + duration_s
        self._timer.start()
        # Ctrl-C closes the window, which is all that it is to do; the library would raise after that.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            plt.show(block=True)
        finally:
            signal.signal(signal.SIGINT, before)
        self._close()

    def _on_timer(self) -> None:
        if self._is_closed:
            return
        begun_s = self._clock()
        if self._stop_s is not None and begun_s > self._stop_s:
            self._close()
            return
        scene = self._source.scene()
        if not self._is_paused:
            self._scene = scene
        is_new = self._scene is not self._shown or self._is_stale
        if is_new and self._background is not None:
            self._frame(begun_s)
        if not self._is_closed:
            self._timer.interval = max(1, round((FRAME_S - (self._clock() - begun_s)) * 1000))
            self._timer.start()

    def _close(self) -> None:
        self._is_closed = True
        self._timer.stop()
        plt.close(self._figure)

    def _frame(self, now_s: float) -> None:
        self._drawn_s.append(now_s)
        self.n_frames += 1
        if self._plot.show(self._scene) or self._is_stale:
            # Its event does the rest.
            self._canvas.draw()
            return
        self._canvas.restore_region(self._background)
        if now_s - self._header_s >= _HEADER_S:
            self._header_s = now_s
            if self._plot.draw_header(self._scene.title, self._corner()):
                self._background = self._canvas.copy_from_bbox(self._figure.bbox)
        self._finish()

    def _on_draw(self, _: Event) -> None:
        """After everything that stands still was drawn: keep it, and add what moves."""
        if self._canvas.is_saving():
            return
        self._plot.draw_header(self._scene.title, self._corner())
        self._background = self._canvas.copy_from_bbox(self._figure.bbox)
        # For the limits of now, which a person may have changed.
        self._is_stale = self._plot.show(self._scene)
        self._finish()

    def _finish(self) -> None:
        self._shown = self._scene
        self._plot.draw_moving()
        self._canvas.blit(self._figure.bbox)

    def _corner(self) -> str:
        if self._is_paused:
            return f"{self._scene.corner}   paused"
        if len(self._drawn_s) < 2:
            return self._scene.corner
        frames_per_s = (len(self._drawn_s) - 1) / (self._drawn_s[-1] - self._drawn_s[0])
        return f"{self._scene.corner}   {frames_per_s:.0f} frames/s"

    def _on_key(self, event: Event) -> None:
        match event.key if isinstance(event, KeyEvent) else None:
            case " ":
                self._is_paused = not self._is_paused
                self._canvas.draw_idle()
            case "s":
                path = Path(datetime.now().strftime("fedmotion-%Y%m%d-%H%M%S.png"))  # noqa: DTZ005 - a person's own time
                self._plot.save(self._scene, path)
                self._on_saved(path)
                self._canvas.draw_idle()
            case "h" | "home":
                self._plot.reset_zoom()
                self._canvas.draw_idle()
            case "left" | "right" as key:
                self._source.turn(1 if key == "right" else -1)
                self._scene = self._source.scene()
                self._plot.limits_s = self._source.limits_s
                self._plot.reset_zoom()
                self._canvas.draw_idle()
            case "q":
                self._close()

    def _on_scroll(self, event: Event) -> None:
        if not isinstance(event, MouseEvent) or event.xdata is None or event.ydata is None:
            return
        axes = event.inaxes
        if axes is None:
            return
        factor = _ZOOM_STEP**-event.step
        if event.key == "control":
            low, high = axes.get_ylim()
            axes.set_ylim(*_zoomed(low, high, event.ydata, factor))
        else:
            low, high = _zoomed(*axes.get_xlim(), event.xdata, factor)
            low, high = max(low, self._plot.limits_s[0]), min(high, self._plot.limits_s[1])
            if high - low >= _SHORTEST_S:
                axes.set_xlim(low, high)
        self._canvas.draw_idle()


def show_still(draw: Callable[[Figure], object]) -> None:
    """Open a window, let `draw` fill its figure, and wait until it is closed; raises as PlotWindow does."""
    figure, _ = _open_window()
    figure.set_layout_engine("constrained")
    draw(figure)
    plt.show()


def save(source: Source, path: Path) -> None:
    """Write what `source` shows now to `path`, whose ending says in which format; needs no screen."""
    figure = Figure(figsize=(11, 6.6))
    FigureCanvasAgg(figure)
    PlotFigure(figure, source.units, source.limits_s, source.x_label).save(source.scene(), path)


def _zoomed(low: float, high: float, about: float, factor: float) -> tuple[float, float]:
    return about - (about - low) * factor, about + (high - about) * factor


def _open_window() -> tuple[Figure, Any]:
    """Return a figure in a window and its canvas, a FigureCanvasAgg, whose methods have no types."""
    try:
        figure = plt.figure(figsize=(11, 6.6))
    except Exception as error:  # noqa: BLE001 - each toolkit has its own for a display that does not answer
        raise ValueError(_no_window(str(error))) from None
    if plt.get_backend().lower() == "agg":
        plt.close(figure)
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        silent = f"there is no toolkit for it, or the display {display} does not answer"
        raise ValueError(_no_window(silent if display else "there is no display"))
    if not isinstance(figure.canvas, FigureCanvasAgg):
        plt.close(figure)
        why = f"the backend {plt.get_backend()} of MPLBACKEND cannot copy pixels"
        raise ValueError(_no_window(why))  # noqa: TRY004 - a setting and no argument of ours
    return figure, figure.canvas


def _no_window(why: str) -> str:
    return (
        f"no window can be opened here ({why}): --save FILE.png writes a picture, --web PORT shows the plot "
        "in a browser, and on Debian python3-tk is a toolkit for windows"
    )
