"""From a file's take to recordings: a short take is one, a long one is cut into movements.

Memory holds a few seconds, however long the take, unless it is to stay whole.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.movements import centre_of_energy_us
from fedmotion.models.specification import Specification
from fedmotion.models.take_faults import MIN_SAMPLES, MIN_SECONDS
from fedmotion.models.windows import CONTEXT_US, Window, WindowStream

WHOLE_US = 8_000_000
"""A take up to so long is one gesture: twice the longest movement that is ever found in a stream."""

MAX_SAMPLES = 2_000_000
"""Of a take that stays whole: over half an hour at 1 kHz."""

_KEEP_US = 20_000_000
_REST_BEFORE_US = 300_000
_REST_AFTER_US = 100_000
"""As in the recorder: a movement that is cut off by the take's beginning or end is half a gesture."""

_LONGEST_STEP_PERIODS = 4
_LONGEST_STEP_US = 50_000
_FED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Piece:
    """One movement with what surrounds it: `t_us` int64 (n,), `samples` float32 (n, 6) in SI units."""

    t_us: NDArray[np.int64]
    samples: NDArray[np.float32]
    start_us: int
    stop_us: int
    centre_us: int


class TakeCutter:
    """Cuts one take, which comes bit by bit; `finding` is how movements are found.

    A long take is one that lasts over WHOLE_US, unless `is_whole`. `n_cut_off` counts movements that a long
    take's ends or gaps cut off, which become no pieces.

    Raises
    ------
    ValueError
        From `feed`, where a take that stays whole has over MAX_SAMPLES.
    """

    def __init__(self, finding: Specification, *, is_whole: bool = False) -> None:
        self.n_cut_off = 0
        self.is_long = False
        self._is_whole = is_whole
        self._windows = WindowStream(finding)
        self._t_us: list[NDArray[np.int64]] = []
        self._samples: list[NDArray[np.float32]] = []
        self._n_samples = 0
        self._waiting: list[Window] = []
        self._begins_us = 0
        self._longest_step_us = 0.0

    def feed(self, t_us: NDArray[np.int64], samples: NDArray[np.float32]) -> list[Piece]:
        """Return the pieces that these samples complete; times ascend and samples are finite."""
        if not len(t_us):
            return []
        if self.is_long:
            return self._feed_long(t_us, samples)
        self._keep(t_us, samples)
        if self._is_whole:
            if self._n_samples > MAX_SAMPLES:
                raise ValueError(
                    f"a take that stays whole has at most {MAX_SAMPLES} samples: leave --whole out"
                )
            return []
        if int(t_us[-1] - self._t_us[0][0]) <= WHOLE_US:
            return []
        self.is_long = True
        t_us, samples = self._kept()
        self._begins_us = int(t_us[0])
        self._longest_step_us = max(
            _LONGEST_STEP_PERIODS * float(np.median(np.diff(t_us))), float(_LONGEST_STEP_US)
        )
        self._forget()
        return self._feed_long(t_us, samples)

    def finish(self) -> list[Piece]:
        """Return the pieces that the take's end gives: none of a take too short to be a gesture."""
        if self.is_long:
            return self._flush()
        if self._n_samples < MIN_SAMPLES:
            return []
        t_us, samples = self._kept()
        self._forget()
        if int(t_us[-1] - t_us[0]) < MIN_SECONDS * 1e6:
            return []
        return [Piece(t_us, samples, int(t_us[0]), int(t_us[-1]), centre_of_energy_us(t_us, samples))]

    def _feed_long(self, t_us: NDArray[np.int64], samples: NDArray[np.float32]) -> list[Piece]:
        last_us = self._t_us[-1][-1:] if self._t_us else t_us[:1]
        gaps = np.flatnonzero(np.diff(t_us, prepend=last_us) > self._longest_step_us).tolist()
        pieces: list[Piece] = []
        for first, stop in zip([0, *gaps], [*gaps, len(t_us)], strict=True):
            if first in gaps:
                pieces += self._flush()
                self._begins_us = int(t_us[first])
            for at in range(first, stop, _FED_AT_ONCE):
                part = slice(at, min(at + _FED_AT_ONCE, stop))
                pieces += self._feed_stretch(t_us[part], samples[part])
        return pieces

    def _feed_stretch(self, t_us: NDArray[np.int64], samples: NDArray[np.float32]) -> list[Piece]:
        self._keep(t_us, samples)
        self._waiting += self._windows.feed(t_us, samples)
        pieces: list[Piece] = []
        while self._waiting and self._waiting[0].stop_us + CONTEXT_US <= int(t_us[-1]):
            pieces += self._cut(self._waiting.pop(0))
        while len(self._t_us) > 1 and int(self._t_us[0][-1]) < int(t_us[-1]) - _KEEP_US:
            self._n_samples -= len(self._t_us.pop(0))
            self._samples.pop(0)
        return pieces

    def _flush(self) -> list[Piece]:
        pieces: list[Piece] = []
        rested_us = int(self._t_us[-1][-1]) - _REST_AFTER_US if self._t_us else 0
        for window in (*self._waiting, *self._windows.flush()):
            if window.stop_us > rested_us:
                self.n_cut_off += 1
            else:
                pieces += self._cut(window)
        self._waiting.clear()
        self._forget()
        return pieces

    def _cut(self, window: Window) -> list[Piece]:
        if window.start_us < self._begins_us + _REST_BEFORE_US:
            self.n_cut_off += 1
            return []
        t_us, samples = self._kept()
        first, stop = np.searchsorted(t_us, [window.start_us - CONTEXT_US, window.stop_us + CONTEXT_US + 1])
        return [
            Piece(
                t_us[first:stop].copy(),
                samples[first:stop].copy(),
                window.start_us,
                window.stop_us,
                window.centre_us,
            )
        ]

    def _keep(self, t_us: NDArray[np.int64], samples: NDArray[np.float32]) -> None:
        self._t_us.append(t_us)
        self._samples.append(samples)
        self._n_samples += len(t_us)

    def _kept(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return np.concatenate(self._t_us), np.concatenate(self._samples)

    def _forget(self) -> None:
        self._t_us, self._samples, self._n_samples = [], [], 0
