"""The real firmware's stream beside the emulated Uno's clock: losses, jitter, stamps, and each one's limit.

At 100 and 500 Hz the board's clock paces the readings; at 1 kHz the sensor's does, which may be off, and each
of its conversions is to come once.

Run: make firmware && python benchmarks/uno_stream.py [--minutes 10]
"""

import argparse
import hashlib
import sys
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.boards.emulated_board import find_elf
from fedmotion.boards.emulated_uno import EmulatedUno
from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.virtual_mpu6050 import Imperfection, VirtualMpu6050
from fedmotion.protocol.serial_frames import Command, Samples, Status
from fedmotion.protocol.serial_framing import FrameDecoder, encode_frame

MAX_JITTER_US = 100.0
"""The goal: a twentieth of the shortest period here."""
MAX_STAMP_ERROR_US = 20.0
"""The goal: five steps of the Arduino's micros(), which has 4 us."""
FIFO_PERIOD_US = 1_000
MAX_CLOCK_OFFSET_US = 40.0
"""The goal: a twenty-fifth of a period. Most of a sensor's conversions are stamped ten times better."""
BITS_PER_BYTE = 10
"""On the line, with start and stop."""
START_S = 0.5
TURN_US = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """One rate's stream.

    Attributes
    ----------
    indices, stamps_us : (n,) of each sample, as the host counts them
    rows : each sample's six counts
    felt : what the sensor converted and when, by the board's clock
    starts_us : (m,) when each reading's START began, by the cycle counter
    n_repeated : readings of an instant that was read before
    """

    indices: NDArray[np.int64]
    stamps_us: NDArray[np.int64]
    rows: list[tuple[int, ...]]
    felt: list[tuple[int, NDArray[np.int16]]]
    starts_us: NDArray[np.float64]
    n_repeated: int
    n_bad: int
    n_bytes: int
    baud: int
    status: Status
    real_s: float


def stream(period_us: int, seconds: float, clock_error: float = 0.0) -> Run:
    """Let the board run in virtual time and return what came and when it was read."""
    t_s = np.array([0.0, seconds + 10.0])
    force = np.tile([1.0, 2.0, STANDARD_GRAVITY_MPS2], (2, 1))
    sensor = VirtualMpu6050(
        Motion(t_s, force, np.full((2, 3), 0.5)), imperfection=Imperfection(clock_error=clock_error)
    )
    decoder = FrameDecoder()
    stamps: list[tuple[int, int]] = []
    rows: list[tuple[int, ...]] = []
    status = None
    with EmulatedUno(find_elf(), sensor, is_traced=True) as uno:
        decoder.feed(uno.advance(round(START_S * 1e6)))
        uno.receive(b"\0" + encode_frame(Command(Command.SET_PERIOD_US, period_us), 0))
        decoder.feed(uno.advance(round(3 * START_S * 1e6)))  # at 1 kHz it learns the sensor's clock meanwhile
        uno.bursts.clear()
        uno.felt.clear()
        n_bytes_before = decoder.counters.n_bytes
        began_s, end_us = time.perf_counter(), uno.now_us + round(seconds * 1e6)
        while uno.now_us < end_us:
            for frame in decoder.feed(uno.advance(uno.now_us + TURN_US)):
                if isinstance(frame.body, Samples):
                    first, n = frame.body.first_index, len(frame.body.counts)
                    stamps += [(first + k, frame.t_us + k * frame.body.period_us) for k in range(n)]
                    rows += map(tuple, frame.body.counts.tolist())
                elif isinstance(frame.body, Status):
                    status = frame.body
        real_s = time.perf_counter() - began_s
        starts_us = np.array([burst.start_us for burst in uno.bursts])
        n_bytes, baud = decoder.counters.n_bytes - n_bytes_before, uno.baud
        felt = uno.felt
        n_repeated = len(felt) - len({instant for instant, _ in felt})
    if status is None:
        raise SystemExit(f"no STATUS came within {seconds} s: run for longer")
    indices, stamps_us = np.array(stamps, dtype=np.int64).T
    n_bad = decoder.counters.n_bad
    return Run(indices, stamps_us, rows, felt, starts_us, n_repeated, n_bad, n_bytes, baud, status, real_s)


def report(name: str, value: float, unit: str, most: float, limit: str) -> bool:
    """Print a figure beside its limit; return whether it is kept."""
    is_kept = value <= most
    ratio = f"{value / most:.2f} of " if most else ""
    print(f"  {name:<34} {value:9.1f} {unit:<7} {ratio}{limit}, {most:g}{'' if is_kept else '  MISSED'}")
    return is_kept


