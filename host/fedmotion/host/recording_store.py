"""The recordings of one profile: labelled movements as the board's own counts, in SQLite on this host.

This is the motion that stays at home: nothing of this store is ever sent.
"""

import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedmotion.host.imu_stream import scale_vector
from fedmotion.protocol.identity import MAX_BOARD_ID, Hand, check_label

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 5.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS recordings (
    recording_id INTEGER PRIMARY KEY,
    take_sha256 BLOB NOT NULL UNIQUE,      -- of the board and the movement's counts
    label TEXT NOT NULL,
    person TEXT NOT NULL,
    board_id BLOB NOT NULL,                -- u64, big endian: SQLite's integers are signed
    hand TEXT NOT NULL,
    mounting TEXT NOT NULL,
    start_us INTEGER NOT NULL,             -- of the movement, in the board's time
    stop_us INTEGER NOT NULL,
    centre_us INTEGER NOT NULL,
    accel_scale_mps2 REAL NOT NULL,        -- per count
    gyro_scale_radps REAL NOT NULL,
    t_us BLOB NOT NULL,                    -- int64, little endian, (n,)
    counts BLOB NOT NULL,                  -- int16, little endian, (n, 6)
    created_unix_s REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS recordings_by_label ON recordings (label);
"""
_COLUMNS = (
    "label, person, board_id, hand, mounting, start_us, stop_us, centre_us, "
    "accel_scale_mps2, gyro_scale_radps, t_us, counts"
)


class _Row(msgspec.Struct, frozen=True, array_like=True):
    """One row of _COLUMNS, checked when it is read."""

    label: str
    person: str
    board_id: bytes
    hand: Hand
    mounting: str
    start_us: int
    stop_us: int
    centre_us: int
    accel_scale_mps2: float
    gyro_scale_radps: float
    t_us: bytes
    counts: bytes


class StoreError(RuntimeError):
    """The store cannot do what was asked; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One labelled movement with the context around it.

    `t_us`, int64 (n,), and `counts`, int16 (n, 6), cover more than `start_us` to `stop_us`, so that a
    window can be cut again for another specification.
    """

    label: str
    person: str
    board_id: int
    hand: Hand
    mounting: str
    start_us: int
    stop_us: int
    centre_us: int
    accel_scale_mps2: float
    gyro_scale_radps: float
    t_us: NDArray[np.int64]
    counts: NDArray[np.int16]

    def samples(self) -> NDArray[np.float32]:
        """Return the samples in m/s2 and rad/s, float32 (n, 6)."""
        scaled: NDArray[np.float32] = self.counts * scale_vector(self.accel_scale_mps2, self.gyro_scale_radps)
        return scaled

    def take_sha256(self) -> bytes:
        """Return what names this take: the board and the movement's own counts, whatever its label."""
        is_movement = (self.t_us >= self.start_us) & (self.t_us <= self.stop_us)
        digest = hashlib.sha256(self.board_id.to_bytes(8, "big"))
        digest.update(np.ascontiguousarray(self.counts[is_movement], dtype="<i2").tobytes())
        return digest.digest()


class RecordingStore:
    """The store at `path`, made with mode 600 where there is none; any thread may use it.

    `clock` gives Unix seconds and dates the recordings for people; nothing is computed from it.

    Raises
    ------
    StoreError
        In words, by the constructor and every method: locked, not writable, newer, damaged, disk full.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float],
        is_read_only: bool = False,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        with self._in_words():
            if not is_read_only:
                _create_private(path)
            mode = "ro" if is_read_only else "rw"
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=busy_timeout_s,
                check_same_thread=False,
                isolation_level=None,
            )
        try:
            with self._in_words():
                self._prepare(is_read_only=is_read_only)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store; what was added is there already."""
        with self._lock:
            self._connection.close()

    def add(self, recording: Recording) -> bool:
        """Store `recording`, durable on return; False where this take is in the store already.

        Raises
        ------
        ValueError
            If label, person, hand, mounting, board, times or shapes break a rule.
        """
        _check(recording)
        with self._lock, self._in_words():
            cursor = self._connection.execute(
                f"INSERT OR IGNORE INTO recordings (take_sha256, {_COLUMNS}, created_unix_s) "  # noqa: S608 - our own constant
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    recording.take_sha256(),
                    recording.label,
                    recording.person,
                    recording.board_id.to_bytes(8, "big"),
                    recording.hand,
                    recording.mounting,
                    recording.start_us,
                    recording.stop_us,
                    recording.centre_us,
                    recording.accel_scale_mps2,
                    recording.gyro_scale_radps,
                    np.ascontiguousarray(recording.t_us, dtype="<i8").tobytes(),
                    np.ascontiguousarray(recording.counts, dtype="<i2").tobytes(),
                    self._clock(),
                ),
            )
            return cursor.rowcount == 1

    def remove(self, recording_id: int) -> bool:
        """Delete one recording; False where there is none of this id."""
        with self._lock, self._in_words():
            cursor = self._connection.execute(
                "DELETE FROM recordings WHERE recording_id = ?", (recording_id,)
            )
            return cursor.rowcount == 1

    def count_by_label(self) -> dict[str, int]:
        """Return how many recordings each label has, labels in order."""
        with self._lock, self._in_words():
            return dict(
                self._connection.execute(
                    "SELECT label, count(*) FROM recordings GROUP BY label ORDER BY label"
                )
            )

    def recording_ids(self) -> list[int]:
        """Return the ids of all recordings, in the order of their adding."""
        with self._lock, self._in_words():
            rows = self._connection.execute("SELECT recording_id FROM recordings ORDER BY recording_id")
            return [recording_id for (recording_id,) in rows]

    def get(self, recording_id: int) -> Recording | None:
        """Return one recording, or nothing where there is none of this id."""
        with self._lock, self._in_words():
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM recordings WHERE recording_id = ?",  # noqa: S608 - our own constant
                (recording_id,),
            ).fetchone()
        return None if row is None else _recording(row)

    def __iter__(self) -> Iterator[Recording]:
        for recording_id in self.recording_ids():
            recording = self.get(recording_id)
            if recording is not None:
                yield recording

    def _prepare(self, *, is_read_only: bool) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self._path} was written by a newer fedmotion (schema {version}, this one reads up to "
                f"{SCHEMA_VERSION}): update fedmotion on this host"
            )
        if is_read_only:
            if version < SCHEMA_VERSION:
                raise StoreError(f"{self._path} holds no recordings yet")
            return
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        if version == 0:
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(_in_words(self._path, error)) from error


