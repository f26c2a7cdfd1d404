"""The messages of protocol/mqtt.md: an envelope of a typed msgpack header and a body of named arrays."""

import hashlib
import struct
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec

from fedmotion.protocol.errors import MessageError

PROTOCOL_VERSION = 1
MAX_HEADER_BYTES = 65_536
MAX_MESSAGE_BYTES = 64 * 2**20

RoundKind = Literal["statistics", "train", "evaluate"]
Purpose = Literal["round", "released"]
Sha256 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,32}$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Text = Annotated[str, msgspec.Meta(max_length=500)]

_PREFIX = struct.Struct("<2sBxI")
_MAGIC = b"FM"


class Federated(msgspec.Struct, frozen=True, kw_only=True):
    """What every message of a federation carries.

    `federation_id` is made once for a federation and `lineage_id` once for a scaling and a basis; a
    message of another one is refused. `signature` is room for a later version.
    """

    federation_id: UUID
    lineage_id: UUID
    signature: bytes = b""


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a cohort trains in one round; every family understands these."""

    learning_rate: float = 0.01
    n_epochs: int = 5
    batch_size: int = 16
    proximal_mu: float = 0.0
    seed: int = 0


class Announcement(Federated, frozen=True, kw_only=True, tag="announcement"):
    """The aggregator's current round: who is invited, to do what, from which model, for how long.

    `deadline_s` is a duration from the moment of reading it: wall clocks are never compared.
    """

    round_id: Count
    round_kind: RoundKind
    cohort: tuple[Name, ...]
    deadline_s: float
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
    specification: bytes
    specification_version: int
    protocol_version: int = PROTOCOL_VERSION


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
    metrics: dict[str, float] = {}
    declined: Text = ""


class Receipt(Federated, frozen=True, kw_only=True, tag="receipt"):
    """The aggregator's word that a contribution is in its store, or refused and why.

    `contribution_sha256` is the SHA-256 of the whole message, so that a receipt answers one sending.
    """

    round_id: Count
    client_id: Name
    contribution_sha256: Sha256
    verdict: Literal["accepted", "refused"]
    reason: str = ""
    text: Text = ""


class Presence(msgspec.Struct, frozen=True, kw_only=True, tag="presence"):
    """Whether a program is there; `session` tells a late will from the present session."""

    name: Name
    session: UUID
    is_online: bool
    protocol_version: int = PROTOCOL_VERSION


Header = Announcement | Model | Contribution | Receipt | Presence
_H = TypeVar("_H", bound=Header)


class _Envelope(msgspec.Struct, frozen=True):
    header: Header
    body_sha256: Sha256


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Envelope)


def encode_message(header: Header, body: bytes = b"") -> bytes:
    """Return the message; `body` is what `tensors.encode_arrays` made, or nothing."""
    envelope = _encoder.encode(_Envelope(header, hashlib.sha256(body).digest()))
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
    except (msgspec.DecodeError, RecursionError) as error:
        raise MessageError(f"the header breaks a rule: {error}") from None
    if not isinstance(envelope.header, expected):
        raise MessageError(
            f"expected a message of kind {expected.__name__}, got {type(envelope.header).__name__}"
        )
    body = data[_PREFIX.size + header_length :]
    if hashlib.sha256(body).digest() != envelope.body_sha256:
        raise MessageError("the body is not what the header's SHA-256 says: truncated or damaged")
    return envelope.header, body
