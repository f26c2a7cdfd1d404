"""Notices that a board sits otherwise than its owner said: gravity comes from where nobody else has it."""

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.specification import Array
from fedmotion.models.turns import Vector, angle_deg, axis_rotations, turn

N_WINDOWS = 16
"""How many movements are looked at together: the mean of few depends on which gestures they are."""

_MAX_DEG = 60.0
_MIN_DEVIATION = 1.0
"""Measured on UTD-MHAD, 16 windows of mixed movement: no false doubt, and half turns about x, y and z noticed
in 0.83, 0.94 and 1.00 of cases. Of one gesture only, 0.2 of false doubts: hence "seems"."""

_ALIKE_DEG = 15.0


class TurnWatch:
    """Compares the mean acceleration of the last movements with all clients', which the model holds."""

    def __init__(self) -> None:
        self._means: deque[Vector] = deque(maxlen=N_WINDOWS)
        self._mean: Vector | None = None
        self._scale: Vector | None = None
        self._is_in_doubt = False

    def expect(self, parameters: Mapping[str, Array]) -> None:
        """Compare with this model from now on; one that has no statistics raises no doubt."""
        if "mean" in parameters and "scale" in parameters:
            self._mean, self._scale = parameters["mean"][:3], parameters["scale"][:3]
        else:
            self._mean = self._scale = None

    def look(self, windows: NDArray[np.float32]) -> str:
        """Return what seems wrong, in words, when it begins to; nothing while it lasts or where all is well.

        Parameters
        ----------
        windows
            Shape (n_windows, window_length, 6), turned as the board is said to sit.
        """
        self._means.extend(windows[:, :, :3].mean(axis=1, dtype=np.float64))
        if self._mean is None or self._scale is None or len(self._means) < N_WINDOWS:
            return ""
        felt = np.mean(self._means, axis=0)
        if not felt.any() or not self._mean.any():
            return ""
        deviation = np.sqrt(np.mean(((felt - self._mean) / self._scale) ** 2))
        apart_deg = angle_deg(felt, self._mean)
        was_in_doubt = self._is_in_doubt
        self._is_in_doubt = bool(apart_deg > _MAX_DEG and deviation > _MIN_DEVIATION)
        if was_in_doubt or not self._is_in_doubt:
            return ""
        return (
            f"the board seems to sit otherwise than said: gravity comes {apart_deg:.0f} degrees from where "
            f"the other clients have it, as if it were turned by {_likely_turns(felt, self._mean)}; "
            "`fedmotion mount` asks how it sits"
        )


def _likely_turns(felt: Vector, expected: Vector) -> str:
    """Return the turns of axes to axes that would explain it, in words; gravity cannot tell all apart."""
    off_deg = {index: angle_deg(r @ felt, expected) for index, r in enumerate(axis_rotations())}
    best = min(off_deg.values())
    simple = []
    for index, rotation in enumerate(axis_rotations()):
        axis, degrees = turn(rotation)
        along = int(np.abs(axis).argmax())
        if off_deg[index] <= best + _ALIKE_DEG and abs(axis[along]) > 0.99:
            sign = "-" if axis[along] < 0 and degrees < 179 else ""
            simple.append((-degrees, f"{degrees:.0f} degrees about {sign}{'xyz'[along]}"))
    return " or ".join(words for _, words in sorted(simple)) or "something oblique"
