"""A take of a file as a stream: stretches in which no sample and no value is missing."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.takes import Take

_LONGEST_STEP_PERIODS = 4
"""Samples of a file that are further apart than so many usual steps have a gap between them."""


def stretches(take: Take) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield times (n,) and samples (n, 6) of each stretch, in order.

    Samples with a value that is missing or none count as a gap, so that a take without one of the six axes
    has no stretch; so does time that stands still or goes back.
    """
    (rows,) = np.nonzero(np.isfinite(take.samples).all(axis=1))
    if not len(rows):
        return
    is_cut = is_gap(take.t_us) | (np.diff(take.t_us) <= 0)
    begins_anew = (np.diff(rows) > 1) | is_cut[rows[1:] - 1]
    for stretch in np.split(rows, np.flatnonzero(begins_anew) + 1):
        yield take.t_us[stretch], take.samples[stretch]


def is_gap(t_us: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell of each step between two samples, (n - 1,), whether others are missing in it."""
    steps_us = np.diff(t_us)
    usual_us = float(np.median(steps_us)) if len(steps_us) else 0.0
    is_missing: NDArray[np.bool_] = steps_us > _LONGEST_STEP_PERIODS * usual_us
    return is_missing
