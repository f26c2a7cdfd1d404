"""Reads from a board what it feels while a pose is held still."""

import queue
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.board_line import BoardLine, OpenPort, open_serial_port
from fedmotion.host.imu_stream import ImuBlock
from fedmotion.host.serial_port import Lost, SerialEvent
from fedmotion.models.mounting import gravity_of
from fedmotion.models.turns import Vector, angle_deg

_TICK_S = 0.25
_ANOTHER_POSE_DEG = 45.0
"""As far apart as `from_poses` wants two poses at least."""


class PoseReader:
    """A board's line while poses are asked for; `with` opens and closes it."""

    def __init__(
        self,
        port: str,
        baud: int,
        *,
        open_port: OpenPort = open_serial_port,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events: queue.SimpleQueue[SerialEvent] = queue.SimpleQueue()
        self._board = BoardLine(port, baud, self._events.put, open_port=open_port)
        self._clock = clock
        self._port = port

    def __enter__(self) -> Self:
        self._board.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._board.close()

    def read(self, seconds: float, *, timeout_s: float, unlike: Vector | None = None) -> Vector:
        """Return the mean specific force, (3,) m/s2, of the next `seconds` that are still.

        Parameters
        ----------
        timeout_s
            How long to wait for them.
        unlike
            A pose before; what lies within 45 degrees of it is taken for still being that one.

        Raises
        ------
        ValueError
            In words, after `timeout_s`: no board, no samples, or why no pose was seen.
        """
        until_s = self._clock() + timeout_s
        # What came before this pose was asked for is not of it.
        while not self._events.empty():
            self._board.handle(self._events.get(), self._clock())
        why = ""
        stretch = _Stretch(seconds)
        while self._clock() < until_s:
            try:
                event = self._events.get(timeout=_TICK_S)
            except queue.Empty:
                self._board.tick(self._clock())
                continue
            if isinstance(event, Lost):
                stretch.clear()
            for block in self._board.handle(event, self._clock()):
                stretch.append(block)
            if not stretch.is_long_enough:
                continue
            try:
                pose = gravity_of(stretch.samples())
            except ValueError as error:
                why = str(error)
                continue
            if unlike is None or angle_deg(pose, unlike) >= _ANOTHER_POSE_DEG:
                return pose
            why = "the arm is held as it was before"
        raise ValueError(f"no pose within {timeout_s:.0f} s: {why or self._why_nothing()}")

    def _why_nothing(self) -> str:
        if not self._board.is_open:
            return self._board.last_reason or f"{self._port} is not open"
        return self._board.stream.complaint or self._board.reported or "the board sends no samples"


class _Stretch:
    """The last samples without a gap, as many as span a duration."""

    def __init__(self, seconds: float) -> None:
        self._span_us = round(seconds * 1e6)
        self._t_us: deque[int] = deque()
        self._rows: deque[NDArray[np.float32]] = deque()

    def clear(self) -> None:
        self._t_us.clear()
        self._rows.clear()

    def append(self, block: ImuBlock) -> None:
        if block.has_gap_before:
            self.clear()
        for t_us, row in zip(block.t_us.tolist(), block.samples, strict=True):
            self._t_us.append(t_us)
            self._rows.append(row)
            while len(self._t_us) > 2 and t_us - self._t_us[1] >= self._span_us:
                self._t_us.popleft()
                self._rows.popleft()

    @property
    def is_long_enough(self) -> bool:
        return len(self._t_us) > 1 and self._t_us[-1] - self._t_us[0] >= self._span_us

    def samples(self) -> NDArray[np.float32]:
        return np.stack(self._rows)
