"""The messages of protocol/mqtt.md: an envelope of a typed msgpack header and a body of named arrays."""

import hashlib
import struct
import sys
from typing import Annotated, Literal, TypeVar, get_args
from uuid import UUID

import msgspec

from fedmotion.protocol.errors import MessageError

PROTOCOL_VERSION = 1
MAX_HEADER_BYTES = 65_536
MAX_MESSAGE_BYTES = 64 * 2**20

RoundKind = Literal["statistics", "train", "evaluate"]
Purpose = Literal["round", "released"]
RefusalReason = Literal[
    "late",
    "duplicate",
    "foreign",
    "not_invited",
    "malformed",
    "oversized",
    "not_finite",
    "implausible",
    "wrong_shape",
    "wrong_dtype",
    "bad_count",
    "wrong_base",
    "other_lineage",
    "wrong_kind",
    "wrong_version",
]
REFUSAL_REASONS: tuple[RefusalReason, ...] = get_args(RefusalReason)
ProposalReason = Literal["malformed", "oversized", "foreign", "wrong_version", "known", "too_many", "decided"]
PROPOSAL_REASONS: tuple[ProposalReason, ...] = get_args(ProposalReason)
ProposalState = Literal["open", "accepted", "declined", "withdrawn"]

MAX_SENTENCE_CHARACTERS = 200
MAX_GESTURES = 512
N_EXAMPLE_POINTS = 24

