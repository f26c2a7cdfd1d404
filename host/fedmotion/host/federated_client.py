"""A client's side of a federation: answers rounds, takes models, says that it is there.

Broker events, finished work and ticks come in; a door, an outbox and a worker do the rest. All that arrives
may be late, twice, damaged or from elsewhere: it is then logged, counted and dropped.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from fedmotion.broker.door import Connected, Disconnected, Door, Event, Received, Refused, Will
from fedmotion.broker.private_file import write_private
from fedmotion.delivery.courier import Courier
from fedmotion.delivery.outbox import Outbox
from fedmotion.delivery.presence import presence_message
from fedmotion.delivery.retained_model import ModelMailbox
from fedmotion.host.gesture_book import GestureBook
from fedmotion.host.gesture_messenger import GestureMessenger, GestureNews
from fedmotion.host.released_model import LoadedModel, load_model
from fedmotion.host.trainer import Answer
from fedmotion.host.work_thread import Submit
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.invitation import Invitation
from fedmotion.protocol.messages import (
    Announcement,
    Contribution,
    Model,
    Presence,
    Receipt,
    decode_message,
    encode_message,
)
from fedmotion.protocol.tensors import encode_arrays
from fedmotion.protocol.topics import Topics

Point = Literal["received", "trained", "queued", "sent", "receipted"]
"""Where a crash is worth a test: in a round's course, right after what the name says."""

_MAX_REASON = 500

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkDone:
    """The worker's answer to one round."""

    round_id: int
    answer: Answer


class _Answered(msgspec.Struct, frozen=True):
    federation_id: UUID
    round_id: int


class AnsweredRound:
    """The last round that has its receipt, kept in a file so that a restart does not train for it again.

    Losing the file costs one training and no correctness: answers are idempotent by round and client.
    """

    def __init__(self, path: Path, federation_id: UUID) -> None:
        self._path = path
        self._federation_id = federation_id
        self.round_id = self._read()

    def write(self, round_id: int) -> None:
        """Remember `round_id`, if it is later than what is remembered."""
        if self.round_id is not None and round_id <= self.round_id:
            return
        self.round_id = round_id
        kept = msgspec.json.encode(_Answered(self._federation_id, round_id))
        write_private(self._path, kept, is_durable=False)

    def _read(self) -> int | None:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Answered)
        except (OSError, msgspec.DecodeError, RecursionError):
            return None
        return kept.round_id if kept.federation_id == self._federation_id else None


def offline_will(invitation: Invitation, session: UUID) -> Will:
    """Return what the broker says for the client when it vanishes."""
    topic = Topics(invitation.federation).presence(invitation.client_id)
    return Will(topic, presence_message(invitation.client_id, session, is_online=False))


def _shown(said: object) -> str:
    """Return what somebody else said so that a terminal takes it for one line of text, bounded."""
    text = str(said)
    return (text if text.isprintable() else repr(text))[:_MAX_REASON]


