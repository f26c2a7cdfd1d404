"""What a guided session is told, and what it asks its owner to do."""

from dataclasses import dataclass

from fedmotion.host.guided.take_report import TakeReport
from fedmotion.host.recording_store import Recording


@dataclass(frozen=True, slots=True)
class Level:
    """How much moves at the board's time `t_us`."""

    t_us: int
    energy_radps: float
    is_moving: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The recorder cut out a movement."""

    recording: Recording
    report: TakeReport


@dataclass(frozen=True, slots=True)
class BoardCame:
    """Samples come."""


@dataclass(frozen=True, slots=True)
class BoardWent:
    """No samples come, in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class StreamCut:
    """Samples are missing, or the board restarted, in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """A key, as the character that it types."""

    key: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What `Keep` asked for is done; not `is_new`: the store had this very take already."""

    is_new: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went on."""


GuidedEvent = Level | Found | BoardCame | BoardWent | StreamCut | Pressed | Stored | Tick


@dataclass(frozen=True, slots=True)
class Keep:
    """Store this recording durably, then say `Stored`."""

    recording: Recording
    report: TakeReport


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the person this, for good; `is_good` where it is what was wanted."""

    text: str
    is_good: bool = True


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Delete this recording again: its mark was wrong."""

    recording: Recording


Deed = Keep | Say | TakeBack
