"""A sensor whose readings tell which conversion they are, and a book of what a host received of them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedmotion.boards.kinematics import Motion
from fedmotion.boards.virtual_mpu6050 import Imperfection, VirtualMpu6050
from fedmotion.protocol.serial_frames import Samples, Status

PERIOD_US = 1_000


class CountingSensor(VirtualMpu6050):
    """Its readings are the number of their conversion, twice, in two axes of 15 bits each."""

    def __init__(self, clock_error: float = 0.0) -> None:
        still = Motion(np.array([0.0, 1.0]), np.zeros((2, 3)), np.zeros((2, 3)))
        super().__init__(still, imperfection=Imperfection(noise=0.0, clock_error=clock_error))
        self.first_us: int | None = None
        self.period_us = PERIOD_US / (1 + clock_error)

    def numbers(self, t_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the conversions at these instants by number, 0 for the first that was ever asked for."""
        if self.first_us is None:
            self.first_us = int(t_us[0])
        return np.rint((t_us - self.first_us) / self.period_us).astype(np.int64)

    def read(self, t_us: NDArray[np.int64]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        """Return the conversions' numbers."""
        numbers = self.numbers(t_us)
        low, high = numbers & 0x7FFF, numbers >> 15
        counts = np.stack([low, low, high, ~low, low, high], axis=1).astype(np.int16)
        return counts, np.ones(len(t_us), dtype=np.bool_)


@dataclass
class ConversionLedger:
    """What came of a board's conversions, frame by frame.

    `offsets_us` are the stamps beside the sensor's own time, over the wraps of 2^32 us; `n_unaccounted` is
    how far what the board has counted and what has come were ever apart, as its STATUS frames have it.
    """

    n_received: int = 0
    n_lost: int = 0
    n_repeated: int = 0
    n_strange: int = 0
    n_sequence_wraps: int = 0
    n_time_wraps: int = 0
    n_sequence_errors: int = 0
    offsets_us: list[float] = field(default_factory=list)
    next_index: int | None = None
    next_number: int | None = None
    sequence: int | None = None
    t_us: int | None = None
    status: Status | None = None
    counted_before: int | None = None
    n_unaccounted: int = 0

    def see(self, sensor: CountingSensor, sequence: int, t_us: int, body: object) -> None:
        """Take one frame."""
        if self.sequence is not None:
            self.n_sequence_errors += sequence != (self.sequence + 1) % 2**16
            self.n_sequence_wraps += sequence < self.sequence
        self.sequence = sequence
        if isinstance(body, Status):
            # What was counted before it went before it.
            n_since = body.n_samples - self.n_received
            self.counted_before = n_since if self.counted_before is None else self.counted_before
            self.n_unaccounted = max(self.n_unaccounted, abs(n_since - self.counted_before))
            self.status = body
        if not isinstance(body, Samples):
            return
        counts = body.counts.astype(np.int64)
        numbers = counts[:, 0] | counts[:, 2] << 15
        self.n_strange += int(
            np.count_nonzero((counts[:, 1] != counts[:, 4]) | (counts[:, 3] != ~counts[:, 0]))
        )
        if self.next_number is not None:
            steps = np.diff(numbers, prepend=self.next_number - 1)
            self.n_lost += (
                int(np.maximum(steps - 1, 0).sum()) + (body.first_index - (self.next_index or 0)) % 2**32
            )
            self.n_repeated += int(np.count_nonzero(steps < 1))
        self.next_index, self.next_number = body.first_index + len(counts), int(numbers[-1]) + 1
        self.n_received += len(counts)
        if self.t_us is not None and t_us < self.t_us:
            self.n_time_wraps += 1
        self.t_us = t_us
        first_us = (sensor.first_us or 0) + numbers[0] * sensor.period_us
        self.offsets_us.append(t_us + self.n_time_wraps * 2**32 - first_us)
