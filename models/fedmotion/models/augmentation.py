"""Windows as they might have been: the board worn a little turned, the movement a little faster or later.

A network takes windows as they are and learns from a few takes only; each epoch shows it others like them.
Seeded, and before the graph, so that every runtime trains on the same numbers.
"""

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.networks import TURN_RAD

TEMPO = 0.15
"""Standard deviation of the logarithm of how much faster; chosen as TURN_RAD is, and so is SHIFT."""

SHIFT = 4
"""Samples at most, earlier or later."""


def varied(windows: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Return windows like `windows`, shape (n_windows, window_length, 6), each changed in its own way.

    Acceleration and angular rate turn together, as of one board. What a window lacks at an end is its first
    or last sample repeated, as where it is cut.
    """
    turns = _rotations(random.normal(scale=TURN_RAD, size=(len(windows), 3)))
    turned = np.concatenate([windows[:, :, :3] @ turns, windows[:, :, 3:] @ turns], axis=2)
    tempo = np.exp(random.normal(scale=TEMPO, size=len(windows)))
    shift = random.integers(-SHIFT, SHIFT, size=len(windows), endpoint=True)
    return _retimed(turned, tempo, shift)


def _rotations(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return matrices, shape (n, 3, 3), of turns about `vectors` by their length (Rodrigues' formula)."""
    angles = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    x, y, z = (vectors / angles[:, None]).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    sine, cosine = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    matrices: NDArray[np.float64] = np.eye(3) + sine * cross + (1 - cosine) * cross @ cross
    return matrices.astype(np.float32)


def _retimed(
    windows: NDArray[np.float32], tempo: NDArray[np.float64], shift: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the windows read at other times, by straight lines between samples."""
    last = windows.shape[1] - 1
    times = (np.arange(last + 1) - last / 2) * tempo[:, None] + last / 2 + shift[:, None]
    times = times.clip(0, last)
    before = np.minimum(times.astype(np.int64), last - 1)
    share = (times - before).astype(np.float32)[:, :, None]
    earlier = np.take_along_axis(windows, before[:, :, None], axis=1)
    later = np.take_along_axis(windows, before[:, :, None] + 1, axis=1)
    between: NDArray[np.float32] = earlier + share * (later - earlier)
    return between
