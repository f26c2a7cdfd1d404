"""What one take shows of itself, in numbers of a fixed size: its samples need not be kept to compare takes.

A set of any size is so judged in one pass: some five kilobytes a take stay in memory.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.takes import Take

G_MPS2 = 9.80665
"""Standard gravity (3rd CGPM, 1901)."""

DEGREE_RAD = np.pi / 180

FULL_SCALES = np.array([[2, 4, 8, 16]] * 3 + [[250, 500, 1000, 2000]] * 3) * np.array(
    [[G_MPS2]] * 3 + [[DEGREE_RAD]] * 3
)
"""The ranges of MPU-6050 and nearly every other hobby sensor (PS-MPU-6000A, 6.1 and 6.2), (6, 4) in SI."""

_SCALE_TOLERANCE = 1e-3
"""How far a sensor's end may lie from the nominal one: UTD's is 1000.6 for 1000 deg/s, 0.06 %."""

N_POINTS = 32
"""Points of a curve. Strokes of 2 s have their energy below 5 Hz, which 16 points a second describe."""

_MOVEMENT = (0.02, 0.98)
"""The movement is where this much of the energy is: rest before and after it is of chance length."""

_ENERGY_UNITS = np.array([G_MPS2 / 2] * 3 + [3.0] * 3)
"""Half a g and 3 rad/s count alike: medians of the peaks of swipes and circles in UTD."""

_STRETCH = 4
N_SKETCH = 16
_MULTIPLIERS = np.random.default_rng(2).integers(1, 2**63, (_STRETCH, 6), dtype=np.uint64) | np.uint64(1)

REST_S = 0.25
_MAX_REST_DEVIATION = 0.05
"""Of |a|: in UTD the quietest quarter second of nine takes in ten deviates by 0.048 or less."""

SPIKE_NEIGHBOURS = 10
SPIKE_RATIO = 8.0
_SPIKE_SIZES = np.array([G_MPS2 / 2] * 3 + [50 * DEGREE_RAD] * 3)
_FELT = 0.25
"""A spike leaves the line between its neighbours by its size and SPIKE_RATIO times as far as any of ten
samples on either side does, while no other axis leaves its own so far by a quarter of the size. Claps and
knocks do the first, 116 times in UTD; both together are one take of UTD's 539 (a step), none of oneplus' 500,
4 of techin515's 1582."""

_FAR_DEVIATIONS = 2.0
"""A flat top counts as an end of the range only so many deviations from the middle: at rest values repeat."""


@dataclass(frozen=True, slots=True, eq=False)
class Signs:
    """One take's numbers. `(6,)` runs over the axes, `(2, 6)` over their largest and smallest value.

    Attributes
    ----------
    n_samples, n_not_finite : rows, and those with a value that is no number on a present axis
    present : (6,) bool, axes with any number
    duration_us, period_us : from first to last sample, and the median step
    n_back, n_still, gap_us : steps of time that go back, that are none, and the longest
    rest_mps2 : |a| in the quietest REST_S, NaN where nothing is at rest
    typical_mps2 : median of |a|
    peak : (6,) largest magnitude
    extremes, n_at_extreme, run_at_extreme, is_far : (2, 6) the ends of the values, how many samples are
        exactly there, how many of them in a row, and whether that is far from the middle
    n_at_scale, run_at_scale, n_beyond_scale : (6, 4) the same for each of FULL_SCALES
    n_at_full : (6,) samples at the ends that the take declares
    n_moving : samples of the movement
    constant : axes that never change; repeated: most equal samples of all axes in a row
    spikes : axis, row and size in SI units
    sha256 : of all samples
    sketch : up to N_SKETCH numbers of stretches of the movement; takes that share stretches share some
    curve : (N_POINTS, 6) float32, the movement over normalised time in SI units; None where there is none
    """

    name: str
    label: str
    person: str
    n_samples: int
    n_not_finite: int
    present: NDArray[np.bool_]
    has_stamps: bool
    declared_rate_hz: float | None
    duration_us: int
    period_us: float
    n_back: int
    n_still: int
    gap_us: int
    rest_mps2: float
    typical_mps2: float
    peak: NDArray[np.float64]
    extremes: NDArray[np.float64]
    n_at_extreme: NDArray[np.int64]
    run_at_extreme: NDArray[np.int64]
    is_far: NDArray[np.bool_]
    n_at_scale: NDArray[np.int64]
    run_at_scale: NDArray[np.int64]
    n_beyond_scale: NDArray[np.int64]
    n_at_full: NDArray[np.int64]
    n_moving: int
    constant: tuple[int, ...]
    repeated: int
    spikes: tuple[tuple[int, int, float], ...]
    sha256: bytes
    sketch: NDArray[np.uint64]
    curve: NDArray[np.float32] | None

    @property
    def duration_s(self) -> float:
        """How long the take is."""
        return self.duration_us / 1e6

    @property
    def rate_hz(self) -> float:
        """The rate by its stamps, NaN where there are too few: steps that are lost must not slow it."""
        return 1e6 / self.period_us if self.has_stamps and self.period_us > 0 else float("nan")


