"""`fedmotion record` as a person and a script start it: on a terminal, into a pipe, and with bad input."""

import json
import os
import pty
import re
import resource
import select
import signal
import sqlite3
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fedmotion.boards.board_service import serve_board
from fedmotion.boards.script import Script, person_script
from fedmotion.boards.simulated_board import open_port
from fedmotion.boards.simulated_node import SimulatedNode
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.host.marks import read_marks
from fedmotion.host.recording_store import RecordingStore

WAIT_S = 15.0
SPEED = 4.0
_AS_CONTROLLING_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from fedmotion.cli.main import main
main()
"""


class Terminal:
    """`fedmotion ARGUMENTS...` on a terminal of its own, whose screen can be waited for and typed at."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (40, 100))
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        self._process = subprocess.Popen(
            [sys.executable, "-c", _AS_CONTROLLING_TERMINAL, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        self.shown = ""
        self._seen = 0

    def expect(self, text: str) -> None:
        """Wait until `text` is shown after what was waited for before."""
        until_s = time.monotonic() + WAIT_S
        while (at := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < until_s, f"{text!r} was not shown: {self.shown[-3000:]}"
            assert self._read(0.1) or self._process.poll() is None, f"it ended: {self.shown[-3000:]}"
        self._seen = at + len(text)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def send(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def end(self) -> int:
        """Wait for the end and return the exit status."""
        until_s = time.monotonic() + WAIT_S
        while self._process.poll() is None:
            assert time.monotonic() < until_s, f"it does not end: {self.shown[-3000:]}"
            self._read(0.1)
        while self._read(0):
            pass
        assert termios.tcgetattr(self._slave) == self.before
        return self._process.returncode

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._slave)
        os.close(self._master)

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._master], [], [], timeout_s)[0]:
            return False
        text = os.read(self._master, 65536).decode(errors="replace")
        self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
        return True


@contextmanager
def board(script: Script, *, board_id: int = 77, speed: float = SPEED) -> Iterator[str]:
    """A simulated board in a hurry; its address."""
    stop, addresses, is_there = threading.Event(), list[str](), threading.Event()

    def announce(address: str) -> None:
        addresses.append(address)
        is_there.set()

    node = SimulatedNode(VirtualMpu6050(script.motion, seed=1), board_id=board_id, seed=1)
    thread = threading.Thread(
        target=serve_board,
        args=(node, open_port("tcp:0"), script),
        kwargs={"speed": speed, "announce": announce, "stop": stop},
    )
    thread.start()
    try:
        assert is_there.wait(10)
        yield addresses[0]
    finally:
        stop.set()
        thread.join(10)


@pytest.fixture(scope="module")
def slow_script() -> Script:
    """Movements with rests in which a countdown fits."""
    return person_script(3, {"swipe_left": 8}, rest_s=6.0)


@pytest.fixture
def on_terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(["record", "--profile", "./anna", *arguments], tmp_path))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def stored(folder: Path) -> list[tuple[str, str, int]]:
    with RecordingStore(folder / "anna" / "recordings.sqlite", clock=lambda: 0.0, read_only=True) as store:
        return [(each.label, each.person, each.board_id) for each in store]


QUICK = ("--countdown", "0.2", "--rest", "0.4", "--person", "anna", "--hand", "right")


