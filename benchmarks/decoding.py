"""How many samples a second one core turns from a line's bytes into arrays in SI units.

Beside it, from the same run: the frame decoder alone, its C parts alone (COBS and CRC, which no decoder in
Python can undercut), and text lines as Arduino sketches print them.

    .venv/bin/python benchmarks/decoding.py
"""

import argparse
import binascii
import csv
import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from cobs import cobs
from numpy.typing import NDArray

from fedmotion.host.imu_stream import ImuStream
from fedmotion.protocol.serial_frames import N_AXES, Hello, Samples
from fedmotion.protocol.serial_framing import FrameDecoder, encode_frame

GOAL_PER_S = 200_000
GOAL_BATCH = 8
BATCHES = (1, 8, 16)
PIECES = (4096, 65_536)
PERIOD_US = 1000
HELLO = Hello(
    firmware_version=(1, 0, 0),
    board="benchmark",
    board_id=1,
    sensor_id=0x68,
    accel_full_scale_g=4,
    gyro_full_scale_dps=500,
    period_us=PERIOD_US,
)


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=48_000, help="in the stream that is decoded")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    n_samples = options.samples - options.samples % max(BATCHES)
    counts = np.random.default_rng(1).integers(-20_000, 20_000, (n_samples, N_AXES)).astype("<i2")
    print(f"{n_samples} samples of 6 axes, {options.repeats} repeats, one core of {os.cpu_count()}")
    print(f"load average {os.getloadavg()[0]:.2f} before, Python {sys.version.split()[0]}\n")
    print(f"{'thousand samples a second':<58}{'median':>9}{'p5':>9}{'best':>9}")

    def measure(name: str, decode: Callable[[], int]) -> float:
        rates = []
        for _ in range(options.repeats):
            begun_s = time.perf_counter()
            n_decoded = decode()
            rates.append(n_decoded / (time.perf_counter() - begun_s))
            if n_decoded != n_samples:
                sys.exit(f"{name}: {n_decoded} of {n_samples} samples came out")
        low = float(np.percentile(rates, 5))
        median = statistics.median(rates)
        print(
            f"{name:<58}" + "".join(f"{rate / 1e3:>9.0f}" for rate in (median, low, max(rates))), flush=True
        )
        return median

    ours: dict[tuple[int, int], float] = {}
    limits: dict[int, float] = {}
    for batch in BATCHES:
        line = frames(counts, batch)
        for piece in PIECES:
            pieces = [line[start : start + piece] for start in range(0, len(line), piece)]
            name = f"{batch:>2} a frame, pieces of {piece // 1024:>2} KiB"
            ours[batch, piece] = measure(f"{name}: bytes to SI arrays", partial(to_si, pieces))
        measure(f"{batch:>2} a frame: frame decoder alone", partial(to_frames, pieces))
        name = f"{batch:>2} a frame: limit, COBS and CRC in C alone"
        limits[batch] = measure(name, partial(c_parts, line, batch))
    text = lines_of_text(counts)
    peer = measure("peer: text lines, csv module and float()", partial(csv_to_si, text))
    measure("peer: text lines, numpy.loadtxt", partial(loadtxt_to_si, text))

    slowest = min(ours[GOAL_BATCH, piece] for piece in PIECES)
    print(
        f"\ngoal: {GOAL_PER_S / 1e3:.0f} thousand a second at {GOAL_BATCH} a frame: "
        f"{'kept' if slowest >= GOAL_PER_S else 'MISSED'} with {slowest / 1e3:.0f}"
    )
    print(
        f"of what COBS and CRC alone allow {slowest / limits[GOAL_BATCH]:.2f}, "
        f"to text lines with csv and float() {slowest / peer:.2f}"
    )
    print(f"one node of 1000 samples a second, {GOAL_BATCH} a frame, keeps a core {1e5 / slowest:.2f} % busy")
    print(f"load average afterwards {os.getloadavg()[0]:.2f}")


def frames(counts: NDArray[np.int16], batch: int) -> bytes:
    """Return the line of a node that says HELLO and then sends `batch` samples a frame."""
    line = [b"\0", encode_frame(HELLO, 0)]
    for number, start in enumerate(range(0, len(counts), batch), start=1):
        body = Samples(start, PERIOD_US, counts[start : start + batch])
        line.append(encode_frame(body, number, PERIOD_US * (start + 1)))
    return b"".join(line)


def to_si(pieces: list[bytes]) -> int:
    """Decode as an agent does."""
    stream = ImuStream(lambda _: None)
    stream.opened(0.0)
    n_samples = 0
    for piece in pieces:
        n_samples += sum(len(block.samples) for block in stream.feed(piece, 0.0))
    return n_samples


def to_frames(pieces: list[bytes]) -> int:
    """Decode to checked frames."""
    decoder = FrameDecoder()
    n_samples = 0
    for piece in pieces:
        n_samples += sum(
            len(frame.body.counts) for frame in decoder.feed(piece) if isinstance(frame.body, Samples)
        )
    return n_samples


def c_parts(line: bytes, batch: int) -> int:
    """Cut, undo COBS and take the CRC of what is left, with nothing else done to it."""
    n_frames = 0
    for part in line.split(b"\0"):
        if part:
            plain = cobs.decode(part)
            binascii.crc_hqx(plain, 0xFFFF)
            n_frames += 1
    return (n_frames - 1) * batch  # one of them is HELLO


def lines_of_text(counts: NDArray[np.int16]) -> str:
    """Return what a sketch prints, a line a sample: milliseconds and six numbers of two decimals."""
    values = counts / 32768 * (4 * 9.80665)
    return "".join(
        f"{number},{','.join(f'{value:.2f}' for value in row)}\r\n" for number, row in enumerate(values)
    )


def csv_to_si(text: str) -> int:
    """Read text lines as most programs do."""
    rows = [[float(value) for value in row] for row in csv.reader(io.StringIO(text))]
    return len(np.array(rows, dtype=np.float32))


def loadtxt_to_si(text: str) -> int:
    """Read text lines with NumPy's C reader."""
    return len(np.loadtxt(io.StringIO(text), delimiter=",", dtype=np.float32))


if __name__ == "__main__":
    main()
