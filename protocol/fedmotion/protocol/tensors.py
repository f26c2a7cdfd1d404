"""Named arrays as bytes, in the safetensors format: on the wire, in the stores, and in files."""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fedmotion.protocol.errors import MessageError

Arrays = Mapping[str, NDArray[np.generic]]
DTYPES = ("float32", "float64", "int64")


def encode_arrays(arrays: Arrays) -> bytes:
    """Return `arrays` as bytes; equal arrays give equal bytes, whatever their order in the mapping.

    Raises
    ------
    ValueError
        If an array's dtype is none of float32, float64 and int64.
    """
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise ValueError(f"array {name!r} is one of {', '.join(DTYPES)}, got {array.dtype.name}")
    return bytes(save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}))


def decode_arrays(data: bytes) -> dict[str, NDArray[np.generic]]:
    """Return the arrays in `data`; memory is bounded by its length, as nothing in the format expands.

    Raises
    ------
    MessageError
        If it is not safetensors, or holds a dtype other than float32, float64 and int64.
    """
    if not data:
        return {}
    try:
        arrays = load(data)
    except (SafetensorError, KeyError, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise MessageError(f"the arrays are not safetensors: {error}") from None
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise MessageError(f"array {name!r} is one of {', '.join(DTYPES)}, got {array.dtype.name}")
    return dict(arrays)


def sha256_of(arrays: Arrays) -> bytes:
    """Return the SHA-256 of the arrays' bytes, by which messages name a model."""
    return hashlib.sha256(encode_arrays(arrays)).digest()