def test_a_person_is_guided_keeps_repeats_stops_and_goes_on(
    tmp_path: Path, slow_script: Script, on_terminal: Callable[..., Terminal]
) -> None:
    with board(slow_script) as address:
        first = on_terminal("swipe_left", "wave", "--takes", "2", "--port", address, *QUICK)
        first.expect("person anna, hand right, mounting unset; the board is turned as pictured")
        first.expect("board 77, simulated, 100 Hz")
        first.expect("GO: swipe_left")
        first.expect("recording swipe_left")
        first.expect("keep this swipe_left?")
        first.expect("✓ usable")
        first.type("r")
        first.expect("! swipe_left thrown away")
        first.expect("GO: swipe_left")
        first.expect("keep this swipe_left?")
        first.type("k")
        first.expect("✓ 1/2  swipe_left")
        # What is decided is in the store at once.
        assert stored(tmp_path) == [("swipe_left", "anna", 77)]
        first.expect("GO: swipe_left")
        first.expect("keep this swipe_left?")
        first.type("\n")
        first.expect("✓ 2/2  swipe_left")
        first.expect("next: wave")
        first.type("q")
        first.expect("2 takes kept, 1 thrown away")
        first.expect("holds 2 swipe_left")
        first.expect("fedmotion record wave --takes 2 --resume")
        assert first.end() == 0

        second = on_terminal(
            "swipe_left", "wave", "--takes", "2", "--resume", "--auto", "--port", address, *QUICK
        )
        second.expect("swipe_left: holds 2 of 2, 0 more")
        second.expect("wave: holds 0 of 2, 2 more")
        second.expect("✓ 1/2  wave")
        second.expect("✓ 2/2  wave")
        second.expect("2 takes kept")
        assert second.end() == 0
    assert stored(tmp_path) == [("swipe_left", "anna", 77)] * 2 + [("wave", "anna", 77)] * 2


@pytest.mark.parametrize("way", ["ctrl-c", "sigterm"])
def test_an_interrupt_loses_no_take_that_was_kept_and_gives_the_terminal_back(
    tmp_path: Path, slow_script: Script, on_terminal: Callable[..., Terminal], way: str
) -> None:
    with board(slow_script) as address:
        terminal = on_terminal("swipe_left", "--auto", "--port", address, *QUICK)
        terminal.expect("✓ 1/10  swipe_left")
        terminal.expect("recording swipe_left")
        if way == "ctrl-c":
            terminal.type("\x03")
        else:
            terminal.send(signal.SIGTERM)
        terminal.expect("! the movement under way is not recorded")
        terminal.expect("1 take kept, 1 thrown away")
        terminal.expect("to go on:")
        terminal.expect("fedmotion record swipe_left --takes 10 --resume")
        assert terminal.end() == 130
    assert stored(tmp_path) == [("swipe_left", "anna", 77)]


def test_movements_are_marked_by_keys_while_the_stream_goes_on(
    tmp_path: Path, slow_script: Script, on_terminal: Callable[..., Terminal]
) -> None:
    with board(slow_script) as address:
        terminal = on_terminal(
            *("--continuous", "--labels", "swipe_left,swipe_right", "--rest-is-other"),
            *("--write-marks", "m.json", "--port", address),
        )
        terminal.expect("moving")
        terminal.type("2")
        terminal.expect("✓ swipe_right")
        terminal.type("1")
        terminal.expect("! swipe_right taken back")
        terminal.expect("✓ swipe_left")
        terminal.expect("what was that?")
        terminal.expect("✓ other")
        terminal.expect("what was that?")
        terminal.type("2")
        terminal.expect("✓ swipe_right")
        terminal.type("q")
        terminal.expect("1 swipe_left, 1 swipe_right, 1 other kept, 0 movements without a mark dropped")
        assert terminal.end() == 0
    assert [label for label, _, _ in stored(tmp_path)] == ["swipe_left", "other", "swipe_right"]
    assert [mark.label for mark in read_marks(tmp_path / "m.json")] == ["swipe_left", "swipe_right"]


def test_the_wrong_board_is_refused_on_a_terminal_that_is_given_back(
    slow_script: Script, on_terminal: Callable[..., Terminal]
) -> None:
    with board(slow_script) as address:
        terminal = on_terminal("wave", "--port", address, "--board-id", "5")
        terminal.expect("fedmotion: the board with id 5 is wanted, and board 77 answers: plug the other")
        assert terminal.end() == 2


