"""What was recognised in a continuous stream, held against what was performed."""

from collections.abc import Sequence
from dataclasses import dataclass

from fedmotion.boards.script import Mark
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


def match(marks: Sequence[Mark], decisions: Sequence[Decision]) -> list[int | None]:
    """Return for each decision the index of the mark that it overlaps longest, or None."""

    def overlap_us(decision: Decision, mark: Mark) -> int:
        return min(decision.stop_us, mark.stop_us) - max(decision.start_us, mark.start_us)

    matched: list[int | None] = []
    for decision in decisions:
        best = max(range(len(marks)), key=lambda i: overlap_us(decision, marks[i]), default=None)
        matched.append(best if best is not None and overlap_us(decision, marks[best]) > 0 else None)
    return matched


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
