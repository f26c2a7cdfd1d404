"""The recordings of one profile: labelled movements as the board's own counts, in SQLite on this host.

This is the motion that stays at home: nothing of this store is ever sent.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedmotion.delivery.sqlite_store import BUSY_TIMEOUT_S, Schema, SqliteStore, StoreError
from fedmotion.host.imu_stream import scale_vector
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.protocol.identity import MAX_BOARD_ID, Hand, check_label

SCHEMA = Schema(
    what="the store of recordings",
    application_id=int.from_bytes(b"FMrc", "big"),
    version=2,
    script="""
    CREATE TABLE recordings (
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
        created_unix_s REAL NOT NULL,
        turn BLOB                              -- see encode_turn, NULL: worn as pictured
    ) STRICT;
    CREATE INDEX recordings_by_label ON recordings (label)
    """,
    migrations=("ALTER TABLE recordings ADD COLUMN turn BLOB",),
)
_COLUMNS = (
    "label, person, board_id, hand, mounting, start_us, stop_us, centre_us, "
    "accel_scale_mps2, gyro_scale_radps, t_us, counts"
)
_TURN_BYTES = 9 * 8 + 1


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
    turn: bytes | None


class DamagedRecordingError(StoreError):
    """One recording cannot be read; the others can."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One labelled movement with the context around it.

    `t_us`, int64 (n,), and `counts`, int16 (n, 6), cover more than `start_us` to `stop_us`, so that a
    window can be cut again for another specification. They are as the board measured them; `turn` is how it
    sat when it did, and what a window cut from them is to be turned by.
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
    turn: Mounting = AS_PICTURED

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


class RecordingStore(SqliteStore):
    """The recordings in the file at `path`; for the rest see `SqliteStore`.

    `clock` gives Unix seconds and dates the recordings for people; nothing is computed from it.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float],
        read_only: bool = False,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        super().__init__(path, SCHEMA, read_only=read_only, busy_timeout_s=busy_timeout_s)
        self._clock = clock
        # Read-only, a file of version 1 is as it is: no board was turned then.
        self._turn_column = "turn" if self.file_version() >= 2 else "NULL"

    def add(self, recording: Recording) -> bool:
        """Store `recording`, durable on return; False where this take is in the store already.

        Raises
        ------
        ValueError
            If label, person, hand, mounting, board, times or shapes break a rule.
        """
        _check(recording)
        added = self._execute(
            f"INSERT OR IGNORE INTO recordings (take_sha256, {_COLUMNS}, turn, created_unix_s) "  # noqa: S608 - our own constant
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING recording_id",
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
                encode_turn(recording.turn),
                self._clock(),
            ),
        )
        return bool(added)

    def remove(self, recording_id: int) -> bool:
        """Delete one recording; False where there is none of this id."""
        return bool(
            self._execute("DELETE FROM recordings WHERE recording_id = ? RETURNING 1", (recording_id,))
        )

    def set_turn(self, turn: Mounting) -> int:
        """Say of every recording that the board sat so; durable on return. Return how many there are."""
        return len(
            self._execute("UPDATE recordings SET turn = ? RETURNING recording_id", (encode_turn(turn),))
        )

    def count_by_label(self) -> dict[str, int]:
        """Return how many recordings each label has, labels in order."""
        return dict(self._execute("SELECT label, count(*) FROM recordings GROUP BY label ORDER BY label"))

    def ids_of(self, label: str, person: str) -> list[int]:
        """Return the ids of one person's recordings of one label, in the order of their adding."""
        rows = self._execute(
            "SELECT recording_id FROM recordings WHERE label = ? AND person = ? ORDER BY recording_id",
            (label, person),
        )
        return [recording_id for (recording_id,) in rows]

    def count_by_board(self) -> dict[int, int]:
        """Return how many recordings each board has made, by its id."""
        rows = self._execute("SELECT board_id, count(*) FROM recordings GROUP BY board_id ORDER BY board_id")
        return {int.from_bytes(board_id, "big"): count for board_id, count in rows}

    def remove_take(self, take_sha256: bytes) -> bool:
        """Delete the recording of one take; False where there is none."""
        return bool(self._execute("DELETE FROM recordings WHERE take_sha256 = ? RETURNING 1", (take_sha256,)))

    def recording_ids(self) -> list[int]:
        """Return the ids of all recordings, in the order of their adding."""
        rows = self._execute("SELECT recording_id FROM recordings ORDER BY recording_id")
        return [recording_id for (recording_id,) in rows]

    def get(self, recording_id: int) -> Recording | None:
        """Return one recording, or nothing where there is none of this id.

        Raises
        ------
        DamagedRecordingError
            If it is not what was stored.
        """
        rows = self._execute(
            f"SELECT take_sha256, {_COLUMNS}, {self._turn_column} FROM recordings "  # noqa: S608 - our own constants
            "WHERE recording_id = ?",
            (recording_id,),
        )
        if not rows:
            return None
        try:
            return _recording(*rows[0])
        except ValueError as error:
            raise DamagedRecordingError(
                f"recording {recording_id} of {self.path} is damaged: {error}"
            ) from None

    def __iter__(self) -> Iterator[Recording]:
        for recording_id in self.recording_ids():
            recording = self.get(recording_id)
            if recording is not None:
                yield recording


def encode_turn(turn: Mounting) -> bytes | None:
    """Return 9 float64, little endian, row by row, and 1 where mirrored or 0; nothing where as pictured."""
    if turn.is_as_pictured:
        return None
    return turn.rotation.astype("<f8").tobytes() + bytes([turn.is_mirrored])


def _decode_turn(stored: bytes | None) -> Mounting:
    if stored is None:
        return AS_PICTURED
    if len(stored) != _TURN_BYTES or stored[-1] > 1:
        raise ValueError(f"its turn has {_TURN_BYTES} bytes, the last one 0 or 1, got {len(stored)} bytes")
    return Mounting(np.frombuffer(stored, "<f8", count=9).reshape(3, 3), bool(stored[-1]))


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


def _recording(take_sha256: bytes, *row: object) -> Recording:
    stored = msgspec.convert(row, type=_Row)
    recording = Recording(
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
        turn=_decode_turn(stored.turn),
    )
    _check(recording)
    if recording.take_sha256() != take_sha256:
        raise ValueError("its counts are not those that its SHA-256 names")
    return recording
