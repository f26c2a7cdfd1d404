"""A board without a board: the firmware's real binary in an emulator, an MPU6050 on its I2C bus.

The emulator is a process of its own that speaks over two pipes; this end gives it time, the host's bytes
and, whenever the firmware reads the sensor, what `VirtualMpu6050` feels at the sensor's own instant.
"""

import contextlib
import logging
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from fedmotion.boards.emulator_build import EmulatorError
from fedmotion.boards.self_test import registers
from fedmotion.boards.simulated_node import RESET_FROM_OUTSIDE
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050

CYCLES_PER_US = 16
"""Nominally, of both boards; a clock that is off makes more or less of them in a microsecond."""

RESET_POWER_ON = 0
RESET_WATCHDOG = 2
RESET_BROWN_OUT = 3
"""HELLO's reset causes, protocol/serial.md."""

BRIDGE_BYTES = 256
"""What a board's USB bridge holds of a host that does not read; like the bridge, it then loses bytes."""

MAX_CLOCK_PPM = 50_000

_TURN_CYCLES = 200_000 * CYCLES_PER_US
_ORDER = struct.Struct("<cBHIQ")
_MAX_ORDER_BYTES = 0xFFFF
_REQUEST = struct.Struct("<BHBH")
_STATE = struct.Struct("<BQIIII")
_N_VALUES = 7
_MILLION = 1_000_000

_log = logging.getLogger(__name__)


class BoardFault(IntEnum):
    """What can be done to the board; an argument's meaning is beside each."""

    UNPLUG_SENSOR = 0
    PLUG_SENSOR = 1
    NACK_ADDRESSES = 2
    """How many addresses are not answered from now on."""
    NACK_DATA = 3
    """How many written bytes are not acknowledged from now on."""
    HOLD_SDA = 4
    """SDA is held low until so many clocks of SCL; FOR_EVER, or 0 for no longer."""
    HOLD_SCL = 5
    """1: SCL is held low, 0: no longer."""
    WHO_AM_I = 6
    """The register's value, of another sensor or of a clone."""
    SENSOR_CLOCK = 7
    """By how many millionths the sensor's clock is faster than it says; negative ones as 2**32 less."""
    LITTER_FIFO = 8
    """How many bytes that are of no sample come into the sensor's FIFO."""
    HANG = 9
    """The processor runs in a circle, for ever or until its watchdog bites."""
    TRIM = 10
    """The four registers of the self-test's trim, the first the lowest byte."""


FOR_EVER = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Burst:
    """One reading of the sensor, in microseconds since the board's last start.

    `start_us` is when the bus' START began, by the CPU's cycle counter; `sampled_us` the sensor's instant.
    """

    start_us: float
    sampled_us: float


