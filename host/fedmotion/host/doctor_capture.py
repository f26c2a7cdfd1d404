"""Some seconds of a board's stream, with the host's clock at each arrival: what is judged."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.board_line import BoardLine, OpenPort, open_serial_port
from fedmotion.host.imu_stream import ImuBlock, StreamCounters
from fedmotion.host.ports_listening import LISTEN_S, Heard, heard
from fedmotion.host.serial_port import Bytes, Lost, SerialEvent
from fedmotion.protocol.serial_frames import Hello, Status

_TICK_S = 0.1


@dataclass(frozen=True, slots=True)
class Capture:
    """What came from one port.

    Attributes
    ----------
    lost : why the port could not be opened, or went; "" where it stayed open
    heard : what runs there
    reported : the faults of its last STATUS, in words
    blocks : the samples
    arrivals : (n, 2) float64, for each piece of the stream the host's seconds and the board's, both from
        any start, of its last sample
    seconds : how long samples were collected, by the host's clock
    silent_s : how long before the end the last sample came; 0 where none came or the port went
    """

    port: str
    lost: str
    heard: Heard
    hello: Hello | None
    status: Status | None
    reported: str
    counters: StreamCounters
    blocks: list[ImuBlock] = field(repr=False)
    arrivals: NDArray[np.float64] = field(repr=False)
    seconds: float
    silent_s: float = 0.0

    @property
    def n_samples(self) -> int:
        """How many samples came."""
        return sum(len(block.t_us) for block in self.blocks)


def capture(
    port: str,
    baud: int,
    seconds: float,
    *,
    open_port: OpenPort = open_serial_port,
    clock: Callable[[], float] = time.monotonic,
    wait_s: float = LISTEN_S,
    on_progress: Callable[[float], object] = lambda _: None,
) -> Capture:
    """Return what comes in `seconds` from the first sample on, for which `wait_s` is waited.

    `on_progress` is told the share that is done.
    """
    events: queue.SimpleQueue[tuple[float, SerialEvent]] = queue.SimpleQueue()
    # The time is taken in the port's own thread, where the bytes arrive.
    board = BoardLine(port, baud, lambda event: events.put((clock(), event)), open_port=open_port)
    blocks: list[ImuBlock] = []
    arrivals: list[tuple[float, float]] = []
    lost = ""
    n_bytes = 0
    started_s = first_s = last_s = clock()
    end_s = started_s + wait_s
    board.start()
    try:
        while not lost:
            now_s = clock()
            is_over = now_s >= end_s
            on_progress(min((now_s - first_s) / seconds, 1.0) if blocks else 0.0)
            try:
                # What has come in time counts, however late a busy machine looks at it.
                came_s, event = events.get(block=not is_over, timeout=_TICK_S)
            except queue.Empty:
                if is_over:
                    break
                board.tick(now_s)
                continue
            if came_s >= end_s:
                break
            match event:
                case Bytes(data):
                    n_bytes += len(data)
                case Lost(reason):
                    lost = reason
                case _:
                    pass
            came = board.handle(event, came_s)
            board.tick(came_s)
            if came:
                first_s = first_s if blocks else came_s
                last_s = came_s
                end_s = first_s + seconds
                blocks += came
                arrivals.append((came_s, came[-1].t_us[-1] / 1e6))
            elif not blocks and board.stream.other_version is not None:
                break
    finally:
        board.close()
    stream = board.stream
    return Capture(
        port=port,
        lost=lost,
        heard=heard(stream, n_bytes, wait_s, baud),
        hello=stream.hello,
        status=stream.status,
        reported=board.reported,
        counters=stream.counters,
        blocks=blocks,
        arrivals=np.array(arrivals, dtype=np.float64).reshape(-1, 2),
        seconds=max(last_s - first_s, 0.0),
        silent_s=end_s - last_s if blocks and not lost else 0.0,
    )
