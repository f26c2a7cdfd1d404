"""Carries a profile's book of gestures: proposals out until their receipt, the list and the answers in."""

import logging
from collections.abc import Callable
from uuid import UUID

from fedmotion.broker.door import Door
from fedmotion.host.gesture_book import GestureBook, OwnProposal
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.gestures import check_gesture, check_sentence
from fedmotion.protocol.messages import Gesture, GestureList, ProposalAnswers, Receipt, decode_message
from fedmotion.protocol.topics import Topics

GestureNews = OwnProposal | Gesture
"""A proposal of this client as it is from now on, or a gesture that the federation takes up."""

_log = logging.getLogger(__name__)


class GestureMessenger:
    """At least once here, counted once by the proposal's id there, as `delivery.courier` does for rounds.

    `on_news` is told of what comes in, once it is in the book.
    """

    def __init__(
        self,
        book: GestureBook,
        door: Door,
        topics: Topics,
        client_id: str,
        federation_id: UUID,
        resend_s: float,
        on_news: Callable[[GestureNews], object] = lambda _news: None,
    ) -> None:
        self._book = book
        self._door = door
        self._topics = topics
        self._id = client_id
        self._federation_id = federation_id
        self._resend_s = resend_s
        self._on_news = on_news
        self._data_version = -1
        self._sent_s: dict[bytes, float] = {}
        self._pending: dict[bytes, bytes] = {}

    @property
    def topic_filters(self) -> tuple[str, str]:
        """What is to be subscribed to."""
        return self._topics.gestures, self._topics.answers(self._id)

    def on_connected(self) -> None:
        """Send everything pending with the next tick: the last connection took what was under way with it."""
        self._sent_s.clear()
        self._data_version = -1

    def tick(self, now_s: float) -> None:
        """Send what the owner has added meanwhile, and again what waits for its receipt for too long."""
        version = self._book.data_version()
        if version != self._data_version:
            self._data_version = version
            self._pending = dict(self._book.pending())
        for sha256, message in self._pending.items():
            sent_s = self._sent_s.get(sha256)
            if sent_s is not None and now_s - sent_s < self._resend_s:
                continue
            if not self._door.publish(self._topics.proposal(self._id), message):
                return
            self._sent_s[sha256] = now_s

    def take(self, topic: str, payload: bytes) -> bool:
        """Take a message; False where it is none of these.

        Raises
        ------
        MessageError
            If it breaks a rule.
        """
        if topic not in self.topic_filters:
            return False
        if not payload:
            return True
        if topic == self._topics.gestures:
            self._take_list(payload)
        else:
            answers, _ = decode_message(payload, ProposalAnswers)
            self._check_origin(answers.federation_id)
            for changed in self._book.take_answers(answers.answers):
                self._tell(changed)
        return True

    def take_receipt(self, receipt: Receipt) -> bool:
        """Take a receipt; False where none of these messages waits for it."""
        if receipt.client_id != self._id or receipt.contribution_sha256 not in self._pending:
            return False
        proposal = self._book.take_receipt(receipt)
        del self._pending[receipt.contribution_sha256]
        if proposal is not None:
            self._tell(proposal)
        return True

    def _take_list(self, payload: bytes) -> None:
        gestures, _ = decode_message(payload, GestureList)
        self._check_origin(gestures.federation_id)
        for each in gestures.gestures:
            try:
                check_gesture(each.name)
                if each.sentence:
                    check_sentence(each.sentence)
            except ValueError as error:
                raise MessageError(f"the federation's list breaks a rule: {error}") from None
        before = self._book.gestures()
        if not self._book.take_list(gestures) or before is None:
            return
        known = {each.name for each in before.gestures}
        for each in gestures.gestures:
            if each.name not in known:
                _log.info(
                    "client=%s the federation takes up a gesture: %s, %s", self._id, each.name, each.sentence
                )
                self._on_news(each)

    def _check_origin(self, federation_id: UUID) -> None:
        if federation_id != self._federation_id:
            raise MessageError(f"gestures of federation {federation_id}, not of this client's")

    def _tell(self, proposal: OwnProposal) -> None:
        why = f": {proposal.why!r}" if proposal.why else ""
        level = logging.WARNING if proposal.state in {"declined", "refused"} else logging.INFO
        _log.log(level, "client=%s your proposal %r is %s%s", self._id, proposal.name, proposal.state, why)
        self._on_news(proposal)
