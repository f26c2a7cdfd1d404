"""Gestures recognised in a continuous stream, held against what was performed: found, missed, false, late.

A mark is answered by the first gesture that overlaps it; a gesture that answers none, or one that is answered
already, is a false alarm. Times are the board's.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np

from fedmotion.protocol.identity import OTHER


class Timed(Protocol):
    """Something from `start_us` to `stop_us`."""

    @property
    def start_us(self) -> int:
        """Its beginning."""

    @property
    def stop_us(self) -> int:
        """Its end."""


class Performed(Timed, Protocol):
    """A mark: what was done then."""

    @property
    def label(self) -> str:
        """The gesture, or `other`."""


class Told(Timed, Protocol):
    """A gesture that was told."""

    @property
    def activity(self) -> str:
        """Which one."""

    @property
    def decided_us(self) -> int:
        """When it could be told."""


class ActivityScore(msgspec.Struct, frozen=True):
    """One activity's part; of `other` only `n_performed` and `n_false_alarms`, gestures seen in it, say much.

    `n_false_alarms` of a gesture are those that were taken for it. `delay_median_s` is None where none was
    found.
    """

    activity: str
    n_performed: int
    n_found: int
    n_confused: int
    n_missed: int
    n_false_alarms: int
    delay_median_s: float | None


class StreamScore(msgspec.Struct, frozen=True):
    """A whole stream's score.

    A delay is from the end of a mark to the decision, of gestures found; below 0 where a mark goes on after
    the movement. `n_outside` marks are not wholly within what was seen, and do not count.
    """

    seconds: float
    n_performed: int
    n_found: int
    n_confused: int
    n_missed: int
    n_false_alarms: int
    false_alarms_per_hour: float
    delay_median_s: float | None
    delay_p95_s: float | None
    n_outside: int
    activities: tuple[ActivityScore, ...]


def match(marks: Sequence[Timed], told: Sequence[Timed]) -> list[int | None]:
    """Return for each that was told the index of the mark that it overlaps longest, or None."""

    def overlap_us(one: Timed, mark: Timed) -> int:
        return min(one.stop_us, mark.stop_us) - max(one.start_us, mark.start_us)

    matched: list[int | None] = []
    for each in told:
        best = max(range(len(marks)), key=lambda i: overlap_us(each, marks[i]), default=None)
        matched.append(best if best is not None and overlap_us(each, marks[best]) > 0 else None)
    return matched


def score_stream(
    marks: Sequence[Performed], told: Sequence[Told], *, span_us: tuple[int, int], seen_us: int
) -> StreamScore:
    """Return the score of `told` against `marks`.

    Parameters
    ----------
    span_us, seen_us
        The first and the last instant that were looked at, and how much of that without gaps.

    Raises
    ------
    ValueError
        If nothing was looked at.
    """
    if seen_us <= 0:
        raise ValueError("a score needs a stream that was looked at, got none")
    inside = [mark for mark in marks if span_us[0] <= mark.start_us and mark.stop_us <= span_us[1]]
    first: dict[int, Told] = {}
    false_alarms: list[tuple[Told, int | None]] = []
    # Against all marks: a gesture in one that began before us is no false alarm, it just does not count.
    for each, index in zip(told, match(marks, told), strict=True):
        if index is None or marks[index].label == OTHER or index in first:
            false_alarms.append((each, index))
        else:
            first[index] = each
    inside_ids = {id(mark) for mark in inside}
    answers = {index: each for index, each in first.items() if id(marks[index]) in inside_ids}
    found = {index: each for index, each in answers.items() if marks[index].label == each.activity}
    delays_s = {index: (each.decided_us - marks[index].stop_us) / 1e6 for index, each in found.items()}
    labels = sorted({mark.label for mark in inside} | {each.activity for each in told} - {OTHER})
    scores = []
    for label in sorted(labels, key=lambda label: label == OTHER):
        n_performed = sum(mark.label == label for mark in inside)
        of_label = {index: each for index, each in answers.items() if marks[index].label == label}
        n_found = sum(index in found for index in of_label)
        scores.append(
            ActivityScore(
                activity=label,
                n_performed=n_performed,
                n_found=n_found,
                n_confused=len(of_label) - n_found,
                n_missed=0 if label == OTHER else n_performed - len(of_label),
                n_false_alarms=sum(
                    (index is not None and marks[index].label == OTHER)
                    if label == OTHER
                    else each.activity == label
                    for each, index in false_alarms
                ),
                delay_median_s=_quantile([delays_s[index] for index in of_label if index in found], 0.5),
            )
        )
    n_performed = sum(mark.label != OTHER for mark in inside)
    return StreamScore(
        seconds=seen_us / 1e6,
        n_performed=n_performed,
        n_found=len(found),
        n_confused=len(answers) - len(found),
        n_missed=n_performed - len(answers),
        n_false_alarms=len(false_alarms),
        false_alarms_per_hour=len(false_alarms) * 3600e6 / seen_us,
        delay_median_s=_quantile(list(delays_s.values()), 0.5),
        delay_p95_s=_quantile(list(delays_s.values()), 0.95),
        n_outside=len(marks) - len(inside),
        activities=tuple(scores),
    )


def _quantile(values: list[float], share: float) -> float | None:
    return round(float(np.quantile(values, share)), 3) if values else None
