"""What a federation's store holds, row by row."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import msgspec

from fedmotion.aggregator.aggregation import Metrics
from fedmotion.aggregator.rounds import Verdict
from fedmotion.models.specification import Specification
from fedmotion.protocol.messages import ExampleTrace, ProposalState, RefusalReason, RoundKind


@dataclass(frozen=True, slots=True)
class Federation:
    """One task; its name, id and specification stay for good."""

    federation_id: UUID
    name: str
    specification: Specification


@dataclass(frozen=True, slots=True)
class ModelReference:
    """Which model: its lineage, the round that made it (0 is the initial one) and its SHA-256."""

    lineage_id: UUID
    round_id: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A model that can still be read; `made_utc`, as SQLite writes it, is when its round closed."""

    reference: ModelReference
    n_bytes: int
    made_utc: str


@dataclass(frozen=True, slots=True)
class Client:
    """A client that was invited; its password is here because the broker's accounts are made from it."""

    client_id: str
    password: str


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """A round as stored; `result_sha256` is there for finished statistics and train rounds only."""

    round_id: int
    lineage_id: UUID
    kind: RoundKind
    state: Literal["open", "finished", "failed"]
    cohort: tuple[str, ...]
    base_sha256: bytes
    result_sha256: bytes | None
    reason: str
    n_windows: int
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class ContributionRecord:
    """What became of a client's answer to a round; `sha256` is that of the whole message.

    `reason` is why it was refused, else empty.
    """

    client_id: str
    sha256: bytes
    verdict: Verdict
    reason: RefusalReason | Literal[""]
    n_windows: int


@dataclass(frozen=True, slots=True)
class GestureRecord:
    """What the owner said of an accepted gesture."""

    name: str
    sentence: str
    example: ExampleTrace | None


@dataclass(frozen=True, slots=True)
class ProposalRecord:
    """A client's proposal as stored; `sha256` is that of the message that made it."""

    proposal_id: UUID
    client_id: str
    sha256: bytes
    name: str
    sentence: str
    example: ExampleTrace | None
    state: ProposalState
    why: str
    received_utc: str


ROUND_COLUMNS = (
    "round_id, lineage_id, kind, state, cohort, base_sha256, result_sha256, reason, n_windows, metrics"
)
CONTRIBUTION_COLUMNS = "client_id, sha256, verdict, reason, n_windows"

_RoundRow = tuple[
    int,
    bytes,
    RoundKind,
    Literal["open", "finished", "failed"],
    bytes,
    bytes,
    bytes | None,
    str,
    int,
    bytes,
]


def round_record(row: _RoundRow) -> RoundRecord:
    """Return the round of a row of ROUND_COLUMNS; raises ValueError where it cannot be read."""
    round_id, lineage, kind, state, cohort, base, result, reason, n_windows, metrics = row
    return RoundRecord(
        round_id=round_id,
        lineage_id=UUID(bytes=lineage),
        kind=kind,
        state=state,
        cohort=msgspec.json.decode(cohort, type=tuple[str, ...]),
        base_sha256=base,
        result_sha256=result,
        reason=reason,
        n_windows=n_windows,
        metrics=msgspec.json.decode(metrics, type=Metrics),
    )
