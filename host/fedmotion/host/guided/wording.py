"""What a guided session says in each phase, and which keys do what."""

from collections.abc import Mapping

from fedmotion.host.guided.screen import Phase

NO_MOVEMENT = "no movement yet: the level must pass the mark"

_REST = "rest when you have done it: the end is found by itself"

HINTS: Mapping[Phase, str] = {
    Phase.REST: "the countdown begins when the board is at rest",
    Phase.PERFORM: "one movement, then rest",
    Phase.MOVING: _REST,
    Phase.HOLD: _REST,
    Phase.JUDGE: "the check finds nothing wrong",
}

Key = tuple[str, str]

_JUDGE: tuple[Key, ...] = (("Enter or k", "keep"), ("r", "do it again"), ("q", "stop"))
_JUDGE_UNUSABLE: tuple[Key, ...] = (
    ("Enter or r", "do it again"),
    ("k", "keep it all the same"),
    ("q", "stop"),
)
_KEYS: Mapping[Phase, tuple[Key, ...]] = {
    Phase.BOARD: (("q", "stop"),),
    Phase.PAUSED: (("space", "go on"), ("q", "stop")),
    Phase.OVER: (),
}


def headline(phase: Phase, label: str, *, was_stopped: bool = False) -> str:
    """Return what to do now, in a few words."""
    return {
        Phase.BOARD: "waiting for the board",
        Phase.REST: f"next: {label} - hold still",
        Phase.COUNTDOWN: f"{label} in",
        Phase.PERFORM: f"GO: {label}",
        Phase.MOVING: f"recording {label}",
        Phase.HOLD: "hold still",
        Phase.JUDGE: f"keep this {label}?",
        Phase.PAUSED: "paused",
        Phase.OVER: "stopped" if was_stopped else "all takes are there",
    }[phase]


def keys(phase: Phase, *, is_usable: bool) -> tuple[Key, ...]:
    """Return each key that does something, with what it does; `is_usable` is of the take to decide on."""
    if phase is Phase.JUDGE:
        return _JUDGE if is_usable else _JUDGE_UNUSABLE
    return _KEYS.get(phase, (("space", "pause"), ("q", "stop")))
