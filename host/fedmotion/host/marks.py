"""Which label a movement gets: from marks in the board's time, or the one label a person is recording.

A movement belongs to the mark that it overlaps longest (the earlier one of equals), if the overlap is at
least half of the shorter of the two: a mark may be one gesture's moment or span many repetitions of one.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from fedmotion.protocol.identity import OTHER, check_label

Labelling = Callable[[int, int], str | None]
"""A movement's start and stop, in the board's microseconds, to its label, or to none: not recorded."""


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done from `start_us` to `stop_us` in the board's time."""

    label: str
    start_us: int
    stop_us: int


def read_marks(path: Path) -> tuple[Mark, ...]:
    """Return the marks in the JSON file [{"label": ..., "start_us": ..., "stop_us": ...}, ...].

    Raises
    ------
    ValueError
        If the file cannot be read or holds anything else.
    """
    try:
        marks = msgspec.json.decode(path.read_bytes(), type=tuple[Mark, ...])
    except OSError as error:
        raise ValueError(f"the marks {path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the marks {path} are a list of label, start_us and stop_us: {error}") from None
    return check_marks(marks)


def check_marks(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return the marks in order of time; raises ValueError where one is impossible."""
    ordered = tuple(sorted(marks, key=lambda mark: mark.start_us))
    for mark in ordered:
        check_label(mark.label, "a mark's label")
        if mark.stop_us <= mark.start_us:
            raise ValueError(f"a mark stops after its start, got {mark.start_us} to {mark.stop_us} us")
    return ordered


def by_marks(marks: Iterable[Mark], *, is_other_recorded: bool = False) -> Labelling:
    """Return the labelling by `marks`; what lies outside them is `other` only where that is said."""
    ordered = check_marks(marks)
    outside = OTHER if is_other_recorded else None

    def label_of(start_us: int, stop_us: int) -> str | None:
        best, longest_us = outside, 0
        for mark in ordered:
            overlap_us = min(stop_us, mark.stop_us) - max(start_us, mark.start_us)
            shorter_us = min(stop_us - start_us, mark.stop_us - mark.start_us)
            if overlap_us > longest_us and 2 * overlap_us >= shorter_us:
                best, longest_us = mark.label, overlap_us
        return best

    return label_of


def always(label: str) -> Labelling:
    """Return the labelling of a person who performs nothing but `label`."""
    check_label(label)
    return lambda _start_us, _stop_us: label
