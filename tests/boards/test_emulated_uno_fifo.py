"""The real firmware at 1 kHz, where the sensor's clock paces the samples: every conversion exactly once.

The sensor keeps what it converts in its FIFO; the emulated one's clock may be off the board's, and it tells
(`felt`) what it converted, and when by the board's clock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.boards.emulated_uno import BoardFault, EmulatedUno
from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.virtual_mpu6050 import Imperfection, VirtualMpu6050
from fedmotion.host.imu_stream import ImuBlock, ImuStream
from fedmotion.protocol.serial_frames import Command, Fault
from fedmotion.protocol.serial_framing import encode_frame

LEARNT_US = 1_100_000
"""Start-up, the settings, and 400 conversions until the board knows the sensor's clock."""


def sensor(clock_error: float) -> VirtualMpu6050:
    """A sensor that turns ever faster: each conversion has a gx of its own."""
    t_s = np.array([0.0, 20.0])
    force = np.tile([1.0, 2.0, STANDARD_GRAVITY_MPS2], (2, 1))
    rate = np.array([[-16.0, 0.5, 0.5], [16.0, 0.5, 0.5]])
    imperfection = Imperfection(noise=0.0, clock_error=clock_error)
    return VirtualMpu6050(Motion(t_s, force, rate), imperfection=imperfection)


class Host:
    """The board at 1 kHz and the program's own view of its stream."""

    def __init__(self, uno: EmulatedUno, period_us: float) -> None:
        self.uno = uno
        self.period_us = period_us
        self.stream = ImuStream(uno.receive)
        self.stream.opened(0.0)
        self.run(300_000)
        self.send(Command(Command.SET_PERIOD_US, 1_000))
        self.run(LEARNT_US)

    def send(self, command: Command) -> None:
        self.uno.receive(b"\0" + encode_frame(command, 0))

    def run(self, us: int) -> list[ImuBlock]:
        """Let time pass; return what came in it, in blocks without a gap."""
        blocks = []
        until_us = self.uno.now_us + us
        while self.uno.now_us < until_us:
            data = self.uno.advance(min(until_us, self.uno.now_us + 10_000))
            blocks += self.stream.feed(data, self.uno.now_us * 1e-6)
        return blocks

    def faults(self) -> int:
        self.send(Command(Command.GET_STATUS))
        self.run(50_000)
        assert self.stream.status is not None
        return self.stream.status.faults

    def conversions(self, blocks: list[ImuBlock]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which conversion each sample is, and when it was made; KeyError where it was never felt."""
        instant_us = {tuple(counts.tolist()): instant for instant, counts in self.uno.felt}
        rows = np.concatenate([block.counts for block in blocks]).tolist()
        instants_us = np.array([instant_us[tuple(row)] for row in rows])
        return np.rint((instants_us - instants_us[0]) / self.period_us).astype(np.int64), instants_us


@contextmanager
def at_1_khz(elf: Path, clock_error: float = 0.0) -> Iterator[Host]:
    with EmulatedUno(elf, sensor(clock_error), is_traced=True) as uno:
        yield Host(uno, 1_000 / (1 + clock_error))


@pytest.mark.parametrize("clock_error", [0.0, 0.02, -0.02])
def test_each_conversion_comes_once_at_its_time_whatever_the_sensors_clock(
    firmware_elf: Path, clock_error: float
) -> None:
    with at_1_khz(firmware_elf, clock_error) as host:
        before = host.stream.counters
        blocks = host.run(6_000_000)
        faults = host.faults()
        after = host.stream.counters
        numbers, instants_us = host.conversions(blocks)
    assert len(numbers) == pytest.approx(6_000 * (1 + clock_error), abs=12)
    assert (np.diff(numbers) == 1).all()
    assert np.abs(np.diff(instants_us) - 1_000 / (1 + clock_error)).max() <= 1
    t_us = np.concatenate([block.t_us for block in blocks])
    # The board's clock starts a constant after the CPU's cycle counter.
    errors_us = t_us - instants_us
    assert np.abs(errors_us - np.median(errors_us)).max() < 30
    assert -310 < np.median(errors_us) < -260
    assert not any(block.has_gap_before for block in blocks)
    assert faults == 0
    assert (after.n_dropped, after.n_gaps, after.n_restarts, after.n_bad) == (
        before.n_dropped,
        before.n_gaps,
        before.n_restarts,
        0,
    )


@pytest.mark.parametrize("clock_error", [0.0, 0.02, -0.02])
@pytest.mark.parametrize("n_bytes", [7, 1_030])
def test_a_fifo_that_runs_over_is_said_and_is_a_gap_of_what_was_lost(
    firmware_elf: Path, clock_error: float, n_bytes: int
) -> None:
    with at_1_khz(firmware_elf, clock_error) as host:
        before = host.run(500_000)
        n_dropped, n_gaps = host.stream.counters.n_dropped, host.stream.counters.n_gaps
        host.uno.fault(BoardFault.LITTER_FIFO, n_bytes)
        after = host.run(500_000)
        assert host.faults() == Fault.FIFO_OVERFLOW
        counters = host.stream.counters
        numbers, _ = host.conversions(before + after)
    gaps = np.diff(numbers) - 1
    assert np.count_nonzero(gaps) == 1
    assert counters.n_gaps - n_gaps == 1
    assert counters.n_dropped - n_dropped == gaps.max() <= 12
    assert len(numbers) > 950


def test_a_bus_that_was_held_is_freed_and_the_stream_goes_on_at_1_khz(firmware_elf: Path) -> None:
    with at_1_khz(firmware_elf, 0.01) as host:
        host.uno.fault(BoardFault.HOLD_SDA, 9)
        host.run(200_000)
        host.run(800_000)
        blocks = host.run(500_000)
        assert host.faults() == Fault.BUS_STUCK
        numbers, _ = host.conversions(blocks)
    assert (np.diff(numbers) == 1).all()
    assert len(numbers) > 490


def test_a_sensor_without_power_for_a_moment_makes_no_false_sample(firmware_elf: Path) -> None:
    with at_1_khz(firmware_elf) as host:
        blocks = []
        for k in range(6):
            blocks += host.run(3_000 + 700 * k)
            host.uno.fault(BoardFault.UNPLUG_SENSOR)
            host.run(1_000)
            host.uno.fault(BoardFault.PLUG_SENSOR)
            blocks += host.run(800_000)
        assert host.faults() == Fault.SENSOR_ABSENT
        numbers, _ = host.conversions(blocks)
    assert (np.diff(numbers) > 0).all()
    assert len(numbers) > 700
