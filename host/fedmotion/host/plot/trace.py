"""What a plot shows of a stream: its last seconds, its gestures, and how it fares.

Nothing here knows a screen, a clock or a line: samples, gestures and the host's time are arguments.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.imu_stream import ImuBlock
from fedmotion.host.plot.sample_ring import SampleRing
from fedmotion.host.recogniser import Recognition
from fedmotion.protocol.serial_frames import N_AXES

STALLED_AFTER_S = 0.25
"""Samples that are this late are not about to come: the picture moves on and shows that they are missing."""

RATE_OVER_S = 2.0
MAX_SPANS = 500


@dataclass(frozen=True, slots=True)
class Units:
    """What the two sensors are shown in; `factors`, float32 (6,), makes them of m/s2 and rad/s."""

    accel: str
    gyro: str
    factors: NDArray[np.float32]


def units(*, is_degrees: bool = False) -> Units:
    """Return the SI units, or the same with the angular rate in degrees."""
    factors = np.ones(N_AXES, dtype=np.float32)
    if is_degrees:
        factors[3:] = 180 / math.pi
    return Units("m/s²", "deg/s" if is_degrees else "rad/s", factors)


@dataclass(frozen=True, slots=True)
class Span:
    """A named stretch of time; `probability` None where a person and no model named it."""

    label: str
    start_s: float
    stop_s: float
    probability: float | None = None

    @property
    def caption(self) -> str:
        """The label as it is shown, with the probability where there is one."""
        return self.label if self.probability is None else f"{self.label} {self.probability:.0%}"


def span_of(recognition: Recognition, offset_us: int) -> Span:
    """Return a gesture in a time that is `offset_us` ahead of its own."""
    return Span(
        recognition.activity,
        (recognition.start_us + offset_us) / 1e6,
        (recognition.stop_us + offset_us) / 1e6,
        recognition.probability,
    )


@dataclass(frozen=True, slots=True)
class View:
    """What is to be seen at one moment.

    `t_s` (n,) and `values` (n, 6) are as `SampleRing` has them, the times in seconds; `right_s` is the
    picture's right edge in the same time, and `rate_hz` the samples a second of its last RATE_OVER_S.
    """

    t_s: NDArray[np.float64]
    values: NDArray[np.float32]
    spans: tuple[Span, ...]
    right_s: float
    rate_hz: float


class Trace:
    """The last `span_s` seconds of one stream, and the gestures in them.

    Its time is the board's. Where that goes back, as a board's that restarts does, it goes on from where it
    was by as much as the host's clock did.
    """

    def __init__(self, span_s: float, shown_in: Units | None = None) -> None:
        self.span_s = span_s
        self.units = shown_in or units()
        self._ring = SampleRing(span_s)
        self._spans: deque[Span] = deque(maxlen=MAX_SPANS)
        self._offset_us = 0
        self._last_us: int | None = None
        self._heard_s = -math.inf

    def add(self, block: ImuBlock, now_s: float) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Take the samples of `block`, which came at `now_s` by the host's monotonic clock.

        Returns the rows that are new, times in seconds (n,) and values (n, 6), a gap before them included.
        """
        first_us = int(block.t_us[0]) + self._offset_us
        if self._last_us is not None and first_us <= self._last_us:
            silence_us = max(block.node.period_us, round((now_s - self._heard_s) * 1e6))
            self._offset_us += self._last_us + silence_us - first_us
        t_us = block.t_us + self._offset_us
        n_new = self._ring.append(
            t_us, block.samples * self.units.factors, has_gap_before=block.has_gap_before
        )
        self._last_us = int(t_us[-1])
        self._heard_s = now_s
        while self._spans and self._spans[0].stop_s < self._last_us / 1e6 - self.span_s:
            self._spans.popleft()
        return self._ring.t_us[-n_new:] / 1e6, self._ring.values[-n_new:]

    def mark(self, recognition: Recognition) -> Span:
        """Take a gesture that was recognised in the samples so far, and return it in the trace's time."""
        span = span_of(recognition, self._offset_us)
        self._spans.append(span)
        return span

    def view(self, now_s: float) -> View:
        """Return what is to be seen at `now_s`; its arrays are copies and stay what they are."""
        t_s = self._ring.t_us / 1e6
        right_s = 0.0
        is_stalled = True
        if self._last_us is not None:
            late_s = max(0.0, now_s - self._heard_s - STALLED_AFTER_S)
            right_s = self._last_us / 1e6 + late_s
            is_stalled = late_s > 0
        return View(
            t_s,
            self._ring.values.copy(),
            tuple(self._spans),
            right_s,
            0.0 if is_stalled else rate_hz(t_s, self._ring.values),
        )


def rate_hz(t_s: NDArray[np.float64], values: NDArray[np.float32]) -> float:
    """Return how many samples a second there are in the last RATE_OVER_S; 0 where there are too few.

    It is counted from a row on, so that an even stream's rate does not waver with where the seconds begin.
    """
    if len(t_s) < 2:
        return 0.0
    edge = max(0, int(np.searchsorted(t_s, t_s[-1] - RATE_OVER_S, side="right")) - 1)
    n_samples = int(np.count_nonzero(~np.isnan(values[edge + 1 :]).all(axis=1)))
    return n_samples / float(t_s[-1] - t_s[edge])
