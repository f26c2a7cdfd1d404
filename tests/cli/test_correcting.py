"""Corrections by keys of a terminal and by lines of JSON, while gestures of a real stream are recognised."""

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from fedmotion.cli.key_dialogue import KeyDialogue
from fedmotion.cli.record import command as record
from fedmotion.cli.train import command as train
from fedmotion.host.corrections import Correction
from fedmotion.host.recording_store import RecordingStore
from fedmotion.simulation.programs import Program

WAIT_S = 40.0
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def anna(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile with a model of its own: 8 takes of each."""
    folder = tmp_path_factory.mktemp("anna")
    with ExitStack() as stack:
        for label in ("swipe_left", "swipe_right", "other"):
            port = a_board(stack, folder, "--counts", f"{label}=9")
            run = CliRunner().invoke(
                record, [label, "--takes", "8", "--port", port, "--profile", str(folder / "anna")]
            )
            assert run.exit_code == 0, run.output
    run = CliRunner().invoke(train, ["--profile", str(folder / "anna")])
    assert run.exit_code == 0, run.output
    return folder / "anna"


def a_board(stack: ExitStack, folder: Path, *arguments: str) -> str:
    name = f"board-{abs(hash(arguments))}"
    everything = ["sim-board", "--speed", "0", "--exit-at-end", "--person", "7", *arguments]
    return stack.enter_context(Program(name, everything, folder)).require_line(WAIT_S)


def labels(profile: Path) -> dict[str, int]:
    with RecordingStore(profile / "recordings.sqlite", clock=time.time, read_only=True) as store:
        return store.count_by_label()


def test_lines_of_json_through_a_pipe_correct_what_was_recognised(
    anna: Path, tmp_path: Path, stack: ExitStack
) -> None:
    before = labels(anna)
    port = a_board(stack, tmp_path, "--counts", "swipe_left=3,swipe_right=3,other=3", "--seed", "4")
    process = stack.enter_context(
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "fedmotion.cli",
                "recognise",
                "--profile",
                str(anna),
                "--port",
                port,
                "--json",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    )
    stack.callback(process.terminate)
    assert process.stdin is not None
    assert process.stdout is not None

    def say(line: str) -> dict[str, object]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        told = json.loads(process.stdout.readline())
        assert isinstance(told, dict)
        return told

    recognised = []
    while (event := json.loads(process.stdout.readline()))["event"] != "lost":
        if event["event"] == "recognised":
            recognised.append(event)
    assert len(recognised) >= 5
    last = recognised[-1]
    other = "swipe_left" if last["activity"] == "swipe_right" else "swipe_right"
    assert say(json.dumps({"correct": "was", "label": other})) == {
        "event": "corrected",
        "correct": "was",
        "label": other,
        "recognised_as": last["activity"],
        "start_us": last["start_us"],
        "stop_us": last["stop_us"],
        "is_kept": True,
    }
    assert labels(anna)[other] == before[other] + 1
    assert say(json.dumps({"correct": "wrong", "start_us": recognised[0]["start_us"]}))["label"] == "other"
    assert labels(anna)["other"] == before["other"] + 1
    assert say("nonsense")["event"] == "not corrected"
    assert say("x" * 9000)["why"] == "a correction has at most 4096 bytes, got more"
    assert say('{"correct": "undo"}')["correct"] == "undo"
    assert say('{"correct": "undo"}')["correct"] == "undo"
    assert labels(anna) == before
    # The end of the input ends nothing.
    process.stdin.close()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.7)
    process.terminate()
    assert process.wait(WAIT_S) == 0


def test_keys_of_a_terminal_correct_what_was_recognised_and_the_terminal_is_given_back(
    anna: Path, tmp_path: Path, stack: ExitStack
) -> None:
    before = labels(anna)
    port = a_board(stack, tmp_path, "--counts", "swipe_left=2,swipe_right=2", "--seed", "5")
    terminal = Terminal(stack, "recognise", "--profile", str(anna), "--port", port)
    terminal.wait_for("keys: w that was wrong, x it was ..., n nothing happened")
    terminal.wait_for("the board is gone after")
    terminal.type("x")
    terminal.wait_for("it was:  1 swipe_left  2 swipe_right  (another key: none)")
    terminal.type("2")
    terminal.wait_for("kept as swipe_right: the movement at")
    assert labels(anna)["swipe_right"] == before["swipe_right"] + 1
    terminal.type("u")
    terminal.wait_for("undone: the movement at")
    assert labels(anna) == before
    terminal.type("n")
    terminal.wait_for("kept as other: the movement at")
    terminal.type("u")
    terminal.wait_for("is not kept")
    terminal.type("u")
    terminal.wait_for("not corrected: there is no correction to undo")
    terminal.type("\x03")
    assert terminal.end() == 0
    assert terminal.has_echo()


class Terminal:
    """A command at a terminal of its own, as a person has it."""

    def __init__(self, stack: ExitStack, *arguments: str) -> None:
        self._said = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-m", "fedmotion.cli", *arguments])
        stack.callback(os.close, self._fd)

    def wait_for(self, text: str) -> None:
        until_s = time.monotonic() + WAIT_S
        while text.encode() not in self._said:
            assert time.monotonic() < until_s, self._said.decode()
            if select.select([self._fd], [], [], 0.2)[0]:
                self._said += os.read(self._fd, 4096)
        self._said = self._said.partition(text.encode())[2]

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def end(self) -> int:
        until_s = time.monotonic() + WAIT_S
        while time.monotonic() < until_s:
            if select.select([self._fd], [], [], 0.05)[0]:
                # How Linux says that the other end is closed: the program is about to end.
                with contextlib.suppress(OSError):
                    self._said += os.read(self._fd, 4096)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(self._said.decode())

    def has_echo(self) -> bool:
        import termios  # noqa: PLC0415 - of this one question

        return bool(termios.tcgetattr(self._fd)[3] & termios.ECHO)


def test_keys_ask_for_a_gesture_where_one_is_needed_and_forget_what_was_not_answered() -> None:
    dialogue = KeyDialogue()
    activities = ("left", "right", "other")
    assert dialogue.feed("w", activities) == Correction("wrong")
    assert dialogue.feed("N", activities) == Correction("nothing")
    assert dialogue.feed("u", activities) == Correction("undo")
    assert dialogue.feed("m", activities) == "  missed:  1 left  2 right  (another key: none)"
    assert dialogue.feed("2", activities) == Correction("missed", "right")
    assert str(dialogue.feed("x", activities)).startswith("  it was:")
    assert dialogue.feed("3", activities) == "  nothing chosen"
    assert dialogue.feed("3", activities) == ""
    assert dialogue.feed("x", ()) == "  there is no model yet"
    assert "counterexample" in str(dialogue.feed("?", activities))
