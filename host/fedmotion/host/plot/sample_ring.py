"""The last seconds of a stream in one piece of memory, a gap as a row of NaN."""

import numpy as np
from numpy.typing import NDArray

from fedmotion.protocol.serial_frames import N_AXES

MAX_ROWS = 1_000_000
"""A board that claims a sample each microsecond must not fill the memory; 1 kHz fits for 16 min."""

_FIRST_CAPACITY = 4096


class SampleRing:
    """Keeps the samples that are not older than `span_s` before the newest.

    The rows lie one after another in an array at least twice as long as they need, and are moved to its
    front when its end is reached: what is kept is always a plain slice, and an append costs the same on
    average however much is kept.
    """

    def __init__(self, span_s: float) -> None:
        if not 0 < span_s < float("inf"):
            raise ValueError(f"a plot shows a number of seconds above 0, got {span_s}")
        self._span_us = round(span_s * 1e6)
        self._t_us = np.empty(_FIRST_CAPACITY, dtype=np.int64)
        self._values = np.empty((_FIRST_CAPACITY, N_AXES), dtype=np.float32)
        self._start = 0
        self._stop = 0

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def t_us(self) -> NDArray[np.int64]:
        """The rows' times, int64 (n,), ascending; a slice that the next `append` may overwrite."""
        return self._t_us[self._start : self._stop]

    @property
    def values(self) -> NDArray[np.float32]:
        """The rows, float32 (n, 6), of NaN where samples are missing; likewise a slice."""
        return self._values[self._start : self._stop]

    def append(
        self, t_us: NDArray[np.int64], values: NDArray[np.float32], *, has_gap_before: bool = False
    ) -> int:
        """Add samples with `t_us` (n,) ascending and later than all before, `values` (n, 6).

        Returns how many rows that made: a row of NaN stands before the samples where there is a gap.
        """
        if not len(t_us):
            return 0
        t_us, values = t_us[-MAX_ROWS:], values[-MAX_ROWS:]
        is_cut = has_gap_before and len(self) > 0
        first, stop = self._room(len(t_us) + is_cut)
        if is_cut:
            last_us = int(self._t_us[first - 1])
            self._t_us[first] = last_us + (int(t_us[0]) - last_us) // 2
            self._values[first] = np.nan
            first += 1
        self._t_us[first:stop] = t_us
        self._values[first:stop] = values
        self._stop = stop
        oldest = int(np.searchsorted(self.t_us, int(t_us[-1]) - self._span_us))
        self._start += max(oldest, len(self) - MAX_ROWS)
        return min(len(t_us) + is_cut, len(self))

    def _room(self, n_rows: int) -> tuple[int, int]:
        """Return from where to where `n_rows` go, after making place for them."""
        if self._stop + n_rows > len(self._t_us):
            n_kept = len(self)
            n_needed = 2 * (n_kept + n_rows)
            capacity = max(len(self._t_us), n_needed)
            t_us = np.empty(capacity, dtype=np.int64) if capacity > len(self._t_us) else self._t_us
            values = np.empty((capacity, N_AXES), np.float32) if capacity > len(self._t_us) else self._values
            t_us[:n_kept] = self.t_us
            values[:n_kept] = self.values
            self._t_us, self._values = t_us, values
            self._start, self._stop = 0, n_kept
        return self._stop, self._stop + n_rows
