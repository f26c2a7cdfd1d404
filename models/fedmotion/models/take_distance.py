"""How far each take of a gesture is from what the others have in common."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TO_DEVIATION = 1.4826
"""Times the median absolute deviation, of a normal distribution, is its standard deviation."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """A gesture's takes beside each other.

    Attributes
    ----------
    middle, spread : (n_points, 6), median and robust standard deviation over the takes
    distances : (n_takes,), each take's to the median of the others; 1 is the usual one
    """

    middle: Floats
    spread: Floats
    distances: Floats


def likeness(curves: NDArray[np.float32]) -> Likeness:
    """Compare takes of one gesture.

    A distance is the root mean square over points and axes of the difference to the median of all other
    takes, each axis divided by its mean spread; then divided by the median of these distances. One bad take
    so moves neither the middle that it is compared with nor the unit.

    Parameters
    ----------
    curves
        Shape (n_takes, n_points, 6), n_takes at least 3; see `take_signs.Signs.curve`.
    """
    x = curves.astype(np.float64)
    if len(x) < 3:
        raise ValueError(f"takes are compared where there are 3 or more of a gesture, got {len(x)}")
    middle = np.median(x, axis=0)
    spread = _TO_DEVIATION * np.median(np.abs(x - middle), axis=0)
    scale = np.maximum(spread.mean(axis=0), 1e-9)
    # An axis that is absent is nought in all takes and differs in none.
    others = np.stack([np.median(np.delete(x, index, axis=0), axis=0) for index in range(len(x))])
    distances = np.sqrt(np.mean(((x - others) / scale) ** 2, axis=(1, 2)))
    return Likeness(middle, spread, distances / max(float(np.median(distances)), 1e-9))
