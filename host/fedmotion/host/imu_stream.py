"""From a line's bytes to blocks of samples in SI units, cut wherever samples are missing.

Scale and order of the axes come from the node's HELLO: no constant of a sensor stands here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.protocol.self_test_frame import SelfTest
from fedmotion.protocol.serial_frames import (
    FORMAT_VERSION,
    N_AXES,
    Body,
    Command,
    Hello,
    Result,
    Samples,
    Status,
)
from fedmotion.protocol.serial_framing import DELIMITER, Frame, FrameDecoder, encode_frame
from fedmotion.protocol.unwrap import Unwrapper

STANDARD_GRAVITY_MPS2 = 9.80665
"""m/s2 in one g: exact, by the 3rd CGPM (1901)."""

ASK_AGAIN_S = 1.0
_LONGEST_STEP_US = 50_000
_LONGEST_STEP_PERIODS = 4
"""Consecutive samples further apart than both were not taken as HELLO says, or the clock jumped between."""
_INDEX_BITS = 32
_TIME_BITS = 32
_N_SEQUENCES = 1 << 16


@dataclass(frozen=True, slots=True)
class ImuBlock:
    """Consecutive samples, none missing between them.

    `t_us`, int64 (n,), is the board's own time, unwrapped: it goes back only where the board restarted,
    and then `has_gap_before` is set. `samples`, float32 (n, 6), are m/s2 and rad/s in the order of AXES;
    `counts`, int16 (n, 6), are the same unscaled, so that `samples` is `counts * si_scale(node)`.
    """

    t_us: NDArray[np.int64]
    samples: NDArray[np.float32]
    counts: NDArray[np.int16]
    has_gap_before: bool
    node: Hello


@dataclass(frozen=True, slots=True)
class StreamCounters:
    """What a stream has seen since it was made.

    `n_dropped` counts the samples that are missing by their index, `n_gaps` the places where they are
    missing and the restarts of the board, `n_saturated` the samples with an axis at the end of its range,
    `n_before_hello` the samples that came while the scale was unknown and were not used.
    """

    n_frames: int
    n_bad: int
    n_lost_frames: int
    n_samples: int
    n_dropped: int
    n_gaps: int
    n_restarts: int
    n_saturated: int
    n_before_hello: int


def si_scale(node: Hello) -> NDArray[np.float32]:
    """Return m/s2 or rad/s per count for each of AXES, float32 (6,)."""
    return scale_vector(
        node.accel_scale_g * STANDARD_GRAVITY_MPS2,
        node.gyro_scale_dps * math.pi / 180,
    )


def scale_vector(accel_scale_mps2: float, gyro_scale_radps: float) -> NDArray[np.float32]:
    """Return the two scales, per count, spread over AXES, float32 (6,)."""
    return np.repeat(np.array([accel_scale_mps2, gyro_scale_radps], dtype=np.float32), 3)


class _Run:
    """Frames that follow each other without a gap; becomes one block."""

    __slots__ = ("counts", "has_gap_before", "t_us")

    def __init__(self, *, has_gap_before: bool) -> None:
        self.has_gap_before = has_gap_before
        self.counts: list[NDArray[np.int16]] = []
        self.t_us: list[int] = []


class ImuStream:
    """Follows one line. `send` writes to the board; it is asked for HELLO until it has sent one.

    The order of calls: `opened` whenever the line (re)opens, then `feed` with what comes.
    """

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self.hello: Hello | None = None
        self.status: Status | None = None
        self.result: Result | None = None
        self.self_test: SelfTest | None = None
        self._send = send
        self._decoder = FrameDecoder()
        self._n_frames_before = 0
        self._n_bad_before = 0
        self._command_sequence = 0
        self._asked_s = -math.inf
        self._n_lost_frames = 0
        self._n_samples = 0
        self._n_dropped = 0
        self._n_gaps = 0
        self._n_restarts = 0
        self._n_saturated = 0
        self._n_before_hello = 0
        self._sequence: int | None = None
        self._restart()

    @property
    def counters(self) -> StreamCounters:
        """What the stream has seen so far."""
        line = self._decoder.counters
        return StreamCounters(
            n_frames=self._n_frames_before + line.n_frames,
            n_bad=self._n_bad_before + line.n_bad,
            n_lost_frames=self._n_lost_frames,
            n_samples=self._n_samples,
            n_dropped=self._n_dropped,
            n_gaps=self._n_gaps,
            n_restarts=self._n_restarts,
            n_saturated=self._n_saturated,
            n_before_hello=self._n_before_hello,
        )

    @property
    def other_version(self) -> int | None:
        """The format of a board that this program cannot read; None where it can, or nothing is known yet."""
        return self._decoder.other_version if self.hello is None else None

    @property
    def complaint(self) -> str:
        """What is wrong with the line, in words for a person and without counts; empty where nothing is."""
        if self.other_version is not None:
            return (
                f"the board speaks serial format {self.other_version} and this program reads "
                f"{FORMAT_VERSION}: flash the firmware that comes with this fedmotion, or update fedmotion"
            )
        if self._decoder.looks_like_text:
            return (
                "the board prints text and no frames: flash fedmotion's firmware, or switch its text mode off"
            )
        line = self._decoder.counters
        if line.n_frames == 0 and line.n_skipped_bytes > 2048:
            return "bytes come and no frame among them: check the baud rate"
        if self.hello is None and self._n_before_hello:
            return "the board sends samples but has not said what it is: asking it for HELLO"
        return ""

    def opened(self, now_s: float) -> None:
        """Begin anew after the line (re)opened at `now_s`: another board may be at its end."""
        line = self._decoder.counters
        self._n_frames_before += line.n_frames
        self._n_bad_before += line.n_bad
        self._decoder = FrameDecoder()
        self._sequence = None
        self.hello = None
        self._has_gap = True
        self._ask(now_s)

    def tick(self, now_s: float) -> None:
        """Ask an open line's silent board for HELLO again."""
        if self.hello is None and now_s - self._asked_s >= ASK_AGAIN_S:
            self._ask(now_s)

    def feed(self, data: bytes, now_s: float) -> list[ImuBlock]:
        """Return the samples that `data` completes, in order, a block for each stretch without a gap.

        `now_s` is the host's monotonic clock and serves only to ask for HELLO not too often.
        """
        blocks: list[ImuBlock] = []
        run: _Run | None = None
        for frame in self._decoder.feed(data):
            self._follow_sequence(frame)
            body = frame.body
            if isinstance(body, Samples):
                if self.hello is None:
                    self._n_before_hello += len(body.counts)
                    self.tick(now_s)
                    continue
                if body.period_us == 0 and len(body.counts) > 1:
                    # Several samples at one instant are none; the next index shows that they are missing.
                    self._n_bad_before += 1
                    continue
                if not self._continues(frame, body) or run is None:
                    self._close(run, blocks)
                    run = _Run(has_gap_before=self._has_gap)
                    self._has_gap = False
                self._append(run, frame, body)
            elif isinstance(body, Hello):
                if self.hello != body:
                    self._close(run, blocks)
                    run = None
                    self._take_hello(body)
            else:
                self._note(body)
        self._close(run, blocks)
        return blocks

    def command(self, command: Command) -> int:
        """Send `command`; return the sequence number that its RESULT will name."""
        sequence = self._command_sequence
        # The delimiter ends whatever a former program left half sent.
        self._send(DELIMITER + encode_frame(command, sequence))
        self._command_sequence = (sequence + 1) % _N_SEQUENCES
        return sequence

    def _ask(self, now_s: float) -> None:
        self._asked_s = now_s
        self.command(Command(Command.GET_HELLO))

    def _take_hello(self, hello: Hello) -> None:
        self.hello = hello
        self._has_gap = True
        self._scale = si_scale(hello)
        self._longest_step_us = max(_LONGEST_STEP_PERIODS * hello.period_us, _LONGEST_STEP_US)
        channels = np.array(hello.axis_order)
        # Channel i of the wire is axis |order[i]| - 1: the inverse permutation puts axes in order.
        self._channel_of_axis = np.argsort(np.abs(channels))
        self._is_turned = channels[self._channel_of_axis] < 0
        self._is_in_order = bool((channels == np.arange(1, N_AXES + 1)).all())

    def _note(self, body: Body) -> None:
        """Keep what a frame beside the stream says."""
        if isinstance(body, Status):
            self.status = body
        elif isinstance(body, Result):
            self.result = body
        elif isinstance(body, SelfTest):
            self.self_test = body

    def _follow_sequence(self, frame: Frame) -> None:
        if self._sequence is not None:
            n_lost = (frame.sequence - self._sequence - 1) % _N_SEQUENCES
            # A board that restarts begins at 0 again: half the range or more is no loss.
            self._n_lost_frames += n_lost if n_lost < _N_SEQUENCES // 2 else 0
        self._sequence = frame.sequence

    def _restart(self) -> None:
        self._has_gap = True
        self._unwrap_index = Unwrapper(_INDEX_BITS)
        self._unwrap_time = Unwrapper(_TIME_BITS)
        self._next_index: int | None = None
        self._last_t_us = 0

    def _continues(self, frame: Frame, body: Samples) -> bool:
        """Tell whether `frame` follows the last sample; count and mark the gap where it does not."""
        if self._next_index is None:
            return False
        index, t_us = self._unwrap_index(body.first_index), self._unwrap_time(frame.t_us)
        if index < self._next_index or t_us <= self._last_t_us:
            self._restart()
            self._n_restarts += 1
            self._n_gaps += 1
            return False
        if index > self._next_index:
            self._n_dropped += index - self._next_index
            self._n_gaps += 1
            self._has_gap = True
        elif t_us - self._last_t_us > self._longest_step_us:
            self._n_gaps += 1
            self._has_gap = True
        return not self._has_gap

    def _append(self, run: _Run, frame: Frame, body: Samples) -> None:
        n_samples = len(body.counts)
        t_us = self._unwrap_time(frame.t_us)
        run.counts.append(body.counts)
        if n_samples == 1:
            run.t_us.append(t_us)
        else:
            run.t_us.extend(range(t_us, t_us + n_samples * body.period_us, body.period_us))
        self._next_index = self._unwrap_index(body.first_index) + n_samples
        self._last_t_us = run.t_us[-1]

    def _close(self, run: _Run | None, blocks: list[ImuBlock]) -> None:
        if run is None or self.hello is None:
            return
        counts = np.concatenate(run.counts)
        self._n_samples += len(counts)
        # As u16 the two ends of the range, 0x7fff and 0x8000, are neighbours.
        is_saturated = counts.view(np.uint16) - np.uint16(0x7FFF) <= 1
        if is_saturated.any():
            self._n_saturated += int(np.count_nonzero(is_saturated.any(axis=1)))
        if not self._is_in_order:
            counts = counts[:, self._channel_of_axis]
            # -(-32768) does not fit int16: a saturated axis stays saturated, one count lower.
            turned = -np.maximum(counts[:, self._is_turned], -32767)
            counts[:, self._is_turned] = turned
        samples = counts * self._scale
        t_us = np.array(run.t_us, dtype=np.int64)
        blocks.append(ImuBlock(t_us, samples, counts, run.has_gap_before, self.hello))
