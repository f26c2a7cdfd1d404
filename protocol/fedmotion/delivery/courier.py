"""Carries a client's contributions until the aggregator's receipt says that they arrived.

At least once here, idempotent there: exactly once in effect. A broker's acknowledgement counts for nothing,
since a broker that is killed may lose what it acknowledged.
"""

import logging

from fedmotion.broker.door import Door
from fedmotion.delivery.chunks import cut
from fedmotion.delivery.outbox import Outbox, Pending
from fedmotion.protocol.messages import Receipt
from fedmotion.protocol.topics import Topics

logger = logging.getLogger(__name__)


class Courier:
    """Sends what is in `outbox` through `door`, again and again until it has a receipt.

    Parameters
    ----------
    door
        The connection; the owner handles its events and calls here.
    outbox
        The durable store; what it holds from an earlier life of the program is sent as well.
    topics, client_id
        Where the contributions of which client go.
    resend_s
        How long to wait for a receipt before sending again.
    """

    def __init__(
        self, door: Door, outbox: Outbox, topics: Topics, client_id: str, resend_s: float = 10.0
    ) -> None:
        if not resend_s > 0:
            raise ValueError(f"resend_s is positive, got {resend_s}")
        self._door = door
        self._outbox = outbox
        self._topic = topics.contribution(client_id)
        self._client_id = client_id
        self._resend_s = resend_s
        # When each pending message was last handed to the door; None where it never was on this connection.
        self._sent_s: dict[bytes, float | None] = {each.sha256: None for each in outbox.pending()}

    @property
    def n_pending(self) -> int:
        """How many messages have no receipt."""
        return len(self._sent_s)

    def queue(self, round_id: int, message: bytes) -> Pending:
        """Store `message` durably; the next tick sends it, or `hand_over` at once.

        Raises
        ------
        StoreError
            If the outbox cannot store it.
        """
        sha256 = self._outbox.put(round_id, message)
        self._sent_s.setdefault(sha256, None)
        return Pending(sha256, round_id, message)

    def send(self, round_id: int, message: bytes, now_s: float) -> bytes:
        """Store `message` durably, then send it where there is a connection; return its SHA-256.

        Raises
        ------
        StoreError
            If the outbox cannot store it.
        """
        pending = self.queue(round_id, message)
        self.hand_over(pending, now_s)
        return pending.sha256

    def on_connected(self, now_s: float) -> None:
        """Send everything pending: the last connection took what was under way with it."""
        self._sent_s = {each.sha256: None for each in self._outbox.pending()}
        self.tick(now_s)

    def on_receipt(self, receipt: Receipt) -> bool:
        """Forget the message that `receipt` answers; False where none is pending.

        A refusal ends the sending as well: the same bytes would be refused again.
        """
        if receipt.client_id != self._client_id:
            logger.warning("client=%s receipt for client=%s ignored", self._client_id, receipt.client_id)
            return False
        if not self._outbox.remove(receipt.contribution_sha256):
            return False
        self._sent_s.pop(receipt.contribution_sha256, None)
        return True

    def tick(self, now_s: float) -> None:
        """Send again what waited for its receipt for `resend_s`; `now_s` is monotonic."""
        due = {
            sha256 for sha256, at_s in self._sent_s.items() if at_s is None or now_s - at_s >= self._resend_s
        }
        if not due:
            return
        for each in self._outbox.pending():
            if each.sha256 in due and not self.hand_over(each, now_s):
                return

    def hand_over(self, pending: Pending, now_s: float) -> bool:
        """Give what `queue` stored to the door; False where there is no connection, or not enough room."""
        is_sent = all(self._door.publish(self._topic, chunk) for chunk in cut(pending.message))
        if is_sent:
            self._sent_s[pending.sha256] = now_s
        return is_sent