class FederatedClient:
    """One client of one federation.

    Parameters
    ----------
    invitation, session
        Who it is, and which run of its program.
    door, outbox, answered
        Its connection and what it remembers on disk. The door's events come to `handle`.
    book, on_gesture_news
        Gestures, which it carries where it takes part, and who is told what comes of them.
    answer_round, submit, on_work_done
        How a round is answered, where that runs, and where its result is put, to come to `handle`.
    on_released
        Takes each released model that fits.
    takes_part
        Where false, it takes released models and nothing else, and does not show itself.
    """

    def __init__(
        self,
        invitation: Invitation,
        session: UUID,
        *,
        door: Door,
        outbox: Outbox,
        answered: AnsweredRound,
        book: GestureBook,
        answer_round: Callable[[Announcement, LoadedModel], Answer],
        submit: Submit,
        on_work_done: Callable[[WorkDone], object],
        on_released: Callable[[LoadedModel], None],
        resend_s: float,
        on_point: Callable[[Point], object],
        on_gesture_news: Callable[[GestureNews], object] = lambda _news: None,
        takes_part: bool = True,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.is_connected = False
        self._id = invitation.client_id
        self._federation_id = invitation.federation_id
        self._session = session
        self._door = door
        self._outbox = outbox
        self._answered = answered
        self._answer_round = answer_round
        self._submit = submit
        self._on_work_done = on_work_done
        self._on_released = on_released
        self._on_point = on_point
        self._takes_part = takes_part
        self._topics = Topics(invitation.federation)
        self._courier = Courier(door, outbox, self._topics, self._id, resend_s)
        self._gestures = GestureMessenger(
            book, door, self._topics, self._id, self._federation_id, resend_s, on_gesture_news
        )
        self._round_box = ModelMailbox(self._topics, "round")
        self._released_box = ModelMailbox(self._topics, "released")
        self._round_model: LoadedModel | None = None
        # The lineage and SHA-256 of the last round's model, where it was refused, and why.
        self._refused_model: tuple[UUID, bytes, str] | None = None
        self._open: Announcement | None = None
        self._working_on: int | None = None
        self._has_seen_itself = False

    @property
    def n_pending(self) -> int:
        """How many answers wait for their receipt."""
        return self._courier.n_pending

    def start(self) -> None:
        """Subscribe and let the door connect."""
        self._door.subscribe(self._released_box.topic_filter)
        if self._takes_part:
            self._door.subscribe(
                self._topics.announcement,
                self._round_box.topic_filter,
                self._topics.receipt(self._id),
                self._topics.presence(self._id),
                *self._gestures.topic_filters,
            )
        self._door.start()

    def close(self) -> None:
        """Say goodbye and leave; what has no receipt stays in the outbox."""
        if self._takes_part:
            self._publish_presence(is_online=False)
        self._door.close()

    def tick(self, now_s: float) -> None:
        """Send again what waits too long for its receipt."""
        if self.is_connected and self._takes_part:
            try:
                self._courier.tick(now_s)
                self._gestures.tick(now_s)
            except (ValueError, OSError) as error:
                self._count_storage_error(error)

    def handle(self, event: Event | WorkDone, now_s: float) -> None:
        """Take one event; `now_s` is monotonic."""
        try:
            self._handle(event, now_s)
        except (ValueError, OSError) as error:
            # The outbox cannot be used now: this round goes without us, the next one may not.
            self._count_storage_error(error)

    def _count_storage_error(self, error: Exception) -> None:
        self.counters["storage_errors"] += 1
        _log.error("client=%s %s", self._id, error)

    def _handle(self, event: Event | WorkDone, now_s: float) -> None:
        match event:
            case Connected():
                self._on_connected(now_s)
            case Disconnected(reason):
                self.is_connected = False
                _log.warning("client=%s no broker: %s", self._id, _shown(reason))
            case Refused(reason):
                self.is_connected = False
                _log.error("client=%s the broker refuses this client: %s", self._id, _shown(reason))
            case Received(topic, payload):
                try:
                    self._on_message(topic, payload)
                except MessageError as error:
                    self.counters["bad_messages"] += 1
                    _log.warning(
                        "client=%s topic=%s message dropped: %s", self._id, _shown(topic), _shown(error)
                    )
            case WorkDone():
                self._on_answer(event, now_s)

    def _on_connected(self, now_s: float) -> None:
        self.is_connected = True
        _log.info("client=%s connected", self._id)
        if self._takes_part:
            self._publish_presence(is_online=True)
            self._courier.on_connected(now_s)
            self._gestures.on_connected()

    def _on_message(self, topic: str, payload: bytes) -> None:
        if topic == self._topics.announcement:
            self._on_announcement(payload)
        elif topic == self._topics.receipt(self._id):
            self._on_receipt(payload)
        elif topic == self._topics.presence(self._id):
            self._on_own_presence(payload)
        elif not self._gestures.take(topic, payload):
            message = self._round_box.feed(topic, payload)
            if message is not None:
                self._on_round_model(message)
            message = self._released_box.feed(topic, payload)
            if message is not None:
                self._on_released_model(message)

    def _on_announcement(self, payload: bytes) -> None:
        if not payload:
            self._open = None
            # What an aggregator says first. nats-server may have lost our presence to it, if it subscribed in
            # the very moment of our coming.
            self._publish_presence(is_online=True)
            return
        announcement, _ = decode_message(payload, Announcement)
        if announcement.federation_id != self._federation_id:
            raise MessageError(f"a round of federation {announcement.federation_id}, not of this client's")
        if self._open is not None and announcement.round_id <= self._open.round_id:
            return
        if self._id not in announcement.cohort:
            self._open = None
            return
        self._open = announcement
        if self._has_answer(announcement.round_id):
            # The courier sends what has no receipt yet; the same round is never trained twice.
            return
        _log.info("client=%s round=%d %s", self._id, announcement.round_id, announcement.round_kind)
        self._on_point("received")
        self._begin()

    def _has_answer(self, round_id: int) -> bool:
        return round_id == self._answered.round_id or self._outbox.has_round(round_id)

    def _begin(self) -> None:
        """Start on the open round, if there is one unanswered, its model is here and the worker is free."""
        announcement, model = self._open, self._round_model
        if announcement is None or self._working_on is not None or self._has_answer(announcement.round_id):
            return
        round_id = announcement.round_id
        if (
            model is None
            or model.sha256 != announcement.model_sha256
            or model.lineage_id != announcement.lineage_id
        ):
            if self._refused_model is None:
                return
            lineage_id, sha256, reason = self._refused_model
            if (lineage_id, sha256) == (announcement.lineage_id, announcement.model_sha256):
                self._working_on = round_id
                self._on_work_done(WorkDone(round_id, Answer(declined=reason)))
            return
        self._working_on = round_id

        def job() -> None:
            try:
                answer = self._answer_round(announcement, model)
            except Exception:  # noqa: BLE001 - the outermost frame of the worker: the round is declined
                # What went wrong may name files or labels: it stays here.
                _log.exception("client=%s round=%d cannot be answered", self._id, round_id)
                answer = Answer(declined="this round cannot be answered here; the agent's log says why")
            self._on_work_done(WorkDone(round_id, answer))

        self._submit(job)

    def _on_answer(self, done: WorkDone, now_s: float) -> None:
        self._working_on = None
        announcement, answer = self._open, done.answer
        if announcement is None or announcement.round_id != done.round_id:
            self.counters["rounds_missed"] += 1
            _log.info("client=%s round=%d was over before its answer", self._id, done.round_id)
            self._begin()
            return
        self._on_point("trained")
        contribution = Contribution(
            federation_id=announcement.federation_id,
            lineage_id=announcement.lineage_id,
            round_id=announcement.round_id,
            round_kind=announcement.round_kind,
            client_id=self._id,
            base_sha256=announcement.model_sha256,
            n_windows=answer.n_windows,
            n_steps=answer.n_steps,
            metrics=answer.metrics,
            declined=answer.declined,
        )
        message = encode_message(contribution, encode_arrays(answer.arrays) if answer.arrays else b"")
        self.counters["rounds_declined" if answer.declined else "rounds_answered"] += 1
        if answer.declined:
            _log.warning("client=%s round=%d declined: %s", self._id, done.round_id, answer.declined)
        pending = self._courier.queue(done.round_id, message)
        self._on_point("queued")
        self._courier.hand_over(pending, now_s)
        self._on_point("sent")

    def _on_receipt(self, payload: bytes) -> None:
        receipt, _ = decode_message(payload, Receipt)
        if receipt.federation_id != self._federation_id:
            raise MessageError(f"a receipt of federation {receipt.federation_id}, not of this client's")
        if self._gestures.take_receipt(receipt) or not self._courier.on_receipt(receipt):
            return
        self._answered.write(receipt.round_id)
        self.counters[f"contributions_{receipt.verdict}"] += 1
        if receipt.verdict == "refused":
            _log.warning(
                "client=%s round=%d refused: %s %s",
                self._id,
                receipt.round_id,
                receipt.reason,
                _shown(receipt.text),
            )
        self._on_point("receipted")

    def _on_own_presence(self, payload: bytes) -> None:
        presence = decode_message(payload, Presence)[0] if payload else None
        if presence is not None and presence.is_online:
            if presence.session == self._session:
                self._has_seen_itself = True
            elif self._has_seen_itself:
                # Answering would make two agents shout each other down without an end.
                self.counters["other_sessions"] += 1
                _log.error("client=%s another agent runs under this name: end one of the two", self._id)
            return
        # The will of an earlier connection or session came late, or somebody cleared the topic.
        self._publish_presence(is_online=True)

    def _publish_presence(self, *, is_online: bool) -> None:
        message = presence_message(self._id, self._session, is_online=is_online)
        self._door.publish(self._topics.presence(self._id), message, retain=True)

    def _on_round_model(self, message: bytes) -> None:
        self._refused_model = None
        try:
            self._round_model = load_model(message, federation_id=self._federation_id, purpose="round")
        except MessageError as error:
            self.counters["models_refused"] += 1
            # Where its header can be read the round can be declined at once, and nobody waits for us.
            header, _ = decode_message(message, Model)
            reason = _shown(error)
            self._refused_model = (header.lineage_id, header.model_sha256, reason)
            _log.warning("client=%s the round's model is refused: %s", self._id, reason)
        self._begin()

    def _on_released_model(self, message: bytes) -> None:
        try:
            model = load_model(
                message, federation_id=self._federation_id, purpose="released", known=self._round_model
            )
        except MessageError:
            self.counters["models_refused"] += 1
            raise
        self._on_released(model)
