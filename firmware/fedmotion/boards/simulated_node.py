"""A node as a state machine: bytes from the host in, bytes to the host out, time as an argument.

It does what the firmware does, by protocol/serial.md: describes itself, numbers and stamps samples,
counts what goes wrong, obeys commands. Lines and clocks are in `node_server`.
"""

import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fedmotion.boards import self_test
from fedmotion.boards.command_reader import CommandReader, Heard
from fedmotion.boards.virtual_mpu6050 import WHO_AM_I, VirtualMpu6050
from fedmotion.protocol.identity import BOARD_ID_UNSET
from fedmotion.protocol.self_test_frame import SelfTestOutcome
from fedmotion.protocol.serial_frames import (
    ACCEL_FULL_SCALES_G,
    AXES,
    GYRO_FULL_SCALES_DPS,
    Body,
    Command,
    Fault,
    Hello,
    Result,
    ResultCode,
    Samples,
    Status,
)
from fedmotion.protocol.serial_framing import DELIMITER, encode_frame

FIRMWARE_VERSION = (0, 1, 0)
BOARD = "simulated"
DEFAULT_PERIOD_US = 10_000
MIN_PERIOD_US = 1_000
"""The accelerometer's output rate is 1 kHz (PS-MPU-6000A-00, 6.2)."""
MAX_PERIOD_US = 65_535
"""SAMPLES has 16 bits for it."""
STATUS_PERIOD_US = 1_000_000
TRANSMIT_BUFFER_BYTES = 256
MAX_BATCH_US = 16_000
"""How old a frame's first sample may become while the frame fills: the stream is to feel live."""


_CHANGE_NO_HELLO = {Command.SET_TEXT_MODE, Command.SET_STREAMING, Command.RUN_SELF_TEST}

RESET_POWER_ON = 0
RESET_FROM_OUTSIDE = 1
"""HELLO's reset causes, protocol/serial.md."""


