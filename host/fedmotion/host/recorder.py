"""Labelled recordings cut from the continuous stream: each movement with the context around it.

Reads the same blocks as the plot and the recogniser. What becomes of a recording is its caller's matter.
"""

import logging
import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.imu_stream import STANDARD_GRAVITY_MPS2, ImuBlock
from fedmotion.host.marks import Labelling
from fedmotion.host.recording_store import Recording
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.models.specification import Specification
from fedmotion.models.windows import CONTEXT_US, Window, WindowStream
from fedmotion.protocol.identity import Placement
from fedmotion.protocol.serial_frames import N_AXES, Hello

KEEP_US = 20_000_000
"""How far back the stream is kept: the longest movement that can be recorded, with its context."""

_SLICE = 64
"""Samples that are taken at once: few enough to span a fraction of KEEP_US at every rate."""

_REST_BEFORE_US = 300_000
"""A movement found sooner after a stretch's beginning was under way already; finding it takes up to 0.2 s."""

_REST_AFTER_US = 100_000
"""At a stretch's end a movement counts as finished if it rested for at least so long."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RecorderCounters:
    """What became of the movements: recorded, without a label, or cut off by a gap or by KEEP_US."""

    n_recorded: int = 0
    n_unlabelled: int = 0
    n_cut_off: int = 0


class Recorder:
    """Cuts the movements of one person out of a stream and labels them.

    `labelling` says what a movement is; see `marks`. `specification` serves to find movements, so a
    recording remains of use to other specifications. `turn` is how the board sits, kept in each recording.
    """

    def __init__(
        self,
        specification: Specification,
        labelling: Labelling,
        *,
        person: str,
        placement: Placement,
        turn: Mounting = AS_PICTURED,
    ) -> None:
        self.counters = RecorderCounters()
        self._labelling = labelling
        self._person = person
        self._placement = placement
        self._turn = turn
        self._windows = WindowStream(specification)
        self._past = _Past()
        self._waiting: deque[Window] = deque()
        self._node: Hello | None = None
        self._begins_us = 0

    @property
    def energy_radps(self) -> float:
        """How much moves now, as the finder of movements measures it."""
        return self._windows.energy_radps

    @property
    def is_moving(self) -> bool:
        """Whether a movement is under way."""
        return self._windows.is_moving

    def feed(self, block: ImuBlock) -> list[Recording]:
        """Return the recordings that `block` completes: movements whose context has come too."""
        recordings: list[Recording] = []
        if block.has_gap_before:
            recordings = self.flush()
            self._begins_us = int(block.t_us[0])
        self._node = block.node
        # A block may be longer than what is kept of the past, where a board plays faster than we read.
        for first in range(0, len(block.t_us), _SLICE):
            t_us = block.t_us[first : first + _SLICE]
            self._past.append(t_us, block.counts[first : first + _SLICE])
            self._waiting.extend(self._windows.feed(t_us, block.samples[first : first + _SLICE]))
            while self._waiting and self._waiting[0].stop_us + CONTEXT_US <= int(t_us[-1]):
                recordings += self._cut(self._waiting.popleft())
        return recordings

    def flush(self) -> list[Recording]:
        """Return what the stream's end still gives, with the context that there is, and begin anew."""
        recordings: list[Recording] = []
        rested_us = self._past.last_us - _REST_AFTER_US
        for window in self._windows.flush():
            if window.stop_us > rested_us:
                self._count_cut_off(window)
            else:
                self._waiting.append(window)
        while self._waiting:
            recordings += self._cut(self._waiting.popleft())
        self._windows.reset()
        self._past.clear()
        return recordings

    def _cut(self, window: Window) -> list[Recording]:
        label = self._labelling(window.start_us, window.stop_us)
        if label is None or self._node is None:
            self.counters.n_unlabelled += 1
            return []
        t_us, counts = self._past.between(window.start_us - CONTEXT_US, window.stop_us + CONTEXT_US)
        if (
            len(t_us) == 0
            or not t_us[0] <= window.start_us < window.stop_us <= t_us[-1]
            or window.start_us < self._begins_us + _REST_BEFORE_US
        ):
            self._count_cut_off(window)
            return []
        self.counters.n_recorded += 1
        node = self._node
        return [
            Recording(
                label=label,
                person=self._person,
                board_id=node.board_id,
                hand=self._placement.hand,
                mounting=self._placement.mounting,
                start_us=window.start_us,
                stop_us=window.stop_us,
                centre_us=window.centre_us,
                accel_scale_mps2=node.accel_scale_g * STANDARD_GRAVITY_MPS2,
                gyro_scale_radps=node.gyro_scale_dps * math.pi / 180,
                t_us=t_us,
                counts=counts,
                turn=self._turn,
            )
        ]

    def _count_cut_off(self, window: Window) -> None:
        # Half a gesture must not teach what a whole one is.
        self.counters.n_cut_off += 1
        _log.info("movement at %d us is cut off by a gap and not recorded", window.start_us)


class _Past:
    """The last KEEP_US of the stream, in arrays that are compacted when they are full."""

    def __init__(self) -> None:
        self._t_us = np.empty(1024, dtype=np.int64)
        self._counts = np.empty((1024, N_AXES), dtype=np.int16)
        self._n_samples = 0

    def clear(self) -> None:
        self._n_samples = 0

    @property
    def last_us(self) -> int:
        return int(self._t_us[self._n_samples - 1]) if self._n_samples else 0

    def append(self, t_us: NDArray[np.int64], counts: NDArray[np.int16]) -> None:
        stop = self._n_samples + len(t_us)
        if stop > len(self._t_us):
            stop = self._make_room(t_us)
        self._t_us[self._n_samples : stop] = t_us
        self._counts[self._n_samples : stop] = counts
        self._n_samples = stop

    def between(self, start_us: int, stop_us: int) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
        t_us = self._t_us[: self._n_samples]
        first, last = np.searchsorted(t_us, [start_us, stop_us + 1])
        return t_us[first:last].copy(), self._counts[first:last].copy()

    def _make_room(self, t_us: NDArray[np.int64]) -> int:
        first = int(np.searchsorted(self._t_us[: self._n_samples], t_us[-1] - KEEP_US))
        kept = slice(first, self._n_samples)
        n_kept = self._n_samples - first
        # Twice what is needed: compaction then costs a constant share of each sample.
        capacity = max(1024, 2 * (n_kept + len(t_us)))
        old_t_us, old_counts = self._t_us, self._counts
        self._t_us = np.empty(capacity, dtype=np.int64)
        self._counts = np.empty((capacity, N_AXES), dtype=np.int16)
        self._t_us[:n_kept] = old_t_us[kept]
        self._counts[:n_kept] = old_counts[kept]
        self._n_samples = n_kept
        return n_kept + len(t_us)
