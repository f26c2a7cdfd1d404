"""What a person says of a movement after the fact, and the last movements that this can be about."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from fedmotion.host.recording_store import Recording
from fedmotion.protocol.identity import OTHER

N_KEPT = 32
"""Movements that are kept with their samples: at 100 samples a second about 10 kB each."""

MAX_AGE_S = 120.0
"""After so long "the last one" may be another one to a person than to the agent."""

MAX_LINE_BYTES = 4096

Kind = Literal["wrong", "was", "nothing", "missed", "undo"]


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that a person says.

    `wrong` and `nothing`: the last recognition was none; `was`: it was `label`; `missed`: the last movement
    that was taken for `other` was `label`; `undo`: forget the last correction. `start_us` names a movement
    by its start, where the last one is not meant.
    """

    correct: Kind
    label: Annotated[str, msgspec.Meta(max_length=64)] = ""
    start_us: int | None = None

    def label_for(self, activities: Iterable[str]) -> str:
        """Return the label that the movement gets; raises ValueError unless it is one of `activities`."""
        if self.correct in {"wrong", "nothing"}:
            return OTHER
        known = tuple(activities)
        if self.label not in known:
            raise ValueError(f"a label is one of {', '.join(known) or 'none yet'}, got {self.label!r}")
        return self.label


def parse_correction(line: bytes) -> Correction:
    """Return the correction in a line of JSON; raises ValueError, in words, where it is none."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"a correction has at most {MAX_LINE_BYTES} bytes, got {len(line)}")
    try:
        return msgspec.json.decode(line, type=Correction)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(
            'a correction is {"correct": "wrong"|"was"|"nothing"|"missed"|"undo", "label": ..., '
            f'"start_us": ...}}: {error}'
        ) from None


@dataclass(slots=True, eq=False)
class Movement:
    """One movement of the last: what it was taken for, and its recording once what follows it has come.

    `label` is what a person said it was while there was no recording yet; `is_surely_other` tells that no
    gesture was nearly as likely as `other`. `seen_s` is the host's monotonic clock.
    """

    start_us: int
    stop_us: int
    activity: str
    is_surely_other: bool
    seen_s: float
    recording: Recording | None = None
    correction: Correction | None = None
    label: str = ""

    def overlaps(self, start_us: int, stop_us: int) -> bool:
        """Whether half of the shorter of the two is common to both."""
        common_us = min(self.stop_us, stop_us) - max(self.start_us, start_us)
        return 2 * common_us >= min(self.stop_us - self.start_us, stop_us - start_us)


class LastMovements:
    """The last N_KEPT movements, oldest first."""

    def __init__(self) -> None:
        self._movements: deque[Movement] = deque(maxlen=N_KEPT)

    def decided(
        self, start_us: int, stop_us: int, activity: str, now_s: float, *, is_surely_other: bool = False
    ) -> None:
        """Take a movement that a model has decided."""
        self._movements.append(Movement(start_us, stop_us, activity, is_surely_other, now_s))

    def recorded(self, recording: Recording) -> Movement | None:
        """Give a movement its recording and return it; None where no model has decided it."""
        for movement in reversed(self._movements):
            if movement.recording is None and movement.overlaps(recording.start_us, recording.stop_us):
                movement.recording = recording
                return movement
        return None

    def take_unrecorded(self, before: Movement | None = None) -> list[Movement]:
        """Return those that a person has labelled and that get no recording any more, and drop the labels.

        Recordings come in the order of the movements: one `before` another that has its own has none.
        """
        given_up = []
        for movement in self._movements:
            if movement is before:
                break
            if movement.recording is None and movement.label:
                given_up.append(movement)
                movement.label = ""
        return given_up

    def newest_waiting(self) -> Movement | None:
        """Return the newest movement that a person has labelled and that waits for its recording."""
        waiting = (each for each in reversed(self._movements) if each.recording is None and each.label)
        return next(waiting, None)

    def find(self, correction: Correction, now_s: float) -> Movement:
        """Return the movement that `correction` is about.

        Raises
        ------
        ValueError
            In words: there is none, it is not kept any more, or it is too long ago to be meant for sure.
        """
        if correction.start_us is not None:
            for movement in reversed(self._movements):
                if movement.start_us == correction.start_us:
                    return movement
            raise ValueError(
                f"none of the last {len(self._movements)} movements begins at {correction.start_us} us: "
                f"corrections are taken of the last {N_KEPT}"
            )
        is_missed = correction.correct == "missed"
        for movement in reversed(self._movements):
            if (movement.activity == OTHER) == is_missed:
                age_s = now_s - movement.seen_s
                if age_s > MAX_AGE_S:
                    raise ValueError(
                        f"the last such movement was {age_s / 60:.0f} minutes ago: later than "
                        f"{MAX_AGE_S / 60:.0f} minutes it is not sure which one is meant"
                    )
                return movement
        raise ValueError(
            f"no movement was taken for {OTHER} yet" if is_missed else "nothing was recognised yet"
        )
