"""The tables of a federation's store; a change of them raises the version and comes with a way up to it.

`models` holds safetensors bytes, `spool` what an open round has accepted, emptied in the commit that closes
it, and `contributions` what became of each answer, for good. A lineage without a specification has the
federation's founding one; `has_basis` is of one that began with its parent's. `gestures` holds what the
owner said of accepted gestures; those among them that no lineage learns yet make the set grow.
"""

from fedmotion.delivery.sqlite_store import Schema

_GESTURES = """
    CREATE TABLE gestures (
        position INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, sentence TEXT NOT NULL,
        example BLOB, added_utc TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE proposals (
        position INTEGER PRIMARY KEY AUTOINCREMENT, proposal_id BLOB NOT NULL, client_id TEXT NOT NULL,
        sha256 BLOB NOT NULL, name TEXT NOT NULL, sentence TEXT NOT NULL, example BLOB,
        state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'declined', 'withdrawn')),
        why TEXT NOT NULL DEFAULT '', received_utc TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
        UNIQUE (client_id, proposal_id))
    """

SCHEMA = Schema(
    what="the federation's store",
    application_id=int.from_bytes(b"FMag", "big"),
    version=2,
    script="""
    CREATE TABLE federation (
        federation_id BLOB NOT NULL, name TEXT NOT NULL, specification BLOB NOT NULL,
        released_lineage_id BLOB, released_sha256 BLOB, released_round_id INTEGER,
        created_utc TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE lineages (
        number INTEGER PRIMARY KEY, lineage_id BLOB NOT NULL UNIQUE,
        current_sha256 BLOB NOT NULL, current_round_id INTEGER NOT NULL, specification BLOB,
        has_basis INTEGER NOT NULL DEFAULT 0,
        created_utc TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE clients (
        client_id TEXT PRIMARY KEY, password TEXT NOT NULL,
        invited_utc TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE models (
        lineage_id BLOB NOT NULL, sha256 BLOB NOT NULL, round_id INTEGER NOT NULL, arrays BLOB NOT NULL,
        PRIMARY KEY (lineage_id, sha256));
    CREATE TABLE rounds (
        round_id INTEGER PRIMARY KEY, lineage_id BLOB NOT NULL, kind TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'finished', 'failed')), cohort BLOB NOT NULL,
        base_sha256 BLOB NOT NULL, result_sha256 BLOB, reason TEXT NOT NULL DEFAULT '',
        n_windows INTEGER NOT NULL DEFAULT 0, metrics BLOB NOT NULL DEFAULT '{}',
        opened_utc TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, closed_utc TEXT);
    CREATE UNIQUE INDEX one_open_round ON rounds (state) WHERE state = 'open';
    CREATE TABLE spool (
        round_id INTEGER NOT NULL, client_id TEXT NOT NULL, header BLOB NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (round_id, client_id));
    CREATE TABLE contributions (
        round_id INTEGER NOT NULL, client_id TEXT NOT NULL, sha256 BLOB NOT NULL, verdict TEXT NOT NULL,
        reason TEXT NOT NULL, n_windows INTEGER NOT NULL, PRIMARY KEY (round_id, client_id)) WITHOUT ROWID;
    CREATE TABLE refusals (
        client_id TEXT NOT NULL, reason TEXT NOT NULL, n_refused INTEGER NOT NULL,
        PRIMARY KEY (client_id, reason)) WITHOUT ROWID;
    """
    + _GESTURES,
    migrations=(
        "ALTER TABLE lineages ADD COLUMN specification BLOB;"
        "ALTER TABLE lineages ADD COLUMN has_basis INTEGER NOT NULL DEFAULT 0;" + _GESTURES,
    ),
)
