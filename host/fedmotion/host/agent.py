"""The agent: one board, its recordings and one client of a federation, around one queue of events.

Everything happens in the thread that runs the loop, except reading the port, the broker's connection and
training, which report into the queue. A tick is an event as well: the clock is an argument.
"""

import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from fedmotion.broker.door import Connected, Disconnected, Door, Event, Received, Refused, Will
from fedmotion.broker.paho_door import PahoDoor
from fedmotion.delivery.outbox import Outbox
from fedmotion.delivery.sqlite_store import StoreError
from fedmotion.host.benefit import Benefit, BenefitHistory, Comparison
from fedmotion.host.board_line import BoardLine, OpenPort, n_line_bytes, open_serial_port
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.corrections import Correction
from fedmotion.host.corrector import Corrector, Told
from fedmotion.host.federated_client import (
    AnsweredRound,
    FederatedClient,
    Point,
    WorkDone,
    offline_will,
)
from fedmotion.host.gesture_book import GestureBook
from fedmotion.host.gesture_messenger import GestureNews
from fedmotion.host.held_out import HeldOutTakes
from fedmotion.host.imu_stream import ImuBlock, StreamCounters
from fedmotion.host.marks import Labelling, always
from fedmotion.host.mounting_file import mounting_of
from fedmotion.host.no_federation import NoFederation, invitation_of
from fedmotion.host.other_quota import quota_of
from fedmotion.host.own_model import model_in_use
from fedmotion.host.personal_model import Personal
from fedmotion.host.personal_use import PersonalUse
from fedmotion.host.profile import Profile
from fedmotion.host.recogniser import Decision, Recogniser, Recognition
from fedmotion.host.recorder import Recorder
from fedmotion.host.recording_store import Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.host.serial_port import Bytes, Lost, Opened, SerialEvent
from fedmotion.host.trainer import Answer, Trainer
from fedmotion.host.work_thread import Submit, WorkThread
from fedmotion.models.specification import Specification
from fedmotion.protocol.identity import OTHER
from fedmotion.protocol.invitation import Invitation
from fedmotion.protocol.messages import Announcement

TICK_S = 0.25
_MAX_DRAINED = 1000
_MAX_DRAINED_BYTES = 256 * 1024
_MAX_JOINED_BYTES = 65_536

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stop:
    """Wakes the loop so that it ends; a signal handler puts it into the queue."""


AgentEvent = SerialEvent | Event | WorkDone | Correction | Personal | Benefit | Stop
AnswerRound = Callable[[Announcement, LoadedModel], Answer]
OpenDoor = Callable[[Profile, Invitation, Callable[[Event], None], Will | None], Door]


def open_paho_door(
    profile: Profile, invitation: Invitation, on_event: Callable[[Event], None], will: Will | None
) -> Door:
    """Return the door to the invitation's broker; not yet started."""
    return PahoDoor(profile.address(invitation), name=invitation.client_id, on_event=on_event, will=will)


def _ignore(_value: object) -> None:
    return


