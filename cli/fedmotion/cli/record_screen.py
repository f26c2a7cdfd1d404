"""What a recording session looks like on a terminal: one picture a moment, and lines that stay above it."""

import time
from types import TracebackType
from typing import Self

from rich import box
from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fedmotion.host.guided.screen import MarkScreen, Phase, Screen
from fedmotion.host.guided.take_report import TakeReport

_LEAST_S = 0.08
"""Between two pictures of the same phase: fast enough for a level, slow enough for a Pi over ssh."""

_HIGH = 30
"""Lines of a terminal from which the picture has room to breathe."""

_METER = 36
_BARS = " ▁▂▃▄▅▆▇█"
_COLOURS = {
    Phase.BOARD: "yellow",
    Phase.REST: "cyan",
    Phase.COUNTDOWN: "bold yellow",
    Phase.PERFORM: "bold green",
    Phase.MOVING: "bold red",
    Phase.HOLD: "bold magenta",
    Phase.JUDGE: "bold cyan",
    Phase.PAUSED: "yellow",
    Phase.OVER: "bold green",
}
_BIG = {
    "0": "███ █ █ █ █ █ █ ███",
    "1": " █  ██   █   █  ███",
    "2": "███   █ ███ █   ███",
    "3": "███   █ ███   █ ███",
    "4": "█ █ █ █ ███   █   █",
    "5": "███ █   ███   █ ███",
    "6": "███ █   ███ █ █ ███",
    "7": "███   █  █   █   █ ",
    "8": "███ █ █ ███ █ █ ███",
    "9": "███ █ █ ███   █ ███",
    "G": "███ █   █ █ █ █ ███",
    "O": "███ █ █ █ █ █ █ ███",
}
"""Five rows of three columns with a column between: seen from as far as one stands to perform."""


def draw(screen: Screen | MarkScreen, about: str, height: int = 40) -> RenderableType:
    """Return the picture of `screen`, closer together in a low terminal; nothing depends on colour alone."""
    body = _guided(screen) if isinstance(screen, Screen) else _marks(screen)
    if height < _HIGH:
        body = [row for row in body if row != ""]
    if screen.board:
        body.insert(0, Text(screen.board, style="dim"))
    if screen.warning:
        body += ["", Text(f"! {screen.warning}", style="yellow")]
    return Panel(
        Group(*body), title=escape(about), title_align="left", box=box.ROUNDED, padding=(0, 1), width=88
    )


def _guided(screen: Screen) -> list[RenderableType]:
    colour = _COLOURS[screen.phase]
    big = {Phase.COUNTDOWN: str(screen.count), Phase.PERFORM: "GO"}.get(screen.phase, "")
    rows: list[RenderableType] = [
        Align.center(Text(screen.headline, style=colour)),
        "",
        *(Align.center(Text(row, style=colour)) for row in (_big(big) if big else _middle(screen))),
        "",
        Align.center(Text(screen.hint or " ")),
        "",
        _meter(screen.level, is_moving=screen.phase is Phase.MOVING),
        "",
        _counts(screen),
    ]
    if screen.take is not None:
        rows += ["", *_take(screen.take, is_open=screen.phase is Phase.JUDGE)]
    rows += ["", Text("   ").join(_key(key, what) for key, what in screen.keys)]
    return rows


def _marks(screen: MarkScreen) -> list[RenderableType]:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for each in screen.labels:
        table.add_row(
            Text(f"[{each.key}]" if each.key else "", style="bold"), Text(each.label), str(each.n_kept)
        )
    table.add_row("", Text("without a mark, dropped", style="dim"), Text(str(screen.n_dropped), style="dim"))
    rows: list[RenderableType] = [
        Align.center(Text(screen.headline, style="bold red" if screen.is_moving else "bold cyan")),
        Align.center(Text(screen.hint)),
        "",
        _meter(screen.level, is_moving=screen.is_moving),
        "",
        table,
    ]
    if screen.take is not None:
        rows += ["", *_take(screen.take, is_open=False)]
    keys = [_key(f"1-{sum(bool(each.key) for each in screen.labels)}", "that was it"), _key("0", "no mark")]
    return [*rows, "", Text("   ").join([*keys, _key("q", "stop")])]