class EmulatedProcessor:
    """A board whose program runs in an emulator; it does what `NodeServer` asks of a node.

    Parameters
    ----------
    command
        The emulator and its arguments.
    sensor
        Carried along its motion from the board's first power on. The firmware sets its ranges.
    clock_ppm
        By how many millionths the board's clock is fast, at most 50000 either way.
    is_traced
        Whether `bursts` and `felt` are kept.

    Raises
    ------
    EmulatorError
        If the emulator ends at once; then and later its last words are the error's.
    ValueError
        If the clock is impossible.
    """

    def __init__(
        self,
        command: Sequence[str],
        sensor: VirtualMpu6050,
        *,
        clock_ppm: int = 0,
        is_traced: bool = False,
    ) -> None:
        self.sensor = sensor
        self.is_frozen = False
        self.has_stopped = False
        self.n_lost_bytes = 0
        self.n_overruns = 0
        self.baud = 0
        self.bursts: list[Burst] = []
        self.felt: list[tuple[int, NDArray[np.int16]]] = []
        self._is_traced = is_traced
        self._cycle = 0
        self._clock_ppm = 0
        self._anchor_cycle = 0
        self._anchor_us = 0
        self._boot_us = 0
        self._off_us = 0
        self._from_host = b""
        self._log_file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(  # noqa: S603 - the program that we compiled
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log_file,
        )
        try:
            self._take(1)
            self.set_clock(clock_ppm)
            self.fault(BoardFault.TRIM, int.from_bytes(registers(sensor.trim_codes), "little"))
        except (EmulatorError, ValueError):
            self.close()
            raise

    @property
    def now_us(self) -> int:
        """Time since the board's last start."""
        return self._us_of(self._cycle) - self._boot_us

    @property
    def motion_us(self) -> int:
        """Where in its sensor's motion the board is."""
        return self._off_us + self._us_of(self._cycle)

    @property
    def next_due_us(self) -> int:
        """When the board has something to do next: always."""
        return self.now_us

    def restart(self, off_us: int = 0, reset_cause: int = RESET_FROM_OUTSIDE) -> None:
        """Reset the board, after `off_us` without power; the motion has gone on meanwhile.

        A power on also resets the sensor; a reset from outside or a brown-out is the processor's alone.
        """
        self._order(b"X", reset_cause)
        self._off_us += off_us
        self._boot_us = self._us_of(self._cycle)
        self._from_host = b""
        self.is_frozen = False
        self.has_stopped = False

    def announce(self) -> None:
        """Somebody has opened the port: as the board hears of it, or not."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the host; the UART receives them at its pace."""
        self._from_host += data

    def fault(self, fault: BoardFault, argument: int = 0) -> None:
        """Do this to the board."""
        self._order(b"F", fault, argument=argument)

    def set_clock(self, ppm: int) -> None:
        """Let the board's clock be fast by so many millionths from now on.

        Sensor and host keep their time.

        Raises
        ------
        ValueError
            If it is more than 50000 either way.
        """
        if not abs(ppm) <= MAX_CLOCK_PPM:
            raise ValueError(f"a board's clock is off by at most {MAX_CLOCK_PPM} millionths, got {ppm}")
        self._anchor_us, self._anchor_cycle = self._us_of(self._cycle), self._cycle
        self._clock_ppm = ppm
        sensor_error = (1 + self.sensor.imperfection.clock_error) / (1 + ppm / _MILLION) - 1
        if round(sensor_error * _MILLION) or self._cycle:
            self.fault(BoardFault.SENSOR_CLOCK, round(sensor_error * _MILLION) % 2**32)

    def poke(self, address: int, data: bytes) -> None:
        """Write into the processor's RAM, for who looks a variable up in the firmware's symbols."""
        self._order(b"P", argument=address, data=data)

    def peek(self, address: int, n_bytes: int) -> bytes:
        """Return at most 255 bytes of the processor's RAM."""
        self._order(b"Q", n_bytes, argument=address)
        return self._take(n_bytes)

    def advance(self, until_us: int, backlog_bytes: int = 0) -> bytes:
        """Let time pass up to `until_us` since the last start, or a little more; return what was sent.

        `backlog_bytes` is how much of what was returned earlier the line has not taken yet; what the
        USB bridge cannot hold behind that is lost and counted.
        """
        out = b""
        goal = self._cycle_of(self._boot_us + until_us)
        while not self.is_frozen and (self._cycle < goal or self._from_host):
            data, self._from_host = self._from_host[:_MAX_ORDER_BYTES], self._from_host[_MAX_ORDER_BYTES:]
            until = max(min(goal, self._cycle + _TURN_CYCLES), self._cycle)
            self._order(b"R", data=data, cycle=until)
            out += self._answer()
        if backlog_bytes == 0:
            return out
        room = max(0, BRIDGE_BYTES - backlog_bytes)
        self.n_lost_bytes += max(0, len(out) - room)
        return out[:room]

    def close(self) -> None:
        """End the emulator."""
        with contextlib.suppress(BrokenPipeError):  # what it was not given any more
            self._pipe(self._process.stdin).close()
        self._pipe(self._process.stdout).close()
        self._process.wait()
        self._log_file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _us_of(self, cycle: int) -> int:
        """Return when a cycle is, in microseconds since the first power on."""
        per_us = CYCLES_PER_US * (_MILLION + self._clock_ppm)
        return self._anchor_us + (cycle - self._anchor_cycle) * _MILLION // per_us

    def _cycle_of(self, us: int) -> int:
        """Return the first cycle at which it is `us`."""
        per_us = CYCLES_PER_US * (_MILLION + self._clock_ppm)
        return self._anchor_cycle + -((self._anchor_us - us) * per_us // _MILLION)

    def _order(
        self, kind: bytes, detail: int = 0, *, argument: int = 0, data: bytes = b"", cycle: int = 0
    ) -> None:
        self._give(_ORDER.pack(kind, detail, len(data), argument, cycle) + data)

    def _answer(self) -> bytes:
        """Return the bytes for the host from the emulator's answer, and feel for it until it comes."""
        while (kind := self._take(1)) == b"S":
            self._feel()
        if kind != b"D":
            raise EmulatorError(f"the emulator's answer is S or D, got {kind!r}")
        stopped, self._cycle, baud, self.n_overruns, n_bytes, n_bursts = _STATE.unpack(
            self._take(_STATE.size)
        )
        self.baud = baud + baud * self._clock_ppm // _MILLION
        if stopped and not self.has_stopped:
            _log.error("the firmware has stopped: it crashed, or sleeps with interrupts off")
        self.has_stopped = bool(stopped)
        data = self._take(n_bytes)
        cycles = np.frombuffer(self._take(16 * n_bursts), dtype="<u8").reshape(-1, 2)
        if self._is_traced:
            cycles_per_us = CYCLES_PER_US * (1 + self._clock_ppm / _MILLION)
            since_us = self._anchor_us - self._boot_us
            times_us = (cycles.astype(np.int64) - self._anchor_cycle) / cycles_per_us + since_us
            self.bursts += [Burst(*pair) for pair in times_us.tolist()]
        return data

    def _feel(self) -> None:
        """Answer what the sensor reads at its instants."""
        accel_g, gyro_dps, pushed, n = _REQUEST.unpack(self._take(_REQUEST.size))
        cycles = np.frombuffer(self._take(8 * n), dtype="<u8").astype(np.int64)
        per_us = CYCLES_PER_US * (_MILLION + self._clock_ppm)
        t_us = (cycles - self._anchor_cycle) * _MILLION // per_us + self._anchor_us + self._off_us
        self.sensor.set_full_scales(accel_g, gyro_dps)
        self.sensor.push(pushed)
        counts, _ = self.sensor.read(t_us)
        if self._is_traced:
            self.felt += zip(t_us.tolist(), counts, strict=True)
        values = np.empty((n, _N_VALUES), dtype="<i2")
        values[:, :3] = counts[:, :3]
        values[:, 3] = self.sensor.temperature_lsb
        values[:, 4:] = counts[:, 3:]
        self._give(values.tobytes())

    def _give(self, data: bytes) -> None:
        try:
            pipe = self._pipe(self._process.stdin)
            pipe.write(data)
            pipe.flush()
        except BrokenPipeError:
            raise EmulatorError(self._last_words()) from None

    def _take(self, n: int) -> bytes:
        data = self._pipe(self._process.stdout).read(n)
        if len(data) < n:
            raise EmulatorError(self._last_words())
        return data

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None  # noqa: S101 - both are pipes, as asked for
        return pipe

    def _last_words(self) -> str:
        self._log_file.seek(0)
        words = self._log_file.read().decode("utf-8", errors="replace").strip().splitlines()
        return f"the emulator has ended: {' / '.join(words[-3:]) or 'it said nothing'}"
