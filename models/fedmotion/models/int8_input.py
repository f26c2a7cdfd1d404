"""From a sensor's counts to the 8-bit numbers that a network takes: a sum of products an axis, in 32 bits.

The six axes are standardised each by a mean and a scale of its own before the one scale of the network's
input is applied. Folding them into the first layer instead would be wrong at a window's ends, where a
convolution meets zeros that stand for the mean and not for 0 m/s2. So a board multiplies and adds.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.int8_network import Scale
from fedmotion.models.mounting import Mounting
from fedmotion.models.specification import N_AXES

_MAX_SHIFT = 24
_FULL_SUM = 2**31 - 1
_LARGEST_COUNT = 2**15


@dataclass(frozen=True, slots=True, eq=False)
class InputMap:
    """Stored = (counts . multipliers + offset) >> shift - 128, within -128 and 127; the sum fits 32 bits.

    `multipliers`, int32 (6, 6), has a row for each axis of the window and a column for each of the board;
    `offsets`, int32 (6,).
    """

    multipliers: NDArray[np.int32]
    offsets: NDArray[np.int32]
    shift: int

    def stored(self, counts: NDArray[np.int16]) -> NDArray[np.int8]:
        """Return what a board gives the network for `counts`, shape (..., 6), to the bit."""
        sums = counts.astype(np.int64) @ self.multipliers.T.astype(np.int64) + self.offsets
        return ((sums.clip(0) >> self.shift).clip(0, 255) - 128).astype(np.int8)


def standardised(
    windows: NDArray[np.float32], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return `windows`, shape (..., 6), less `mean` (6,) and over `scale` (6,); 0 where a scale is 0."""
    deviations = windows - mean
    is_felt = np.broadcast_to(scale > 0, deviations.shape)
    return np.divide(deviations, scale, out=np.zeros_like(deviations), where=is_felt).astype(np.float32)


def input_map(
    to: Scale,
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
    turn: Mounting,
    per_count: NDArray[np.float64],
) -> InputMap:
    """Return how a board's counts become the network's input.

    Parameters
    ----------
    to
        How the network stores its input.
    mean, scale
        Of each axis, (6,), in m/s2 and rad/s, as a board worn as pictured feels them; a scale of 0 is of an
        axis that is always 0.
    turn
        How this board sits.
    per_count
        What one count stands for, (6,), in m/s2 and rad/s.
    """
    per_step = np.divide(1.0, scale * to.scale, out=np.zeros(N_AXES), where=scale > 0)
    # Row i has how much each axis of the board adds to axis i of one that is worn as pictured.
    exact = turn.apply(np.eye(N_AXES)).T * per_count * per_step[:, None]
    # Half a step, so that cutting off rounds.
    offsets = -mean * per_step + to.zero_point + 128 + 0.5
    largest = float((np.abs(exact).sum(axis=1) * _LARGEST_COUNT + np.abs(offsets)).max())
    shift = min(math.floor(math.log2(_FULL_SUM / (largest + 1))), _MAX_SHIFT)
    if shift < 0:
        raise ValueError(
            "an axis hardly moved in what the model was taught with: its scale is beyond 32 bits, so this "
            f"model cannot be exported (smallest scale {scale[scale > 0].min():.3g})"
        )
    multipliers = np.rint(exact * 2**shift).astype(np.int32)
    return InputMap(multipliers, np.rint(offsets * 2**shift).astype(np.int32), shift)
