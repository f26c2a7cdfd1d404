"""Three hours at 1 kHz on both emulated boards: each conversion once, and time that does not drift.

In three hours the boards' microseconds wrap twice (2^32 of them are 71.6 minutes) and the frames' sequence
numbers some twenty times. The sensor tells in its readings which conversion each is.

Run: make firmware && python benchmarks/kilohertz.py [--hours 3] [--boards uno,da14580]
"""

import argparse
import sys
import time

import numpy as np

from fedmotion.boards.counting_sensor import PERIOD_US, ConversionLedger, CountingSensor
from fedmotion.boards.emulated_board import make_emulated
from fedmotion.boards.emulated_processor import EmulatedProcessor
from fedmotion.protocol.serial_frames import Command
from fedmotion.protocol.serial_framing import FrameDecoder, encode_frame

START_US = 2_000_000
"""The board has found its sensor, taken the rate, and learnt the sensor's clock."""
TURN_US = 1_000_000
TELL_US = 1_800_000_000
"""How often it is told how far a run is."""
MAX_DRIFT_US = 20.0
"""The goal between the first minute's stamps and the last's, beside the sensor's own time."""


def run(
    board: EmulatedProcessor, sensor: CountingSensor, seconds: float
) -> tuple[ConversionLedger, int, float]:
    """Return what came in so many seconds of the board's time, bad frames, and real seconds."""
    decoder, ledger = FrameDecoder(), ConversionLedger()
    decoder.feed(board.advance(START_US // 2))
    board.receive(b"\0" + encode_frame(Command(Command.SET_PERIOD_US, PERIOD_US), 0))
    decoder.feed(board.advance(START_US))
    began_s, start_us = time.perf_counter(), board.now_us
    end_us, tell_us = start_us + round(seconds * 1e6), start_us + TELL_US
    while board.now_us < end_us:
        for frame in decoder.feed(board.advance(min(board.now_us + TURN_US, end_us))):
            ledger.see(sensor, frame.sequence, frame.t_us, frame.body)
        if board.now_us >= tell_us:
            tell_us += TELL_US
            told = f"  {(board.now_us - start_us) / 3.6e9:.1f} hours, {time.perf_counter() - began_s:.0f} s"
            print(
                f"{told}: {ledger.n_received} received, {ledger.n_lost} lost, {ledger.n_repeated} twice, "
                f"{ledger.n_time_wraps} and {ledger.n_sequence_wraps} wraps",
                flush=True,
            )
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
    speed = seconds / real_s
    print(f"{name}: {seconds / 3600:.2f} hours at 1 kHz in {real_s:.0f} s, {speed:.1f} times real time")
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