class Agent:
    """One agent. Make it and `run` it in one thread (its outbox belongs to that one), `stop` it from any.

    Parameters
    ----------
    profile, configuration
        Whose files, and what its owner set.
    finding
        The specification by which movements are found for recordings, before and whatever a federation
        teaches.
    labelling
        What a movement is; None records nothing.
    open_door, open_port, submit, clock, wall_clock
        The world; tests and simulations bring their own. `submit` None is a thread.
    answer_round
        How a round is answered; None is a `Trainer` on the profile's recordings.
    on_recognition, on_recording, on_released, on_lost
        Told of each gesture, each new recording, each model that recognition goes over to, and each loss
        of the board, with what its stream has seen so far.
    on_decision
        Told of each movement that the model decided, gesture or not, before `on_recognition` is.
    on_tick
        Called at least every TICK_S, and after each event.
    on_told
        Told what became of each correction that came through `queue`.
    on_benefit
        Told, some time after each release, what it is worth on the owner's own takes; None compares nothing.
    on_point, on_gesture_news
        Told where a round stands; see `Point`. Told what comes of gestures that are proposed and added.

    Raises
    ------
    ValueError
        If the profile has joined no federation, unless it only recognises and has a model of its own; or if
        its file of how the board sits is damaged.
    StoreError
        If the recordings or the outbox cannot be used.
    """

    def __init__(
        self,
        profile: Profile,
        configuration: AgentConfiguration,
        *,
        finding: Specification,
        labelling: Labelling | None = None,
        open_door: OpenDoor = open_paho_door,
        open_port: OpenPort = open_serial_port,
        submit: Submit | None = None,
        answer_round: AnswerRound | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        on_recognition: Callable[[Recognition], object] = _ignore,
        on_recording: Callable[[Recording], object] = _ignore,
        on_released: Callable[[LoadedModel], object] = _ignore,
        on_lost: Callable[[StreamCounters], object] = _ignore,
        on_decision: Callable[[Decision], object] = _ignore,
        on_tick: Callable[[], object] = lambda: None,
        on_told: Callable[[Told], object] = _ignore,
        on_benefit: Callable[[Benefit], object] | None = None,
        on_point: Callable[[Point], object] = _ignore,
        on_gesture_news: Callable[[GestureNews], object] = _ignore,
    ) -> None:
        kept = model_in_use(profile, is_personal=configuration.personalisation is not None)
        invitation = invitation_of(profile, takes_part=configuration.takes_part, has_model=kept is not None)
        turn = mounting_of(profile.turn)
        session = uuid4()
        self.queue: queue.SimpleQueue[AgentEvent] = queue.SimpleQueue()
        self.n_store_errors = 0
        self._clock = clock
        self._wall_clock = wall_clock
        self._on_recognition = on_recognition
        self._on_recording = on_recording
        self._on_released_model = on_released
        self._on_lost = on_lost
        self._on_tick = on_tick
        self._on_decision = on_decision
        self._on_benefit = on_benefit or _ignore
        self._is_stopping = False
        self._is_board_started = False
        self._takes_part = configuration.takes_part
        self._personal = PersonalUse(profile, configuration.personalisation, invitation)
        self._work = WorkThread("training")
        self._submit = submit or self._work.submit
        self.store = RecordingStore(profile.recordings, clock=wall_clock)
        self._outbox: Outbox | None = None
        self._book: GestureBook | None = None
        self._comparison: Comparison | None = None
        self.client: FederatedClient | NoFederation = NoFederation()
        if invitation is not None:
            try:
                self._outbox = Outbox(profile.outbox)
                self._book = GestureBook(profile.gestures, clock=wall_clock)
            except StoreError:
                self._close_stores()
                raise
            held_out = HeldOutTakes(profile.held_out, configuration.held_out_share)
            trainer = Trainer(self.store, invitation.client_id, held_out=held_out, taught=self._book.taught)
            if on_benefit is not None and configuration.takes_part:
                self._comparison = Comparison(trainer, BenefitHistory(profile.benefit), wall_clock)
            if configuration.takes_part:
                self._personal.teach_by(trainer, wall_clock)
            will = offline_will(invitation, session) if configuration.takes_part else None
            self.client = FederatedClient(
                invitation,
                session,
                door=open_door(profile, invitation, self.queue.put, will),
                outbox=self._outbox,
                answered=AnsweredRound(profile.answered, invitation.federation_id),
                book=self._book,
                answer_round=answer_round or trainer.answer,
                submit=self._submit,
                on_work_done=self.queue.put,
                on_released=self._on_released,
                resend_s=configuration.resend_s,
                on_point=on_point,
                on_gesture_news=on_gesture_news,
                takes_part=configuration.takes_part,
            )
        self.recogniser = Recogniser(
            turn, on_doubt=lambda doubt: _log.warning("%s", doubt), on_decision=self._on_decided
        )
        if kept is not None:
            self.recogniser.swap(kept)

        def make_recorder(labelling: Labelling) -> Recorder:
            person, placement = configuration.person, configuration.placement
            return Recorder(finding, labelling, person=person, placement=placement, turn=turn)

        self.recorder = None if labelling is None else make_recorder(labelling)
        self.corrector = Corrector(
            self.store,
            make_recorder(always(OTHER)),
            activities=self.activities,
            quota=quota_of(profile, configuration, wall_clock),
            on_told=on_told,
            on_collected=on_recording,
        )
        self.board = (
            BoardLine(configuration.port, configuration.baud, self.queue.put, open_port=open_port)
            if configuration.port
            else None
        )

    @property
    def board_counters(self) -> StreamCounters | None:
        """What the board's stream has seen, if there is a board."""
        return None if self.board is None else self.board.stream.counters

    def start(self) -> None:
        """Open port and door; both go on by themselves from here.

        One that only recognises opens its port once it has a model.
        """
        self.client.start()
        if self._takes_part or self.recogniser.round_id is not None:
            self._start_board()

    def run(self) -> None:
        """Work until `stop`, then leave properly."""
        self.start()
        try:
            while not self._is_stopping:
                self._handle_until_stopped(self._next_events())
                self.tick()
        finally:
            self.close()

    def stop(self) -> None:
        """End `run` after the event that it handles; from any thread or signal handler."""
        # No threading.Event: a second signal within its `set` would wait for a lock that the first holds.
        self._is_stopping = True
        self.queue.put(Stop())

    def close(self) -> None:
        """Let go of everything; what has no receipt is kept."""
        if self.board is not None:
            self.board.close()
            self._flush()
        self.client.close()
        self._work.close()
        self._close_stores()

    def _close_stores(self) -> None:
        for store in (self._outbox, self._book, self.store):
            if store is not None:
                store.close()

    def handle(self, event: AgentEvent) -> None:
        """Take one event."""
        now_s = self._clock()
        match event:
            case Stop():
                self._is_stopping = True
            case Opened() | Bytes() | Lost():
                self._on_serial(event, now_s)
            case Personal():
                self._on_personal(event)
            case Benefit():
                self._on_benefit(event)
            case Correction():
                self.corrector.correct(event, now_s)
            case Connected() | Disconnected() | Refused() | Received() | WorkDone():
                self.client.handle(event, now_s)

    def tick(self) -> None:
        """Do what is due by the clock."""
        now_s = self._clock()
        self.client.tick(now_s)
        if self.board is not None:
            self.board.tick(now_s)
        self._on_tick()

    def _handle_until_stopped(self, events: list[AgentEvent]) -> None:
        for event in events:
            if self._is_stopping:
                return
            self.handle(event)

    def _start_board(self) -> None:
        if self.board is not None and not self._is_board_started:
            self._is_board_started = True
            self.board.start()

    def activities(self) -> tuple[str, ...]:
        """Return what the model in use tells apart, nothing without one."""
        model = self.recogniser.model
        return () if model is None else model.specification.activities

    def _on_decided(self, decision: Decision) -> None:
        self.corrector.decide(decision, self._clock())
        self._on_decision(decision)

    def _flush(self) -> None:
        self.corrector.flush()
        if self.recorder is not None:
            self._record(self.recorder.flush())

    def _on_serial(self, event: SerialEvent, now_s: float) -> None:
        if self.board is None:
            return
        was_open = self.board.is_open
        for block in self.board.handle(event, now_s):
            self._on_block(block)
        if isinstance(event, Lost) and was_open:
            self._flush()
            self._on_lost(self.board.stream.counters)

    def _on_block(self, block: ImuBlock) -> None:
        for recognition in self.recogniser.feed(block):
            _log.debug(
                "t=%.3f s recognised %s, probability %.2f, round=%d",
                recognition.start_us / 1e6,
                recognition.activity,
                recognition.probability,
                recognition.round_id,
            )
            self._on_recognition(recognition)
        self.corrector.feed(block)
        if self.recorder is not None:
            self._record(self.recorder.feed(block))

    def _record(self, recordings: list[Recording]) -> None:
        for recording in recordings:
            try:
                is_new = self.store.add(recording)
            except StoreError as error:
                self.n_store_errors += 1
                # Its modules are for those whose store fails.
                from fedmotion.host.take_rescue import rescue  # noqa: PLC0415 - see above

                became = rescue(recording, self.store.path.parent) or "lost"
                _log.error("a recording of %s is not stored, it is %s: %s", recording.label, became, error)
                continue
            if is_new:
                self._on_recording(recording)

    def _on_released(self, model: LoadedModel) -> None:
        used = self._personal.begin(model)
        # Between two events no window is under decision: the next one meets the new model.
        self.recogniser.swap(used)
        # Elsewhere: neither the stream nor the round that is open by now waits for the disk.
        self._submit(lambda: self._personal.keep(model, self._wall_clock()))
        self._submit(lambda: self._personal.look_at(model, self._comparison, self.queue.put))
        _log.debug("round=%d released model in use", model.round_id)
        self._start_board()
        self._on_released_model(used)

    def _on_personal(self, personal: Personal) -> None:
        if (used := self._personal.choose(personal)) is not None:
            self.recogniser.swap(used)
            self._on_released_model(used)

    def _next_events(self) -> list[AgentEvent]:
        """Return what waits, at most TICK_S from now; bytes that follow each other become one event."""
        events: list[AgentEvent] = []
        n_bytes = 0
        try:
            events.append(self.queue.get(timeout=TICK_S))
            n_bytes += n_line_bytes(events[0])
            while len(events) < _MAX_DRAINED and n_bytes < _MAX_DRAINED_BYTES:
                event = self.queue.get_nowait()
                n_bytes += n_line_bytes(event)
                last = events[-1]
                if (
                    isinstance(event, Bytes)
                    and isinstance(last, Bytes)
                    and len(last.data) < _MAX_JOINED_BYTES
                ):
                    events[-1] = Bytes(last.data + event.data)
                else:
                    events.append(event)
        except queue.Empty:
            pass
        return events