def _in_words(path: Path, error: sqlite3.Error | OSError) -> str:
    # The low byte is the primary result code (sqlite.org/rescode.html).
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} is locked by another program: close it, or wait until it has finished"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) or isinstance(error, PermissionError):
        return f"{path} cannot be written by this user: check its owner and mode, and those of its folder"
    if code == sqlite3.SQLITE_FULL:
        return f"the disk of {path} is full: make room, nothing that was stored is harmed"
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return f"{path} is no store of recordings or is damaged ({error}): move it away and record again"
    return f"{path} cannot be used as a store of recordings: {error}"


def _create_private(path: Path) -> None:
    """Make an empty file of mode 600, which SQLite's companions (-wal, -shm) then inherit."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return


def _check(recording: Recording) -> None:
    check_label(recording.label)
    check_label(recording.person, "a person")
    check_label(recording.mounting, "a mounting")
    if recording.hand not in get_args(Hand):
        raise ValueError(f"a hand is one of {', '.join(get_args(Hand))}, got {recording.hand!r}")
    if not 0 <= recording.board_id <= MAX_BOARD_ID:
        raise ValueError(f"a board id is 0 to 2**64 - 1, got {recording.board_id}")
    n_samples = len(recording.t_us)
    if recording.t_us.shape != (n_samples,) or recording.counts.shape != (n_samples, 6) or n_samples == 0:
        raise ValueError(
            "a recording has t_us (n,) and counts (n, 6), "
            f"got {recording.t_us.shape} and {recording.counts.shape}"
        )
    if recording.t_us.dtype != np.int64 or recording.counts.dtype != np.int16:
        raise ValueError(
            f"t_us is int64 and counts int16, got {recording.t_us.dtype}, {recording.counts.dtype}"
        )
    if not recording.t_us[0] <= recording.start_us < recording.stop_us <= recording.t_us[-1]:
        raise ValueError(
            f"a movement lies within its samples ({recording.t_us[0]} to {recording.t_us[-1]} us), "
            f"got {recording.start_us} to {recording.stop_us}"
        )


def _recording(row: tuple[object, ...]) -> Recording:
    try:
        stored = msgspec.convert(row, type=_Row)
    except msgspec.ValidationError as error:
        raise StoreError(f"a stored recording is damaged: {error}") from None
    return Recording(
        label=stored.label,
        person=stored.person,
        board_id=int.from_bytes(stored.board_id, "big"),
        hand=stored.hand,
        mounting=stored.mounting,
        start_us=stored.start_us,
        stop_us=stored.stop_us,
        centre_us=stored.centre_us,
        accel_scale_mps2=stored.accel_scale_mps2,
        gyro_scale_radps=stored.gyro_scale_radps,
        t_us=np.frombuffer(stored.t_us, dtype="<i8"),
        counts=np.frombuffer(stored.counts, dtype="<i2").reshape(-1, 6),
    )
