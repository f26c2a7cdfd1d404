"""From the bytes on a client's topic to a verdict in the store and the receipt that says so."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from fedmotion.aggregator.federation_records import Federation, ModelReference
from fedmotion.aggregator.federation_store import FederationStore
from fedmotion.aggregator.refusal import (
    Expectation,
    Refusal,
    check_body,
    check_header,
    check_membership,
    check_message,
    max_message_bytes,
)
from fedmotion.aggregator.rounds import Answered, State, Verdict
from fedmotion.delivery.chunks import Joiner, read_chunk
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.messages import MAX_MESSAGE_BYTES, Contribution, Receipt, decode_message
from fedmotion.protocol.tensors import decode_arrays

logger = logging.getLogger(__name__)

UNKNOWN = "?"
"""Whom refusals of clients that nobody invited are counted under: their names are theirs to make up."""

_UNFINISHED_BYTES = 64 * 2**20
"""What unfinished contributions may hold at least, so that a cohort that sends at one time finds room."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The receipt for a contribution, and what its verdict means for the open round, if anything."""

    receipt: Receipt
    answered: Answered | None


class Intake:
    """Joins, checks and stores contributions; its writes belong into the caller's transaction.

    Parameters
    ----------
    on_point
        Told "received" for each whole message, before anything is done with it.
    """

    def __init__(
        self,
        store: FederationStore,
        federation: Federation,
        max_windows: int,
        on_point: Callable[[str], None],
    ) -> None:
        self._store = store
        self._federation = federation
        self._max_windows = max_windows
        self._on_point = on_point
        self._limit_bytes = min(max_message_bytes(federation.specification), MAX_MESSAGE_BYTES)
        # A receipt names the whole message's hash, so what is too large must be joined to be refused for
        # good; but there is an end to that.
        self._join_bytes = min(4 * self._limit_bytes, MAX_MESSAGE_BYTES)
        self._joiner = Joiner(
            self._join_bytes, max(4 * self._join_bytes, _UNFINISHED_BYTES), on_evicted=self._count_evicted
        )

    def take(
        self, sender: str, chunk: bytes, state: State, base: ModelReference, *, is_known: bool
    ) -> Outcome | None:
        """Take one chunk from the topic of `sender`; return the outcome of the message that it completes.

        Parameters
        ----------
        state, base
            The open round and the model that it starts from.
        is_known
            Whether `sender` was invited to the federation.
        """
        counted_as = sender if is_known else UNKNOWN
        try:
            message = self._join(counted_as, chunk)
        except MessageError as error:
            self._count(counted_as, Refusal("malformed", str(error)))
            return None
        if message is None:
            return None
        self._on_point("received")
        expectation = self._expectation(state, base)
        verdict = self._judge(sender, message, expectation, is_known=is_known)
        if verdict.refusal is not None and not verdict.is_repeated:
            self._count(counted_as, verdict.refusal)
        return _outcome(sender, verdict, expectation)

    def _join(self, counted_as: str, chunk: bytes) -> bytes | None:
        """Return the message that `chunk` completes; all who were not invited share one sender's room."""
        part = read_chunk(chunk)
        if part.total_bytes <= self._join_bytes:
            return self._joiner.feed(counted_as, chunk)
        if part.index == 0:
            text = f"a contribution has at most {self._limit_bytes} bytes, got one of {part.total_bytes}"
            self._count(counted_as, Refusal("oversized", text))
        return None

    def _judge(self, sender: str, message: bytes, expectation: Expectation, *, is_known: bool) -> "_Verdict":
        sha256 = hashlib.sha256(message).digest()
        if refusal := check_message(message, self._limit_bytes):
            return _Verdict(sha256, None, refusal)
        try:
            header, body = decode_message(message, Contribution)
        except MessageError as error:
            return _Verdict(sha256, None, Refusal("malformed", str(error)))
        refusal = check_membership(header, sender, expectation)
        if not is_known:
            refusal = Refusal("foreign", f"{sender!r} was not invited to this federation")
        if refusal is not None:
            return _Verdict(sha256, None, refusal)
        earlier = self._store.contribution(header.round_id, sender)
        if earlier is not None and earlier.sha256 == sha256:
            again = Refusal(earlier.reason, "these bytes were refused before") if earlier.reason else None
            return _Verdict(sha256, header, again, is_repeated=True)
        if earlier is None or earlier.verdict == "refused":
            return self._weigh(header, body, sha256, expectation)
        text = f"another contribution of {sender!r} to round {header.round_id} is stored already"
        return _Verdict(sha256, header, Refusal("duplicate", text))

    def _weigh(
        self, header: Contribution, body: bytes, sha256: bytes, expectation: Expectation
    ) -> "_Verdict":
        """Judge a member's first contribution to a round, and store it where it concerns the open one."""
        refusal = check_header(header, expectation) or self._check_body(header, body)
        is_concerned = header.round_id == expectation.round_id and header.client_id in expectation.cohort
        if not is_concerned:
            return _Verdict(sha256, header, refusal)
        verdict: Verdict = "declined" if header.declined else "accepted"
        if refusal is not None:
            verdict = "refused"
        reason = refusal.reason if refusal else ""
        if verdict == "declined":
            logger.info("client=%s round=%d declined: %r", header.client_id, header.round_id, header.declined)
        self._store.add_contribution(header, sha256, verdict, body=body, reason=reason)
        return _Verdict(sha256, header, refusal, Answered(header.client_id, verdict))

    def _check_body(self, header: Contribution, body: bytes) -> Refusal | None:
        try:
            arrays = decode_arrays(body)
        except MessageError as error:
            return Refusal("malformed", str(error))
        return check_body(header, arrays, self._federation.specification)

    def _expectation(self, state: State, base: ModelReference) -> Expectation:
        opened = state.open
        return Expectation(
            federation_id=self._federation.federation_id,
            lineage_id=base.lineage_id,
            round_id=opened.round_id if opened else 0,
            round_kind=opened.kind if opened else "train",
            cohort=frozenset(opened.cohort if opened else ()),
            base_sha256=base.sha256,
            last_round_id=state.next_round_id - 1,
            max_windows=self._max_windows,
        )

    def _count_evicted(self, counted_as: str) -> None:
        self._count(counted_as, Refusal("malformed", "unfinished message dropped"))

    def _count(self, client_id: str, refusal: Refusal) -> None:
        logger.warning("client=%s refused %s: %s", client_id, refusal.reason, refusal.text)
        self._store.count_refusal(client_id, refusal.reason)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """`header` is None where it cannot be read or believed."""

    sha256: bytes
    header: Contribution | None
    refusal: Refusal | None
    answered: Answered | None = None
    is_repeated: bool = False


def _outcome(sender: str, verdict: _Verdict, expectation: Expectation) -> Outcome:
    refusal = verdict.refusal
    receipt = Receipt(
        federation_id=expectation.federation_id,
        lineage_id=expectation.lineage_id,
        round_id=verdict.header.round_id if verdict.header else 0,
        client_id=sender,
        contribution_sha256=verdict.sha256,
        verdict="refused" if refusal else "accepted",
        reason=refusal.reason if refusal else "",
        text=refusal.text[:500] if refusal else "",
    )
    return Outcome(receipt, verdict.answered)
