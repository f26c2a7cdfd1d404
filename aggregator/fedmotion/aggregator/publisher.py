"""What the aggregator says to its federation: its presence, receipts, models and the current round."""

from collections.abc import Sequence
from uuid import UUID

from fedmotion.aggregator.federation_records import Federation, ModelReference, ProposalRecord
from fedmotion.broker.door import Door, Will
from fedmotion.delivery.chunks import count_chunks
from fedmotion.delivery.presence import presence_message
from fedmotion.delivery.retained_model import publish_retained
from fedmotion.models.specification import Specification, encode_specification
from fedmotion.protocol.messages import (
    Announcement,
    GestureList,
    Model,
    ProposalAnswer,
    ProposalAnswers,
    Purpose,
    Receipt,
    encode_message,
)
from fedmotion.protocol.topics import Topics

PRESENCE_NAME = "aggregator"

_N_UNKNOWN_CHUNKS = 8
"""Chunks of a model that an earlier process may have left: cleared once, as nobody remembers how many."""


def aggregator_will(federation: str, session: UUID) -> Will:
    """Return the will for the aggregator's door: the presence that says that it went."""
    return Will(Topics(federation).aggregator, presence_message(PRESENCE_NAME, session, is_online=False))


class Publisher:
    """Publishes over one door; False says that what is retained must be said again, now or once connected."""

    def __init__(self, door: Door, federation: Federation, session: UUID) -> None:
        self.topics = Topics(federation.name)
        self._door = door
        self._federation = federation
        self._session = session
        self._n_chunks: dict[Purpose, int] = {}

    def presence(self, *, is_online: bool = True) -> bool:
        """Say that the aggregator is there, or goes."""
        message = presence_message(PRESENCE_NAME, self._session, is_online=is_online)
        return self._door.publish(self.topics.aggregator, message, retain=True)

    def receipt(self, receipt: Receipt) -> None:
        """Answer one contribution; a receipt that gets lost is asked for again by the contribution."""
        self._door.publish(self.topics.receipt(receipt.client_id), encode_message(receipt))

    def model(
        self, purpose: Purpose, model: ModelReference, arrays: bytes, specification: Specification
    ) -> bool:
        """Publish a model with its own lineage's specification, retained."""
        header = Model(
            federation_id=self._federation.federation_id,
            lineage_id=model.lineage_id,
            purpose=purpose,
            round_id=model.round_id,
            model_sha256=model.sha256,
            specification=encode_specification(specification),
            specification_version=specification.version,
        )
        message = encode_message(header, arrays)
        n_chunks = count_chunks(len(message))
        n_before = self._n_chunks.get(purpose, n_chunks + _N_UNKNOWN_CHUNKS)
        if not publish_retained(self._door, self.topics, purpose, message, n_before):
            return False
        self._n_chunks[purpose] = n_chunks
        return True

    def announcement(self, announcement: Announcement | None) -> bool:
        """Publish the current round, retained; None says that no round is open."""
        message = b"" if announcement is None else encode_message(announcement)
        return self._door.publish(self.topics.announcement, message, retain=True)

    def gestures(self, gestures: GestureList) -> bool:
        """Publish the list of gestures, retained."""
        return self._door.publish(self.topics.gestures, encode_message(gestures), retain=True)

    def answers(self, client_id: str, proposals: Sequence[ProposalRecord]) -> bool:
        """Publish what became of a client's proposals, retained."""
        message = ProposalAnswers(
            federation_id=self._federation.federation_id,
            client_id=client_id,
            answers=tuple(
                ProposalAnswer(proposal_id=each.proposal_id, name=each.name, state=each.state, why=each.why)
                for each in proposals
            ),
        )
        return self._door.publish(self.topics.answers(client_id), encode_message(message), retain=True)
