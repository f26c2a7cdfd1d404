"""What was recognised in a continuous stream, held against what was performed."""

from collections.abc import Sequence
from dataclasses import dataclass

from fedmotion.boards.script import Mark
from fedmotion.host.stream_score import match
from fedmotion.protocol.identity import OTHER


@dataclass(frozen=True, slots=True)
class Decision:
    """One recognised gesture in the board's time."""

    activity: str
    start_us: int
    stop_us: int
    probability: float


@dataclass(frozen=True, slots=True)
class Score:
    """Each gesture performed is correct, confused with another gesture, or missed.

    Decisions that answer no gesture (during `other` movement or rest) and a second decision on one
    gesture are false alarms.
    """

    n_performed: int
    n_correct: int
    n_confused: int
    n_missed: int
    n_false_alarms: int


def score(marks: Sequence[Mark], decisions: Sequence[Decision]) -> Score:
    """Return how many gestures in `marks` were recognised by `decisions`, the first on each counting."""
    first: dict[int, Decision] = {}
    n_false_alarms = 0
    for decision, index in zip(decisions, match(marks, decisions), strict=True):
        if index is None or marks[index].label == OTHER or index in first:
            n_false_alarms += 1
        else:
            first[index] = decision
    n_performed = sum(mark.label != OTHER for mark in marks)
    n_correct = sum(marks[index].label == decision.activity for index, decision in first.items())
    return Score(n_performed, n_correct, len(first) - n_correct, n_performed - len(first), n_false_alarms)
