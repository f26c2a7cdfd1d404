"""What the serial frames of protocol/serial.md say: one dataclass a frame type, to bytes and from bytes.

Nothing here knows of COBS or of the CRC: that is `serial_framing`.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.frame_fields import degrees_celsius, pack, unpack
from fedmotion.protocol.self_test_frame import SelfTest

FORMAT_VERSION = 1
DEFAULT_BAUD = 500_000
AXES = ("ax", "ay", "az", "gx", "gy", "gz")
N_AXES = len(AXES)
MAX_SAMPLES_PER_FRAME = 16
ACCEL_FULL_SCALES_G = (2, 4, 8, 16)
GYRO_FULL_SCALES_DPS = (250, 500, 1000, 2000)


class OtherVersionError(MessageError):
    """A node speaks another format; `version` is its number."""

    def __init__(self, version: int) -> None:
        super().__init__(f"HELLO: this host reads serial format {FORMAT_VERSION}, the board speaks {version}")
        self.version = version


class ResultCode(IntEnum):
    """What a node answers to a command."""

    OK = 0
    UNKNOWN_COMMAND = 1
    BAD_LENGTH = 2
    OUT_OF_RANGE = 3
    BUSY = 4
    FAILED = 5


class Fault(IntEnum):
    """Bits of STATUS' latched faults."""

    SENSOR_ABSENT = 1 << 0
    SENSOR_WRONG = 1 << 1
    BUS_STUCK = 1 << 2
    FIFO_OVERFLOW = 1 << 3
    SAMPLES_LATE = 1 << 4
    SETTINGS_LOST = 1 << 5
    TRANSMIT_STALLED = 1 << 6