def judge(period_us: int, seconds: float) -> bool:
    """Measure one rate and print it."""
    run = stream(period_us, seconds)
    print(f"{1e6 / period_us:.0f} Hz, {seconds:.0f} s of board time, {len(run.indices)} samples, ", end="")
    print(f"{seconds / run.real_s:.1f} times real time")
    n_lost = int(np.sum(np.diff(run.indices) - 1)) + run.status.n_dropped + run.status.n_sensor_errors
    # The batch that is under way at the beginning was read before the first START that is kept.
    stamps_us = run.stamps_us[run.stamps_us > run.starts_us[0] - period_us / 2]
    n = min(len(stamps_us), len(run.starts_us))
    # The firmware's clock starts after the C start-up code, a constant later than the cycle counter.
    offsets_us = run.starts_us[:n] - stamps_us[:n]
    jitter_us = np.ptp(run.starts_us - period_us * np.arange(len(run.starts_us)))
    error_us = np.abs(offsets_us - np.median(offsets_us)).max()
    figures = (
        ("samples lost", n_lost, "", 0, "goal"),
        ("instants read twice", run.n_repeated, "", 0, "goal"),
        ("bad frames", run.n_bad, "", 0, "goal"),
        ("faults that STATUS shows", run.status.faults, "", 0, "goal"),
        ("jitter of START, peak to peak", jitter_us, "us", MAX_JITTER_US, "goal"),
        ("t_us beside START, less a constant", error_us, "us", MAX_STAMP_ERROR_US, "goal"),
        ("line", run.n_bytes / seconds, "bytes/s", run.baud / BITS_PER_BYTE, "what the baud rate carries"),
    )
    verdicts = [report(*figure) for figure in figures]
    return all(verdicts)


def instants_of(run: Run) -> NDArray[np.int64]:
    """Return when each sample was converted, by the board's clock, -1 where the sensor did not feel it.

    Both lists are in order, and noise tells a reading from its neighbours.
    """
    felt = [(instant, tuple(counts.tolist())) for instant, counts in run.felt]
    instants, position = [], 0
    for row in run.rows:
        ahead = range(position, min(position + 2_000, len(felt)))
        found = next((k for k in ahead if felt[k][1] == row), None)
        instants.append(-1 if found is None else felt[found][0])
        position = position if found is None else found + 1
    return np.array(instants, dtype=np.int64)


def judge_conversions(seconds: float, clock_error: float) -> bool:
    """Measure 1 kHz with the sensor's clock off by so much, and print it."""
    run = stream(FIFO_PERIOD_US, seconds, clock_error)
    print(f"1 kHz, the sensor's clock {clock_error:+.0%}, {seconds:.0f} s of board time, ", end="")
    print(f"{len(run.rows)} samples, {seconds / run.real_s:.1f} times real time")
    instants_us = instants_of(run)
    is_felt = instants_us >= 0
    # The batch that is under way at the beginning was converted before what is kept.
    is_felt[:16] = True
    begun = instants_us >= 0
    steps = np.rint(np.diff(instants_us[begun]) * (1 + clock_error) / FIFO_PERIOD_US)
    offsets_us = run.stamps_us[begun] - instants_us[begun]
    errors_us = np.abs(offsets_us - np.median(offsets_us))
    n_lost = int(np.sum(np.diff(run.indices) - 1)) + run.status.n_dropped + run.status.n_sensor_errors
    figures = (
        ("conversions lost", int(np.sum(np.maximum(steps - 1, 0))) + n_lost, "", 0, "goal"),
        ("conversions twice", int(np.count_nonzero(steps < 1)), "", 0, "goal"),
        ("samples that are no conversion", int(np.count_nonzero(~is_felt)), "", 0, "goal"),
        ("bad frames", run.n_bad, "", 0, "goal"),
        ("faults that STATUS shows", run.status.faults, "", 0, "goal"),
        ("t_us beside conversion, at most", errors_us.max(), "us", MAX_CLOCK_OFFSET_US, "goal"),
        ("t_us beside conversion, 99 of 100", np.percentile(errors_us, 99), "us", MAX_STAMP_ERROR_US, "goal"),
        ("line", run.n_bytes / seconds, "bytes/s", run.baud / BITS_PER_BYTE, "what the baud rate carries"),
    )
    verdicts = [report(*figure) for figure in figures]
    return all(verdicts)


def main() -> None:
    """Measure 100 Hz, 500 Hz and 1 kHz; the exit status tells whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="board time of the longest runs")
    minutes: float = parser.parse_args().minutes
    elf = find_elf()
    print(f"{elf.name}, SHA-256 {hashlib.sha256(elf.read_bytes()).hexdigest()[:16]}")
    is_met = [
        judge(10_000, 60.0),
        judge(2_000, 60.0 * minutes),
        judge_conversions(60.0 * minutes, 0.0),
        judge_conversions(60.0, 0.01),
        judge_conversions(60.0, -0.01),
    ]
    sys.exit(0 if all(is_met) else 1)


if __name__ == "__main__":
    main()
