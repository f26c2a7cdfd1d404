"""`fedmotion demo --boards uno,da14580`: real firmware in place of the simulated node."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from marked_process import FEDMOTION, MarkedProcess

from fedmotion.boards.emulated_board import find_elf
from fedmotion.boards.emulator_build import DA14580, UNO, EmulatorError, emulator_path

DEADLINE_S = 400.0  # the goal of 180 s is for a machine of its own


def built(board: str) -> Path:
    """The built firmware; without it or an emulator for it CI fails and a user's tests are skipped."""
    try:
        emulator_path(UNO if board == "uno" else DA14580)
        return find_elf(board=board)
    except EmulatorError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI skips nothing, but {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def firmware() -> Path:
    """The Uno's."""
    return built("uno")


@pytest.mark.timeout(DEADLINE_S + 20)
def test_real_people_teach_each_other_through_the_real_firmware(tmp_path: Path, data_folder: Path) -> None:
    boards = "uno,da14580"
    hashes = [hashlib.sha256(built(board).read_bytes()).hexdigest() for board in boards.split(",")]
    recordings = str(data_folder / "utd_mhad_inertial.npz")
    people = ("--recordings", recordings, "--labels", "swipe_left,swipe_right", "--unseen", "5")
    command = (*FEDMOTION, "demo", "--boards", boards, "--speed", "0", "--json", "figures.json", *people)
    with MarkedProcess(command, tmp_path) as process:
        assert process.wait(DEADLINE_S) == 0, process.report()
        process.assert_nobody_is_left()
        assert process.error_path.read_text() == ""
    figures = json.loads((tmp_path / "figures.json").read_bytes())
    assert figures["seconds"] < DEADLINE_S
    assert figures["recognised"]["n_performed"] == 8
    assert figures["recognised"]["n_correct"] >= 7
    board = figures["board"]
    assert (board["kind"], board["firmware_sha256"]) == (boards, ",".join(hashes))
    assert board["n_frames"] > 10_000
    assert (board["n_bad"], board["n_dropped"]) == (0, 0)


def test_ctrl_c_ends_a_board_and_its_emulator(tmp_path: Path, firmware: Path) -> None:
    board = (*FEDMOTION, "sim-board", "--board", "uno", "--starts-at-once", "--elf", str(firmware))
    with MarkedProcess(board, tmp_path) as process:
        process.wait_for_output("socket://")
        assert any("uno_emulator" in line for line in process.offspring().values())
        process.interrupt()
        assert process.wait(15) == 0, process.report()
        process.assert_nobody_is_left()
        said = process.error_path.read_text()
        assert said == "person 1 performs now, then rests for ever: start it again for more\n"


def test_without_an_emulator_the_demo_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with MarkedProcess((*FEDMOTION, "demo", "--boards", "uno"), tmp_path) as process:
        assert process.wait() == 1, process.report()
        process.assert_nobody_is_left()
    assert "the Uno emulator needs a C compiler: apt-get install gcc" in process.error_path.read_text()


def test_kinds_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for kinds in ("simulated,uno", "uno,uno", "teensy"):
        with MarkedProcess((*FEDMOTION, "demo", "--boards", kinds), tmp_path) as process:
            assert process.wait() == 2, process.report()
        said = " ".join(process.error_path.read_text().split())
        assert f"--boards is simulated, or of uno, da14580 each once, got '{kinds}'" in said
