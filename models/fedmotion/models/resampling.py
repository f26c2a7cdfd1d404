"""Samples at any rate and with any jitter, brought to one rate by their time stamps."""

import numpy as np
from numpy.typing import NDArray


class Resampler:
    """Means over consecutive intervals of 1 / rate_hz of the straight lines between samples.

    A mean over the interval is the anti-aliasing filter when the rate falls, and plain interpolation
    when it rises. Output k stands for the interval from k to k + 1 periods after the first sample.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_us = 1e6 / rate_hz
        self.reset()

    def reset(self) -> None:
        """Forget the samples so far; the next one starts the grid anew."""
        self._origin_us: int | None = None
        self._n_out = 0
        # The last sample and the integral up to it, from which the next call goes on.
        self._t = np.empty(0)
        self._x = np.empty((0, 6))
        self._integral = np.zeros((1, 6))

    def time_us(self, index: int) -> int:
        """Return the middle of output `index` in the samples' own time, in microseconds."""
        return (self._origin_us or 0) + round((index + 0.5) * self._period_us)

    def index_of(self, t_us: int) -> int:
        """Return the output whose interval holds `t_us`."""
        return int((t_us - (self._origin_us or 0)) // self._period_us)

    def feed(self, t_us: NDArray[np.int64], samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs that are complete, shape (n, 6).

        Parameters
        ----------
        t_us
            Shape (n_samples,), increasing, microseconds.
        samples
            Shape (n_samples, 6).
        """
        if not len(t_us):
            return np.empty((0, 6), np.float32)
        if self._origin_us is None:
            self._origin_us = int(t_us[0])
        t = np.concatenate([self._t, (t_us - self._origin_us).astype(np.float64)])
        x = np.concatenate([self._x, samples.astype(np.float64)])
        steps = np.diff(t)[:, None] * (x[1:] + x[:-1]) / 2
        # One running sum, continued from call to call, so that the cut into calls cannot show.
        integral = np.cumsum(np.concatenate([self._integral, steps]), axis=0)
        n_complete = int(t[-1] // self._period_us) - self._n_out
        edges = np.arange(self._n_out, self._n_out + n_complete + 1, dtype=np.float64) * self._period_us
        out = np.diff(_integral_at(edges, t, x, integral), axis=0) / self._period_us
        self._n_out += n_complete
        # Every sample from the last edge's segment on is needed again.
        keep = max(int(np.searchsorted(t, self._n_out * self._period_us, side="right")) - 1, 0)
        self._t, self._x, self._integral = t[keep:], x[keep:], integral[keep : keep + 1]
        return out.astype(np.float32)


def _integral_at(
    at: NDArray[np.float64], t: NDArray[np.float64], x: NDArray[np.float64], integral: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the integral of the straight lines through (t, x) up to each of `at`."""
    i: NDArray[np.intp] = (np.searchsorted(t, at, side="right") - 1).clip(0, max(len(t) - 2, 0))
    if len(t) == 1:
        return integral[i].copy()
    into = (at - t[i])[:, None]
    slope = (x[i + 1] - x[i]) / (t[i + 1] - t[i])[:, None]
    return integral[i] + x[i] * into + slope * into**2 / 2
