"""Keys of a terminal one by one, and the terminal given back as it was."""

import os
import pty
import termios
from collections.abc import Iterator

import pytest

from fedmotion.cli.keyboard import Keyboard


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a terminal: where a person types, and the program's."""
    person, program = pty.openpty()
    yield person, program
    os.close(program)
    os.close(person)


def test_keys_come_at_once_without_enter_and_without_echo(terminal: tuple[int, int]) -> None:
    person, program = terminal
    with Keyboard(program) as keys:
        assert keys.pressed() == ""
        for text, read in (("k", "k"), ("\n", "\n"), ("ä ", "ä "), ("\x1b[A", ""), ("12q", "12q")):
            os.write(person, text.encode())
            assert keys.pressed() == read
        os.set_blocking(person, False)
        with pytest.raises(BlockingIOError):
            os.read(person, 1)


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()], ids=repr)
def test_the_terminal_is_given_back_as_it_was_however_it_ends(
    terminal: tuple[int, int], error: BaseException
) -> None:
    _, program = terminal
    before = termios.tcgetattr(program)
    with Keyboard(program):
        meanwhile = termios.tcgetattr(program)
    assert meanwhile[3] & (termios.ECHO | termios.ICANON) == 0
    assert meanwhile[3] & termios.ISIG
    assert termios.tcgetattr(program) == before
    with pytest.raises(type(error)), Keyboard(program):
        raise error
    assert termios.tcgetattr(program) == before


def test_a_terminal_that_is_gone_stops_the_session() -> None:
    person, program = pty.openpty()
    with Keyboard(program) as keys:
        os.close(person)
        assert keys.pressed() == "q"
    os.close(program)
