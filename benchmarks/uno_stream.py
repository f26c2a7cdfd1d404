"""The real firmware's stream beside the emulated Uno's clock: losses, jitter, stamps, and each one's limit.

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
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.protocol.serial_frames import Command, Samples, Status
from fedmotion.protocol.serial_framing import FrameDecoder, encode_frame

MAX_JITTER_US = 100.0
"""The goal: a twentieth of the shortest period here."""
MAX_STAMP_ERROR_US = 20.0
"""The goal: five steps of the Arduino's micros(), which has 4 us."""
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
    starts_us : (m,) when each reading's START began, by the cycle counter
    n_repeated : readings of an instant that was read before
    """

    indices: NDArray[np.int64]
    stamps_us: NDArray[np.int64]
    starts_us: NDArray[np.float64]
    n_repeated: int
    n_bad: int
    n_bytes: int
    baud: int
    status: Status
    real_s: float


def stream(period_us: int, seconds: float) -> Run:
    """Let the board run in virtual time and return what came and when it was read."""
    t_s = np.array([0.0, seconds + 10.0])
    force = np.tile([1.0, 2.0, STANDARD_GRAVITY_MPS2], (2, 1))
    sensor = VirtualMpu6050(Motion(t_s, force, np.full((2, 3), 0.5)))
    decoder = FrameDecoder()
    stamps: list[tuple[int, int]] = []
    status = None
    with EmulatedUno(find_elf(), sensor, is_traced=True) as uno:
        decoder.feed(uno.advance(round(START_S * 1e6)))
        uno.receive(b"\0" + encode_frame(Command(Command.SET_PERIOD_US, period_us), 0))
        decoder.feed(uno.advance(round(2 * START_S * 1e6)))
        uno.bursts.clear()
        uno.felt.clear()
        n_bytes_before = decoder.counters.n_bytes
        began_s, end_us = time.perf_counter(), uno.now_us + round(seconds * 1e6)
        while uno.now_us < end_us:
            for frame in decoder.feed(uno.advance(uno.now_us + TURN_US)):
                if isinstance(frame.body, Samples):
                    first, n = frame.body.first_index, len(frame.body.counts)
                    stamps += [(first + k, frame.t_us + k * period_us) for k in range(n)]
                elif isinstance(frame.body, Status):
                    status = frame.body
        real_s = time.perf_counter() - began_s
        starts_us = np.array([burst.start_us for burst in uno.bursts])
        n_bytes, baud = decoder.counters.n_bytes - n_bytes_before, uno.baud
        n_repeated = len(uno.felt) - len({instant for instant, _ in uno.felt})
    if status is None:
        raise SystemExit(f"no STATUS came within {seconds} s: run for longer")
    indices, stamps_us = np.array(stamps, dtype=np.int64).T
    n_bad = decoder.counters.n_bad
    return Run(indices, stamps_us, starts_us, n_repeated, n_bad, n_bytes, baud, status, real_s)


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


def main() -> None:
    """Measure 100 and 500 Hz; the exit status tells whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="board time of the 500 Hz run")
    minutes: float = parser.parse_args().minutes
    elf = find_elf()
    print(f"{elf.name}, SHA-256 {hashlib.sha256(elf.read_bytes()).hexdigest()[:16]}")
    is_met = [judge(10_000, 60.0), judge(2_000, 60.0 * minutes)]
    sys.exit(0 if all(is_met) else 1)


if __name__ == "__main__":
    main()
