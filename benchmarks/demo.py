"""What the demo takes and what it finds: its time, what federating bought, and real people recognised.

Each run is the command that a user types, as a process of its own.

    .venv/bin/python benchmarks/demo.py --seeds 3 --people ../shared/data/utd_mhad_inertial.npz
    .venv/bin/python benchmarks/demo.py --seeds 0 --people ... --boards uno    # after make firmware
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

GOAL_S = {"simulated": 60.0, "uno": 180.0}
GOAL_GAIN = 0.1
GOAL_RECOGNISED = 0.95
"""38 of 40."""


class Accuracy(msgspec.Struct):
    """Of the newcomer's movements, by who trained the model."""

    alone: list[float]
    federated: float
    pooled: float


class FalseAlarms(msgspec.Struct):
    """Of the newcomer's `n_other` movements that are no gesture, by who trained the model."""

    n_other: int
    alone: list[int]
    federated: int


class Recognised(msgspec.Struct):
    """What came of the newcomer's gestures in one continuous stream."""

    n_performed: int
    n_correct: int
    n_missed: int


class Board(msgspec.Struct):
    """What the boards were and what their lines lost."""

    kind: str
    firmware_sha256: str | None
    n_frames: int
    n_bad: int
    n_dropped: int


class Figures(msgspec.Struct):
    """What `fedmotion demo --json` writes, as far as it is read here."""

    seconds: float
    accuracy: Accuracy
    false_alarms: FalseAlarms
    recognised: Recognised
    board: Board


def main() -> None:
    """Run demos one after another and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="of simulated people, from 0")
    parser.add_argument("--people", type=Path, help="npz file of real people, each held out in turn")
    parser.add_argument("--labels", default="swipe_left,swipe_right", help="with --people")
    parser.add_argument("--boards", choices=tuple(GOAL_S), default="simulated")
    options = parser.parse_args()
    if not options.seeds and not options.people:
        parser.error("nothing to run: give --people or one seed or more")
    # An emulated board has its own time: as fast as it goes is as true as real time.
    boards = [] if options.boards == "simulated" else ["--boards", options.boards, "--speed", "0"]
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f} before\n")
    print(f"{'run':<24}{'wall s':>8}{'alone':>8}{'federated':>11}{'pooled':>8}{'gain':>7}", end="")
    print(f"{'recognised':>13}{'false alarms: alone':>21}{'federated':>11}")
    walls: list[float] = []
    gains: list[float] = []
    lines: list[Board] = []
    for seed in range(options.seeds):
        wall_s, figures = run(["--seed", str(seed), *boards])
        walls.append(wall_s)
        lines.append(figures.board)
        gains.append(row(f"simulated, seed {seed}", wall_s, figures))
    n_correct = n_performed = 0
    if options.people:
        for person in load_takes(options.people).people():
            arguments = ["--recordings", str(options.people), "--labels", options.labels, "--unseen", person]
            wall_s, figures = run([*arguments, *boards])
            walls.append(wall_s)
            lines.append(figures.board)
            row(f"real, {person} held out", wall_s, figures)
            n_correct += figures.recognised.n_correct
            n_performed += figures.recognised.n_performed

    goal_s = GOAL_S[options.boards]
    print(f"\ngoal: at most {goal_s:.0f} s: {kept(max(walls) <= goal_s)} with {max(walls):.1f}; ", end="")
    print(f"{max(walls) / goal_s:.2f} of it (median {statistics.median(walls):.1f} s of {len(walls)} runs)")
    if gains:
        print(f"goal: federated {GOAL_GAIN} above the mean of those alone, for each seed: ", end="")
        print(f"{kept(min(gains) >= GOAL_GAIN)} with {min(gains):+.3f}")
    if n_performed:
        print(f"goal: {GOAL_RECOGNISED:.0%} of real people's gestures recognised from the stream: ", end="")
        print(f"{kept(n_correct >= GOAL_RECOGNISED * n_performed)} with {n_correct} of {n_performed}")
    n_bad, n_dropped = sum(board.n_bad for board in lines), sum(board.n_dropped for board in lines)
    print(
        f"goal: no frame bad or dropped: {kept(n_bad == n_dropped == 0)} with {n_bad} and {n_dropped} ",
        end="",
    )
    print(f"of {sum(board.n_frames for board in lines)}")
    for firmware in sorted({board.firmware_sha256 for board in lines if board.firmware_sha256}):
        print(f"the firmware that ran: SHA-256 {firmware}")
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
    alarms = figures.false_alarms
    alarms_alone, alarms_federated = statistics.fmean(alarms.alone), f"{alarms.federated} of {alarms.n_other}"
    print(
        f"{name:<24}{wall_s:>8.1f}{alone:>8.3f}{accuracy.federated:>11.3f}{accuracy.pooled:>8.3f}{gain:>+7.3f}"
        f"{f'{recognised.n_correct} of {recognised.n_performed}':>13}{alarms_alone:>21.2f}"
        f"{alarms_federated:>11}",
        flush=True,
    )
    return gain


def kept(is_kept: bool) -> str:
    """Return the word for the table."""
    return "kept" if is_kept else "MISSED"


if __name__ == "__main__":
    main()
