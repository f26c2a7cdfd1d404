"""docs/wiring.md: its pictures agree with its table, its program runs, its axes are those of our boards."""

import queue
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fedmotion.boards.motion import SWIPE_LEFT, perform, person, rest
from fedmotion.boards.simulated_board import run

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = (DOCS / "wiring.md").read_text("utf-8")
DEADLINE_S = 20.0


@pytest.mark.parametrize("board", ["uno", "nano"])
def test_a_picture_names_the_wires_of_the_table(board: str) -> None:
    table = dict(re.findall(r"^\| (VCC|GND|SDA|SCL) \| (\w+) \|", DOCUMENT, re.MULTILINE))
    assert table == {"VCC": "5V", "GND": "GND", "SDA": "A4", "SCL": "A5"}
    title = re.search(r"<title>(.+?)</title>", (DOCS / "pictures" / f"wiring-{board}.svg").read_text("utf-8"))
    assert title is not None
    drawn = {sensor: pin for pin, sensor in re.findall(r"(\w+) to (\w+)", title[1].partition(":")[2])}
    assert drawn == table


def test_the_program_of_the_first_minutes_shows_samples(tmp_path: Path) -> None:
    found = re.search(r"^   ```python\n(.+?)^   ```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found is not None
    program = tmp_path / "show.py"
    program.write_text(re.sub("^   ", "", found[1], flags=re.MULTILINE), "utf-8")
    addresses: queue.Queue[str] = queue.Queue()
    stop = threading.Event()
    board = threading.Thread(target=run, kwargs={"counts": {}, "announce": addresses.put, "stop": stop})
    board.start()
    try:
        command = [sys.executable, str(program), addresses.get(timeout=DEADLINE_S)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as shown:
            assert shown.stdout is not None
            lines = [shown.stdout.readline() for _ in range(3)]
            shown.terminate()
    finally:
        stop.set()
        board.join(DEADLINE_S)
    for line in lines:
        values = [float(value) for value in line.split()]
        assert np.linalg.norm(values[:3]) == pytest.approx(9.81, abs=0.5)
        assert np.linalg.norm(values[3:]) < 0.5


@pytest.mark.parametrize("seed", range(5))
def test_the_axes_of_a_board_without_tilt_are_those_of_the_picture(seed: int) -> None:
    who = person(seed, tilt_deg=0)
    rng = np.random.default_rng(seed)
    still = rest(who, 1.0, rng).specific_force_mps2.mean(axis=0)
    assert still[2] == pytest.approx(9.81, abs=0.3)
    assert np.abs(still[:2]).max() < 2.0
    swipe = perform(who, SWIPE_LEFT, rng)
    turning_radps = swipe.angular_rate_radps[:, 2]
    assert turning_radps[np.abs(turning_radps).argmax()] > 1.0
