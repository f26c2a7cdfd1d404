"""The part of a federation's store that grows: specifications by lineage, the owner's gestures, proposals."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import msgspec

from fedmotion.aggregator.federation_records import Federation, GestureRecord, ProposalRecord
from fedmotion.aggregator.federation_schema import SCHEMA
from fedmotion.delivery.sqlite_store import SqliteStore, StoreError
from fedmotion.models.specification import Specification, decode_specification
from fedmotion.protocol.identity import OTHER
from fedmotion.protocol.messages import ExampleTrace, Gesture, Proposal, ProposalState

N_PROPOSALS_KEPT = 64
"""Of a client, newest first: as many as the answers to it can name. Open ones are fewer."""

_SINCE_VERSION = 2
"""The schema's version that first had gestures; one of before is only ever looked at."""

_PROPOSAL = "proposal_id, client_id, sha256, name, sentence, example, state, why, received_utc"


class GestureTables(SqliteStore):
    """See `federation_store.FederationStore`, which is all of it; writes stand in a `transaction()`."""

    def founding_specification(self) -> Specification | None:
        """Return what the federation was founded to learn, or None in a new store."""
        rows = self._execute("SELECT specification FROM federation")
        with self._reading("a federation"):
            return decode_specification(rows[0][0]) if rows else None

    def federation(self) -> Federation | None:
        """Return the federation with its newest lineage's specification, or None in a new store."""
        rows = self._execute("SELECT federation_id, name, specification FROM federation")
        if not rows:
            return None
        newest: list[tuple[bytes]] = []
        if self.file_version() >= _SINCE_VERSION:
            newest = self._execute(
                "SELECT specification FROM lineages WHERE specification IS NOT NULL"
                " ORDER BY number DESC LIMIT 1"
            )
        with self._reading("a federation"):
            ((federation_id, name, specification),) = rows
            specification = newest[0][0] if newest else specification
            return Federation(UUID(bytes=federation_id), name, decode_specification(specification))

    def specification_of(self, lineage_id: UUID) -> Specification:
        """Return what a lineage learns."""
        own = "NULL" if self.file_version() < _SINCE_VERSION else "l.specification"
        rows = self._execute(
            f"SELECT coalesce({own}, f.specification) FROM federation f JOIN lineages l"  # noqa: S608 - a constant of ours
            " WHERE l.lineage_id = ?",
            (lineage_id.bytes,),
        )
        if not rows:
            raise StoreError(f"{SCHEMA.what} {self.path} has no lineage {lineage_id}")
        with self._reading("a lineage"):
            return decode_specification(rows[0][0])

    def put_gesture(self, gesture: GestureRecord) -> None:
        """Store what the owner says of a gesture, instead of what was said before."""
        self._execute(
            "INSERT INTO gestures (name, sentence, example) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET sentence = excluded.sentence, example = excluded.example",
            (gesture.name, gesture.sentence, _packed(gesture.example)),
        )

    def gestures(self) -> list[GestureRecord]:
        """Return what was said of gestures, in the order in which they were first named."""
        rows = self._execute("SELECT name, sentence, example FROM gestures ORDER BY position")
        with self._reading("a gesture"):
            return [GestureRecord(name, sentence, _unpacked(example)) for name, sentence, example in rows]

    def listed(self) -> tuple[Gesture, ...]:
        """Return the federation's list: what it learns, in the order of classes, then what it will."""
        federation = self.federation()
        learned = () if federation is None else federation.specification.activities
        said = {each.name: each for each in self.gestures()}
        names = [
            *(each for each in learned if each != OTHER),
            *(each for each in said if each not in learned),
        ]
        nothing = GestureRecord("", "", None)
        return tuple(
            Gesture(
                name=name,
                sentence=said.get(name, nothing).sentence,
                example=said.get(name, nothing).example,
                is_learned=name in learned,
            )
            for name in names
        )

    def wanted(self) -> tuple[str, ...]:
        """Return the accepted gestures that no lineage learns yet, in the order of their acceptance."""
        return tuple(each.name for each in self.listed() if not each.is_learned)

    def add_proposal(self, proposal: Proposal, sha256: bytes) -> None:
        """Store a proposal as open, and forget the client's oldest that are not."""
        self._execute(
            "INSERT INTO proposals (proposal_id, client_id, sha256, name, sentence, example, state)"
            " VALUES (?, ?, ?, ?, ?, ?, 'open')",
            (
                proposal.proposal_id.bytes,
                proposal.client_id,
                sha256,
                proposal.name,
                proposal.sentence,
                _packed(proposal.example),
            ),
        )
        self._execute(
            "DELETE FROM proposals WHERE client_id = ?1 AND state <> 'open' AND position NOT IN ("
            "  SELECT position FROM proposals WHERE client_id = ?1 ORDER BY position DESC LIMIT ?2)",
            (proposal.client_id, N_PROPOSALS_KEPT),
        )

    def decide_proposal(self, proposal: ProposalRecord, state: ProposalState, why: str = "") -> None:
        """Store what became of a proposal; an example that is not taken up is somebody's motion and goes."""
        self._execute(
            "UPDATE proposals SET state = ?1, why = ?2,"
            " example = CASE WHEN ?1 IN ('declined', 'withdrawn') THEN NULL ELSE example END"
            " WHERE client_id = ?3 AND proposal_id = ?4",
            (state, why, proposal.client_id, proposal.proposal_id.bytes),
        )

    def proposals(self, client_id: str | None = None) -> list[ProposalRecord]:
        """Return a client's proposals that are kept, or everybody's, oldest first."""
        rows = self._execute(
            f"SELECT {_PROPOSAL} FROM proposals WHERE ?1 IS NULL OR client_id = ?1 ORDER BY position",  # noqa: S608 - a constant of ours
            (client_id,),
        )
        with self._reading("a proposal"):
            return [
                ProposalRecord(
                    UUID(bytes=proposal_id), client, sha256, name, sentence, _unpacked(example), *rest
                )
                for proposal_id, client, sha256, name, sentence, example, *rest in rows
            ]

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        try:
            yield
        except (TypeError, ValueError) as error:
            raise StoreError(
                f"{SCHEMA.what} {self.path} is damaged, it holds {what} that cannot be read: {error}"
            ) from None


def _packed(example: ExampleTrace | None) -> bytes | None:
    return None if example is None else msgspec.msgpack.encode(example)


def _unpacked(data: bytes | None) -> ExampleTrace | None:
    return None if data is None else msgspec.msgpack.decode(data, type=ExampleTrace)
