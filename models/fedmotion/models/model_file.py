"""A model at rest: a safetensors file whose metadata say what the model is and where it comes from.

Bytes in, bytes out. docs/models.md has the layout: the arrays are the bytes that travel in messages and that
the model's SHA-256 names, with one entry more in their index.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import msgspec

from fedmotion.models.family import family
from fedmotion.models.parameters import check_arrays
from fedmotion.models.specification import (
    SPECIFICATION_VERSION,
    Parameters,
    Specification,
    decode_specification,
    encode_specification,
)
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.messages import MAX_MESSAGE_BYTES
from fedmotion.protocol.tensors import MAX_INDEX_BYTES as MAX_ARRAYS_INDEX_BYTES
from fedmotion.protocol.tensors import decode_arrays, encode_arrays

SUFFIX = ".safetensors"
FORMAT = "fedmotion model"
FORMAT_VERSION = 1
MAX_SPECIFICATION_BYTES = 32_768
"""As in messages."""

MAX_INDEX_BYTES = MAX_ARRAYS_INDEX_BYTES + 2 * MAX_SPECIFICATION_BYTES + 4096
"""A specification's quotes are escaped where it is a JSON string itself, so it at most doubles."""

MAX_MODEL_FILE_BYTES = MAX_MESSAGE_BYTES + MAX_INDEX_BYTES
"""What a message carries fits a file."""

_LENGTH = struct.Struct("<Q")
_METADATA = "__metadata__"
_ALIGNMENT_BYTES = 8
_MAX_ERROR = 600

_FOREIGN = (
    # Pickle protocols 2 to 5 begin so (Python's pickletools, PROTO); 0 and 1 have no mark.
    *(
        (bytes((0x80, protocol)), "a pickle, which may run code where it is opened")
        for protocol in range(2, 6)
    ),
    (b"PK\x03\x04", "a zip archive, as of numpy or PyTorch"),
    (b"\x93NUMPY", "an array of numpy"),
    (b"\x89HDF", "an HDF5 file"),
    (b"FM", "a message of the wire"),
    (b"SQLite format 3", "an SQLite store"),
)


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One model of a federation, and when and by which program its file was written.

    `sha256` is that of `encode_arrays(parameters)`, which names the model everywhere; `round_id` is the
    round that made it, 0 for a lineage's initial model. `written_utc` is `YYYY-MM-DDTHH:MM:SSZ`.
    """

    federation: str
    federation_id: UUID
    lineage_id: UUID
    round_id: int
    sha256: bytes
    specification: Specification
    parameters: Parameters
    written_utc: str
    written_by: str


class _Metadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The entries of `__metadata__`, which in safetensors are all text."""

    format: str
    format_version: str
    federation: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9-]{1,32}\Z")]
    federation_id: UUID
    lineage_id: UUID
    round_id: Annotated[str, msgspec.Meta(pattern=r"\A(0|[1-9][0-9]{0,15})\Z")]
    arrays_sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    specification: str
    written_utc: Annotated[
        str,
        msgspec.Meta(
            pattern=r"\A[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3])(:[0-5][0-9]){2}Z\Z"
        ),
    ]
    written_by: Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{1,64}\Z")]


def encode_model_file(model: StoredModel) -> bytes:
    """Return `model` as the bytes of a file; equal models give equal bytes.

    Raises
    ------
    ValueError
        If no reader would take it: what it says of itself breaks a rule, its SHA-256 is not that of its
        arrays, or they are not as specified.
    """
    metadata = _Metadata(
        format=FORMAT,
        format_version=str(FORMAT_VERSION),
        federation=model.federation,
        federation_id=model.federation_id,
        lineage_id=model.lineage_id,
        round_id=str(model.round_id),
        arrays_sha256=model.sha256.hex(),
        specification=encode_specification(model.specification).decode(),
        written_utc=model.written_utc,
        written_by=model.written_by,
    )
    data = _with_metadata(encode_arrays(model.parameters), msgspec.to_builtins(metadata))
    decode_model_file(data)
    return data


def decode_model_file(data: bytes) -> StoredModel:
    """Return the model in `data`, which is all that it claims to be; memory is bounded by its length.

    Equal models have one encoding but for the order of the metadata's entries, so no two readers can take
    the same bytes for different models, and nothing hides beside one.

    Raises
    ------
    ValueError
        In words: foreign, truncated, damaged, of a newer version, of a family that this program does not
        know, or with arrays that are not as specified or not finite.
    """
    try:
        return _decode(data)
    except ValueError as error:
        # It quotes the file, which may be anybody's: nothing of it is to steer a terminal.
        raise ValueError("".join(c if c.isprintable() else "?" for c in str(error)[:_MAX_ERROR])) from None