def signs(take: Take) -> Signs:
    """Return what `take` shows; rows with a value that is no number are counted and then left out."""
    present = np.array(np.isfinite(take.samples).any(axis=0))
    is_sound = np.isfinite(take.samples[:, present]).all(axis=1)
    x = take.samples[is_sound].astype(np.float64)
    t_us = take.t_us[is_sound]
    steps = np.diff(t_us)
    values = np.where(present, x, 0.0)
    extremes = np.stack([values.max(axis=0, initial=-np.inf), values.min(axis=0, initial=np.inf)])
    deviation = values.std(axis=0) if len(x) else np.zeros(6)
    middle = np.median(values, axis=0) if len(x) else np.zeros(6)
    at_extreme = values[None] == extremes[:, None]
    magnitudes = np.abs(values)
    near_scale = np.abs(magnitudes[:, :, None] - FULL_SCALES) <= _SCALE_TOLERANCE * FULL_SCALES
    beyond_scale = magnitudes[:, :, None] > (1 + _SCALE_TOLERANCE) * FULL_SCALES
    norms = np.linalg.norm(x[:, :3], axis=1) if present[:3].all() else np.empty(0)
    movement = _movement(values, t_us)
    constant = [a for a in range(6) if present[a] and len(x) and extremes[0, a] == extremes[1, a]]
    repeats = (np.diff(values, axis=0) == 0).all(axis=1)[:, None]
    return Signs(
        name=take.name,
        label=take.label,
        person=take.person,
        n_samples=len(take.samples),
        n_not_finite=int((~is_sound).sum()),
        present=present,
        has_stamps=take.has_stamps,
        declared_rate_hz=take.declared_rate_hz,
        duration_us=int(t_us[-1] - t_us[0]) if len(t_us) else 0,
        period_us=float(np.median(steps)) if len(steps) else 0.0,
        n_back=int((steps < 0).sum()),
        n_still=int((steps == 0).sum()),
        gap_us=int(steps.max(initial=0)),
        rest_mps2=_rest(x[:, :3], t_us) if len(norms) else float("nan"),
        typical_mps2=float(np.median(norms)) if len(norms) else float("nan"),
        peak=magnitudes.max(axis=0, initial=0.0),
        extremes=extremes,
        n_at_extreme=at_extreme.sum(axis=1),
        run_at_extreme=np.stack([longest_runs(at) for at in at_extreme]),
        is_far=np.abs(extremes - middle) > _FAR_DEVIATIONS * deviation,
        n_at_scale=near_scale.sum(axis=0),
        run_at_scale=longest_runs(near_scale.reshape(len(x), 24)).reshape(6, 4),
        n_beyond_scale=beyond_scale.sum(axis=0),
        n_at_full=(magnitudes >= take.full_scale * (1 - 1e-6)).sum(axis=0),
        n_moving=movement[1] - movement[0],
        constant=tuple(constant),
        repeated=int(longest_runs(repeats)[0]) + 1 if len(repeats) and repeats.any() else min(len(x), 1),
        spikes=_spikes(values, present),
        sha256=hashlib.sha256(np.ascontiguousarray(take.samples).tobytes()).digest(),
        sketch=_sketch(take.samples[is_sound][slice(*movement)]),
        curve=_curve(values, t_us, *movement),
    )


