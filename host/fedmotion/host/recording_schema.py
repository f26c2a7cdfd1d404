"""The table of recordings: its versions, and how a row's bytes are read."""

import msgspec
import numpy as np

from fedmotion.delivery.sqlite_store import Schema
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.protocol.identity import Hand

SCHEMA = Schema(
    what="the store of recordings",
    application_id=int.from_bytes(b"FMrc", "big"),
    version=3,
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
        turn BLOB,                             -- see encode_turn, NULL: worn as pictured
        samples BLOB,                          -- float32, little endian, (n, 6), NULL: counts are
        source TEXT,                           -- the file and take of an import, NULL: a board
        deleted_unix_s REAL                    -- NULL: it is not
    ) STRICT;
    CREATE INDEX recordings_by_label ON recordings (label)
    """,
    migrations=(
        "ALTER TABLE recordings ADD COLUMN turn BLOB",
        """ALTER TABLE recordings ADD COLUMN samples BLOB;
        ALTER TABLE recordings ADD COLUMN source TEXT;
        ALTER TABLE recordings ADD COLUMN deleted_unix_s REAL""",
    ),
)
COLUMNS = (
    "label, person, board_id, hand, mounting, start_us, stop_us, centre_us, "
    "accel_scale_mps2, gyro_scale_radps, t_us, counts"
)
ADDED_IN = {"turn": 2, "samples": 3, "source": 3, "deleted_unix_s": 3}
INSERTED = f"take_sha256, {COLUMNS}, turn, samples, source, created_unix_s"
"""The columns that a new recording fills."""

_TURN_BYTES = 9 * 8 + 1


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One row of COLUMNS, checked when it is read."""

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
    samples: bytes | None
    source: str | None


def encode_turn(turn: Mounting) -> bytes | None:
    """Return 9 float64, little endian, row by row, and 1 where mirrored or 0; nothing where as pictured."""
    if turn.is_as_pictured:
        return None
    return turn.rotation.astype("<f8").tobytes() + bytes([turn.is_mirrored])


def decode_turn(stored: bytes | None) -> Mounting:
    """Return what `encode_turn` made bytes of; raises ValueError where they are none of its."""
    if stored is None:
        return AS_PICTURED
    if len(stored) != _TURN_BYTES or stored[-1] > 1:
        raise ValueError(f"its turn has {_TURN_BYTES} bytes, the last one 0 or 1, got {len(stored)} bytes")
    return Mounting(np.frombuffer(stored, "<f8", count=9).reshape(3, 3), bool(stored[-1]))
