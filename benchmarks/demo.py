"""What the demo takes and what it finds: its time, what federating bought, and real people recognised.

Each run is the command that a user types, as a process of its own.

    .venv/bin/python benchmarks/demo.py --seeds 3 --people ../shared/data/utd_mhad_inertial.npz
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fedmotion.boards.recorded_takes import load_takes

GOAL_S = 60.0
GOAL_GAIN = 0.1
GOAL_RECOGNISED = 0.95
"""38 of 40."""


class Accuracy(msgspec.Struct):
    """Of the newcomer's movements, by who trained the model."""

    alone: list[float]
    federated: float
    pooled: float


class Recognised(msgspec.Struct):
    """What came of the newcomer's gestures in one continuous stream."""

    n_performed: int
    n_correct: int
    n_missed: int
    n_false_alarms: int


class Figures(msgspec.Struct):
    """What `fedmotion demo --json` writes, as far as it is read here."""

    seconds: float
    accuracy: Accuracy
    recognised: Recognised


def main() -> None:
    """Run demos one after another and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="of simulated people, from 0")
    parser.add_argument("--people", type=Path, help="npz file of real people, each held out in turn")
    parser.add_argument("--labels", default="swipe_left,swipe_right", help="with --people")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f} before\n")
    print(f"{'run':<24}{'wall s':>8}{'alone':>8}{'federated':>11}{'pooled':>8}{'gain':>7}", end="")
    print(f"{'recognised':>13}{'false':>7}")
    walls: list[float] = []
    gains: list[float] = []
    for seed in range(options.seeds):
        wall_s, figures = run(["--seed", str(seed)])
        walls.append(wall_s)
        gains.append(row(f"simulated, seed {seed}", wall_s, figures))
    n_correct = n_performed = 0
    if options.people:
        for person in load_takes(options.people).people():
            arguments = ["--recordings", str(options.people), "--labels", options.labels, "--unseen", person]
            wall_s, figures = run(arguments)
            walls.append(wall_s)
            row(f"real, {person} held out", wall_s, figures)
            n_correct += figures.recognised.n_correct
            n_performed += figures.recognised.n_performed

    print(f"\ngoal: at most {GOAL_S:.0f} s: {kept(max(walls) <= GOAL_S)} with {max(walls):.1f}; ", end="")
    print(f"{max(walls) / GOAL_S:.2f} of it (median {statistics.median(walls):.1f} s of {len(walls)} runs)")
    if gains:
        print(f"goal: federated {GOAL_GAIN} above the mean of those alone, for each seed: ", end="")
        print(f"{kept(min(gains) >= GOAL_GAIN)} with {min(gains):+.3f}")
    if n_performed:
        print(f"goal: {GOAL_RECOGNISED:.0%} of real people's gestures recognised from the stream: ", end="")
        print(f"{kept(n_correct >= GOAL_RECOGNISED * n_performed)} with {n_correct} of {n_performed}")
    print(f"load average afterwards {os.getloadavg()[0]:.2f}")


def run(arguments: Sequence[str]) -> tuple[float, Figures]:
    """Run one demo; return its wall time, with Python's start and the picture, and its figures."""
    with tempfile.TemporaryDirectory(prefix="fedmotion-bench-") as name:
        figures = Path(name) / "figures.json"
        program = str(Path(sys.executable).with_name("fedmotion"))
        command = [program, "demo", "--json", str(figures), "--picture", str(Path(name) / "demo.png")]
        begun_s = time.perf_counter()
        done = subprocess.run([*command, *arguments], check=False, capture_output=True, text=True)
        wall_s = time.perf_counter() - begun_s
        if done.returncode:
            sys.exit(f"fedmotion demo {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return wall_s, msgspec.json.decode(figures.read_bytes(), type=Figures)


def row(name: str, wall_s: float, figures: Figures) -> float:
    """Print one run; return what federating bought."""
    accuracy, recognised = figures.accuracy, figures.recognised
    alone = statistics.fmean(accuracy.alone)
    gain = accuracy.federated - alone
    print(
        f"{name:<24}{wall_s:>8.1f}{alone:>8.3f}{accuracy.federated:>11.3f}{accuracy.pooled:>8.3f}{gain:>+7.3f}"
        f"{f'{recognised.n_correct} of {recognised.n_performed}':>13}{recognised.n_false_alarms:>7}",
        flush=True,
    )
    return gain


def kept(is_kept: bool) -> str:
    """Return the word for the table."""
    return "kept" if is_kept else "MISSED"


if __name__ == "__main__":
    main()