Sha256 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
# "$" would let a newline follow.
Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9-]{1,32}\Z")]
Word = Annotated[str, msgspec.Meta(pattern=r"\A[a-z_]{0,32}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Version = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Text = Annotated[str, msgspec.Meta(max_length=500)]
# Comparisons are false of NaN, so it breaks these bounds too.
Seconds = Annotated[float, msgspec.Meta(ge=0, le=30 * 86_400)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Finite = Annotated[float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Sentence = Annotated[str, msgspec.Meta(max_length=MAX_SENTENCE_CHARACTERS)]
Peak = Annotated[float, msgspec.Meta(ge=0, le=1000.0)]
Metrics = Annotated[dict[Annotated[str, msgspec.Meta(max_length=64)], Finite], msgspec.Meta(max_length=64)]

_PREFIX = struct.Struct("<2sBxI")
_MAGIC = b"FM"


class Federated(msgspec.Struct, frozen=True, kw_only=True):
    """What every message of a federation carries.

    `federation_id` is made once for a federation and `lineage_id` once for a scaling and a basis; a
    message of another one is refused. `signature` is room for a later version.
    """

    federation_id: UUID
    lineage_id: UUID
    signature: Annotated[bytes, msgspec.Meta(max_length=1024)] = b""


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a cohort trains in one round; every family understands these.

    `absent_share` is how far a linear model's classes without windows here are moved: see `models.pca_svm`.
    """

    learning_rate: Rate = 0.01
    n_epochs: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 5
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 16
    proximal_mu: Rate = 0.0
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    absent_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0


class Announcement(Federated, frozen=True, kw_only=True, tag="announcement"):
    """The aggregator's current round: who is invited, to do what, from which model, for how long.

    `deadline_s` is a duration from the moment of reading it: wall clocks are never compared.
    """

    round_id: Count
    round_kind: RoundKind
    cohort: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1024)]
    deadline_s: Seconds
    model_sha256: Sha256
    settings: TrainSettings = TrainSettings()


class Model(Federated, frozen=True, kw_only=True, tag="model"):
    """A model for the round or for recognisers; the body holds all of its arrays.

    `specification` is the JSON of `models.specification.Specification`; `specification_version` and
    `protocol_version` are what a reader needs to understand it.
    """

    purpose: Purpose
    round_id: Count
    model_sha256: Sha256
    specification: Annotated[bytes, msgspec.Meta(max_length=32_768)]
    specification_version: Version
    protocol_version: Version = PROTOCOL_VERSION


class Contribution(Federated, frozen=True, kw_only=True, tag="contribution"):
    """One client's answer to one round: an update, an evaluation, statistics, or `declined` and why.

    The body holds the trained arrays (train), the summed moments (statistics) or the confusion counts
    (evaluate). `n_windows` weighs it; `n_steps` counts optimiser steps. `metrics` are for people only.
    """

    round_id: Count
    round_kind: RoundKind
    client_id: Name
    base_sha256: Sha256
    n_windows: Count = 0
    n_steps: Count = 0
    metrics: Metrics = {}
    declined: Text = ""


class Receipt(Federated, frozen=True, kw_only=True, tag="receipt"):
    """The aggregator's word that a contribution or a proposal is in its store, or refused and why.

    `contribution_sha256` is the SHA-256 of the whole message, so that a receipt answers one sending.
    `reason` is one of REFUSAL_REASONS, of a proposal one of PROPOSAL_REASONS, or one that only a later
    version knows.
    """

    round_id: Count
    client_id: Name
    contribution_sha256: Sha256
    verdict: Literal["accepted", "refused"]
    reason: Word = ""
    text: Text = ""


class Presence(msgspec.Struct, frozen=True, kw_only=True, tag="presence"):
    """Whether a program is there; `session` tells a late will from the present session."""

    name: Name
    session: UUID
    is_online: bool
    protocol_version: Version = PROTOCOL_VERSION


class ExampleTrace(msgspec.Struct, frozen=True, kw_only=True):
    """What one performance of a gesture looks like, published by whoever performed it; for people only.

    `counts` holds N_EXAMPLE_POINTS instants, evenly spaced over `duration_s`, of the six axes in their order,
    each an int8: 127 is `acceleration_mps2` of the first three axes and `rate_radps` of the others.
    """

    duration_s: Annotated[float, msgspec.Meta(gt=0, le=60.0)]
    acceleration_mps2: Peak
    rate_radps: Peak
    counts: Annotated[bytes, msgspec.Meta(min_length=6 * N_EXAMPLE_POINTS, max_length=6 * N_EXAMPLE_POINTS)]


class Gesture(msgspec.Struct, frozen=True, kw_only=True):
    """One gesture of a federation's list; not yet `is_learned` where its lineage is still to begin."""

    name: Label
    sentence: Sentence = ""
    example: ExampleTrace | None = None
    is_learned: bool = True


class GestureList(msgspec.Struct, frozen=True, kw_only=True, tag="gestures"):
    """The gestures that a federation's owner has accepted, in the order of its classes, without `other`."""

    federation_id: UUID
    gestures: Annotated[tuple[Gesture, ...], msgspec.Meta(max_length=MAX_GESTURES)]


class Proposal(msgspec.Struct, frozen=True, kw_only=True, tag="proposal"):
    """A client's wish for one more gesture, or that its earlier wish of the same id `is_withdrawn`."""

    federation_id: UUID
    client_id: Name
    proposal_id: UUID
    name: Label
    sentence: Sentence = ""
    example: ExampleTrace | None = None
    is_withdrawn: bool = False


class ProposalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one proposal; `why` is the owner's word where it was declined."""

    proposal_id: UUID
    name: Label
    state: ProposalState
    why: Text = ""


class ProposalAnswers(msgspec.Struct, frozen=True, kw_only=True, tag="answers"):
    """What became of one client's latest proposals, oldest first."""

    federation_id: UUID
    client_id: Name
    answers: Annotated[tuple[ProposalAnswer, ...], msgspec.Meta(max_length=64)]


Header = Announcement | Model | Contribution | Receipt | Presence | GestureList | Proposal | ProposalAnswers
_H = TypeVar("_H", bound=Header)


class _Envelope(msgspec.Struct, frozen=True):
    header: Header
    body_sha256: Sha256


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Envelope)


def encode_message(header: Header, body: bytes = b"") -> bytes:
    """Return the message; `body` is what `tensors.encode_arrays` made, or nothing.

    Raises
    ------
    ValueError
        If no reader would accept it: the header breaks a rule of its fields, or something is too large.
    """
    envelope = _encoder.encode(_Envelope(header, hashlib.sha256(body).digest()))
    try:
        _decoder.decode(envelope)
    except msgspec.ValidationError as error:
        raise ValueError(f"a {type(header).__name__} that nobody would accept: {error}") from None
    n_bytes = _PREFIX.size + len(envelope) + len(body)
    if len(envelope) > MAX_HEADER_BYTES or n_bytes > MAX_MESSAGE_BYTES:
        raise ValueError(
            f"a message has a header of at most {MAX_HEADER_BYTES} and in all {MAX_MESSAGE_BYTES} bytes, "
            f"got {len(envelope)} and {n_bytes}"
        )
    return _PREFIX.pack(_MAGIC, PROTOCOL_VERSION, len(envelope)) + envelope + body


def decode_message(data: bytes, expected: type[_H]) -> tuple[_H, bytes]:
    """Return the header, which is of the `expected` kind, and the body of `data`.

    Raises
    ------
    MessageError
        If the message is of another version or kind, too large, truncated, or its header breaks a rule.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise MessageError(f"a message has at most {MAX_MESSAGE_BYTES} bytes, got {len(data)}")
    if len(data) < _PREFIX.size or data[:2] != _MAGIC:
        raise MessageError(f"a message starts with {_MAGIC!r}, got {data[:8]!r}")
    _, version, header_length = _PREFIX.unpack_from(data)
    if version != PROTOCOL_VERSION:
        raise MessageError(
            f"this program speaks protocol {PROTOCOL_VERSION}, the message is of version {version}"
        )
    if header_length > MAX_HEADER_BYTES or _PREFIX.size + header_length > len(data):
        raise MessageError(f"the header of {header_length} bytes does not fit a message of {len(data)}")
    try:
        envelope = _decoder.decode(data[_PREFIX.size : _PREFIX.size + header_length])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # What is shown of it is bounded: it quotes the sender's names.
        raise MessageError(f"the header breaks a rule: {str(error)[:500]}") from None
    if not isinstance(envelope.header, expected):
        raise MessageError(
            f"expected a message of kind {expected.__name__}, got {type(envelope.header).__name__}"
        )
    body = data[_PREFIX.size + header_length :]
    if hashlib.sha256(body).digest() != envelope.body_sha256:
        raise MessageError("the body is not what the header's SHA-256 says: truncated or damaged")
    return envelope.header, body
