"""A take: one labelled stretch of motion by one person, from a board's store or from somebody's file."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One take with what is known of how it was measured; nothing of it is believed yet.

    Attributes
    ----------
    name : how people find it again: a file's name and the take's number from 0, or a store's recording
    label, person, trial : as they were given
    t_us : (n,) int64, microseconds; made from `declared_rate_hz` where `has_stamps` is False
    samples : (n, 6) float32, ax to gz in m/s2 and rad/s; NaN where the sensor has no such axis
    declared_rate_hz : what the file or the board says of the rate, None where it says nothing
    has_stamps : whether `t_us` was measured
    full_scale : (6,) float32, the ends of the sensor's range in the samples' units, NaN where unknown
    """

    name: str
    label: str
    person: str
    trial: str
    t_us: NDArray[np.int64]
    samples: NDArray[np.float32]
    declared_rate_hz: float | None
    has_stamps: bool
    full_scale: NDArray[np.float32]
