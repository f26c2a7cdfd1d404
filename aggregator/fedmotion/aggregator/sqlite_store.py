"""One SQLite file with a schema of ours: opening it, its transactions, and its troubles in words."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Value = bytes | str | int | float | None

BUSY_TIMEOUT_S = 5.0
"""How long a write waits for another program's; a backup or an invitation takes milliseconds."""


class StoreError(Exception):
    """The store cannot be used; the text says who, what is the matter and what to do."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What makes a file one of ours; `application_id` is SQLite's mark for that in the file's header."""

    what: str
    application_id: int
    version: int
    script: str


class SqliteStore:
    """A connection in WAL mode with synchronous FULL, so that what is committed survives `kill -9` and power.

    Raises
    ------
    StoreError
        If the file is missing (read only), locked, not writable, newer, or not of this schema.
    """

    def __init__(
        self, path: Path, schema: Schema, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> None:
        self.path = path
        self._schema = schema
        self._claim: sqlite3.Connection | None = None
        if not path.parent.is_dir():
            raise StoreError(f"{schema.what} {path}: the folder {path.parent} is missing; make it first")
        if read_only and not path.exists():
            raise StoreError(f"{schema.what} {path} is missing")
        try:
            if not read_only:
                # It may hold passwords. SQLite gives the file's mode to those beside it.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}",
                uri=True,
                isolation_level=None,
                timeout=busy_timeout_s,
            )
        except OSError as error:
            raise StoreError(f"{schema.what} {path} cannot be written: {error.strerror}") from error
        except sqlite3.Error as error:
            raise self._in_words(error) from error
        try:
            self._prepare(read_only=read_only)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file; what was not committed is gone."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None
        self._connection.close()

    def claim(self) -> None:
        """Make this the one program that runs on the store, until it closes or dies in any way.

        A locked empty file beside the store says so; the operating system unlocks it at the program's end.

        Raises
        ------
        StoreError
            If another program has claimed the store.
        """
        beside = self.path.with_name(f"{self.path.name}-running")
        claim = sqlite3.connect(beside, isolation_level=None, timeout=0)
        try:
            claim.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            claim.close()
            raise StoreError(
                f"{self._schema.what} {self.path} is in use by another aggregator: end that one first"
            ) from error
        self._claim = claim

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes of the block become durable together at its end, or none of them where it raises."""
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    def data_version(self) -> int:
        """Return a number that changes when another program has written to the store."""
        return self._number("PRAGMA data_version")

    def _prepare(self, *, read_only: bool) -> None:
        version = self._number("PRAGMA user_version")
        application_id = self._number("PRAGMA application_id")
        n_tables = self._number("SELECT count(*) FROM sqlite_schema")
        is_new = (version, application_id, n_tables) == (0, 0, 0) and not read_only
        if not is_new and application_id != self._schema.application_id:
            raise StoreError(f"{self.path} is not {self._schema.what}: name another file")
        if version > self._schema.version:
            raise StoreError(
                f"{self._schema.what} {self.path} is of version {version}, this program reads up to "
                f"{self._schema.version}: it was written by a newer fedmotion, install that one"
            )
        if read_only:
            return
        # Of a new file only: models are large rows, which cost less time in pages larger than 4096 bytes.
        self._execute("PRAGMA page_size = 16384")
        self._execute("PRAGMA journal_mode = WAL")
        self._execute("PRAGMA synchronous = FULL")
        # Tells at the start, and not at the first round, that the file is locked or read-only.
        with self.transaction():
            if is_new:
                for statement in self._schema.script.split(";"):
                    self._execute(statement)
                self._execute(f"PRAGMA application_id = {self._schema.application_id}")
            # A write, and not only its lock: SQLite gives the lock of a read-only file as well.
            self._execute(f"PRAGMA user_version = {self._schema.version}")

    def _execute(self, statement: str, values: tuple[Value, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise self._in_words(error) from error

    def _number(self, statement: str) -> int:
        (number,) = self._execute(statement).fetchone()
        return int(number)

    def _in_words(self, error: sqlite3.Error) -> StoreError:
        text = str(error)
        if "locked" in text or "busy" in text:
            why = "is locked by another program: end it, or wait until its backup is done"
        elif "readonly" in text or "read-only" in text:
            why = "is read-only: give this user the right to write the file and its folder"
        elif "not a database" in text or "malformed" in text:
            why = "is damaged or no database: restore a backup, or name another file"
        elif "full" in text:
            why = "has no room: the disk is full"
        elif "unable to open" in text:
            why = "cannot be opened: is it a file that this user may read and write?"
        else:
            why = "has a trouble"
        return StoreError(f"{self._schema.what} {self.path} {why} ({text})")
