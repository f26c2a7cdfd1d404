"""As many points as a screen has columns, with every extreme kept and every gap still a gap."""

import numpy as np
from numpy.typing import NDArray


def decimate(
    t_s: NDArray[np.float64], values: NDArray[np.float32], column_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return the lowest and the highest value of each axis in each column of a screen.

    Parameters
    ----------
    t_s : (n,), ascending
    values : (n, k), NaN where a value is missing
    column_s : what one column of the screen stands for; columns begin at multiples of it, so that a
        picture that moves does not flicker

    Returns
    -------
    (m,) and (m, k): two rows a column, at the times of its first and last row; the highest value comes first
    where the axis falls, so that a slope stays a line and is no saw. A row that is NaN in other axes than its
    neighbour begins a column of its own, so that no gap is bridged. Where nothing is won, the arguments.
    """
    if len(t_s) < 4:
        return t_s, values
    column = np.floor(t_s / column_s)
    is_missing = np.isnan(values)
    is_first = np.empty(len(t_s), dtype=bool)
    is_first[0] = True
    np.not_equal(column[1:], column[:-1], out=is_first[1:])
    if is_missing.any():
        is_first[1:] |= (is_missing[1:] != is_missing[:-1]).any(axis=1)
    first = np.flatnonzero(is_first)
    if 2 * len(first) >= len(t_s):
        return t_s, values
    last = np.append(first[1:], len(t_s)) - 1
    points_s = np.empty(2 * len(first))
    points_s[0::2], points_s[1::2] = t_s[first], t_s[last]
    points = np.empty((2 * len(first), values.shape[1]), dtype=values.dtype)
    # NaN only where a whole column is.
    lowest, highest = np.fmin.reduceat(values, first), np.fmax.reduceat(values, first)
    is_falling = values[last] < values[first]
    points[0::2] = np.where(is_falling, highest, lowest)
    points[1::2] = np.where(is_falling, lowest, highest)
    return points_s, points