@dataclass(frozen=True, slots=True)
class Hello:
    """A node's description of itself; the host holds no constant of a sensor.

    `axis_order[i]` is +-(1 + index into AXES) of the i-th channel sent, negative where its sign is
    turned. `accel_lsb_per_g` and `gyro_lsb_per_dps` follow from the full scales (`*_scale` below).
    """

    TYPE: ClassVar[int] = 0x01
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<B3B16sQBBHI6bB")

    firmware_version: tuple[int, int, int]
    board: str
    board_id: int
    sensor_id: int
    accel_full_scale_g: int
    gyro_full_scale_dps: int
    period_us: int
    axis_order: tuple[int, int, int, int, int, int] = (1, 2, 3, 4, 5, 6)
    reset_cause: int = 0
    format_version: int = FORMAT_VERSION

    @property
    def accel_scale_g(self) -> float:
        """Standard gravities per count: full scale is reached at -2**15 (RM-MPU-6000A, register 59-64)."""
        return self.accel_full_scale_g / 32768

    @property
    def gyro_scale_dps(self) -> float:
        """Degrees per second per count.

        The data sheet's sensitivities (131, 65.5, 32.8, 16.4 LSB a degree a second) are 2**15 / full
        scale, rounded.
        """
        return self.gyro_full_scale_dps / 32768

    def encode(self) -> bytes:
        """Return the frame's payload; raises ValueError where a field does not fit its place."""
        if not _is_board_name(self.board) or len(self.board) > 16:
            raise ValueError(f"a board's name has at most 16 printable ASCII characters, got {self.board!r}")
        return pack(
            self.LAYOUT,
            "HELLO",
            self.format_version,
            *self.firmware_version,
            self.board.encode("ascii"),
            self.board_id,
            self.sensor_id,
            self.accel_full_scale_g,
            self.gyro_full_scale_dps,
            self.period_us,
            *self.axis_order,
            self.reset_cause,
        )

    @classmethod
    def decode(cls, payload: bytes) -> "Hello":
        """Return the description in `payload`.

        Raises
        ------
        OtherVersionError
            If the node speaks another format: nothing else of it is to be used.
        MessageError
            If the length, a scale, the period or the axis order is impossible.
        """
        if payload[:1] != bytes([FORMAT_VERSION]) and payload:
            raise OtherVersionError(payload[0])
        fields = unpack(cls.LAYOUT, payload, "HELLO")
        board = fields[4].rstrip(b"\0").decode("latin-1")
        if not _is_board_name(board):
            raise MessageError(f"HELLO: a board's name is printable ASCII, got {fields[4]!r}")
        hello = cls(
            firmware_version=fields[1:4],
            board=board,
            board_id=fields[5],
            sensor_id=fields[6],
            accel_full_scale_g=fields[7],
            gyro_full_scale_dps=fields[8],
            period_us=fields[9],
            axis_order=fields[10:16],
            reset_cause=fields[16],
            format_version=fields[0],
        )
        hello._check()
        return hello

    def _check(self) -> None:
        if self.accel_full_scale_g not in ACCEL_FULL_SCALES_G:
            raise MessageError(
                f"HELLO: accel full scale is one of {ACCEL_FULL_SCALES_G} g, got {self.accel_full_scale_g}"
            )
        if self.gyro_full_scale_dps not in GYRO_FULL_SCALES_DPS:
            raise MessageError(
                f"HELLO: gyro full scale is one of {GYRO_FULL_SCALES_DPS} deg/s, "
                f"got {self.gyro_full_scale_dps}"
            )
        if self.period_us == 0:
            raise MessageError("HELLO: the sampling period is at least 1 us, got 0")
        if sorted(abs(axis) for axis in self.axis_order) != [1, 2, 3, 4, 5, 6]:
            raise MessageError(f"HELLO: the axis order names each of 1 to 6 once, got {self.axis_order}")


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Consecutive samples as counts, unscaled.

    `first_index` numbers sampling instants since boot, missed ones too (wraps at 2**32), so a jump is a
    loss. The frame's `t_us` is the first sample's instant and `period_us` the step to each next one.
    """

    TYPE: ClassVar[int] = 0x02
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IH")

    first_index: int
    period_us: int
    counts: NDArray[np.int16]

    __hash__ = None  # type: ignore[assignment]  # what mypy's stubs of object do not foresee

    def __eq__(self, other: object) -> bool:
        # The generated one would ask an array for its truth.
        return (
            isinstance(other, Samples)
            and (self.first_index, self.period_us) == (other.first_index, other.period_us)
            and np.array_equal(self.counts, other.counts)
        )

    def encode(self) -> bytes:
        """Return the frame's payload; `counts` is int16 of shape (n_samples, 6), else ValueError."""
        counts = self.counts
        if counts.dtype.kind != "i" or counts.dtype.itemsize != 2:
            raise ValueError(f"a SAMPLES frame has counts of int16, got {counts.dtype}")
        if counts.shape[1:] != (N_AXES,) or not 1 <= len(counts) <= MAX_SAMPLES_PER_FRAME:
            raise ValueError(
                f"a SAMPLES frame has counts of shape (1..{MAX_SAMPLES_PER_FRAME}, 6), got {counts.shape}"
            )
        head = pack(self.LAYOUT, "SAMPLES", self.first_index, self.period_us)
        return head + counts.astype("<i2").tobytes()

    @classmethod
    def decode(cls, payload: bytes) -> "Samples":
        """Return the samples in `payload`; raises MessageError where its length fits no count of samples."""
        n_bytes = len(payload) - cls.LAYOUT.size
        if n_bytes <= 0 or n_bytes % (2 * N_AXES) or n_bytes > 2 * N_AXES * MAX_SAMPLES_PER_FRAME:
            raise MessageError(
                f"SAMPLES has {cls.LAYOUT.size} + 12 n bytes, n 1 to {MAX_SAMPLES_PER_FRAME}, "
                f"got {len(payload)}"
            )
        first_index, period_us = cls.LAYOUT.unpack_from(payload)
        counts = np.frombuffer(payload, dtype="<i2", offset=cls.LAYOUT.size).reshape(-1, N_AXES)
        return cls(first_index, period_us, counts)


