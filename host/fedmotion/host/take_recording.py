"""The simple way: every movement is a recording of the label whose turn it is, until there are enough."""

import queue
import time
from collections.abc import Callable

from fedmotion.host.board_identity import BoardIdentity
from fedmotion.host.board_line import BoardLine, OpenPort, open_serial_port
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.guided.plan import TakePlan
from fedmotion.host.guided.session import keep
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.serial_port import Lost, Opened, SerialEvent
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.models.specification import Specification

SILENCE_S = 15.0
_TICK_S = 0.25


def record_takes(  # noqa: C901 - a loop over what may come
    configuration: AgentConfiguration,
    store: RecordingStore,
    plan: TakePlan,
    *,
    finding: Specification,
    on_take: Callable[[Recording, int], object],
    on_trouble: Callable[[str], object],
    on_open: Callable[[], object] = lambda: None,
    on_label: Callable[[str, int], object] = lambda _label, _n_more: None,
    turn: Mounting = AS_PICTURED,
    identity: BoardIdentity | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    open_port: OpenPort = open_serial_port,
    clock: Callable[[], float] = time.monotonic,
) -> TakePlan:
    """Record the movements that `plan` wants into `store` and return the plan with those that came.

    Parameters
    ----------
    finding
        The specification by which movements are found.
    on_take
        Told of each recording and of how many of its label there are then.
    on_trouble
        Told in words when the port goes or cannot be opened, when a movement is cut off, when another board
        answers than before, and after each SILENCE_S without a take; waiting goes on.
    on_open
        Told when the port opens.
    on_label
        Told whose turn it is and how many are wanted still; a movement that began before is of no label, and
        not recorded.
    turn
        How the board is turned; written into each recording.
    identity
        Which board it is to be; None: any.
    should_stop
        Asked several times a second; ends the recording early.

    Raises
    ------
    ValueError
        If person or port break a rule, or the board is not the one of `identity`.
    StoreError
        If the store cannot take a recording; the text names the take and the file that it is in now.
    """
    events: queue.SimpleQueue[SerialEvent] = queue.SimpleQueue()
    board = BoardLine(configuration.port, configuration.baud, events.put, open_port=open_port)
    turns = _Turns(plan, on_label)
    recorder = Recorder(
        finding,
        turns.label_of,
        person=configuration.person,
        placement=configuration.placement,
        turn=turn,
    )
    identity = identity or BoardIdentity()
    last_take_s = clock()
    board.start()
    try:
        while not turns.plan.is_complete and not should_stop():
            if clock() - last_take_s > SILENCE_S:
                last_take_s = clock()
                on_trouble(_why_nothing(board))
            try:
                event = events.get(timeout=_TICK_S)
            except queue.Empty:
                board.tick(clock())
                continue
            recordings: list[Recording] = []
            n_cut_off, n_restarts = recorder.counters.n_cut_off, board.stream.counters.n_restarts
            for block in board.handle(event, clock()):
                if news := identity.meet(block.node):
                    on_trouble(news)
                recordings += recorder.feed(block)
                turns.last_us = int(block.t_us[-1])
            if isinstance(event, Opened):
                on_open()
            if isinstance(event, Lost):
                on_trouble(event.reason)
                recordings += recorder.flush()
            if recorder.counters.n_cut_off > n_cut_off:
                on_trouble(
                    f"a movement was cut off and is not recorded: {_why_cut(event, board, n_restarts)}"
                )
            for recording in recordings:
                if recording.label == turns.plan.label and keep(store, recording, turns.plan.n_kept):
                    last_take_s = clock()
                    on_take(recording, turns.plan.held(recording.label) + 1)
                    turns.next(recording.label)
    finally:
        board.close()
    return turns.plan


class _Turns:
    """Whose turn it is, and since when in the board's time."""

    def __init__(self, plan: TakePlan, on_label: Callable[[str, int], object]) -> None:
        self.plan = plan
        self.last_us = 0
        self._on_label = on_label
        self._since_us: int | None = None
        if plan.label is not None:
            on_label(plan.label, plan.n_more(plan.label))

    def label_of(self, start_us: int, _stop_us: int) -> str | None:
        # The board's time goes back where it restarts: then it began after whatever was said.
        is_of_turn = self._since_us is None or not start_us < self._since_us <= self.last_us
        return self.plan.label if is_of_turn else None

    def next(self, label: str) -> None:
        self.plan = self.plan.with_one_more(label)
        if self.plan.label is not None and self.plan.label != label:
            self._since_us = self.last_us
            self._on_label(self.plan.label, self.plan.n_more(self.plan.label))


def _why_cut(event: SerialEvent, board: BoardLine, n_restarts: int) -> str:
    if isinstance(event, Lost):
        return "the board went meanwhile"
    return "the board restarted" if board.stream.counters.n_restarts > n_restarts else "samples are missing"


def _why_nothing(board: BoardLine) -> str:
    counters = board.stream.counters
    if not board.is_open:
        return "still waiting for the board"
    if not counters.n_samples:
        reported = f"it reports {board.reported}" if board.reported else "it is silent"
        return f"no sample from the board in {SILENCE_S:.0f} s: {board.stream.complaint or reported}"
    return f"no movement in {SILENCE_S:.0f} s; the board streams ({counters.n_samples} samples so far)"
