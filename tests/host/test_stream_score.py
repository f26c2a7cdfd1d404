"""Gestures held against what was performed, computed by hand."""

from dataclasses import dataclass

import pytest

from fedmotion.host.marks import Mark
from fedmotion.host.stream_score import ActivityScore, StreamScore, score_stream


@dataclass(frozen=True)
class Seen:
    activity: str
    start_us: int
    stop_us: int
    decided_us: int


def seen(activity: str, start_s: float, stop_s: float, decided_s: float) -> Seen:
    return Seen(activity, round(start_s * 1e6), round(stop_s * 1e6), round(decided_s * 1e6))


def mark(label: str, start_s: float, stop_s: float) -> Mark:
    return Mark(label, round(start_s * 1e6), round(stop_s * 1e6))


def test_each_mark_is_found_confused_or_missed_and_the_rest_are_false_alarms() -> None:
    marks = [
        mark("wave", 1, 2),
        mark("wave", 11, 12),
        mark("push", 21, 22),
        mark("push", 31, 32),
        mark("other", 41, 43),
        # Not seen whole.
        mark("wave", 899, 901),
    ]
    told = [
        seen("wave", 1.1, 1.9, 2.4),
        # The same movement told twice.
        seen("wave", 1.9, 2.3, 2.8),
        seen("push", 11.1, 12, 12.5),
        seen("push", 21, 22, 22.6),
        seen("push", 41, 42, 42.5),
        # At rest.
        seen("wave", 60, 61, 61.5),
        seen("wave", 899.5, 900, 900),
    ]
    assert score_stream(marks, told, span_us=(0, 900_000_000), seen_us=900_000_000) == StreamScore(
        seconds=900.0,
        n_performed=4,
        n_found=2,
        n_confused=1,
        n_missed=1,
        n_false_alarms=3,
        false_alarms_per_hour=12.0,
        delay_median_s=0.5,
        delay_p95_s=0.59,
        n_outside=1,
        activities=(
            ActivityScore("push", 2, 1, 0, 1, 1, 0.6),
            ActivityScore("wave", 2, 1, 1, 0, 2, 0.4),
            ActivityScore("other", 1, 0, 0, 0, 1, None),
        ),
    )


def test_where_nothing_was_performed_or_told_there_is_no_delay() -> None:
    empty = score_stream([], [], span_us=(0, 60_000_000), seen_us=60_000_000)
    assert (empty.n_performed, empty.false_alarms_per_hour, empty.delay_median_s) == (0, 0.0, None)
    assert empty.activities == ()


def test_a_stream_that_nobody_looked_at_has_no_score() -> None:
    with pytest.raises(ValueError, match="a score needs a stream that was looked at, got none"):
        score_stream([], [], span_us=(0, 0), seen_us=0)