def _decode(data: bytes) -> StoredModel:
    index, body = _split(data)
    metadata, entries = _read_index(index)
    arrays_bytes = _join({name: bytes(raw) for name, raw in entries.items()}, body)
    if hashlib.sha256(arrays_bytes).hexdigest() != metadata.arrays_sha256:
        raise ValueError(
            "the model file is damaged or was changed: its arrays are not those that its SHA-256 names"
        )
    specification = _specification(metadata.specification)
    try:
        # Arrays have one encoding: the hash of these bytes is that of the arrays.
        arrays = decode_arrays(arrays_bytes)
        check_arrays(arrays, specification.arrays)
    except (MessageError, ValueError) as error:
        raise ValueError(f"the model file's arrays do not fit its specification: {error}") from None
    return StoredModel(
        federation=metadata.federation,
        federation_id=metadata.federation_id,
        lineage_id=metadata.lineage_id,
        round_id=int(metadata.round_id),
        sha256=bytes.fromhex(metadata.arrays_sha256),
        specification=specification,
        parameters=arrays,
        written_utc=metadata.written_utc,
        written_by=metadata.written_by,
    )


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Return the index, JSON, and the arrays' bytes behind it."""
    if len(data) > MAX_MODEL_FILE_BYTES:
        raise ValueError(f"a model file has at most {MAX_MODEL_FILE_BYTES} bytes, got {len(data)}")
    n_index_bytes = _LENGTH.unpack_from(data)[0] if len(data) >= _LENGTH.size else 0
    if not 0 < n_index_bytes <= MAX_INDEX_BYTES:
        kind = next((kind for mark, kind in _FOREIGN if data.startswith(mark)), "no model file")
        raise ValueError(
            f"this is {kind}; a model is a safetensors file, which begins with the length of its index, "
            f"8 bytes for at most {MAX_INDEX_BYTES}, got {data[:8].hex(' ') or 'nothing'}"
        )
    end = _LENGTH.size + n_index_bytes
    if end > len(data):
        raise ValueError(
            f"the model file is cut short: its index ends at byte {end}, the file at byte {len(data)}"
        )
    return data[_LENGTH.size : end], data[end:]


def _read_index(index: bytes) -> tuple[_Metadata, dict[str, msgspec.Raw]]:
    """Return the metadata, and what the index says of each array."""
    try:
        entries = msgspec.json.decode(index, type=dict[str, msgspec.Raw])
        found = msgspec.json.decode(entries.pop(_METADATA, b"{}"), type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"this is no safetensors file: its index is not readable ({error})") from None
    if found.get("format") != FORMAT:
        raise ValueError(
            f"this is a safetensors file of another program: a model's metadata have the format {FORMAT!r}, "
            f"got {found.get('format', 'none')[:40]!r}"
        )
    version = found.get("format_version", "")
    if version.isdecimal() and len(version) < 6 and int(version) > FORMAT_VERSION:
        raise ValueError(
            f"the model file is of format version {version}, this program reads {FORMAT_VERSION}: "
            "update fedmotion"
        )
    try:
        metadata = msgspec.convert(found, type=_Metadata)
    except msgspec.ValidationError as error:
        raise ValueError(f"the model file's metadata break a rule: {error}") from None
    written = {_METADATA: _json_object(found), **{name: bytes(raw) for name, raw in entries.items()}}
    if _index(written) != index or msgspec.to_builtins(metadata) != found:
        raise ValueError(
            "the model file's index is not in the one encoding that it has (docs/models.md): save it again "
            "with the program that wrote it"
        )
    return metadata, entries


def _specification(text: str) -> Specification:
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_SPECIFICATION_BYTES:
        raise ValueError(f"a specification has at most {MAX_SPECIFICATION_BYTES} bytes, got {len(data)}")
    try:
        version = msgspec.json.decode(data, type=_Version).version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the model file's specification is not readable: {error}") from None
    if version > SPECIFICATION_VERSION:
        raise ValueError(
            f"the model file needs specifications of version {version}, this program reads "
            f"{SPECIFICATION_VERSION}: update fedmotion"
        )
    try:
        specification = decode_specification(data)
        family(specification.family)
    except ValueError as error:
        raise ValueError(f"the model file's specification is of no use here: {error}") from None
    if encode_specification(specification) != data:
        raise ValueError("the model file's specification is not in the one encoding that it has")
    return specification


class _Version(msgspec.Struct, frozen=True):
    version: int


def _with_metadata(arrays_bytes: bytes, metadata: dict[str, str]) -> bytes:
    end = _LENGTH.size + _LENGTH.unpack_from(arrays_bytes)[0]
    entries = msgspec.json.decode(arrays_bytes[_LENGTH.size : end], type=dict[str, msgspec.Raw])
    raw = {name: bytes(entry) for name, entry in entries.items()}
    return _join({_METADATA: _json_object(metadata), **raw}, arrays_bytes[end:])


def _join(entries: dict[str, bytes], body: bytes) -> bytes:
    index = _index(entries)
    return _LENGTH.pack(len(index)) + index + body


def _index(entries: dict[str, bytes]) -> bytes:
    """Return the index as safetensors writes it: JSON without spaces, filled up with them to 8 bytes."""
    index = b"{" + b",".join(msgspec.json.encode(name) + b":" + raw for name, raw in entries.items()) + b"}"
    return index + b" " * (-len(index) % _ALIGNMENT_BYTES)


def _json_object(entries: dict[str, str]) -> bytes:
    return msgspec.json.encode(entries)
