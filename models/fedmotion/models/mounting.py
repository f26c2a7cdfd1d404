"""How a board sits on its wearer: the turn, and the mirror for the other hand, into one canonical frame.

The canonical frame is that of a board worn as pictured on the back of the right wrist:

====  ==============================  =====================================
axis  points                          gravity's reaction, +9.81 m/s2, is on
====  ==============================  =====================================
+x    along the forearm, to the hand  -x while the arm hangs down
+y    to the wearer's left            +y with the thumb up
+z    out of the back of the hand     +z with the forearm forward, palm down
====  ==============================  =====================================

A windows' reader applies a `Mounting` and meets the motion that a board worn as pictured would have felt.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.turns import (
    Vector,
    about_axis,
    angle_deg,
    axis_rotations,
    axis_words,
    frame_of,
    turn,
)
from fedmotion.protocol.identity import Hand

_Samples = TypeVar("_Samples", NDArray[np.float32], NDArray[np.float64])

STANDARD_GRAVITY_MPS2 = 9.80665
"""m/s2 in one g: exact, by the 3rd CGPM (1901)."""

_HANGING = (-1.0, 0.0, 0.0)
_FORWARD = (0.0, 0.0, 1.0)
"""What an accelerometer worn as pictured shows in the two poses, in g: it feels what holds it up."""

_MAX_GRAVITY_ERROR_MPS2 = 1.5
"""PS-MPU-6000A, 6.2: zero-g output of 50, 50 and 80 mg and a sensitivity of 3 % make 1.34 m/s2 at most."""

_MIN_BETWEEN_POSES_DEG = 45.0
_MAX_UNREST_MPS2 = 0.6
_MAX_UNREST_RADPS = math.radians(12)
"""Standard deviations of a hand that is held still: tremor has some 0.1 m/s2 and 1 deg/s."""

_ORTHONORMAL_WITHIN = 1e-6

_STEPS_DEG = (20.0, 10.0, 5.0)
_MAX_STEPS = 4
_MAX_REFINED_DEG = 45.0
_ENOUGH = 2.0
"""A margin beyond this makes no turn better. Measured on five people's swipes of UTD-MHAD, boards turned 25
degrees off the axes, two takes of each swipe: 0.83 recognised by the 24 alone, 0.996 refined, 0.99 with the
true turn; of other movements 0.995 stayed other (0.992 without this bound)."""


@dataclass(frozen=True, slots=True, eq=False)
class Mounting:
    """The turn from a board's axes into the canonical ones, and then, for the other hand, the mirror.

    `rotation`, float64 (3, 3), is proper: canonical = rotation @ board. `is_mirrored` reflects across the
    plane of forearm and back of the hand (y changes its sign), by which a left hand's movement becomes
    that of a right one.

    Raises
    ------
    ValueError
        If `rotation` is no proper rotation.
    """

    rotation: NDArray[np.float64]
    is_mirrored: bool = False

    def __post_init__(self) -> None:
        given = np.array(self.rotation, dtype=np.float64)  # a copy, that nobody else writes to
        if given.shape != (3, 3):
            raise ValueError(f"a mounting's rotation is 3 x 3 numbers, got shape {given.shape}")
        # Not finite numbers fail this too.
        if not (
            np.abs(given @ given.T - np.eye(3)).max() <= _ORTHONORMAL_WITHIN and np.linalg.det(given) > 0
        ):
            raise ValueError(
                "a mounting's rotation is proper (rows orthogonal and of length 1, determinant +1), "
                f"got {given.tolist()}"
            )
        given.setflags(write=False)
        object.__setattr__(self, "rotation", given)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mounting):
            return NotImplemented
        return self.is_mirrored == other.is_mirrored and bool((self.rotation == other.rotation).all())

    def __hash__(self) -> int:
        return hash((self.rotation.tobytes(), self.is_mirrored))

    @property
    def is_as_pictured(self) -> bool:
        """Whether `apply` leaves everything as it is."""
        return self == AS_PICTURED

    def apply(self, samples: _Samples) -> _Samples:
        """Return `samples` as a board worn as pictured would have felt them; shape (..., 6), m/s2 and rad/s.

        Acceleration turns by M = S R, S the reflection. Angular rate is a pseudovector and turns by
        det(M) M (Goldstein, "Classical Mechanics", section 4.10). Each sample is computed by itself, in
        float64 and in one order, so that how a stream is cut changes no bit.

        Raises
        ------
        ValueError
            If the last axis is not of length 6.
        """
        if samples.shape[-1:] != (6,):
            raise ValueError(f"samples have shape (..., 6), got {samples.shape}")
        if self.is_as_pictured:
            return samples
        linear = self.rotation * np.array([[1.0], [-1.0 if self.is_mirrored else 1.0], [1.0]])
        angular = -linear if self.is_mirrored else linear
        turned = np.empty_like(samples)
        for matrix, first in ((linear, 0), (angular, 3)):
            x, y, z = (samples[..., first + axis].astype(np.float64) for axis in range(3))
            for row, (a, b, c) in enumerate(matrix.tolist()):
                # Not a matrix product: its order of summation changes with the number of samples.
                turned[..., first + row] = a * x + b * y + c * z
        return turned


AS_PICTURED = Mounting(np.eye(3))


@dataclass(frozen=True, slots=True)
class Fit:
    """What `fit_to_gestures` found.

    `margin` is the mean, over the windows, of the true label's score less the best other's, under the best of
    the turns of axes to axes; `lead` is by how much that is above the `runner_up`'s.
    """

    mounting: Mounting
    margin: float
    runner_up: Mounting
    lead: float


def gravity_of(samples: NDArray[np.float32]) -> Vector:
    """Return the mean specific force, (3,) m/s2, of a pose held still; `samples` has shape (n, 6).

    Raises
    ------
    ValueError
        In words: no samples, not at rest, or a length that is not gravity's.
    """
    if samples.ndim != 2 or samples.shape[1] != 6 or not len(samples):
        raise ValueError(f"a pose is samples of shape (n, 6), got {samples.shape}")
    x = samples.astype(np.float64)
    unrest = x.std(axis=0)
    force, rate = float(np.linalg.norm(unrest[:3])), float(np.linalg.norm(unrest[3:]))
    if not (force <= _MAX_UNREST_MPS2 and rate <= _MAX_UNREST_RADPS):
        raise ValueError(
            f"a pose is held still (within {_MAX_UNREST_MPS2} m/s2 and {math.degrees(_MAX_UNREST_RADPS):.0f} "
            f"deg/s), got {force:.1f} m/s2 and {math.degrees(rate):.0f} deg/s: rest the arm and take it again"
        )
    mean: Vector = x[:, :3].mean(axis=0)
    _check_gravity(mean, "a pose")
    return mean


def from_poses(hanging_mps2: Vector, forward_mps2: Vector, hand: Hand) -> Mounting:
    """Return the mounting of a board that shows these two gravity vectors, (3,) each.

    TRIAD (Black 1964, "A passive system for determining the attitude of a satellite", AIAA J. 2): the frame
    that two directions span, seen from the board and in the canonical frame. The forward pose, from which
    gestures start, is met exactly; the hanging one gives the turn about it. Both lie in the plane of the
    mirror, so they say the same of either hand and `hand` must be told: a left one is mirrored.

    Raises
    ------
    ValueError
        In words: a length that is not gravity's, or poses too much alike (or opposite) to tell axes by.
    """
    for vector, name in ((hanging_mps2, "the arm hanging down"), (forward_mps2, "the forearm forward")):
        if np.shape(vector) != (3,):
            raise ValueError(f"{name} is a vector of 3 numbers, got shape {np.shape(vector)}")
        _check_gravity(vector, name)
    apart_deg = angle_deg(hanging_mps2, forward_mps2)
    if not _MIN_BETWEEN_POSES_DEG <= apart_deg <= 180 - _MIN_BETWEEN_POSES_DEG:
        raise ValueError(
            f"the two poses are some 90 degrees apart ({_MIN_BETWEEN_POSES_DEG:.0f} to "
            f"{180 - _MIN_BETWEEN_POSES_DEG:.0f}), got {apart_deg:.0f}: let the arm hang straight down, then "
            "hold the forearm level with the palm down"
        )
    seen = frame_of(forward_mps2, hanging_mps2)
    meant = frame_of(np.array(_FORWARD), np.array(_HANGING))
    return Mounting(meant @ seen.T, is_mirrored=hand == "left")


def fit_to_gestures(
    score: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    hand: Hand | None = None,
) -> Fit:
    """Return the mounting under which known gestures look most like what they are.

    The best of the 24 turns of axes to axes, each mirrored or not, refined by turns of up to 45 degrees. A
    refined turn also makes up for a person's own way, so it is where the model recognises them best and
    not a measurement of the board.

    Parameters
    ----------
    score
        A model's scores, shape (n, n_classes), of windows of shape (n, window_length, 6).
    windows, labels
        Gestures performed as asked, (n, window_length, 6) from the board as it sits, and their classes,
        (n,). Two different gestures tell more than one twice.
    hand
        "left" tries mirrored mountings only and "right" none; None or "unset" tries both.

    Raises
    ------
    ValueError
        If there is no window, or not a label for each.
    """
    if not len(windows) or labels.shape != (len(windows),):
        raise ValueError(
            f"a fit needs at least one window and a label for each, got {len(windows)} and {labels.shape}"
        )
    mirrors = {"left": (True,), "right": (False,)}.get(hand or "unset", (False, True))
    candidates = [Mounting(rotation, mirror) for mirror in mirrors for rotation in axis_rotations()]
    margins = _mean_margins(score, candidates, windows, labels, np.inf)
    first, second = np.argsort(-margins, kind="stable")[:2]
    return Fit(
        _refined(score, candidates[first], windows, labels),
        float(margins[first]),
        candidates[second],
        float(margins[first] - margins[second]),
    )


def in_words(mounting: Mounting) -> str:
    """Return the mounting as a person would say it, to go on from "the board is "."""
    axis, degrees = turn(mounting.rotation)
    if degrees >= 179.5 and axis[np.abs(axis).argmax()] < 0:
        axis = -axis  # said as half a turn, which is the same either way round
    words = (
        "turned as pictured" if degrees < 0.5 else f"turned by {degrees:.0f} degrees about {axis_words(axis)}"
    )
    return f"{words}, mirrored for the other hand" if mounting.is_mirrored else words


def _check_gravity(vector: Vector, name: str) -> None:
    length = float(np.linalg.norm(vector))
    if not abs(length - STANDARD_GRAVITY_MPS2) <= _MAX_GRAVITY_ERROR_MPS2:
        hint = "hold it still"
        for unit, size in (("g", 1.0), ("mg", 1000.0), ("cm/s2", 980.665), ("feet/s2", 32.174)):
            if abs(length / size - 1) <= 0.03:
                hint = f"is it in {unit}?"
        raise ValueError(
            f"{name} feels gravity, {STANDARD_GRAVITY_MPS2:.2f} m/s2 within {_MAX_GRAVITY_ERROR_MPS2}, "
            f"got {length:.2f}: {hint}"
        )


def _refined(
    score: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    start: Mounting,
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> Mounting:
    """Return the mounting that small turns from `start` lead to, each the best of six while it helps."""
    best = start
    (margin,) = _mean_margins(score, [start], windows, labels, _ENOUGH)
    for degrees in _STEPS_DEG:
        for _ in range(_MAX_STEPS):
            nearby = [
                Mounting(about_axis(axis, sign * degrees) @ best.rotation, best.is_mirrored)
                for axis in range(3)
                for sign in (1, -1)
            ]
            nearby = [m for m in nearby if turn(m.rotation @ start.rotation.T)[1] <= _MAX_REFINED_DEG]
            if not nearby:
                break
            margins = _mean_margins(score, nearby, windows, labels, _ENOUGH)
            index = int(margins.argmax())
            if margins[index] <= margin:
                break
            best, margin = nearby[index], margins[index]
    return best


def _mean_margins(
    score: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    mountings: list[Mounting],
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    at_most: float,
) -> Vector:
    """Return each mounting's mean, over the windows, of the true label's score less the best other's."""
    # One call for all of them: windows one after the other, mounting by mounting.
    scores = score(np.concatenate([mounting.apply(windows) for mounting in mountings]))
    rows, wanted = np.arange(len(scores)), np.tile(labels, len(mountings))
    others = scores.copy()
    others[rows, wanted] = -np.inf
    margins = np.minimum(scores[rows, wanted] - others.max(axis=1), at_most)
    means: Vector = margins.reshape(len(mountings), -1).mean(axis=1)
    return means
