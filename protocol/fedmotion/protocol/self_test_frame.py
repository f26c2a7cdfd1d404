"""What the serial frame SELF_TEST says of a sensor (protocol/serial.md)."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from fedmotion.protocol.frame_fields import degrees_celsius, pack, unpack


class SelfTestOutcome(IntEnum):
    """How a self-test ended; what it measured is only there where it is DONE."""

    DONE = 0
    UNKNOWN_SENSOR = 1
    MOVED = 2
    SENSOR_LOST = 3


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a sensor's self-test gave, in the order of HELLO's channels.

    `deviation_permille` is by how much each axis differs from what the factory measured, NO_TRIM where the
    sensor does not say; within `limit_permille` is sound. `rest_counts` are the gyroscope's three at rest.
    """

    TYPE: ClassVar[int] = 0x05
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BHH6h3hh")
    NO_TRIM: ClassVar[int] = -32768

    outcome: int
    limit_permille: int
    rest_full_scale_dps: int
    deviation_permille: tuple[int, int, int, int, int, int]
    rest_counts: tuple[int, int, int]
    temperature_lsb: int

    @property
    def rest_degps(self) -> tuple[float, ...]:
        """The gyroscope's three axes at rest, in degrees a second."""
        return tuple(count * self.rest_full_scale_dps / 32768 for count in self.rest_counts)

    @property
    def temperature_degc(self) -> float:
        """The sensor's temperature in degrees Celsius, as STATUS has it."""
        return degrees_celsius(self.temperature_lsb)

    def encode(self) -> bytes:
        """Return the frame's payload; raises ValueError where a field does not fit its place."""
        return pack(
            self.LAYOUT,
            "SELF_TEST",
            self.outcome,
            self.limit_permille,
            self.rest_full_scale_dps,
            *self.deviation_permille,
            *self.rest_counts,
            self.temperature_lsb,
        )

    @classmethod
    def decode(cls, payload: bytes) -> "SelfTest":
        """Return the report in `payload`; raises MessageError on a wrong length."""
        fields = unpack(cls.LAYOUT, payload, "SELF_TEST")
        return cls(
            outcome=fields[0],
            limit_permille=fields[1],
            rest_full_scale_dps=fields[2],
            deviation_permille=fields[3:9],
            rest_counts=fields[9:12],
            temperature_lsb=fields[12],
        )
