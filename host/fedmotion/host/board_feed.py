"""A board as a recording session has it: samples as they come, and in words what keeps them from coming."""

import queue
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from fedmotion.host.board_line import BoardLine, OpenPort, open_serial_port
from fedmotion.host.imu_stream import ImuBlock, StreamCounters
from fedmotion.host.ports_listening import LISTEN_S, heard
from fedmotion.host.serial_port import Bytes, Lost, Opened, SerialEvent
from fedmotion.protocol.serial_frames import Hello

SILENCE_S = 1.5
"""A stream that was there and pauses for so long has stopped; STATUS comes once a second at least."""

_N_AT_ONCE = 10
"""Samples that are looked at together: a tenth of a second at 100 Hz, as often as a person sees."""

_RATE_S = 3.0
_LEAST_SHARE = 0.8
"""Of the announced rate; a board's clock is within 1 % and a host's scheduling evens out over _RATE_S."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Samples come; `hello` says from which board. Told again where it says something else of itself."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class Away:
    """No samples come, in words; waiting goes on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cut:
    """What comes next does not follow what came before, in words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Samples:
    """Some samples in sequence."""

    block: ImuBlock


FeedEvent = Ready | Away | Cut | Samples


class BoardFeed:
    """One board's line and its queue; `with` opens and closes it, `poll` gives what came.

    The port is read in a thread of its own and tried again when it goes; see `SerialPort`.
    """

    def __init__(
        self,
        port: str,
        baud: int,
        *,
        open_port: OpenPort = open_serial_port,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.port = port
        self._baud = baud
        self._clock = clock
        self._events: queue.SimpleQueue[SerialEvent] = queue.SimpleQueue()
        self._line = BoardLine(port, baud, self._events.put, open_port=open_port)
        self._is_ready = False
        self._told = ""
        self._hello: Hello | None = None
        self._opened_s = self._sampled_s = clock()
        self._n_bytes = 0
        self._before = self._line.stream.counters
        self._arrivals: deque[tuple[float, int]] = deque()
        self._slow = False

    def __enter__(self) -> Self:
        self._line.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()

    @property
    def hello(self) -> Hello | None:
        """What the board has said of itself, None as long as no samples come."""
        return self._hello if self._is_ready else None

    @property
    def counters(self) -> StreamCounters:
        """What the stream has seen so far."""
        return self._line.stream.counters

    @property
    def doubt(self) -> str:
        """What is worse about the stream than it could be, in words; empty where it is well."""
        if not self._is_ready or self._hello is None:
            return ""
        if self._line.reported:
            return f"the board reports: {self._line.reported}"
        if not self._slow:
            return ""
        return (
            f"only {self._rate_hz():.0f} of {1e6 / self._hello.period_us:.0f} samples a second come: is the "
            "cable, the hub or this machine too slow?"
        )

    def poll(self, timeout_s: float) -> list[FeedEvent]:
        """Return what came next, nothing after `timeout_s` without anything."""
        try:
            came = self._handle(self._events.get(timeout=timeout_s))
        except queue.Empty:
            came = []
        now_s = self._clock()
        self._line.tick(now_s)
        return came + self._watch(now_s)

    def _handle(self, event: SerialEvent) -> list[FeedEvent]:
        now_s = self._clock()
        match event:
            case Opened():
                self._opened_s, self._n_bytes, self._told = now_s, 0, ""
                self._arrivals.clear()
                self._slow = False
            case Bytes(data):
                self._n_bytes += len(data)
            case Lost(reason):
                self._line.handle(event, now_s)
                return self._away(reason)
        came: list[FeedEvent] = []
        for block in self._line.handle(event, now_s):
            came += self._take(block, now_s)
        return came

    def _take(self, block: ImuBlock, now_s: float) -> list[FeedEvent]:
        came: list[FeedEvent] = []
        self._sampled_s = now_s
        self._count(len(block.t_us), now_s)
        if self._is_ready and block.has_gap_before:
            came.append(Cut(self._why_cut()))
        if not self._is_ready or block.node != self._hello:
            self._is_ready, self._hello, self._told = True, block.node, ""
            came.append(Ready(block.node))
        self._before = self._line.stream.counters
        for first in range(0, len(block.t_us), _N_AT_ONCE):
            some = slice(first, first + _N_AT_ONCE)
            part = replace(
                block,
                t_us=block.t_us[some],
                samples=block.samples[some],
                counts=block.counts[some],
                has_gap_before=block.has_gap_before and first == 0,
            )
            came.append(Samples(part))
        return came

    def _why_cut(self) -> str:
        now, before = self.counters, self._before
        if now.n_restarts > before.n_restarts:
            return "the board restarted"
        if n_dropped := now.n_dropped - before.n_dropped:
            return f"{n_dropped} sample{'s are' if n_dropped > 1 else ' is'} missing"
        return "the board's clock jumped"

    def _away(self, reason: str) -> list[FeedEvent]:
        self._is_ready = False
        if reason == self._told:
            return []
        self._told = reason
        return [Away(reason)]

    def _watch(self, now_s: float) -> list[FeedEvent]:
        """Return what the clock shows: a stream that stopped, a port at which no board of ours answers."""
        if not self._line.is_open:
            return []
        if self._is_ready:
            if now_s - self._sampled_s <= SILENCE_S:
                return []
            reported = f"it reports {self._line.reported}" if self._line.reported else "is it still running?"
            return self._away(f"no sample came for {SILENCE_S:g} s: {reported}")
        if now_s - max(self._opened_s, self._sampled_s) <= LISTEN_S:
            return []
        stream = self._line.stream
        if stream.hello is not None:
            reported = f"it reports {self._line.reported}" if self._line.reported else "it is silent"
            return self._away(f"the board answers and sends no samples: {reported}")
        return self._away(heard(stream, self._n_bytes, LISTEN_S, self._baud).sentence)

    def _count(self, n_samples: int, now_s: float) -> None:
        self._arrivals.append((now_s, n_samples))
        while now_s - self._arrivals[0][0] > _RATE_S:
            self._arrivals.popleft()
        if self._hello is not None and now_s - self._arrivals[0][0] > _RATE_S * 0.9:
            self._slow = self._rate_hz() < _LEAST_SHARE * 1e6 / self._hello.period_us

    def _rate_hz(self) -> float:
        (first_s, n_first), (last_s, _) = self._arrivals[0], self._arrivals[-1]
        n_samples = sum(n for _, n in self._arrivals) - n_first
        return n_samples / (last_s - first_s) if last_s > first_s else 0.0
