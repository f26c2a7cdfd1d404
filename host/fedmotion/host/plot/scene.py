"""What a plot is of: a board that is watched, or takes that were recorded."""

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fedmotion.host.plot.live_board import LiveBoard
from fedmotion.host.plot.take_view import view_of
from fedmotion.host.plot.trace import Units, View, units
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.serial_port import SerialEvent
from fedmotion.models.takes import Take

TICK_S = 0.25
_MAX_DRAINED = 1000


@dataclass(frozen=True, slots=True)
class Scene:
    """A moment's view, with the words around it; `trouble` is empty where all is well."""

    view: View
    title: str
    corner: str
    trouble: str = ""


class Source(Protocol):
    """What a window shows."""

    units: Units
    x_label: str

    @property
    def limits_s(self) -> tuple[float, float]:
        """The ends of the time axis, relative to a view's right edge."""

    def scene(self) -> Scene:
        """Return what is to be seen now; the same object for as long as nothing is new."""

    def turn(self, n_pages: int) -> None:
        """Go so many takes on, or back, where there are takes."""


class LiveSource:
    """A watched board whose line puts its events into `events`; `clock` is the host's, monotonic."""

    x_label = "seconds before now"

    def __init__(
        self,
        board: LiveBoard,
        events: "queue.SimpleQueue[SerialEvent]",
        name: str,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.units = board.trace.units
        self.limits_s = (-board.trace.span_s, 0.0)
        self._board = board
        self._events = events
        self._name = name
        self._clock = clock
        self._ticked_s = clock()

    def scene(self) -> Scene:
        """Take what the line has brought and return what is to be seen."""
        now_s = self._clock()
        for _ in range(_MAX_DRAINED):
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                break
            self._board.handle(event, now_s)
        if now_s - self._ticked_s >= TICK_S:
            self._ticked_s = now_s
            self._board.tick(now_s)
        view = self._board.trace.view(now_s)
        return Scene(
            view,
            f"{self._name}   {self._board.about}",
            f"{view.rate_hz:.0f} Hz   {self._board.losses}",
            self._board.trouble,
        )

    def turn(self, n_pages: int) -> None:
        """A board has one page only."""


class TakeSource:
    """Recorded takes, one a page: `take_at` returns that of an index, and `index` is shown first.

    `model`, where there is one, names the gestures in them.
    """

    x_label = "seconds"

    def __init__(
        self,
        take_at: Callable[[int], Take],
        n_takes: int,
        index: int = 0,
        shown_in: Units | None = None,
        model: LoadedModel | None = None,
    ) -> None:
        if not 0 <= index < n_takes:
            raise ValueError(f"a take of this file is 0 to {n_takes - 1}, got {index}")
        self.units = shown_in or units()
        self._take_at = take_at
        self._n_takes = n_takes
        self._model = model
        self._index = index
        self._scene = self._draw()

    @property
    def limits_s(self) -> tuple[float, float]:
        """From the take's beginning to its end."""
        view = self._scene.view
        return (float(view.t_s[0]), float(view.t_s[-1])) if len(view.t_s) > 1 else (0.0, 1.0)

    def scene(self) -> Scene:
        """Return the take."""
        return self._scene

    def turn(self, n_pages: int) -> None:
        """Show another take; before the first comes the last."""
        self._index = (self._index + n_pages) % self._n_takes
        self._scene = self._draw()

    def _draw(self) -> Scene:
        take = self._take_at(self._index)
        view = view_of(take, self.units, self._model)
        trial = f"trial {take.trial}" if take.trial else ""
        about = ", ".join(part for part in (take.label, f"person {take.person}", trial) if part)
        n_gaps = int(np.count_nonzero(np.isnan(view.values).all(axis=1)))
        return Scene(
            view,
            f"{take.name}   {about}",
            f"take {self._index} of {self._n_takes}   {view.rate_hz:.0f} Hz   gaps {n_gaps}",
            "" if len(take.t_us) > 1 else "this take has no samples to draw",
        )
