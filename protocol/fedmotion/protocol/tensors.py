"""Named arrays as bytes, in the safetensors format: on the wire, in the stores, and in files."""

import hashlib
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fedmotion.protocol.errors import MessageError

Arrays = Mapping[str, NDArray[np.generic]]
DTYPES = ("float32", "float64", "int64")
MAX_INDEX_BYTES = 65_536
"""Of the JSON that names the arrays: some 800 of them. Without it a small message costs seconds to read."""
_LENGTH = struct.Struct("<Q")


def encode_arrays(arrays: Arrays) -> bytes:
    """Return `arrays` as bytes; equal arrays give equal bytes, whatever their order in the mapping.

    Raises
    ------
    ValueError
        If an array's dtype is none of float32, float64 and int64, or there are too many arrays.
    """
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise ValueError(f"array {name!r} is one of {', '.join(DTYPES)}, got {array.dtype.name}")
    # save() writes the memory as it lies; np.ascontiguousarray would give a scalar an axis.
    data = bytes(save({name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}))
    if _LENGTH.unpack_from(data)[0] > MAX_INDEX_BYTES:
        raise ValueError(f"arrays' names and shapes fit {MAX_INDEX_BYTES} bytes, got {len(arrays)} arrays")
    return data


def decode_arrays(data: bytes) -> dict[str, NDArray[np.generic]]:
    """Return the arrays in `data`; memory is bounded by its length, as nothing in the format expands.

    Arrays have one encoding only, that of `encode_arrays`: so the SHA-256 of the bytes is that of the
    arrays, and no two readers can take the same bytes for different arrays.

    Raises
    ------
    MessageError
        If it is not safetensors, holds a dtype other than float32, float64 and int64, or is another
        encoding of its arrays (a name twice, metadata, another order).
    """
    arrays = _load(data)
    if data and encode_arrays(arrays) != data:
        raise MessageError("the arrays are not in the one encoding that they have")
    return arrays


def decode_own_arrays(data: bytes) -> dict[str, NDArray[np.generic]]:
    """Return the arrays in bytes that `encode_arrays` made here or `decode_arrays` has accepted before.

    Raises
    ------
    MessageError
        If it is not safetensors, or holds a dtype other than float32, float64 and int64.
    """
    return _load(data)


def sha256_of(arrays: Arrays) -> bytes:
    """Return the SHA-256 of the arrays' bytes, by which messages name a model."""
    return hashlib.sha256(encode_arrays(arrays)).digest()


def _load(data: bytes) -> dict[str, NDArray[np.generic]]:
    if not data:
        return {}
    if len(data) < _LENGTH.size or _LENGTH.unpack_from(data)[0] > MAX_INDEX_BYTES:
        raise MessageError(f"the arrays start with the length of an index of at most {MAX_INDEX_BYTES} bytes")
    try:
        arrays = load(data)
    except (SafetensorError, KeyError, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise MessageError(f"the arrays are not safetensors: {str(error)[:500]}") from None
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise MessageError(f"array {name[:80]!r} is one of {', '.join(DTYPES)}, got {array.dtype.name}")
    return dict(arrays)
