"""From the bytes on a client's proposal topic to the store, and the receipt that says so."""

import hashlib
import logging

from fedmotion.aggregator.federation_records import ModelReference
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.intake import UNKNOWN
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.gestures import check_gesture, check_sentence
from fedmotion.protocol.messages import (
    PROTOCOL_VERSION,
    Proposal,
    ProposalReason,
    Receipt,
    decode_message,
)

logger = logging.getLogger(__name__)

MAX_PROPOSAL_BYTES = 4096
MAX_OPEN = 8
"""Open proposals of one client: an owner reads them one by one."""

_Refusal = tuple[ProposalReason, str]


class ProposalIntake:
    """Checks and stores proposals; its writes belong into the caller's transaction."""

    def __init__(self, store: FederationStore) -> None:
        self._store = store

    def take(self, sender: str, message: bytes, current: ModelReference, *, is_known: bool) -> Receipt | None:
        """Return the receipt for what came on the topic of `sender`; None without a federation."""
        federation = self._store.federation()
        if federation is None:
            return None
        sha256 = hashlib.sha256(message).digest()
        refusal = self._judge(sender, message, sha256, is_known=is_known)
        if refusal is not None:
            logger.warning("client=%s proposal refused %s: %s", sender, *refusal)
            self._store.count_refusal(sender if is_known else UNKNOWN, refusal[0])
        return Receipt(
            federation_id=federation.federation_id,
            lineage_id=current.lineage_id,
            round_id=0,
            client_id=sender,
            contribution_sha256=sha256,
            verdict="refused" if refusal else "accepted",
            reason=refusal[0] if refusal else "",
            text=refusal[1][:500] if refusal else "",
        )

    def _judge(self, sender: str, message: bytes, sha256: bytes, *, is_known: bool) -> _Refusal | None:
        if not is_known:
            return "foreign", f"{sender!r} was not invited to this federation"
        if refusal := _check_message(message):
            return refusal
        try:
            proposal, body = decode_message(message, Proposal)
            check_gesture(proposal.name)
            if not proposal.is_withdrawn:
                check_sentence(proposal.sentence)
        except (MessageError, ValueError) as error:
            return "malformed", str(error)
        federation = self._store.federation()
        if body or federation is None or proposal.federation_id != federation.federation_id:
            return "foreign", "the proposal is of another federation, or has a body"
        if proposal.client_id != sender:
            return "foreign", f"{sender!r} may not speak for {proposal.client_id!r}"
        return self._withdraw(proposal) if proposal.is_withdrawn else self._add(proposal, sha256)

    def _withdraw(self, proposal: Proposal) -> _Refusal | None:
        for each in self._store.proposals(proposal.client_id):
            if each.proposal_id != proposal.proposal_id:
                continue
            if each.state in {"accepted", "declined"}:
                return "decided", f"{each.name!r} is {each.state} already"
            if each.state == "open":
                logger.info("client=%s withdraws %r", proposal.client_id, each.name)
                self._store.decide_proposal(each, "withdrawn")
            return None
        # It never came, or is forgotten: either way it is not open.
        return None

    def _add(self, proposal: Proposal, sha256: bytes) -> _Refusal | None:
        own = self._store.proposals(proposal.client_id)
        same = [each for each in own if each.proposal_id == proposal.proposal_id]
        if same:
            is_again = same[0].sha256 == sha256
            return None if is_again else ("known", "another proposal of this id is stored already")
        is_open = [each for each in own if each.state == "open"]
        if proposal.name in {each.name for each in self._store.listed()}:
            return "known", f"this federation has {proposal.name!r} already"
        if proposal.name in {each.name for each in is_open}:
            return "known", f"your proposal of {proposal.name!r} is open already"
        if len(is_open) >= MAX_OPEN:
            return (
                "too_many",
                f"a client has at most {MAX_OPEN} open proposals: withdraw one, or wait for the owner",
            )
        logger.info("client=%s proposes %r: %s", proposal.client_id, proposal.name, proposal.sentence)
        self._store.add_proposal(proposal, sha256)
        return None


def _check_message(message: bytes) -> _Refusal | None:
    if len(message) > MAX_PROPOSAL_BYTES:
        return "oversized", f"a proposal has at most {MAX_PROPOSAL_BYTES} bytes, got {len(message)}"
    if message[:2] == b"FM" and len(message) > 2 and message[2] != PROTOCOL_VERSION:
        return (
            "wrong_version",
            f"this aggregator speaks protocol {PROTOCOL_VERSION}, the message is of version {message[2]}",
        )
    return None
