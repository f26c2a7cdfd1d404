"""An example trace and the samples that it stands for: coarse on purpose, enough to see a gesture by."""

import numpy as np
from numpy.typing import NDArray

from fedmotion.protocol.messages import N_EXAMPLE_POINTS, ExampleTrace

_LARGEST = 127
_ACCELERATION, _RATE = slice(0, 3), slice(3, 6)


def example_of(t_us: NDArray[np.int64], samples: NDArray[np.float32]) -> ExampleTrace:
    """Return the example of one movement.

    Parameters
    ----------
    t_us
        Shape (n,), growing.
    samples
        Shape (n, 6), m/s2 and rad/s.

    Raises
    ------
    ValueError
        If there are fewer than two samples, or they are no movement that a sensor can see.
    """
    if len(t_us) < 2 or samples.shape != (len(t_us), 6) or not np.isfinite(samples).all():
        raise ValueError(f"an example is of at least two samples of six axes, got {samples.shape}")
    instants = np.linspace(t_us[0], t_us[-1], N_EXAMPLE_POINTS)
    points = np.stack([np.interp(instants, t_us, samples[:, axis]) for axis in range(6)], axis=1)
    peaks = [float(np.abs(points[:, part]).max()) for part in (_ACCELERATION, _RATE)]
    shares = np.zeros_like(points)
    for part, peak in zip((_ACCELERATION, _RATE), peaks, strict=True):
        if peak > 0:
            shares[:, part] = points[:, part] / peak
    counts = np.rint(shares * _LARGEST).astype(np.int8)
    return ExampleTrace(
        duration_s=float(t_us[-1] - t_us[0]) / 1e6,
        acceleration_mps2=peaks[0],
        rate_radps=peaks[1],
        counts=counts.tobytes(),
    )


def points_of(example: ExampleTrace) -> NDArray[np.float64]:
    """Return the example's instants, shape (24, 6), m/s2 and rad/s."""
    counts = np.frombuffer(example.counts, np.int8).reshape(N_EXAMPLE_POINTS, 6)
    points = counts.astype(np.float64) / _LARGEST
    points[:, _ACCELERATION] *= example.acceleration_mps2
    points[:, _RATE] *= example.rate_radps
    return points
