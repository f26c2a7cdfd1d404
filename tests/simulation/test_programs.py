from pathlib import Path

import pytest

from fedmotion.simulation.programs import Program, ProgramError


def test_a_programs_lines_come_one_by_one_and_it_ends_with_the_block(tmp_path: Path) -> None:
    with Program("board", ["sim-board", "--port", "tcp:0"], tmp_path) as program:
        assert program.require_line(20.0).startswith("socket://127.0.0.1:")
        assert program.is_running
    assert not program.is_running


def test_a_program_that_ends_early_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Program("board", ["sim-board", "--rate-hz", "5"], tmp_path) as program:
        with pytest.raises(ProgramError, match=r"board ended early: .*the rate is 16 to 1000 Hz, got 5\.0"):
            program.require_line(20.0)
        assert program.next_line(1.0) is None
        with pytest.raises(ProgramError, match=r"board ended with status 2: .*the rate is 16 to 1000 Hz"):
            program.wait(5.0)


def test_a_program_that_falls_silent_is_an_error(tmp_path: Path) -> None:
    with Program("board", ["sim-board", "--port", "tcp:0"], tmp_path) as program:
        program.require_line(20.0)
        with pytest.raises(ProgramError, match="board said nothing for 0 s: "):
            program.require_line(0.05)
        with pytest.raises(ProgramError, match="board still runs after 0 s"):
            program.wait(0.05)
