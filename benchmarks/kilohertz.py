"""Three hours at 1 kHz on both emulated boards: each conversion of the sensor once, and time that does not drift.

In three hours the boards' microseconds wrap twice (2^32 of them are 71.6 minutes) and the frames' sequence
numbers some twenty times. The sensor tells in its readings which conversion each is.

Run: make firmware && python benchmarks/kilohertz.py [--hours 3] [--boards uno,da14580]
"""

import argparse
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedmotion.boards.emulated_board import make_emulated
from fedmotion.boards.emulated_processor import EmulatedProcessor
from fedmotion.boards.virtual_mpu6050 import Imperfection, VirtualMpu6050
from fedmotion.boards.kinematics import Motion
from fedmotion.protocol.serial_frames import Command, Samples, Status
from fedmotion.protocol.serial_framing import FrameDecoder, encode_frame

PERIOD_US = 1_000
START_US = 2_000_000
"""The board has found its sensor, taken the rate, and learnt the sensor's clock."""
TURN_US = 1_000_000
MAX_DRIFT_US = 20.0
"""The goal between the first minute's stamps and the last's, beside the sensor's own time."""


class CountingSensor(VirtualMpu6050):
    """Its readings are the number of their conversion, in two axes of 15 bits each; ay and gy tell the same."""

    def __init__(self, clock_error: float = 0.0) -> None:
        still = Motion(np.array([0.0, 1.0]), np.zeros((2, 3)), np.zeros((2, 3)))
        super().__init__(still, imperfection=Imperfection(noise=0.0, clock_error=clock_error))
        self.first_us: int | None = None
        self.period_us = PERIOD_US / (1 + clock_error)

    def read(self, t_us: NDArray[np.int64]) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        """Return the conversions' numbers since the first one."""
        if self.first_us is None:
            self.first_us = int(t_us[0])
        numbers = np.rint((t_us - self.first_us) / self.period_us).astype(np.int64)
        low, high = numbers & 0x7FFF, numbers >> 15
        return np.stack([low, low, high, ~low, low, high], axis=1).astype(np.int16), np.ones(len(t_us), bool)


@dataclass
class Ledger:
    """What came, frame by frame."""

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


def run(board: EmulatedProcessor, sensor: CountingSensor, seconds: float) -> tuple[Ledger, int, float]:
    """Return what came in so many seconds of the board's time, bad frames, and real seconds."""
    decoder, ledger = FrameDecoder(), Ledger()
    decoder.feed(board.advance(START_US // 2))
    board.receive(b"\0" + encode_frame(Command(Command.SET_PERIOD_US, PERIOD_US), 0))
    decoder.feed(board.advance(START_US))
    began_s, end_us = time.perf_counter(), board.now_us + round(seconds * 1e6)
    while board.now_us < end_us:
        for frame in decoder.feed(board.advance(min(board.now_us + TURN_US, end_us))):
            ledger.see(sensor, frame.sequence, frame.t_us, frame.body)
    real_s = time.perf_counter() - began_s
    return ledger, decoder.counters.n_bad, real_s


def judge(name: str, seconds: float) -> bool:
    """Run one board and print what is to be known of it; return whether all goals are met."""
    sensor = CountingSensor()
    with make_emulated(name, sensor) as board:
        ledger, n_bad, real_s = run(board, sensor, seconds)
    offsets_us = np.array(ledger.offsets_us)
    n_minute = min(60 * PERIOD_US // 8, len(offsets_us) // 2)
    drift_us = float(np.median(offsets_us[-n_minute:]) - np.median(offsets_us[:n_minute]))
    spread_us = float(np.ptp(offsets_us))
    status = ledger.status
    faults = 0 if status is None else status.faults
    print(
        f"{name}: {seconds / 3600:.2f} hours at 1 kHz in {real_s:.0f} s, {seconds / real_s:.1f} times real time"
    )
    figures = (
        ("samples received", ledger.n_received, None),
        ("conversions lost", ledger.n_lost, 0),
        ("conversions twice", ledger.n_repeated, 0),
        ("samples that are no conversion", ledger.n_strange, 0),
        ("counted by the board, not received", ledger.n_unaccounted, 0),
        ("bad frames", n_bad, 0),
        ("sequence numbers out of order", ledger.n_sequence_errors, 0),
        ("faults that STATUS shows", faults, 0),
        ("wraps of the microseconds", ledger.n_time_wraps, None),
        ("wraps of the sequence", ledger.n_sequence_wraps, None),
        ("drift of t_us, us", abs(drift_us), MAX_DRIFT_US),
        ("t_us beside the conversion, peak to peak, us", spread_us, None),
    )
    is_met = True
    for what, value, most in figures:
        is_kept = most is None or value <= most
        is_met &= is_kept
        print(
            f"  {what:<46}{value:>12.0f}"
            + ("" if most is None else f"  at most {most:g}")
            + ("" if is_kept else "  MISSED")
        )
    return is_met


def main() -> None:
    """Measure; the exit status tells whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=3.0, help="of each board's time")
    parser.add_argument("--boards", default="uno,da14580")
    arguments = parser.parse_args()
    verdicts = [judge(name, arguments.hours * 3600) for name in arguments.boards.split(",")]
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()
