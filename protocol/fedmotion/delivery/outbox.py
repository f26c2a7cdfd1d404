"""What a client has sent and has no receipt for yet, on disk: an SQLite file, the only one of this room.

WAL with synchronous FULL was measured to lose none of 27,749 rows over 60 times kill -9. A message is here
before its first byte leaves and goes when the aggregator's receipt says that it is in the store there.
"""

import hashlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
MAX_PENDING = 64

_SCHEMA = """
CREATE TABLE pending (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256 BLOB NOT NULL UNIQUE,
    round_id INTEGER NOT NULL,
    message BLOB NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Pending:
    """A message without a receipt."""

    sha256: bytes
    round_id: int
    message: bytes


class Outbox:
    """The pending messages in the file at `path`, which is made where it does not exist.

    It holds at most `MAX_PENDING`: a federation that never answers does not fill the disk; the oldest
    goes first and is logged.

    Parameters
    ----------
    path
        The file; only its owner may read it.
    timeout_s
        How long to wait for another program that holds the file.

    Raises
    ------
    ValueError
        Here and in every method, if the file is locked by another program, cannot be written, is no
        outbox, or is one of a newer version; the sentence says which.
    """

    def __init__(self, path: Path, timeout_s: float = 5.0) -> None:
        self._path = path
        with self._explained():
            # Made here so that the mode holds from the first byte; SQLite gives it to -wal and -shm as well.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._database = sqlite3.connect(path, timeout=timeout_s, isolation_level=None)
        try:
            with self._explained():
                self._prepare()
        except ValueError:
            self._database.close()
            raise

    def put(self, round_id: int, message: bytes) -> bytes:
        """Store `message` durably and return its SHA-256; a message that is there already stays once."""
        sha256 = hashlib.sha256(message).digest()
        with self._explained(), self._transaction():
            self._database.execute(
                "INSERT OR IGNORE INTO pending (sha256, round_id, message) VALUES (?, ?, ?)",
                (sha256, round_id, message),
            )
            n_forgotten = self._database.execute(
                "DELETE FROM pending WHERE position NOT IN "
                "(SELECT position FROM pending ORDER BY position DESC LIMIT ?)",
                (MAX_PENDING,),
            ).rowcount
        if n_forgotten:
            logger.warning("outbox=%s dropped %d messages that never had a receipt", self._path, n_forgotten)
        return sha256

    def pending(self) -> list[Pending]:
        """Return what has no receipt yet, oldest first."""
        with self._explained():
            rows = self._database.execute(
                "SELECT sha256, round_id, message FROM pending ORDER BY position"
            ).fetchall()
        return [Pending(*row) for row in rows]

    def has_round(self, round_id: int) -> bool:
        """Return whether a message for this round has no receipt yet."""
        with self._explained():
            row = self._database.execute("SELECT 1 FROM pending WHERE round_id = ?", (round_id,)).fetchone()
        return row is not None

    def remove(self, sha256: bytes) -> bool:
        """Forget the message with this SHA-256; False where there is none.

        A power cut may bring it back, and no other crash does: it is then sent and receipted once more,
        which costs less than waiting for the disk in every round.
        """
        with self._explained():
            self._database.execute("PRAGMA synchronous = NORMAL")
            try:
                with self._transaction():
                    cursor = self._database.execute("DELETE FROM pending WHERE sha256 = ?", (sha256,))
            finally:
                self._database.execute("PRAGMA synchronous = FULL")
        return cursor.rowcount == 1

    def close(self) -> None:
        """Close the file; what is pending stays in it."""
        self._database.close()

    def __enter__(self) -> "Outbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _prepare(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise ValueError(
                    f"the outbox {self._path} has version {version}, this program up to {SCHEMA_VERSION}: "
                    f"update fedmotion or use another profile"
                )
            if version == 0:
                self._database.execute(_SCHEMA)
                self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ValueError(
                f"the outbox {self._path} cannot be opened for writing: {error.strerror}"
            ) from error
        except sqlite3.DatabaseError as error:
            raise ValueError(f"the outbox {self._path} {_explain(error)} ({error})") from error


def _explain(error: sqlite3.DatabaseError) -> str:
    # The low byte of an extended code is the primary one: https://www.sqlite.org/rescode.html
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return {
        sqlite3.SQLITE_BUSY: "is locked by another program: end that one first",
        sqlite3.SQLITE_LOCKED: "is locked by another program: end that one first",
        sqlite3.SQLITE_READONLY: "is read-only: allow writing to the file and its folder",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened: allow writing to the file and its folder",
        sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
        sqlite3.SQLITE_NOTADB: "is no outbox: move the file away",
        sqlite3.SQLITE_CORRUPT: "is damaged: move the file away",
    }.get(code, "failed")
