"""`fedmotion start`: a scripted terminal, from a simulated board to a recognised gesture; what is refused."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from fedmotion.cli import start_board
from fedmotion.cli.main import command as fedmotion
from fedmotion.host.own_model import read_own_model
from fedmotion.host.ports import PortReport
from fedmotion.host.profile import Profile
from fedmotion.host.recording_store import RecordingStore

WAIT_S = 150.0
pytestmark = pytest.mark.timeout(WAIT_S + 30)

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program in a terminal of 110 x 40, and all that it has written."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.said = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fedmotion.cli", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "110", "LINES": "40"},
            start_new_session=True,
            # A shell starts what runs behind it without Ctrl-C, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
        )
        os.close(theirs)

    def wait_for(self, text: str) -> None:
        """Read until `text` was written."""
        until_s = time.monotonic() + WAIT_S
        while text not in self.said:
            if not select.select([self._ours], [], [], max(until_s - time.monotonic(), 0))[0]:
                raise TimeoutError(f"{text!r} is not in {self.said[-2000:]}")
            try:
                self.said += _ESCAPES.sub("", os.read(self._ours, 65536).decode(errors="replace"))
            except OSError:
                raise EOFError(f"ended without {text!r}: {self.said[-2000:]}") from None

    def press(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._ours, keys.encode())

    def interrupt(self) -> None:
        """Do what a terminal does at Ctrl-C; this one is not the program's controlling one."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Return the exit status, which is due."""
        try:
            while os.read(self._ours, 65536):
                pass
        except OSError:
            pass
        os.close(self._ours)
        return self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def test_a_scripted_terminal_reaches_a_recognised_gesture(tmp_path: Path) -> None:
    profile = Profile(tmp_path / "maker")
    with Terminal(
        "start",
        "--simulated",
        "--profile",
        str(profile.directory),
        "--takes",
        "4",
        "--countdown",
        "0.2",
        "--speed",
        "4",
    ) as terminal:
        terminal.wait_for("GO: swipe_left")
        terminal.wait_for("6/6  other")
        terminal.wait_for("of 14 takes are decided rightly")
        terminal.wait_for("now perform swipe_right")
        terminal.wait_for("join one:")
        terminal.press("nowhere.invitation\n")
        terminal.wait_for("nowhere.invitation' does not exist")
        terminal.press("\n")
        assert terminal.end() == 0
    assert re.search(r"now perform swipe_left\s+swipe_left, \d+%", terminal.said)
    assert re.search(r"now perform swipe_right\s+swipe_right, \d+%", terminal.said)
    assert "from the board to a recognised gesture: " in terminal.said
    with RecordingStore(profile.recordings, clock=time.time, read_only=True) as store:
        assert store.count_by_label() == {"other": 6, "swipe_left": 4, "swipe_right": 4}
    model = read_own_model(profile)
    assert model is not None
    assert model.specification.activities == ("swipe_left", "swipe_right", "other")


def test_what_was_recorded_counts_when_it_is_run_again(tmp_path: Path) -> None:
    folder = str(tmp_path / "maker")
    arguments = (
        "start",
        "--simulated",
        "--profile",
        folder,
        "--takes",
        "4",
        "--countdown",
        "0",
        "--speed",
        "4",
    )
    with Terminal(*arguments) as first:
        first.wait_for("2/4  swipe_left")
        first.interrupt()
        first.wait_for("what was recorded is kept")
        assert first.end() == 130
    with Terminal(*arguments) as second:
        second.wait_for("next: swipe_left")
        # One more may have been under way when the key was pressed.
        assert re.search(r"1\. record: [12] swipe_left, 4 swipe_right, 6 other", second.said)
        second.wait_for("join one:")
        second.press("\n")
        assert second.end() == 0
    with RecordingStore(Path(folder) / "recordings.sqlite", clock=time.time, read_only=True) as store:
        takes = [store.get(each) for each in store.recording_ids()]
    # The simulated person goes on, and does not perform the same again.
    assert len({take.counts.tobytes() for take in takes if take is not None}) == len(takes) == 14


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--simulated", "--gestures", "circle"),
            "a simulated person performs swipe_left and swipe_right, got 'circle'",
        ),
        (("--simulated", "--port", "/dev/ttyUSB0"), "leave --port out"),
        (("--speed", "2"), "goes with --simulated"),
        (("--simulated", "--speed", "nan"), "--speed is 1 to 10, got nan"),
        (("--port", "/dev/ttyUSB99"), "/dev/ttyUSB99"),
        (("--person", "x" * 65), "person"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(Exception, match=re.escape(sentence)):
        fedmotion.main(["start", "--profile", str(tmp_path / "p"), *options], standalone_mode=False)
    assert not (tmp_path / "p").exists()


def report(port: str, problem: str = "") -> PortReport:
    return PortReport(port, "USB serial", "Arduino Uno", "2341:0043", problem, ())


@pytest.mark.parametrize(
    ("ports", "sentence"),
    [
        ([], "no board is plugged in"),
        ([report("/dev/ttyA", "/dev/ttyA is open in minicom")], "open in minicom"),
        ([report("/dev/ttyA"), report("/dev/ttyB")], "boards are at /dev/ttyA, /dev/ttyB: name one"),
    ],
)
def test_without_anybody_to_ask_one_board_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ports: list[PortReport], sentence: str
) -> None:
    monkeypatch.setattr(start_board, "survey", lambda: ports)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        fedmotion.main(["start", "--profile", str(tmp_path / "p")], standalone_mode=False)
