"""Samples at any rate and with any jitter, brought to one rate by their time stamps."""

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.specification import N_AXES


class Resampler:
    """Means over consecutive intervals of 1 / rate_hz of the straight lines between samples.

    A mean over the interval is the anti-aliasing filter when the rate falls, and plain interpolation
    when it rises. Output k stands for the interval from k to k + 1 periods after `origin_us`, which is
    the first sample's time unless given. Each output is summed by itself, so neither the cut into calls
    nor a stream of months can show in it.
    """

    def __init__(self, rate_hz: float, origin_us: int | None = None) -> None:
        self._period_us = 1e6 / rate_hz
        self._given_origin_us = origin_us
        self.reset()

    def reset(self) -> None:
        """Forget the samples so far; without a given origin the next one starts the grid anew."""
        self._origin_us = self._given_origin_us
        self._n_out = 0
        # The samples from which the next output goes on; times are since the origin.
        self._t = np.empty(0, np.int64)
        self._x = np.empty((0, N_AXES))

    def time_us(self, index: float) -> int:
        """Return the middle of output `index` in the samples' own time, in microseconds.

        Half an index less or more is where its interval begins or ends.
        """
        return (self._origin_us or 0) + round((index + 0.5) * self._period_us)

    def feed(self, t_us: NDArray[np.int64], samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs that are complete, shape (n, 6).

        Parameters
        ----------
        t_us
            Shape (n_samples,), microseconds, each later than the one before, also across calls.
        samples
            Shape (n_samples, 6).

        Raises
        ------
        ValueError
            If time stands still or goes back, if shapes do not fit or if a sample is not finite. The
            samples of that call are not used.
        """
        self._check(t_us, samples)
        if not len(t_us):
            return np.empty((0, N_AXES), np.float32)
        if self._origin_us is None:
            self._origin_us = int(t_us[0])
        t = np.concatenate([self._t, t_us - self._origin_us])
        x = np.concatenate([self._x, samples.astype(np.float64)])
        n_complete = max(int(t[-1] // self._period_us) - self._n_out, 0)
        edges = np.arange(self._n_out, self._n_out + n_complete + 1, dtype=np.float64) * self._period_us
        out = _means(edges, t.astype(np.float64), x)
        self._n_out += n_complete
        # Every sample from the segment that ends at or holds the last edge is needed again.
        keep = max(int(np.searchsorted(t, edges[-1])) - 1, 0)
        self._t, self._x = t[keep:], x[keep:]
        return out.astype(np.float32)

    def _check(self, t_us: NDArray[np.int64], samples: NDArray[np.float32]) -> None:
        if t_us.ndim != 1 or samples.shape != (len(t_us), N_AXES):
            raise ValueError(
                f"samples have shape (n_samples, {N_AXES}) and a time each, "
                f"got {samples.shape} and times of shape {t_us.shape}"
            )
        if not np.isfinite(samples).all():
            raise ValueError("samples are finite, got NaN or infinity")
        last = self._t[-1:] + (self._origin_us or 0)
        steps = np.diff(t_us, prepend=last)
        if len(steps) and steps.min() <= 0:
            raise ValueError(f"time stamps increase from sample to sample, got a step of {steps.min()} us")


def _means(edges: NDArray[np.float64], t: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means between consecutive `edges` of the straight lines through (t, x)."""
    if len(edges) == 1:
        return np.empty((0, x.shape[1]))
    # Between consecutive corners, which are the edges and the samples between them, all is straight.
    inside = t[(t > edges[0]) & (t < edges[-1])]
    corners = np.union1d(edges, inside)
    # A corner on a sample belongs to the segment that ends there, which is there however the calls are cut.
    i = (np.searchsorted(t, corners) - 1).clip(0, len(t) - 2)
    share = (corners - t[i]) / (t[i + 1] - t[i])
    values = x[i] + (x[i + 1] - x[i]) * share[:, None]
    areas = np.diff(corners)[:, None] * (values[1:] + values[:-1]) / 2
    sums: NDArray[np.float64] = np.add.reduceat(areas, np.searchsorted(corners, edges[:-1]), axis=0)
    return sums / np.diff(edges)[:, None]
