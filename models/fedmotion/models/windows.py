"""From a stream of samples to windows: resampling by time stamps, then one a movement or one after another.

Training and live recognition both go through `WindowStream`, so a model meets live what it learned from;
`FixedWindowStream` is for motion that goes on and on, as walking does.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.movements import Movement, MovementDetector
from fedmotion.models.resampling import Resampler
from fedmotion.models.specification import N_AXES, Specification

CONTEXT_US = 1_500_000
"""What a recording keeps before and after a movement, so that its window can be cut again."""


@dataclass(frozen=True, slots=True)
class Window:
    """`samples` of shape (window_length, 6), float32, m/s2 and rad/s, of a movement from start to stop.

    A fixed window is its own movement: from its first sample's interval to the end of its last one's.
    """

    start_us: int
    stop_us: int
    centre_us: int
    samples: NDArray[np.float32]


class WindowStream:
    """Cuts a continuous stream into one window for each movement, causally.

    The window is `window_length` consecutive samples at the specification's rate around the movement's
    centre of energy; it is returned as soon as its last sample is there. How the stream is cut into
    calls of `feed` changes nothing, to the bit. Samples that a window lacks at the stream's start are the
    first one repeated. Memory holds a few seconds, however long the stream.
    """

    def __init__(self, specification: Specification) -> None:
        self._window_length = specification.window_length
        self._resampler = Resampler(specification.rate_hz)
        self._detector = MovementDetector(specification.rate_hz)
        self._n_kept = self._detector.max_length + specification.window_length
        self._waiting: deque[Movement] = deque()
        self._samples = np.empty((0, 6), np.float32)
        self._first = 0

    @property
    def energy_radps(self) -> float:
        """How much moves now, see `MovementDetector`."""
        return self._detector.energy_radps

    @property
    def is_moving(self) -> bool:
        """Whether a movement is under way."""
        return self._detector.is_moving

    def feed(self, t_us: NDArray[np.int64], samples: NDArray[np.float32]) -> list[Window]:
        """Return the windows that these samples complete.

        Parameters
        ----------
        t_us
            Shape (n_samples,), in microseconds, each later than the one before, also across calls. Where
            time jumps, call `reset` first: a gap that is not declared is bridged by a straight line.
        samples
            Shape (n_samples, 6), m/s2 and rad/s.

        Raises
        ------
        ValueError
            If time stands still or goes back, if shapes do not fit or if a sample is not finite. The
            samples of that call are not used.
        """
        resampled = self._resampler.feed(t_us, samples)
        self._samples = np.concatenate([self._samples, resampled])
        self._waiting.extend(self._detector.feed(resampled))
        return self._cut(is_last=False)

    def flush(self) -> list[Window]:
        """Return the windows still waiting, a movement in progress among them, and start anew.

        Samples that a window lacks at its end are its last one repeated.
        """
        self._waiting.extend(self._detector.finish())
        windows = self._cut(is_last=True)
        self.reset()
        return windows

    def reset(self) -> None:
        """Forget everything, as at a gap: no window reaches across it."""
        self._resampler.reset()
        self._detector.reset()
        self._waiting.clear()
        self._samples = self._samples[:0]
        self._first = 0

    def _cut(self, *, is_last: bool) -> list[Window]:
        windows = []
        end = self._first + len(self._samples)
        while self._waiting:
            first = self._waiting[0].centre - self._window_length // 2
            if first + self._window_length > end and not is_last:
                break
            movement = self._waiting.popleft()
            samples = _clipped(self._samples, first - self._first, self._window_length)
            start, stop, centre = map(
                self._resampler.time_us, (movement.start, movement.stop, movement.centre)
            )
            windows.append(Window(start, stop, centre, samples))
        n_spare = len(self._samples) - self._n_kept
        if n_spare > 0:
            self._samples = self._samples[n_spare:]
            self._first += n_spare
        return windows


class FixedWindowStream:
    """Cuts a continuous stream into windows of `window_length` samples, one every `step`, causally.

    The first begins with the stream. A window is returned as soon as its last sample is there; how the
    stream is cut into calls of `feed` changes nothing, to the bit. Memory holds one window, however long the
    stream.

    Parameters
    ----------
    step
        Samples between the beginnings of two windows, from 1 to window_length, where none overlap.
    """

    def __init__(self, specification: Specification, step: int) -> None:
        if not 1 <= step <= specification.window_length:
            raise ValueError(
                f"step is 1 to window_length, {specification.window_length} samples, got {step}: a longer "
                "one would skip motion"
            )
        self._window_length = specification.window_length
        self._step = step
        self._resampler = Resampler(specification.rate_hz)
        self._samples = np.empty((0, N_AXES), np.float32)
        self._first = 0

    def feed(self, t_us: NDArray[np.int64], samples: NDArray[np.float32]) -> list[Window]:
        """Return the windows that these samples complete; takes and refuses what `WindowStream.feed` does."""
        self._samples = np.concatenate([self._samples, self._resampler.feed(t_us, samples)])
        windows = []
        at = 0
        while at + self._window_length <= len(self._samples):
            windows.append(self._window(at))
            at += self._step
        self._samples = self._samples[at:].copy()
        self._first += at
        return windows

    def reset(self) -> None:
        """Forget everything, as at a gap: no window reaches across it, and the next sample begins one."""
        self._resampler.reset()
        self._samples = self._samples[:0]
        self._first = 0

    def _window(self, at: int) -> Window:
        first = self._first + at
        start_us, stop_us = (
            self._resampler.time_us(index - 0.5) for index in (first, first + self._window_length)
        )
        # The middle of the sample about which `window_at` cuts.
        centre_us = self._resampler.time_us(first + self._window_length // 2)
        return Window(start_us, stop_us, centre_us, self._samples[at : at + self._window_length].copy())


def window_at(
    specification: Specification, t_us: NDArray[np.int64], samples: NDArray[np.float32], centre_us: int
) -> NDArray[np.float32]:
    """Return the window around `centre_us`, cut again from a recording, shape (window_length, 6).

    The centre fixes the grid of samples, so this is the window that the stream gave, but for the shift of
    at most 1 us by which the stream rounded `centre_us`. Samples that the recording lacks at an end are
    the first or last one repeated, as in the stream.

    Raises
    ------
    ValueError
        If `centre_us` lies outside the recording, or the recording is no stream (see `Resampler.feed`).
    """
    if not len(t_us) or not t_us[0] <= centre_us <= t_us[-1]:
        raise ValueError(f"a window's centre lies within its recording, got {centre_us} us")
    period_us = 1e6 / specification.rate_hz
    # The first output is the first whole one, allowing for that rounding.
    centre = max(int((centre_us + 1 - t_us[0]) / period_us - 0.5), 0)
    resampler = Resampler(specification.rate_hz, origin_us=centre_us - round((centre + 0.5) * period_us))
    resampled = resampler.feed(t_us, samples)
    if not len(resampled):
        raise ValueError(f"a recording lasts {period_us:.0f} us or longer, got {t_us[-1] - t_us[0]} us")
    return _clipped(resampled, centre - specification.window_length // 2, specification.window_length)


def _clipped(samples: NDArray[np.float32], first: int, length: int) -> NDArray[np.float32]:
    indices = np.arange(first, first + length).clip(0, len(samples) - 1)
    return samples.take(indices, axis=0)
