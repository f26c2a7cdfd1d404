"""The simple way for a person: every movement becomes a recording of one label, until there are enough."""

import queue
import time
from collections.abc import Callable

from fedmotion.host.board_line import BoardLine, OpenPort, open_serial_port
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.marks import always
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.serial_port import Lost, Opened, SerialEvent
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.models.specification import Specification

SILENCE_S = 15.0
_TICK_S = 0.25


def record_takes(
    configuration: AgentConfiguration,
    store: RecordingStore,
    label: str,
    n_takes: int,
    *,
    finding: Specification,
    on_take: Callable[[Recording, int], object],
    on_trouble: Callable[[str], object],
    on_open: Callable[[], object] = lambda: None,
    turn: Mounting = AS_PICTURED,
    should_stop: Callable[[], bool] = lambda: False,
    open_port: OpenPort = open_serial_port,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Record `n_takes` movements as `label` into `store` and return how many there are.

    Parameters
    ----------
    finding
        The specification by which movements are found.
    on_take
        Told of each recording and of how many there are then.
    on_trouble
        Told in words when the port goes or cannot be opened, and after each SILENCE_S without a take;
        waiting goes on.
    on_open
        Told when the port opens.
    turn
        How the board is turned; written into each recording.
    should_stop
        Asked several times a second; ends the recording early.

    Raises
    ------
    ValueError
        If label, person or port break a rule.
    StoreError
        If the store cannot take a recording.
    """
    events: queue.SimpleQueue[SerialEvent] = queue.SimpleQueue()
    recorder = Recorder(
        finding,
        always(label),
        person=configuration.person,
        placement=configuration.placement,
        turn=turn,
    )
    board = BoardLine(configuration.port, configuration.baud, events.put, open_port=open_port)
    n_recorded = 0
    last_take_s = clock()
    board.start()
    try:
        while n_recorded < n_takes and not should_stop():
            if clock() - last_take_s > SILENCE_S:
                last_take_s = clock()
                on_trouble(_why_nothing(board))
            try:
                event = events.get(timeout=_TICK_S)
            except queue.Empty:
                board.tick(clock())
                continue
            recordings: list[Recording] = []
            for block in board.handle(event, clock()):
                recordings += recorder.feed(block)
            if isinstance(event, Opened):
                on_open()
            if isinstance(event, Lost):
                on_trouble(event.reason)
                recordings += recorder.flush()
            for recording in recordings:
                if n_recorded < n_takes and store.add(recording):
                    n_recorded += 1
                    last_take_s = clock()
                    on_take(recording, n_recorded)
    finally:
        board.close()
    return n_recorded


def _why_nothing(board: BoardLine) -> str:
    counters = board.stream.counters
    if not board.is_open:
        return "still waiting for the board"
    if not counters.n_samples:
        reported = f"it reports {board.reported}" if board.reported else "it is silent"
        return f"no sample from the board in {SILENCE_S:.0f} s: {board.stream.complaint or reported}"
    return f"no movement in {SILENCE_S:.0f} s; the board streams ({counters.n_samples} samples so far)"
