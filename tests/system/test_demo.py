"""`fedmotion demo` as a newcomer starts it, and what it leaves behind however it ends."""

import json
import signal
import statistics
import struct
from pathlib import Path
from typing import Any

import pytest
from marked_process import FEDMOTION, MarkedProcess

# Ten processes, under coverage, on a machine that has other things to do as well.
pytestmark = pytest.mark.timeout(200)


def demo(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run a demo to its end and return its figures."""
    command = (*FEDMOTION, "demo", "--json", "figures.json", *arguments)
    with MarkedProcess(command, folder) as process:
        assert process.wait() == 0, process.report()
        process.assert_nobody_is_left()
        assert process.error_path.read_text() == ""
    figures: dict[str, Any] = json.loads((folder / "figures.json").read_bytes())
    return figures


def size_of_png(path: Path) -> tuple[int, int]:
    """Return width and height (PNG specification, third edition, 11.2.1: IHDR is the first chunk)."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_simulated_people_teach_each_other_over_mosquitto(tmp_path: Path) -> None:
    figures = demo(tmp_path, "--speed", "0", "--broker", "mosquitto")
    assert {"seconds", "n_rounds", "accuracy", "recognised", "board"} <= set(figures)
    assert {"alone", "federated", "pooled"} <= set(figures["accuracy"])
    assert {"n_performed", "n_correct", "n_missed", "n_false_alarms"} <= set(figures["recognised"])
    assert set(figures["board"]) == {"kind", "firmware_sha256", "n_frames", "n_bad", "n_dropped"}
    assert figures["n_rounds"] == 12
    assert figures["seconds"] > 0
    alone = figures["accuracy"]["alone"]
    assert len(alone) == 4
    assert figures["accuracy"]["federated"] >= statistics.fmean(alone) + 0.1
    alarms = figures["false_alarms"]
    # Two kinds of other movement are in nobody's home, and each home has two of the others only.
    assert alarms["n_other"] > 12
    assert len(alarms["alone"]) == 4
    assert alarms["federated"] <= statistics.fmean(alarms["alone"]) / 2
    recognised = figures["recognised"]
    assert recognised["n_performed"] == 24
    assert recognised["n_correct"] >= 22
    assert recognised["n_correct"] + recognised["n_confused"] + recognised["n_missed"] == 24
    board = figures["board"]
    assert (board["kind"], board["firmware_sha256"]) == ("simulated", None)
    # Some 100 frames a second of four performances of about a minute and one of about two.
    assert board["n_frames"] > 10_000
    assert (board["n_bad"], board["n_dropped"]) == (0, 0)
    width, height = size_of_png(tmp_path / "fedmotion-demo.png")
    assert 1000 < width < 4000
    assert 500 < height < 4000
    output = (tmp_path / "output.txt").read_text("utf-8")
    for word in (
        "client-4",
        "federated",
        "pooled",
        f"{alarms['federated']} of {alarms['n_other']}",
        f"{recognised['n_correct']} of 24",
    ):
        assert word in output
    assert "picture: fedmotion-demo.png" in output


def test_real_people_teach_each_other_over_nats_and_a_fifth_is_recognised(
    tmp_path: Path, data_folder: Path
) -> None:
    recordings = str(data_folder / "utd_mhad_inertial.npz")
    people = ("--recordings", recordings, "--labels", "swipe_left,swipe_right", "--unseen", "5")
    files = ("--picture", "people.png", "--keep", "kept")
    figures = demo(tmp_path, *people, *files, "--broker", "nats", "--speed", "0")
    assert figures["broker"] == "nats"
    assert figures["recognised"]["n_performed"] == 8
    assert figures["recognised"]["n_correct"] >= 7
    assert (figures["board"]["n_bad"], figures["board"]["n_dropped"]) == (0, 0)
    assert size_of_png(tmp_path / "people.png")[0] > 1000
    kept = {path.name for path in (tmp_path / "kept").iterdir()}
    assert {"aggregator.log", "broker", "client-1", "client-4", "federation.sqlite", "newcomer"} <= kept


def test_ctrl_c_ends_all_programs(tmp_path: Path) -> None:
    with MarkedProcess((*FEDMOTION, "demo"), tmp_path) as process:
        process.wait_for_output("the aggregator runs rounds")
        assert sum(" fedmotion.cli agent " in line for line in process.offspring().values()) == 4
        process.interrupt()
        assert process.wait(60) == 130, process.report()
        process.assert_nobody_is_left()
        assert "Traceback" not in process.error_path.read_text()


def test_sigterm_to_the_demo_alone_ends_all_programs(tmp_path: Path) -> None:
    with MarkedProcess((*FEDMOTION, "demo"), tmp_path) as process:
        process.wait_for_output("perform")
        process.signal(signal.SIGTERM)
        assert process.wait(60) == 143, process.report()
        process.assert_nobody_is_left()
        assert "Traceback" not in process.error_path.read_text()


def test_an_agent_that_dies_fails_the_demo_in_one_sentence_and_leaves_nobody(tmp_path: Path) -> None:
    with MarkedProcess((*FEDMOTION, "demo"), tmp_path) as process:
        process.wait_for_output("perform")
        victim = None
        while victim is None:
            lines = process.offspring()
            assert process.pid in lines, process.report()
            victim = next((pid for pid, line in lines.items() if " fedmotion.cli agent " in line), None)
        process.kill_one(victim)
        assert process.wait(60) == 1, process.report()
        process.assert_nobody_is_left()
        error = process.error_path.read_text()
        assert error.startswith("Error: client-")
        assert "-agent ended early: " in error
        assert "Traceback" not in error
