"""What a guided session shows at an instant, as plain values that a terminal or a page draws as it likes."""

from dataclasses import dataclass
from enum import Enum

from fedmotion.host.guided.take_report import TakeReport


class Phase(Enum):
    """Where in a take a session is."""

    BOARD = "waiting for the board"
    REST = "rest"
    COUNTDOWN = "get ready"
    PERFORM = "go"
    MOVING = "recording"
    HOLD = "hold still"
    JUDGE = "keep it?"
    PAUSED = "paused"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How many takes of one label there are and are wanted."""

    label: str
    n_held: int
    n_wanted: int


@dataclass(frozen=True, slots=True)
class Screen:
    """One instant of a session.

    Attributes
    ----------
    label : whose turn it is; "" where none is
    headline, hint : what to do now, and a sentence about it
    count : what the countdown is at, 0 outside of it
    level : movement energy as a share of that at which a movement is found, 0 and up
    rested : the share of the wanted rest that is there, 0 to 1
    take : the take to decide on, or the last one
    keys : each key that does something now, with what it does
    board : which board it is; "" where it has not said so
    """

    phase: Phase
    label: str
    headline: str
    hint: str
    counts: tuple[LabelCount, ...]
    level: float = 0.0
    rested: float = 0.0
    count: int = 0
    take: TakeReport | None = None
    keys: tuple[tuple[str, str], ...] = ()
    board: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class KeyedLabel:
    """A label with its key, "" where it has none, and how many takes of it were kept."""

    key: str
    label: str
    n_kept: int


@dataclass(frozen=True, slots=True)
class MarkScreen:
    """One instant of a continuous recording; `level` as a `Screen` has it."""

    headline: str
    hint: str
    labels: tuple[KeyedLabel, ...]
    n_dropped: int
    level: float
    is_moving: bool
    take: TakeReport | None = None
    board: str = ""
    warning: str = ""
