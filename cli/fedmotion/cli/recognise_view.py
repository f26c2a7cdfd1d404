"""The recogniser in a terminal: the last gestures, what the last movement was taken for, and the board."""

import logging
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fedmotion.host.gesture_output import Gesture, Verdict
from fedmotion.host.own_model import in_words
from fedmotion.host.recogniser import Decision
from fedmotion.host.released_model import LoadedModel
from fedmotion.protocol.identity import OTHER

N_SHOWN = 8
_BAR_CELLS = 24
_REDRAW_S = 0.1
_RATE_S = 2.0
_VERDICTS: Mapping[Verdict, str] = {
    "told": "told",
    "other": "no gesture",
    "unlikely": "too unlikely",
    "repeated": "told just before",
}


@dataclass(slots=True)
class ViewState:
    """What is shown; times are the host's seconds. Pure: `render` makes a picture of it."""

    port: str
    board: str = ""
    rate_hz: float = 0.0
    trouble: str = ""
    model: LoadedModel | None = None
    n_by_verdict: dict[Verdict, int] = field(default_factory=dict)
    told: deque[tuple[Gesture, float]] = field(default_factory=lambda: deque(maxlen=N_SHOWN))
    last: tuple[Decision, Verdict] | None = None
    outputs: list[tuple[str, bool]] = field(default_factory=list)


def render(state: ViewState, now_s: float, width: int = 80) -> RenderableType:
    """Return what is shown at `now_s`, for a terminal of `width` columns; nothing depends on colour alone."""
    parts: list[RenderableType] = [_head(state), Text(), _gestures(state, now_s, width)]
    if state.last is not None:
        parts += [Text(), _last_movement(*state.last, width)]
    parts += [Text(), _foot(state)]
    return Group(*parts)


def bar(share: float, n_cells: int) -> str:
    """Return a bar of `n_cells`, filled to `share`, in eighths of a cell."""
    eighths = math.floor(min(max(share, 0.0), 1.0) * n_cells * 8 + 0.5)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(n_cells)


def _head(state: ViewState) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    if state.board:
        text.append("● ", style="green")
        text.append(f"{state.board} at {state.port}, {state.rate_hz:.0f} samples a second")
    else:
        text.append("○ ", style="yellow")
        text.append(state.trouble or (f"waiting for {state.port}" if state.port else "no board"))
    text.append("\n")
    if state.model is None:
        text.append("○ ", style="yellow")
        text.append("no model yet")
    else:
        gestures = ", ".join(each for each in state.model.specification.activities if each != OTHER)
        text.append("● ", style="green")
        text.append(f"{in_words(state.model)}: {gestures}")
    return text


def _gestures(state: ViewState, now_s: float, width: int) -> RenderableType:
    if not state.told:
        return Text("no gesture yet: perform one and rest", style="dim")
    table = Table.grid(padding=(0, 2))
    n_cells = _cells(width)
    for position, (gesture, told_s) in enumerate(reversed(state.told)):
        style = "bold" if position == 0 else ""
        table.add_row(
            Text(gesture.activity, style=style),
            Text(bar(gesture.probability, n_cells), style="cyan" if position == 0 else "dim"),
            Text(f"{gesture.probability:4.0%}", style=style),
            Text(_ago(now_s - told_s), style="dim"),
        )
    return table


def _last_movement(decision: Decision, verdict: Verdict, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    n_cells = _cells(width)
    activities = decision.model.specification.activities
    for activity, probability in zip(activities, decision.probabilities, strict=True):
        is_chosen = activity == decision.activity
        table.add_row(
            Text(f"{'>' if is_chosen else ' '} {activity}", style="bold" if is_chosen else ""),
            Text(bar(probability, n_cells), style="blue" if is_chosen else "dim"),
            Text(f"{probability:4.0%}"),
        )
    seconds = (decision.stop_us - decision.start_us) / 1e6
    what = Text(f"the last movement, {seconds:.1f} s: {_VERDICTS[verdict]}", style="dim")
    return Group(what, table)


def _foot(state: ViewState) -> Text:
    counts = state.n_by_verdict
    text = Text(no_wrap=True, overflow="ellipsis", style="dim")
    text.append(
        f"{counts.get('told', 0)} told, {counts.get('unlikely', 0)} too unlikely, "
        f"{counts.get('repeated', 0)} told just before, {counts.get('other', 0)} no gesture"
    )
    for words, is_well in state.outputs:
        text.append("\n")
        text.append("● " if is_well else "○ ", style="green" if is_well else "yellow")
        text.append(words)
    text.append("\nCtrl-C ends")
    return text


def _cells(width: int) -> int:
    return max(min(_BAR_CELLS, width - 50), 6)


def _ago(seconds: float) -> str:
    if seconds < 1:
        return "now"
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago"


class Rate:
    """Samples a second over the last two seconds, from a counter that only grows."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, n_samples: int, now_s: float) -> float:
        """Return the rate now that `n_samples` have come in all."""
        self._seen.append((now_s, n_samples))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= _RATE_S:
            self._seen.popleft()
        (first_s, n_first), (last_s, n_last) = self._seen[0], self._seen[-1]
        return (n_last - n_first) / (last_s - first_s) if last_s > first_s else 0.0


class _Above(FileProxy):
    """Writes above the picture, for click too, which goes around a stream that has no encoding."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # an attribute there, which is None
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # likewise
        return "replace"


class View:
    """Keeps the picture on a terminal up to date, ten times a second at most."""

    def __init__(
        self, console: Console, state: ViewState, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.state = state
        self._clock = clock
        self._drawn_s = -math.inf
        self._console = console
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._redirected = ExitStack()

    @property
    def now_s(self) -> float:
        """The time by this view's clock."""
        return self._clock()

    def start(self) -> None:
        """Begin to draw; what others print or log comes above."""
        self._live.start()
        self._redirected.enter_context(redirect_stdout(_Above(self._console, sys.stdout)))
        self._redirected.enter_context(redirect_stderr(_Above(self._console, sys.stderr)))
        self._lead_logs(sys.stderr)

    def stop(self) -> None:
        """Leave the last picture on the terminal."""
        self._draw()
        self._live.stop()
        self._redirected.close()
        self._lead_logs(sys.stderr)

    @staticmethod
    def _lead_logs(stream: TextIO) -> None:
        """Let the log write to what standard error is now: around the picture, and not into it."""
        for handler in logging.getLogger().handlers:
            if type(handler) is logging.StreamHandler:
                handler.setStream(stream)

    def told(self, gesture: Gesture) -> None:
        """Show a gesture."""
        self.state.told.append((gesture, self._clock()))

    def tick(self) -> None:
        """Draw where it is time to."""
        if self._clock() - self._drawn_s >= _REDRAW_S:
            self._draw()

    def _draw(self) -> None:
        now_s = self._clock()
        self._drawn_s = now_s
        self._live.update(render(self.state, now_s, self._console.width), refresh=True)
