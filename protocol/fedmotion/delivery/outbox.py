"""What a client has sent and has no receipt for yet, on disk.

A message is here before its first byte leaves and goes when the aggregator's receipt says that it is in the
store there.
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from fedmotion.delivery.sqlite_store import BUSY_TIMEOUT_S, Schema, SqliteStore

logger = logging.getLogger(__name__)

MAX_PENDING = 64

SCHEMA = Schema(
    what="the outbox",
    application_id=int.from_bytes(b"FMob", "big"),
    version=1,
    script="""
    CREATE TABLE pending (
        position INTEGER PRIMARY KEY AUTOINCREMENT, sha256 BLOB NOT NULL UNIQUE,
        round_id INTEGER NOT NULL, message BLOB NOT NULL)
    """,
)


@dataclass(frozen=True, slots=True)
class Pending:
    """A message without a receipt."""

    sha256: bytes
    round_id: int
    message: bytes


class Outbox(SqliteStore):
    """The pending messages in the file at `path`; for the rest see `SqliteStore`.

    It holds at most `MAX_PENDING`: a federation that never answers does not fill the disk; the oldest
    goes first and is logged.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        super().__init__(path, SCHEMA, busy_timeout_s=busy_timeout_s)

    def put(self, round_id: int, message: bytes) -> bytes:
        """Store `message` durably and return its SHA-256; a message that is there already stays once."""
        sha256 = hashlib.sha256(message).digest()
        with self.transaction():
            self._execute(
                "INSERT OR IGNORE INTO pending (sha256, round_id, message) VALUES (?, ?, ?)",
                (sha256, round_id, message),
            )
            forgotten = self._execute(
                "DELETE FROM pending WHERE position NOT IN "
                "(SELECT position FROM pending ORDER BY position DESC LIMIT ?) RETURNING position",
                (MAX_PENDING,),
            )
        if forgotten:
            logger.warning(
                "outbox=%s dropped %d messages that never had a receipt", self.path, len(forgotten)
            )
        return sha256

    def pending(self) -> list[Pending]:
        """Return what has no receipt yet, oldest first."""
        rows = self._execute("SELECT sha256, round_id, message FROM pending ORDER BY position")
        return [Pending(*row) for row in rows]

    def has_round(self, round_id: int) -> bool:
        """Return whether a message for this round has no receipt yet."""
        return bool(self._execute("SELECT 1 FROM pending WHERE round_id = ?", (round_id,)))

    def remove(self, sha256: bytes) -> bool:
        """Forget the message with this SHA-256; False where there is none.

        A power cut may bring it back, and no other crash does: it is then sent and receipted once more,
        which costs less than waiting for the disk in every round.
        """
        with self._lock:
            self._execute("PRAGMA synchronous = NORMAL")
            try:
                return bool(self._execute("DELETE FROM pending WHERE sha256 = ? RETURNING 1", (sha256,)))
            finally:
                self._execute("PRAGMA synchronous = FULL")
