"""Where the aggregator keeps a federation: its clients, models, rounds, and what a round has collected.

Models kept are a lineage's newest, as many as the configuration says, besides the released one. What a round
collects lies in the spool until the commit that closes the round, so memory does not grow with the cohort.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from fedmotion.aggregator.aggregation import Metrics
from fedmotion.aggregator.federation_records import (
    CONTRIBUTION_COLUMNS,
    ROUND_COLUMNS,
    Client,
    ContributionRecord,
    Federation,
    KeptModel,
    ModelReference,
    RoundRecord,
    round_record,
)
from fedmotion.aggregator.federation_schema import SCHEMA
from fedmotion.aggregator.gesture_tables import GestureTables
from fedmotion.aggregator.rounds import Verdict
from fedmotion.aggregator.schedule import Progress
from fedmotion.delivery.sqlite_store import BUSY_TIMEOUT_S, StoreError, Value
from fedmotion.models.specification import Specification, encode_specification
from fedmotion.protocol.messages import Contribution, RefusalReason, RoundKind


class FederationStore(GestureTables):
    """The store of one federation (see `SqliteStore`); writes are to stand in a `transaction()`."""

    def __init__(
        self, path: Path, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> None:
        super().__init__(path, SCHEMA, read_only=read_only, busy_timeout_s=busy_timeout_s)
        # The last model used, which is used thrice in a round.
        self._at_hand: tuple[bytes, bytes] = (b"", b"")

    def found(self, federation: Federation) -> None:
        """Store the one federation."""
        specification = encode_specification(federation.specification)
        self._execute(
            "INSERT INTO federation (federation_id, name, specification) VALUES (?, ?, ?)",
            (federation.federation_id.bytes, federation.name, specification),
        )

    def begin_lineage(
        self,
        lineage_id: UUID,
        arrays: bytes,
        specification: Specification | None = None,
        *,
        has_basis: bool = False,
    ) -> None:
        """Start a lineage from its initial model; it is the current one from now on.

        Parameters
        ----------
        specification
            None for the founding one.
        has_basis
            Whether `arrays` have a basis already, so that no statistics round begins the lineage.
        """
        sha256 = hashlib.sha256(arrays).digest()
        self._execute(
            "INSERT INTO lineages (lineage_id, current_sha256, current_round_id, specification, has_basis)"
            " VALUES (?, ?, 0, ?, ?)",
            (
                lineage_id.bytes,
                sha256,
                None if specification is None else encode_specification(specification),
                has_basis,
            ),
        )
        self._put_model(lineage_id, 0, sha256, arrays)

    def current_model(self) -> ModelReference:
        """Return the round's model of the newest lineage."""
        rows = self._execute(
            "SELECT lineage_id, current_round_id, current_sha256 FROM lineages ORDER BY number DESC LIMIT 1"
        )
        with self._reading("lineages"):
            ((lineage, round_id, sha256),) = rows
            return ModelReference(UUID(bytes=lineage), round_id, sha256)

    def released_model(self) -> ModelReference | None:
        """Return the model that recognisers use, or None before the first was released."""
        rows = self._execute("SELECT released_lineage_id, released_round_id, released_sha256 FROM federation")
        with self._reading("a federation"):
            ((lineage, round_id, sha256),) = rows
            return None if lineage is None else ModelReference(UUID(bytes=lineage), round_id, sha256)

    def kept_models(self) -> list[KeptModel]:
        """Return all models that are kept, in the order of lineages and rounds."""
        rows = self._execute(
            "SELECT m.lineage_id, m.round_id, m.sha256, length(arrays), coalesce(closed_utc, l.created_utc)"
            " FROM models m JOIN lineages l USING (lineage_id) LEFT JOIN rounds r USING (round_id)"
            " ORDER BY l.number, m.round_id"
        )
        with self._reading("models"):
            return [
                KeptModel(ModelReference(UUID(bytes=lineage), round_id, sha256), n_bytes, made_utc)
                for lineage, round_id, sha256, n_bytes, made_utc in rows
            ]

    def arrays_of(self, model: ModelReference) -> bytes:
        """Return a kept model's arrays, encoded."""
        if self._at_hand[0] == model.sha256:
            return self._at_hand[1]
        rows = self._execute(
            "SELECT arrays FROM models WHERE lineage_id = ? AND sha256 = ?",
            (model.lineage_id.bytes, model.sha256),
        )
        if not rows or hashlib.sha256(rows[0][0]).digest() != model.sha256:
            raise StoreError(f"{SCHEMA.what} {self.path} has lost the model of round {model.round_id}")
        self._at_hand = (model.sha256, bytes(rows[0][0]))
        return self._at_hand[1]

    def add_model(self, lineage_id: UUID, round_id: int, arrays: bytes, n_kept: int) -> ModelReference:
        """Store the model that a round made as its lineage's current one; drop the oldest beyond `n_kept`."""
        sha256 = hashlib.sha256(arrays).digest()
        self._put_model(lineage_id, round_id, sha256, arrays)
        self._at_hand = (sha256, arrays)
        self._execute(
            "UPDATE lineages SET current_sha256 = ?, current_round_id = ? WHERE lineage_id = ?",
            (sha256, round_id, lineage_id.bytes),
        )
        self._execute(
            "DELETE FROM models WHERE lineage_id = ?1 AND round_id <= ("
            "  SELECT round_id FROM models WHERE lineage_id = ?1 ORDER BY round_id DESC LIMIT 1 OFFSET ?2)"
            " AND NOT EXISTS (SELECT 1 FROM federation"
            "  WHERE released_lineage_id = models.lineage_id AND released_sha256 = models.sha256)",
            (lineage_id.bytes, n_kept),
        )
        return ModelReference(lineage_id, round_id, sha256)

    def release(self, model: ModelReference) -> None:
        """Make `model` the one that recognisers use."""
        self._execute(
            "UPDATE federation SET released_lineage_id = ?, released_round_id = ?, released_sha256 = ?",
            (model.lineage_id.bytes, model.round_id, model.sha256),
        )

    def put_client(self, client: Client) -> None:
        """Store a client, or another password of the one with its id."""
        self._execute(
            "INSERT INTO clients (client_id, password) VALUES (?, ?)"
            " ON CONFLICT (client_id) DO UPDATE SET password = excluded.password",
            (client.client_id, client.password),
        )

    def clients(self) -> list[Client]:
        """Return all that were invited, in order of their ids."""
        rows = self._execute("SELECT client_id, password FROM clients ORDER BY client_id")
        return [Client(*row) for row in rows]

    def open_round(
        self, round_id: int, kind: RoundKind, cohort: tuple[str, ...], base: ModelReference
    ) -> None:
        """Store a round as open; at most one is."""
        self._execute(
            "INSERT INTO rounds (round_id, lineage_id, kind, state, cohort, base_sha256)"
            " VALUES (?, ?, ?, 'open', ?, ?)",
            (round_id, base.lineage_id.bytes, kind, msgspec.json.encode(cohort), base.sha256),
        )

    def finish_round(
        self, round_id: int, n_windows: int, result_sha256: bytes | None, metrics: Metrics
    ) -> None:
        """Store a round as finished and empty its spool."""
        self._close_round(
            round_id, "finished", n_windows=n_windows, result_sha256=result_sha256, metrics=metrics
        )

    def fail_round(self, round_id: int, reason: str) -> None:
        """Store a round as failed for `reason` and empty its spool."""
        self._close_round(round_id, "failed", reason=reason)

    def rounds(self, after: int = 0) -> list[RoundRecord]:
        """Return the rounds with ids above `after`, in order."""
        rows = self._execute(
            f"SELECT {ROUND_COLUMNS} FROM rounds WHERE round_id > ? ORDER BY round_id",  # noqa: S608 - a constant of ours
            (after,),
        )
        with self._reading("rounds"):
            return [round_record(row) for row in rows]

    def the_open_round(self) -> RoundRecord | None:
        """Return the round that collects, if there is one."""
        rows = self._execute(f"SELECT {ROUND_COLUMNS} FROM rounds WHERE state = 'open'")  # noqa: S608 - a constant of ours
        with self._reading("a round"):
            return round_record(rows[0]) if rows else None

    def last_round_id(self) -> int:
        """Return the id of the last round that was announced, 0 before the first."""
        return self._number("SELECT coalesce(max(round_id), 0) FROM rounds")

    def progress(self, lineage_id: UUID) -> Progress:
        """Return what the lineage has behind it."""
        ((n_statistics, n_trained, evaluated_at),) = self._execute(
            "SELECT coalesce(sum(kind = 'statistics'), 0), coalesce(sum(kind = 'train'), 0), coalesce(sum("
            "  kind = 'train' AND round_id < (SELECT coalesce(max(round_id), 0) FROM rounds"
            "   WHERE lineage_id = ?1 AND kind = 'evaluate' AND state <> 'open')), 0)"
            " FROM rounds WHERE lineage_id = ?1 AND state = 'finished'",
            (lineage_id.bytes,),
        )
        ((n_inherited,),) = self._execute(
            "SELECT coalesce(sum(has_basis), 0) FROM lineages WHERE lineage_id = ?", (lineage_id.bytes,)
        )
        return Progress(n_statistics + n_inherited > 0, n_trained, evaluated_at)

    def last_evaluation(self, lineage_id: UUID) -> Metrics | None:
        """Return what the lineage's last evaluation found, if one finished."""
        rows = self._execute(
            "SELECT metrics FROM rounds WHERE lineage_id = ? AND kind = 'evaluate' AND state = 'finished'"
            " ORDER BY round_id DESC LIMIT 1",
            (lineage_id.bytes,),
        )
        with self._reading("a round"):
            return msgspec.json.decode(rows[0][0], type=Metrics) if rows else None

    def add_contribution(
        self,
        header: Contribution,
        sha256: bytes,
        verdict: Verdict,
        *,
        body: bytes = b"",
        reason: RefusalReason | Literal[""] = "",
    ) -> None:
        """Store what became of a client's answer; an accepted one goes to the spool with its body."""
        self._execute(
            "INSERT INTO contributions (round_id, client_id, sha256, verdict, reason, n_windows)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (round_id, client_id) DO UPDATE SET sha256 = excluded.sha256,"
            " verdict = excluded.verdict, reason = excluded.reason, n_windows = excluded.n_windows",
            (header.round_id, header.client_id, sha256, verdict, reason, header.n_windows),
        )
        if verdict == "accepted":
            self._execute(
                "INSERT INTO spool (round_id, client_id, header, body) VALUES (?, ?, ?, ?)",
                (header.round_id, header.client_id, msgspec.msgpack.encode(header), body),
            )

    def contribution(self, round_id: int, client_id: str) -> ContributionRecord | None:
        """Return what became of a client's answer to a round, if it answered."""
        rows = self._execute(
            f"SELECT {CONTRIBUTION_COLUMNS} FROM contributions WHERE round_id = ? AND client_id = ?",  # noqa: S608 - a constant of ours
            (round_id, client_id),
        )
        return ContributionRecord(*rows[0]) if rows else None

    def contributions(self, round_id: int) -> list[ContributionRecord]:
        """Return what became of all answers to a round, in order of the clients' ids."""
        rows = self._execute(
            f"SELECT {CONTRIBUTION_COLUMNS} FROM contributions WHERE round_id = ? ORDER BY client_id",  # noqa: S608 - a constant of ours
            (round_id,),
        )
        return [ContributionRecord(*row) for row in rows]

    def spooled(self, round_id: int) -> Iterator[tuple[Contribution, bytes]]:
        """Yield the accepted headers and bodies in order of the clients' ids, one at a time."""
        # Ids first: all the bodies at once may not fit into memory.
        ids = self._execute("SELECT client_id FROM spool WHERE round_id = ? ORDER BY client_id", (round_id,))
        for (client_id,) in ids:
            ((header, body),) = self._execute(
                "SELECT header, body FROM spool WHERE round_id = ? AND client_id = ?", (round_id, client_id)
            )
            with self._reading(f"an answer of {client_id}"):
                contribution = msgspec.msgpack.decode(header, type=Contribution)
            yield contribution, body

    def count_refusal(self, client_id: str, reason: str) -> None:
        """Count one more refusal of a client's contribution."""
        self._execute(
            "INSERT INTO refusals (client_id, reason, n_refused) VALUES (?, ?, 1)"
            " ON CONFLICT (client_id, reason) DO UPDATE SET n_refused = n_refused + 1",
            (client_id, reason),
        )

    def refusals(self) -> dict[tuple[str, str], int]:
        """Return how often each client was refused for each reason."""
        rows = self._execute("SELECT client_id, reason, n_refused FROM refusals ORDER BY client_id, reason")
        return {(client_id, reason): n_refused for client_id, reason, n_refused in rows}

    def _put_model(self, lineage_id: UUID, round_id: int, sha256: bytes, arrays: bytes) -> None:
        # A round that changed nothing gives its base again; the model then counts as the newer round's.
        self._execute(
            "INSERT INTO models (lineage_id, sha256, round_id, arrays) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (lineage_id, sha256) DO UPDATE SET round_id = excluded.round_id",
            (lineage_id.bytes, sha256, round_id, arrays),
        )

    def _close_round(
        self,
        round_id: int,
        state: str,
        *,
        reason: str = "",
        n_windows: int = 0,
        result_sha256: bytes | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        values: tuple[Value, ...] = (
            state,
            reason,
            n_windows,
            result_sha256,
            msgspec.json.encode(metrics or {}),
            round_id,
        )
        self._execute(
            "UPDATE rounds SET state = ?, reason = ?, n_windows = ?, result_sha256 = ?, metrics = ?,"
            " closed_utc = CURRENT_TIMESTAMP WHERE round_id = ? AND state = 'open'",
            values,
        )
        self._execute("DELETE FROM spool WHERE round_id = ?", (round_id,))