@dataclass(frozen=True, slots=True)
class Status:
    """A node's health: latched `faults` (bits of `Fault`), counters since boot, and the sensor's temperature.

    `temperature_lsb` is the MPU6050's TEMP_OUT; degrees Celsius are counts / 340 + 36.53
    (RM-MPU-6000A, registers 65 and 66).
    """

    TYPE: ClassVar[int] = 0x03
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<HIIHHHhB")

    faults: int
    n_samples: int
    n_dropped: int
    n_sensor_errors: int
    n_bad_commands: int
    n_transmit_stalls: int
    temperature_lsb: int
    is_streaming: bool

    @property
    def temperature_degc(self) -> float:
        """The sensor's temperature in degrees Celsius."""
        return degrees_celsius(self.temperature_lsb)

    def encode(self) -> bytes:
        """Return the frame's payload; raises ValueError where a field does not fit its place."""
        return pack(
            self.LAYOUT,
            "STATUS",
            self.faults,
            self.n_samples,
            self.n_dropped,
            self.n_sensor_errors,
            self.n_bad_commands,
            self.n_transmit_stalls,
            self.temperature_lsb,
            self.is_streaming,
        )

    @classmethod
    def decode(cls, payload: bytes) -> "Status":
        """Return the status in `payload`; raises MessageError on a wrong length."""
        fields = unpack(cls.LAYOUT, payload, "STATUS")
        is_streaming = bool(fields[-1] & 1)  # the other bits are a later version's
        return cls(*(*fields[:-1], is_streaming))


@dataclass(frozen=True, slots=True)
class Result:
    """A node's answer to one command, named by its type and sequence number."""

    TYPE: ClassVar[int] = 0x04
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BHB")

    command_type: int
    command_sequence: int
    code: int

    def encode(self) -> bytes:
        """Return the frame's payload; raises ValueError where a field does not fit its place."""
        return pack(self.LAYOUT, "RESULT", self.command_type, self.command_sequence, self.code)

    @classmethod
    def decode(cls, payload: bytes) -> "Result":
        """Return the answer in `payload`; raises MessageError on a wrong length."""
        return cls(*unpack(cls.LAYOUT, payload, "RESULT"))


@dataclass(frozen=True, slots=True)
class Command:
    """A host's command: its type and one unsigned argument for those that take one, each of its own width."""

    GET_HELLO: ClassVar[int] = 0x41
    GET_STATUS: ClassVar[int] = 0x42
    SET_PERIOD_US: ClassVar[int] = 0x43
    SET_ACCEL_FULL_SCALE_G: ClassVar[int] = 0x44
    SET_GYRO_FULL_SCALE_DPS: ClassVar[int] = 0x45
    SET_TEXT_MODE: ClassVar[int] = 0x46
    SET_BOARD_ID: ClassVar[int] = 0x47
    SET_STREAMING: ClassVar[int] = 0x48
    RUN_SELF_TEST: ClassVar[int] = 0x49
    ARGUMENTS: ClassVar[dict[int, struct.Struct | None]] = {
        GET_HELLO: None,
        GET_STATUS: None,
        SET_PERIOD_US: struct.Struct("<I"),
        SET_ACCEL_FULL_SCALE_G: struct.Struct("<B"),
        SET_GYRO_FULL_SCALE_DPS: struct.Struct("<H"),
        SET_TEXT_MODE: struct.Struct("<B"),
        SET_BOARD_ID: struct.Struct("<Q"),
        SET_STREAMING: struct.Struct("<B"),
        RUN_SELF_TEST: None,
    }

    type: int
    argument: int = 0

    def encode(self) -> bytes:
        """Return the frame's payload; raises ValueError where the type or the argument is impossible."""
        if self.type not in self.ARGUMENTS:
            raise ValueError(f"a command's type is 0x41 to 0x49, got 0x{self.type:02x}")
        layout = self.ARGUMENTS[self.type]
        if layout is None:
            return b""
        try:
            return layout.pack(self.argument)
        except struct.error:
            raise ValueError(
                f"command 0x{self.type:02x} takes 0 to {256**layout.size - 1}, got {self.argument}"
            ) from None

    @classmethod
    def decode(cls, frame_type: int, payload: bytes) -> "Command":
        """Return the command in `payload`; raises MessageError on a wrong length."""
        layout = cls.ARGUMENTS[frame_type] or struct.Struct("")
        return cls(frame_type, *unpack(layout, payload, f"command 0x{frame_type:02x}"))


Body = Hello | Samples | Status | Result | SelfTest | Command


def _is_board_name(text: str) -> bool:
    # Nothing else: it is printed on people's terminals.
    return text.isascii() and (text.isprintable() or not text)
