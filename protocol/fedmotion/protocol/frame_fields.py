"""Fields of a serial frame to bytes and back, and the one unit that two frames share."""

import struct
from typing import Any

from fedmotion.protocol.errors import MessageError


def degrees_celsius(temperature_lsb: int) -> float:
    """Return TEMP_OUT in degrees Celsius (RM-MPU-6000A, registers 65 and 66)."""
    return temperature_lsb / 340 + 36.53


def pack(layout: struct.Struct, name: str, *fields: int | bytes) -> bytes:
    """Return the payload of a frame called `name`; raises ValueError where a field does not fit its place."""
    try:
        return layout.pack(*fields)
    except struct.error as error:
        raise ValueError(f"{name}: a field does not fit its place: {error}") from None


def unpack(layout: struct.Struct, payload: bytes, name: str) -> tuple[Any, ...]:
    """Return the fields in `payload`; raises MessageError where its length is not the layout's."""
    if len(payload) != layout.size:
        raise MessageError(f"{name} has {layout.size} bytes, got {len(payload)}")
    return layout.unpack(payload)
