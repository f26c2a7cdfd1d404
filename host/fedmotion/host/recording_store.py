"""The recordings of one profile: labelled movements as the board's own counts, in SQLite on this host.

Imported ones are float32 in SI units. This is the motion that stays at home: nothing of this store is ever
sent.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedmotion.delivery.sqlite_store import BUSY_TIMEOUT_S, SqliteStore, StoreError
from fedmotion.host.imu_stream import scale_vector
from fedmotion.host.recording_entry import Entry
from fedmotion.host.recording_schema import (
    ADDED_IN,
    COLUMNS,
    INSERTED,
    SCHEMA,
    Row,
    decode_turn,
    encode_turn,
)
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.protocol.identity import MAX_BOARD_ID, Hand, check_label


class DamagedRecordingError(StoreError):
    """One recording cannot be read; the others can."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One labelled movement with the context around it.

    `t_us`, int64 (n,), and `counts`, int16 (n, 6), cover more than `start_us` to `stop_us`, so that a
    window can be cut again for another specification. They are as the board measured them; `turn` is how it
    sat when it did, and what a window cut from them is to be turned by.

    An imported recording whose counts are not known has none, both scales 0, and `si`, float32 (n, 6), in
    m/s2 and rad/s. `source` is the file and take that a recording came from, "" where a board made it.
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
    si: NDArray[np.float32] | None = None
    source: str = ""

    def samples(self) -> NDArray[np.float32]:
        """Return the samples in m/s2 and rad/s, float32 (n, 6)."""
        if self.si is not None:
            return self.si
        scaled: NDArray[np.float32] = self.counts * scale_vector(self.accel_scale_mps2, self.gyro_scale_radps)
        return scaled

    def take_sha256(self) -> bytes:
        """Return what names this take: the board and the movement's own counts, whatever its label.

        Of an imported recording without counts it is the movement's samples in SI units.
        """
        is_movement = (self.t_us >= self.start_us) & (self.t_us <= self.stop_us)
        digest = hashlib.sha256(self.board_id.to_bytes(8, "big"))
        if self.si is None:
            digest.update(np.ascontiguousarray(self.counts[is_movement], dtype="<i2").tobytes())
        else:
            digest.update(np.ascontiguousarray(self.si[is_movement], dtype="<f4").tobytes())
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
        # Read-only, a file of an older version is as it is: what it has no column for did not exist then.
        version = self.file_version()
        self._column = {name: name if version >= since else "NULL" for name, since in ADDED_IN.items()}
        self._is_present = f"{self._column['deleted_unix_s']} IS NULL"

    def add(self, recording: Recording) -> bool:
        """Store `recording`, durable on return; False where this take is in the store already.

        One that is deleted does not count as there: it makes room for this one.

        Raises
        ------
        ValueError
            If label, person, hand, mounting, board, times or shapes break a rule.
        """
        check_recording(recording)
        with self.transaction():
            self._execute(
                "DELETE FROM recordings WHERE take_sha256 = ? AND deleted_unix_s IS NOT NULL",
                (recording.take_sha256(),),
            )
            return self._insert("recordings", recording)

    def remove(self, recording_id: int) -> bool:
        """Erase one recording for good, deleted or not; False where there is none of this id."""
        return self.erase([recording_id]) == 1

    def erase(self, recording_ids: Iterable[int]) -> int:
        """Erase recordings for good, deleted or not, all or none; return how many there were."""
        # Zeros over its pages, and no copy of it in the log of changes.
        self._execute("PRAGMA secure_delete = ON")
        with self.transaction():
            n_erased = sum(
                len(self._execute("DELETE FROM recordings WHERE recording_id = ? RETURNING 1", (each,)))
                for each in recording_ids
            )
        self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return n_erased

    def delete(self, recording_ids: Iterable[int]) -> int:
        """Delete recordings so that `restore` gives them back, all or none; return how many were there."""
        return self._set_deleted(recording_ids, self._clock(), "deleted_unix_s IS NULL")

    def restore(self, recording_ids: Iterable[int]) -> int:
        """Give deleted recordings back as they were, all or none; return how many there were."""
        return self._set_deleted(recording_ids, None, "deleted_unix_s IS NOT NULL")

    def relabel(self, recording_ids: Iterable[int], label: str) -> int:
        """Give recordings another label, all or none; return how many had another one before.

        Raises
        ------
        ValueError
            If the label breaks a rule.
        """
        check_label(label)
        with self.transaction():
            return sum(
                bool(
                    self._execute(
                        "UPDATE recordings SET label = ? WHERE recording_id = ? AND label != ? "
                        "AND deleted_unix_s IS NULL RETURNING 1",
                        (label, recording_id, label),
                    )
                )
                for recording_id in recording_ids
            )

    def set_turn(self, turn: Mounting) -> int:
        """Say of every recording that the board sat so; durable on return. Return how many there are."""
        return len(
            self._execute(
                f"UPDATE recordings SET turn = ? WHERE {self._is_present} RETURNING recording_id",  # noqa: S608 - our own constants
                (encode_turn(turn),),
            )
        )

    def entries(self, *, is_deleted: bool = False) -> list[Entry]:
        """Return what there is to say of all recordings without reading their samples, in their order."""
        column = self._column
        rows = self._execute(
            "SELECT recording_id, take_sha256, label, person, hand, mounting, board_id, "  # noqa: S608 - likewise
            f"{column['turn']} IS NOT NULL, coalesce({column['source']}, ''), created_unix_s, "
            f"{column['deleted_unix_s']}, start_us, stop_us, length(t_us) / 8, substr(t_us, 1, 8), "
            f"substr(t_us, -8) FROM recordings WHERE ({self._is_present}) != ? ORDER BY recording_id",
            (is_deleted,),
        )
        return [Entry.of_row(row) for row in rows]

    def takes(self) -> dict[int, tuple[str, str]]:
        """Return each recording's label and the SHA-256 of its take, in hexadecimal."""
        rows = self._execute(
            f"SELECT recording_id, label, hex(take_sha256) FROM recordings WHERE {self._is_present} "  # noqa: S608 - likewise
            "ORDER BY recording_id"
        )
        return {recording_id: (label, take.lower()) for recording_id, label, take in rows}

    def count_by_label(self) -> dict[str, int]:
        """Return how many recordings each label has, labels in order."""
        return dict(
            self._execute(
                f"SELECT label, count(*) FROM recordings WHERE {self._is_present} "  # noqa: S608 - likewise
                "GROUP BY label ORDER BY label"
            )
        )

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
        return list(self.takes())

    def get(self, recording_id: int) -> Recording | None:
        """Return one recording, or nothing where there is none of this id or it is deleted.

        Raises
        ------
        DamagedRecordingError
            If it is not what was stored.
        """
        rows = self._execute(
            f"SELECT take_sha256, {COLUMNS}, {self._column['turn']}, {self._column['samples']}, "  # noqa: S608 - likewise
            f"{self._column['source']} FROM recordings WHERE recording_id = ? AND {self._is_present}",
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

    def _insert(self, table: str, recording: Recording) -> bool:
        values = (
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
            None if recording.si is None else np.ascontiguousarray(recording.si, dtype="<f4").tobytes(),
            recording.source or None,
            self._clock(),
        )
        inserted = self._execute(
            f"INSERT OR IGNORE INTO {table} ({INSERTED}) VALUES ({', '.join('?' * len(values))}) "  # noqa: S608 - likewise
            "RETURNING recording_id",
            values,
        )
        return bool(inserted)

    def _set_deleted(self, recording_ids: Iterable[int], when: float | None, where: str) -> int:
        with self.transaction():
            return sum(
                bool(
                    self._execute(
                        f"UPDATE recordings SET deleted_unix_s = ? WHERE recording_id = ? AND {where} "  # noqa: S608 - likewise
                        "RETURNING 1",
                        (when, recording_id),
                    )
                )
                for recording_id in recording_ids
            )


def check_recording(recording: Recording) -> None:
    """Raise ValueError, in words, where a recording breaks a rule."""
    check_label(recording.label)
    check_label(recording.person, "a person")
    check_label(recording.mounting, "a mounting")
    if recording.hand not in get_args(Hand):
        raise ValueError(f"a hand is one of {', '.join(get_args(Hand))}, got {recording.hand!r}")
    if not 0 <= recording.board_id <= MAX_BOARD_ID:
        raise ValueError(f"a board id is 0 to 2**64 - 1, got {recording.board_id}")
    n_samples = len(recording.t_us)
    values: NDArray[np.generic] = recording.counts if recording.si is None else recording.si
    what, dtype = ("counts", np.int16) if recording.si is None else ("samples", np.float32)
    if recording.t_us.shape != (n_samples,) or values.shape != (n_samples, 6) or n_samples == 0:
        raise ValueError(
            f"a recording has t_us (n,) and {what} (n, 6), got {recording.t_us.shape} and {values.shape}"
        )
    if recording.t_us.dtype != np.int64 or values.dtype != dtype:
        raise ValueError(
            f"t_us is int64 and {what} {np.dtype(dtype)}, got {recording.t_us.dtype}, {values.dtype}"
        )
    if recording.si is not None:
        _check_imported(recording, recording.si)
    if not recording.t_us[0] <= recording.start_us < recording.stop_us <= recording.t_us[-1]:
        raise ValueError(
            f"a movement lies within its samples ({recording.t_us[0]} to {recording.t_us[-1]} us), "
            f"got {recording.start_us} to {recording.stop_us}"
        )
    if not recording.t_us[0] <= recording.centre_us <= recording.t_us[-1]:
        raise ValueError(f"a movement's centre lies within its samples, got {recording.centre_us} us")


def _check_imported(recording: Recording, si: NDArray[np.float32]) -> None:
    if len(recording.counts):
        raise ValueError(f"a recording has counts or samples in SI units, got both ({len(recording.counts)})")
    # A board's counts are finite and its times ascend by themselves.
    if not np.isfinite(si).all():
        raise ValueError("imported samples are finite, got NaN or infinity")
    if (np.diff(recording.t_us) <= 0).any():
        raise ValueError("the times of imported samples ascend, and these stand still or go back")


def _recording(take_sha256: bytes, *row: object) -> Recording:
    stored = msgspec.convert(row, type=Row)
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
        turn=decode_turn(stored.turn),
        si=None if stored.samples is None else np.frombuffer(stored.samples, "<f4").reshape(-1, 6),
        source=stored.source or "",
    )
    check_recording(recording)
    if recording.take_sha256() != take_sha256:
        raise ValueError("its counts are not those that its SHA-256 names")
    return recording
