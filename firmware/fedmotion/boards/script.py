"""Performances: movements one after another with rests between, and the marks that say what was when.

A performance comes from a simulated person or from the takes of a recording file.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fedmotion.boards.kinematics import GRID_HZ, Floats, Motion, minimum_jerk, motion_of
from fedmotion.boards.motion import (
    MAX_TILT_DEG,
    OTHER_KINDS,
    SWIPE_LEFT,
    SWIPE_RIGHT,
    Person,
    perform,
    person,
    rest,
)
from fedmotion.boards.recorded_takes import RecordedTakes
from fedmotion.protocol.identity import OTHER

REST_S = 1.2
"""Stillness between two takes: longer than any pause within one."""

_BLEND_S = 0.7


@dataclass(frozen=True, slots=True)
class Mark:
    """Where in a performance an activity is: board time in microseconds since the performance began."""

    label: str
    start_us: int
    stop_us: int


@dataclass(frozen=True, slots=True)
class Script:
    """One continuous motion from t = 0 and what is performed in it, in order of time."""

    motion: Motion
    marks: tuple[Mark, ...]

    def marks_json(self) -> str:
        """Return the marks as a JSON list of objects `label`, `start_us`, `stop_us`."""
        return json.dumps([asdict(mark) for mark in self.marks], indent=1, ensure_ascii=False)


def person_script(
    seed: int,
    counts: Mapping[str, int],
    *,
    performance_seed: int = 0,
    rest_s: float = REST_S,
    tilt_deg: float = MAX_TILT_DEG,
) -> Script:
    """Return a simulated person's performance in shuffled order.

    Parameters
    ----------
    seed
        Which person; `performance_seed` is which performance of theirs.
    counts
        How many of each activity: `swipe_right`, `swipe_left`, `other` or one of OTHER_KINDS by name,
        which is marked as `other`.

    Raises
    ------
    ValueError
        If an activity is unknown or a count is negative.
    """
    who = person(seed, tilt_deg)
    known = (SWIPE_RIGHT, SWIPE_LEFT, OTHER, *OTHER_KINDS)
    for label, count in counts.items():
        if label not in known:
            raise ValueError(f"a simulated person performs one of {', '.join(known)}, got {label!r}")
        _check_count(label, count)
    rng = np.random.default_rng([0x5C, seed, performance_seed])
    activities = rng.permutation(np.repeat(list(counts), list(counts.values()))).tolist()
    return _person_performance(who, activities, rng, rest_s)


def _person_performance(
    who: Person, activities: Iterable[str], rng: np.random.Generator, rest_s: float
) -> Script:
    """Return the activities in this order; each begins and ends in the person's resting posture."""
    pieces = [rest(who, rest_s, rng)]
    marks: list[Mark] = []
    now_s = pieces[0].duration_s
    for activity in activities:
        piece = perform(who, activity, rng)
        label = OTHER if activity in OTHER_KINDS else activity
        marks.append(Mark(label, round(now_s * 1e6), round((now_s + piece.duration_s) * 1e6)))
        pieces += [piece, rest(who, rest_s * float(rng.uniform(0.9, 1.3)), rng)]
        now_s += piece.duration_s + pieces[-1].duration_s
    # Neighbours share an instant: the last of one is the first of the next, both at rest.
    axes = np.concatenate([pieces[0].axes(), *(piece.axes()[1:] for piece in pieces[1:])])
    return Script(motion_of(np.arange(len(axes)) / GRID_HZ, axes), tuple(marks))


def recorded_script(
    takes: RecordedTakes,
    subject: str,
    labels: Iterable[str],
    *,
    counts: Mapping[str, int] | None = None,
    n_other: int = 0,
    performance_seed: int = 0,
    rest_s: float = REST_S,
) -> Script:
    """Return one person's recorded takes, played one after another in shuffled order with rests between.

    Parameters
    ----------
    labels
        The gestures; all takes of each, or as many as `counts` says.
    n_other
        How many takes of the remaining labels are played as `other`.

    Raises
    ------
    ValueError
        If the file has no such subject or label, or fewer takes than asked for.
    """
    rng = np.random.default_rng([0x7A, performance_seed])
    labels = tuple(labels)
    counts = counts or {}
    chosen: list[tuple[str, int]] = []
    for label in labels:
        indices = takes.find(subject, label)
        n_takes = counts.get(label, len(indices))
        chosen += [(label, i) for i in _choose(rng, indices, n_takes, f"subject {subject} has", label)]
    remaining = takes.find_others(subject, labels)
    chosen += [(OTHER, i) for i in _choose(rng, remaining, n_other, f"subject {subject} has", "other labels")]
    ordered = [chosen[i] for i in rng.permutation(len(chosen))]
    return _recorded_performance(takes, ordered, rng, rest_s)