def _middle(screen: Screen) -> list[str]:
    """Return five rows for a phase without large letters: how long it has rested."""
    bar = ""
    if screen.phase is Phase.REST:
        n_full = round(screen.rested * 20)
        bar = f"at rest  {'━' * n_full}{'╌' * (20 - n_full)}"
    elif screen.phase is Phase.MOVING:
        bar = "● ● ●"
    return [" ", " ", bar or " ", " ", " "]


def _big(text: str) -> list[str]:
    glyphs = [_BIG[character] for character in text]
    return ["   ".join(glyph[4 * row : 4 * row + 3].ljust(3) for glyph in glyphs) for row in range(5)]


def _meter(level: float, *, is_moving: bool) -> RenderableType:
    """Return the level on a scale with the mark in its middle: half of it is the range that rest has."""
    n_full = round(_METER * level / (1 + level))
    bar = Text("level ")
    for index in range(_METER):
        if index == _METER // 2:
            bar.append("┃", style="bold yellow")
        style = "red" if is_moving or index >= _METER // 2 else "green"
        bar.append("█" if index < n_full else "·", style=style if index < n_full else "dim")
    bar.append(f" {level:4.1f}  ┃ a movement begins", style="dim")
    return bar


def _counts(screen: Screen) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for each in screen.counts:
        is_next = each.label == screen.label
        n_full = round(20 * min(each.n_held / max(each.n_wanted, 1), 1))
        table.add_row(
            Text("▸" if is_next else " ", style="bold"),
            Text(each.label, style="bold" if is_next else ""),
            Text.assemble(("━" * n_full, "green"), ("╌" * (20 - n_full), "dim")),
            Text(f"{each.n_held} of {each.n_wanted}"),
        )
    return table


def _take(take: TakeReport, *, is_open: bool) -> list[RenderableType]:
    outline = Text("")
    first, last = take.kept
    for index, share in enumerate(take.outline):
        style = "bold cyan" if first <= index < last else "dim"
        outline.append(_BARS[round(share * (len(_BARS) - 1))], style=style)
    verdict = ("✓ usable", "green") if take.is_usable else ("✗ unusable", "bold red")
    what = ("this take  ", "bold") if is_open else ("last take  ", "dim")
    label = f"{take.label}: " if take.label else ""
    figures = f"{label}{take.length_s:.1f} s, peak {take.peak_degps:.0f} deg/s and {take.peak_mps2:.1f} m/s²"
    return [Text.assemble(what, outline), Text.assemble(" " * 11, figures, "  ", verdict)]


def _key(key: str, what: str) -> Text:
    return Text.assemble((f" {key} ", "bold reverse"), f" {what}")


class LiveView:
    """The terminal while a session goes on; `with` begins it, and what `say` told stays at its end."""

    def __init__(self, console: Console, about: str) -> None:
        self._console = console
        self.about = about
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._phase: object = None
        self._shown_s = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, screen: Screen | MarkScreen) -> None:
        """Draw, where something changed or it is time."""
        phase = (screen.phase, screen.count, screen.hint) if isinstance(screen, Screen) else screen.headline
        now_s = time.monotonic()
        if phase == self._phase and now_s - self._shown_s < _LEAST_S:
            return
        self._phase, self._shown_s = phase, now_s
        self._live.update(draw(screen, self.about, self._console.height), refresh=True)

    def say(self, text: str, *, is_good: bool) -> None:
        """Print a line that stays."""
        mark, style = ("✓", "green") if is_good else ("!", "yellow")
        self._live.console.print(Padding(Text(f"{mark} {text}", style=style), (0, 0, 0, 1)))