def longest_runs(is_so: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each column of (n, m) how many True follow each other at most, (m,)."""
    n_rows = len(is_so)
    row = np.arange(1, n_rows + 1)[:, None]
    last_false = np.maximum.accumulate(np.where(is_so, 0, row), axis=0)
    longest: NDArray[np.int64] = (row - last_false).max(axis=0, initial=0)
    return longest


def _movement(values: NDArray[np.float64], t_us: NDArray[np.int64]) -> tuple[int, int]:
    """Return the rows from which and to which the movement goes; (0, 0) where nothing moves."""
    if len(values) < 2 or t_us[-1] <= t_us[0]:
        return 0, 0
    energy = np.cumsum((((values - values.mean(axis=0)) / _ENERGY_UNITS) ** 2).sum(axis=1))
    if not np.isfinite(energy[-1]) or energy[-1] <= 0:
        return 0, 0
    first, last = np.searchsorted(energy / energy[-1], _MOVEMENT)
    return int(first), min(int(last) + 1, len(values))


def _curve(
    values: NDArray[np.float64], t_us: NDArray[np.int64], first: int, stop: int
) -> NDArray[np.float32] | None:
    """Return the means of N_POINTS equal pieces of the movement's time."""
    if stop - first < N_POINTS // 4 or (np.diff(t_us) <= 0).any():
        return None
    t_s = (t_us - t_us[0]) / 1e6
    areas = np.diff(t_s)[:, None] * (values[1:] + values[:-1]) / 2
    integral = np.vstack([np.zeros(6), np.cumsum(areas, axis=0)])
    edges = np.linspace(t_s[first], t_s[stop - 1], N_POINTS + 1)
    # The integral of the straight lines between samples, taken straight between samples itself.
    at_edges = np.stack([np.interp(edges, t_s, integral[:, axis]) for axis in range(6)], axis=1)
    means: NDArray[np.float32] = (np.diff(at_edges, axis=0) / (edges[1] - edges[0])).astype(np.float32)
    return means


def _sketch(samples: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return the smallest hashes of a movement's stretches of _STRETCH samples.

    That is Broder's minimum-wise sampling ("On the resemblance and containment of documents", 1997). Sensors
    have noise, so that equal stretches are copies; where nothing changes there is none.
    """
    n_stretches = len(samples) - _STRETCH + 1
    if n_stretches < 1:
        return np.empty(0, np.uint64)
    bits = np.ascontiguousarray(samples, dtype="<f4").view("<u4").astype(np.uint64)
    hashes = np.zeros(n_stretches, np.uint64)
    is_changing = np.zeros(n_stretches, dtype=bool)
    for offset in range(_STRETCH):
        rows = bits[offset : offset + n_stretches]
        hashes += (rows * _MULTIPLIERS[offset]).sum(axis=1, dtype=np.uint64)
        is_changing |= (rows != bits[:n_stretches]).any(axis=1)
    # Sums of products order themselves by size; these two steps of splitmix64 make the order one of chance.
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    # A copy: a slice would keep all hashes in memory.
    return np.unique(hashes[is_changing])[:N_SKETCH].copy()


def _rest(accel: NDArray[np.float64], t_us: NDArray[np.int64]) -> float:
    """Return |a| in the quietest REST_S, NaN where even that moves."""
    seconds = (t_us[-1] - t_us[0]) / 1e6 if len(t_us) else 0.0
    if seconds <= REST_S:
        return float("nan")
    length = max(3, round(REST_S * (len(accel) - 1) / seconds))
    if len(accel) < length:
        return float("nan")
    sums = np.cumsum(np.vstack([np.zeros(3), accel]), axis=0)
    squares = np.cumsum(np.concatenate([[0.0], (accel**2).sum(axis=1)]))
    mean = (sums[length:] - sums[:-length]) / length
    variance = (squares[length:] - squares[:-length]) / length - (mean**2).sum(axis=1)
    quietest = int(variance.argmin())
    norm = float(np.linalg.norm(mean[quietest]))
    is_rest = max(variance[quietest], 0.0) <= (_MAX_REST_DEVIATION * norm) ** 2
    return norm if is_rest else float("nan")


def _spikes(values: NDArray[np.float64], present: NDArray[np.bool_]) -> tuple[tuple[int, int, float], ...]:
    if len(values) < 2 * SPIKE_NEIGHBOURS + 3:
        return ()
    leaves = np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2)
    candidates = np.argwhere(leaves > _SPIKE_SIZES)
    found: list[tuple[int, int, float]] = []
    for row, axis in candidates:
        # At an end there is nothing on one side to compare with.
        if not 3 <= row < len(leaves) - 3:
            continue
        around = np.r_[max(row - SPIKE_NEIGHBOURS, 0) : row - 1, row + 2 : row + SPIKE_NEIGHBOURS + 1]
        usual = leaves[around[around < len(leaves)]].max(axis=0)
        ratio = leaves[row] / np.maximum(usual, 1e-9)
        is_felt = present & (ratio >= 1.0) & (leaves[row] > _FELT * _SPIKE_SIZES)
        if ratio[axis] > SPIKE_RATIO and is_felt.sum() == 1:
            found.append((int(axis), int(row) + 1, float(leaves[row, axis])))
    return tuple(found)