def _choose(rng: np.random.Generator, indices: list[int], n: int, who: str, what: str) -> list[int]:
    _check_count(what, n)
    if n > len(indices):
        raise ValueError(f"{who} {len(indices)} takes of {what}, asked for {n}")
    return sorted(int(i) for i in rng.choice(indices, n, replace=False)) if n else []


def _check_count(label: str, count: int) -> None:
    if not 0 <= count <= 10_000:
        raise ValueError(f"the count of {label} is 0 to 10000, got {count}")


def _recorded_performance(
    takes: RecordedTakes, ordered: list[tuple[str, int]], rng: np.random.Generator, rest_s: float
) -> Script:
    rate_hz = takes.rate_hz
    if not ordered:
        raise ValueError("a performance has at least one take, got none")
    arrays = [takes.axes(index) for _, index in ordered]
    still = np.zeros(6)
    still[:3] = arrays[0][0, :3]
    pieces = [_still(still, rest_s, rate_hz, rng)]
    marks: list[Mark] = []
    n_rows = len(pieces[0])
    for position, (label, _) in enumerate(ordered):
        take = arrays[position]
        pieces.append(_blended(pieces[-1][-1], take[0], rest_s if position else _BLEND_S, rate_hz, rng))
        n_rows += len(pieces[-1])
        marks.append(
            Mark(label, round(n_rows * 1e6 / rate_hz), round((n_rows + len(take) - 1) * 1e6 / rate_hz))
        )
        pieces.append(take)
        n_rows += len(take)
    still = np.zeros(6)
    still[:3] = arrays[-1][-1, :3]
    pieces += [_blended(arrays[-1][-1], still, rest_s, rate_hz, rng)]
    axes = np.concatenate(pieces)
    return Script(motion_of(np.arange(len(axes)) / rate_hz, axes), tuple(marks))


def _still(axes: Floats, duration_s: float, rate_hz: float, rng: np.random.Generator) -> Floats:
    return axes + _tremble(round(duration_s * rate_hz), rng)


def _blended(
    before: Floats, after: Floats, duration_s: float, rate_hz: float, rng: np.random.Generator
) -> Floats:
    """Return `duration_s` of rest that leads from one sample to another without a jump, (n, 6).

    The specific force glides from one to the other in the middle _BLEND_S. The angular rate dies away
    within the first tenth of a second or so and comes up in the last: a hand that rests does not turn.
    """
    n = max(2, round(duration_s * rate_hz))
    t_s = np.arange(1, n + 1) / rate_hz
    blend_s = min(_BLEND_S, duration_s)
    glide = minimum_jerk(t_s, (duration_s - blend_s) / 2, blend_s)[0][:, np.newaxis]
    axes = before + (after - before) * glide
    fade_s = min(0.15, duration_s / 2)
    gone = minimum_jerk(t_s, 0.0, fade_s)[0][:, np.newaxis]
    come = minimum_jerk(t_s, duration_s - fade_s, fade_s)[0][:, np.newaxis]
    axes[:, 3:] = before[3:] * (1 - gone) + after[3:] * come
    envelope = np.minimum(1.0, np.minimum(t_s, duration_s - t_s) / fade_s).clip(0.0)[:, np.newaxis]
    blended: Floats = axes + envelope * _tremble(n, rng)
    return blended


def _tremble(n: int, rng: np.random.Generator) -> Floats:
    """Return the small unrest of a hand at rest, (n, 6): 0.03 m/s2 and 0.01 rad/s."""
    unrest: Floats = rng.standard_normal((n, 6)) * np.repeat([0.03, 0.01], 3)
    return unrest


def write_marks(script: Script, path: Path) -> None:
    """Write the script's marks as JSON."""
    path.write_text(script.marks_json() + "\n", encoding="utf-8")