def batch_size(period_us: int) -> int:
    """Return how many samples go in one SAMPLES frame: 1 up to 100 Hz, 8 at 1 kHz."""
    return max(1, min(8, MAX_BATCH_US // period_us))


class SimulatedNode:
    """A board with a virtual MPU6050.

    Parameters
    ----------
    sensor
        Its motion's time goes on when the node restarts; the node's own begins at 0 with each boot.
    jitter_us
        Sampling instants deviate from the grid by up to this much, at random (seeded).
    transmit_buffer_bytes
        Room for frames that the line has not taken; None is endless, for lines that hold the node's
        time back instead.
    """

    def __init__(
        self,
        sensor: VirtualMpu6050,
        *,
        period_us: int = DEFAULT_PERIOD_US,
        board_id: int = BOARD_ID_UNSET,
        jitter_us: int = 0,
        seed: int = 0,
        transmit_buffer_bytes: int | None = None,
        board: str = BOARD,
    ) -> None:
        if not MIN_PERIOD_US <= period_us <= MAX_PERIOD_US:
            raise ValueError(f"the period is {MIN_PERIOD_US} to {MAX_PERIOD_US} us, got {period_us}")
        if not 0 <= jitter_us < MIN_PERIOD_US // 2:
            raise ValueError(f"the jitter is 0 to {MIN_PERIOD_US // 2 - 1} us, got {jitter_us}")
        self.sensor = sensor
        self.board = board
        self.board_id = board_id
        self.transmit_buffer_bytes = transmit_buffer_bytes
        self.is_frozen = False
        self._jitter_us = jitter_us
        self._jitter = random.Random(seed)
        self._period_at_boot_us = period_us
        self._full_scales_at_boot = (sensor.accel_full_scale_g, sensor.gyro_full_scale_dps)
        self._boot_us = 0
        self._boot(RESET_POWER_ON)

    def _boot(self, reset_cause: int) -> None:
        self.sensor.set_full_scales(*self._full_scales_at_boot)
        self.now_us = 0
        self.period_us = self._period_at_boot_us
        self.is_streaming = True
        self.is_text = False
        self.faults = 0
        self.n_samples = 0
        self.n_dropped = 0
        self.n_sensor_errors = 0
        self.n_bad_commands = 0
        self.n_transmit_stalls = 0
        self._reset_cause = reset_cause
        self._sequence = 0
        self._next_index = 0
        self._next_due_us = self.period_us
        self._next_status_us = STATUS_PERIOD_US
        self._test_ends_us: int | None = None
        self._reader = CommandReader()
        self._out = bytearray()
        self._backlog_bytes = 0
        self._pending: list[tuple[int, int, NDArray[np.int16]]] = []
        self._send(self._hello())

    @property
    def motion_us(self) -> int:
        """Where in its sensor's motion the node is."""
        return self._boot_us + self.now_us

    @property
    def next_due_us(self) -> int:
        """When the node has something to do next, in board time."""
        dues_us = (self._next_due_us, self._next_status_us, self._test_ends_us)
        return min(due_us for due_us in dues_us if due_us is not None)

    def restart(self, off_us: int = 0, reset_cause: int = RESET_FROM_OUTSIDE) -> None:
        """Boot again after `off_us` without power: counters and clock from 0, settings as at first.

        The board id stays, and the motion has gone on meanwhile.
        """
        self._boot_us = self.motion_us + off_us
        self.is_frozen = False
        self._boot(reset_cause)

    def receive(self, data: bytes) -> None:
        """Take bytes from the host; each command in them is answered with the next `advance`."""
        if self.is_frozen:
            return
        for heard in self._reader.feed(data):
            if heard.code is ResultCode.OK:
                self._obey(heard)
                continue
            self._count_bad_command()
            if heard.code is not None:
                self._send(Result(heard.type, heard.sequence, heard.code))

    def advance(self, until_us: int, backlog_bytes: int = 0) -> bytes:
        """Let time pass up to `until_us` of board time and return what the node transmits meanwhile.

        `backlog_bytes` is how much of what was returned earlier the line has not taken yet; frames that
        do not fit behind it are dropped and counted.
        """
        if self.is_frozen:
            return b""
        self._backlog_bytes = backlog_bytes
        while self._next_status_us <= until_us:
            self._sample(self._next_status_us)
            self.now_us = self._next_status_us
            self._next_status_us += STATUS_PERIOD_US
            if not self.is_text:
                self._send(self.status())
        self._sample(until_us)
        self.now_us = max(self.now_us, until_us)
        if self._test_ends_us is not None and self.now_us >= self._test_ends_us:
            self._end_self_test()
        out = bytes(self._out)
        self._out.clear()
        return out

    def _sample(self, until_us: int) -> None:
        """Take the samples that are due up to `until_us`."""
        n = (until_us - self._next_due_us) // self.period_us + 1
        if n <= 0:
            return
        dues_us = self._next_due_us + self.period_us * np.arange(n, dtype=np.int64)
        first_index = self._next_index
        self._next_due_us += n * self.period_us
        self._next_index += n
        if not self.is_streaming:
            return
        instants_us = dues_us
        if self._jitter_us:
            jitter = [self._jitter.randint(-self._jitter_us, self._jitter_us) for _ in range(n)]
            instants_us = dues_us + np.array(jitter)
        counts, is_read = self.sensor.read(instants_us + self._boot_us)
        for position in range(n):
            index = first_index + position
            if not is_read[position]:
                self._flush()
                self.n_sensor_errors += 1
                self.faults |= Fault.SENSOR_ABSENT
                continue
            self.n_samples += 1
            self.now_us = int(dues_us[position])
            self._pending.append((index, int(instants_us[position]), counts[position]))
            if len(self._pending) >= batch_size(self.period_us):
                self._flush()

    def _flush(self) -> None:
        """Send the samples that wait for their frame to fill."""
        if not self._pending:
            return
        first_index, first_us, _ = self._pending[0]
        counts = np.stack([row for _, _, row in self._pending])
        n = len(self._pending)
        self._pending.clear()
        if self.is_text:
            is_sent = self._transmit(b"".join(_text_line(row) for row in counts))
        else:
            is_sent = self._send(Samples(first_index & 0xFFFFFFFF, self.period_us, counts), first_us)
        if not is_sent:
            self.n_dropped += n

    def _obey(self, command: Heard) -> None:
        action = self._actions()[command.type]
        is_busy = self._test_ends_us is not None and command.type > Command.GET_STATUS
        code = ResultCode.BUSY if is_busy else action(command.argument)
        if code is not ResultCode.OK:
            self._count_bad_command()
        self._send(Result(command.type, command.sequence, code))
        if command.type == Command.GET_STATUS:
            self._send(self.status())
        elif code is ResultCode.OK and command.type not in _CHANGE_NO_HELLO:
            # The host learns scale and period from HELLO alone, so it hears of a change there.
            self._send(self._hello())

    def _actions(self) -> dict[int, Callable[[int], ResultCode]]:
        return {
            Command.GET_HELLO: lambda _: ResultCode.OK,
            Command.GET_STATUS: lambda _: ResultCode.OK,
            Command.SET_PERIOD_US: self._set_period,
            Command.SET_ACCEL_FULL_SCALE_G: self._set_accel_full_scale,
            Command.SET_GYRO_FULL_SCALE_DPS: self._set_gyro_full_scale,
            Command.SET_TEXT_MODE: self._set_text_mode,
            Command.SET_BOARD_ID: self._set_board_id,
            Command.SET_STREAMING: self._set_streaming,
            Command.RUN_SELF_TEST: self._run_self_test,
        }

    def _set_period(self, period_us: int) -> ResultCode:
        if not MIN_PERIOD_US <= period_us <= MAX_PERIOD_US:
            return ResultCode.OUT_OF_RANGE
        self._flush()
        self.period_us = period_us
        self._next_due_us = self.now_us + period_us
        return ResultCode.OK

    def _set_accel_full_scale(self, accel_g: int) -> ResultCode:
        if accel_g not in ACCEL_FULL_SCALES_G:
            return ResultCode.OUT_OF_RANGE
        self._flush()
        self.sensor.set_full_scales(accel_g, self.sensor.gyro_full_scale_dps)
        return ResultCode.OK

    def _set_gyro_full_scale(self, gyro_dps: int) -> ResultCode:
        if gyro_dps not in GYRO_FULL_SCALES_DPS:
            return ResultCode.OUT_OF_RANGE
        self._flush()
        self.sensor.set_full_scales(self.sensor.accel_full_scale_g, gyro_dps)
        return ResultCode.OK

    def _set_text_mode(self, is_text: int) -> ResultCode:
        if is_text > 1:
            return ResultCode.OUT_OF_RANGE
        self._flush()
        self.is_text = bool(is_text)
        return ResultCode.OK

    def _set_board_id(self, board_id: int) -> ResultCode:
        self.board_id = board_id
        return ResultCode.OK

    def _set_streaming(self, is_streaming: int) -> ResultCode:
        if is_streaming > 1:
            return ResultCode.OUT_OF_RANGE
        self._flush()
        self.is_streaming = bool(is_streaming)
        return ResultCode.OK

    def _run_self_test(self, _: int) -> ResultCode:
        if self.is_streaming:
            return ResultCode.BUSY
        self._test_ends_us = self.now_us + self_test.DURATION_US
        return ResultCode.OK

    def _end_self_test(self) -> None:
        """Send what the sensor answered to its push, which ended now."""
        assert self._test_ends_us is not None  # noqa: S101 - the caller has seen that it is due
        half_us = self_test.DURATION_US // 2
        rest_us = self._boot_us + self._test_ends_us - half_us + 2_000 * np.arange(-16, 0)
        self._test_ends_us = None
        sensor = self.sensor
        full_scales = (sensor.accel_full_scale_g, sensor.gyro_full_scale_dps)
        sensor.set_full_scales(8, self_test.FULL_SCALE_DPS)
        rest, is_read = sensor.read(rest_us)
        sensor.push(0b111111)
        pushed, is_read_pushed = sensor.read(rest_us + half_us)
        sensor.push(0)
        scale = 1 / sensor.lsb_per_unit
        sensor.set_full_scales(*full_scales)
        if not (is_read.all() and is_read_pushed.all()):
            self._send(self_test.without_values(SelfTestOutcome.SENSOR_LOST))
            return
        self._send(self_test.report(rest * scale, pushed * scale, sensor.trim_codes, sensor.temperature_lsb))

    def _count_bad_command(self) -> None:
        self.n_bad_commands = min(self.n_bad_commands + 1, 0xFFFF)

    def announce(self) -> None:
        """Send HELLO with the next `advance`: somebody has opened the line."""
        if not self.is_frozen:
            self._send(self._hello())

    def _hello(self) -> Hello:
        return Hello(
            firmware_version=FIRMWARE_VERSION,
            board=self.board,
            board_id=self.board_id,
            sensor_id=WHO_AM_I,
            accel_full_scale_g=self.sensor.accel_full_scale_g,
            gyro_full_scale_dps=self.sensor.gyro_full_scale_dps,
            period_us=self.period_us,
            reset_cause=self._reset_cause,
        )

    def status(self) -> Status:
        """Return the node's health as STATUS has it."""
        return Status(
            faults=self.faults,
            n_samples=self.n_samples & 0xFFFFFFFF,
            n_dropped=self.n_dropped & 0xFFFFFFFF,
            n_sensor_errors=min(self.n_sensor_errors, 0xFFFF),
            n_bad_commands=self.n_bad_commands,
            n_transmit_stalls=min(self.n_transmit_stalls, 0xFFFF),
            temperature_lsb=self.sensor.temperature_lsb,
            is_streaming=self.is_streaming,
        )

    def _send(self, body: Body, t_us: int | None = None) -> bool:
        frame = encode_frame(body, self._sequence, self.now_us if t_us is None else t_us)
        self._sequence = (self._sequence + 1) & 0xFFFF
        # A frame among lines of text begins with a delimiter of its own, which ends the text before it.
        return self._transmit(DELIMITER + frame if self.is_text else frame)

    def _transmit(self, data: bytes) -> bool:
        limit = self.transmit_buffer_bytes
        if limit is not None and self._backlog_bytes and self._backlog_bytes + len(data) > limit:
            self.n_transmit_stalls += 1
            self.faults |= Fault.TRANSMIT_STALLED
            return False
        if self._backlog_bytes:
            self._backlog_bytes += len(data)
        self._out += data
        return True


def _text_line(counts: NDArray[np.int16]) -> bytes:
    """Return one line that Arduino's Serial Plotter draws, with a name for each curve."""
    return (",".join(f"{axis}:{count}" for axis, count in zip(AXES, counts, strict=True)) + "\r\n").encode()
