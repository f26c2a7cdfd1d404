"""A board that is watched: its line, its trace, and the gestures that a model finds in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.board_line import BoardLine
from fedmotion.host.imu_stream import StreamCounters
from fedmotion.host.own_model import in_words
from fedmotion.host.plot.trace import Span, Trace
from fedmotion.host.recogniser import Recogniser
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.serial_port import Lost, SerialEvent
from fedmotion.models.mounting import AS_PICTURED, Mounting


@dataclass(frozen=True, slots=True)
class News:
    """What one event brought: new rows of the trace, each (n,) and (n, 6), and gestures that ended."""

    rows: tuple[tuple[NDArray[np.float64], NDArray[np.float32]], ...] = ()
    spans: tuple[Span, ...] = ()


class LiveBoard:
    """Takes a line's events into a trace; `model`, where there is one, names the gestures.

    `turn` is how the board sits; `on_doubt` is told in words where it seems to sit otherwise.
    """

    def __init__(
        self,
        line: BoardLine,
        trace: Trace,
        model: LoadedModel | None = None,
        turn: Mounting = AS_PICTURED,
        on_doubt: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.trace = trace
        self._line = line
        self._recogniser = Recogniser(turn, on_doubt)
        if model is not None:
            self._recogniser.swap(model)

    def start(self) -> None:
        """Begin to open the port."""
        self._line.start()

    def close(self) -> None:
        """Let go of the port."""
        self._line.close()

    @property
    def counters(self) -> StreamCounters:
        """What the stream has seen so far."""
        return self._line.stream.counters

    @property
    def about(self) -> str:
        """The board, and the model that names its gestures, as far as they are known."""
        hello = self._line.stream.hello
        parts = ["" if hello is None else hello.board]
        if self._recogniser.model is not None:
            parts.append(in_words(self._recogniser.model))
        return ", ".join(part for part in parts if part)

    @property
    def trouble(self) -> str:
        """Why no samples come, in words; empty where the line is well."""
        if not self._line.is_open:
            return self._line.last_reason or "the port is not open yet"
        if self._line.stream.complaint or self.counters.n_samples:
            return self._line.stream.complaint
        return self._reported

    @property
    def losses(self) -> str:
        """What was lost so far and what the board reports, in words for a corner."""
        counters = self.counters
        lost = f"lost {counters.n_dropped}   gaps {counters.n_gaps}   bad frames {counters.n_bad}"
        return f"{self._reported}   {lost}" if self._reported else lost

    @property
    def _reported(self) -> str:
        return f"reported: {self._line.reported}" if self._line.reported else ""

    def handle(self, event: SerialEvent, now_s: float) -> News:
        """Take one event of the line."""
        rows: list[tuple[NDArray[np.float64], NDArray[np.float32]]] = []
        spans: list[Span] = []
        for block in self._line.handle(event, now_s):
            rows.append(self.trace.add(block, now_s))
            spans += [self.trace.mark(each) for each in self._recogniser.feed(block)]
        if isinstance(event, Lost):
            spans += [self.trace.mark(each) for each in self._recogniser.flush()]
        return News(tuple(rows), tuple(spans))

    def tick(self, now_s: float) -> None:
        """Do what is due by the clock; wanted a few times a second."""
        self._line.tick(now_s)


OpenBoard = Callable[[Callable[[SerialEvent], object]], LiveBoard]
"""Returns a board, not yet started; the function is given its line's events, which are for its `handle`."""