def in_pipe(
    folder: Path, *arguments: str, limit_bytes: int | None = None
) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.run(
        [sys.executable, "-m", "fedmotion.cli", "record", "--profile", "./anna", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
        # Coverage would want to write a file of its own, which the limit does not let it.
        env={
            name: value
            for name, value in os.environ.items()
            if limit_bytes is None or not name.startswith("COV")
        },
    )


@pytest.fixture(scope="module")
def script() -> Script:
    return person_script(3, {"swipe_left": 8})


def test_into_a_pipe_each_take_is_a_line_and_several_labels_take_turns(
    tmp_path: Path, script: Script
) -> None:
    with board(script, speed=0) as address:
        done = in_pipe(tmp_path, "a", "b", "--takes", "2", "--alternate", "--port", address)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(",")[0] for line in lines[:8]] == [
        "perform a 2 times",
        "  1/2  a",
        "perform b 2 times",
        "  1/2  b",
        "perform a 1 times",
        "  2/2  a",
        "perform b 1 times",
        "  2/2  b",
    ]
    assert lines[8].endswith("anna holds 2 a, 2 b")
    with board(script, speed=0, board_id=78) as address:
        done = in_pipe(tmp_path, "a", "b", "--takes", "3", "--resume", "--json", "--port", address)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["event"] for each in told] == [
        *("held", "held", "perform", "opened", "trouble", "recorded", "perform", "recorded", "end"),
    ]
    assert told[0] == {"event": "held", "label": "a", "n_held": 2, "n_more": 1}
    assert told[4]["sentence"].startswith("this is board 78, and this profile's recordings are of board 77")
    assert (told[5]["label"], told[5]["n_held"], told[5]["board_id"]) == ("a", 3, 78)
    assert told[5]["why_not_trained_on"] == ""
    assert told[-1] == {"event": "end", "is_complete": True, "n_held": {"a": 3, "b": 3}, "n_unusable": 0}


def test_a_disk_that_fills_ends_with_two_and_the_take_that_it_does_not_hold_is_in_a_file(
    tmp_path: Path, script: Script
) -> None:
    with board(script, speed=0) as address:
        assert in_pipe(tmp_path, "a", "--takes", "2", "--port", address).returncode == 0
    size = (tmp_path / "anna" / "recordings.sqlite").stat().st_size
    with board(script, speed=0, board_id=78) as address:
        done = in_pipe(tmp_path, "a", "--takes", "6", "--port", address, limit_bytes=size + 20_000)
    assert done.returncode == 2
    sentence = done.stderr.splitlines()[-1]
    assert re.match(
        r"fedmotion: the take of a \(1\.\d s\) is in .*take-\w+\.csv \(.* safe: the store of", sentence
    )
    assert "is the disk full" in sentence
    assert "Traceback" not in done.stderr
    # Whatever was said to be recorded is there.
    assert len(stored(tmp_path)) == 2 + done.stdout.count("/6  a")


def test_a_store_that_another_program_holds_is_said(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    path = tmp_path / "anna" / "recordings.sqlite"
    RecordingStore(path, clock=lambda: 0.0).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = in_pipe(tmp_path, "a", "--port", "socket://127.0.0.1:1")
    assert done.returncode == 2
    assert "is locked by another program: end it, or wait until it is done" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a\nb"], "a label holds no control characters"),
        (["a", "a"], "each label is named once, got 'a' twice"),
        (["a", "--person", " "], "person is not empty"),
        (["a", "--rest-is-other"], "--rest-is-other and --write-marks go with --continuous"),
        (["a", "--continuous"], "--continuous needs a terminal: its marks are keys"),
        (["a", "--continuous", "--resume"], "goes on until it is stopped: leave --resume"),
        (["--labels", "a,,b"], "without empty parts"),
        (["a", "--countdown", "-1"], "-1.0 is not in the range"),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_anything_is_made(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = in_pipe(tmp_path, *arguments, "--port", "socket://127.0.0.1:1")
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "anna").exists()
