"""A command whose whole offspring can be found, wherever it went: all of it inherits a mark."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

FEDMOTION = (sys.executable, "-m", "fedmotion.cli")
_PROC = Path("/proc")


class MarkedProcess:
    """`command` in a process group of its own, with its output in files in `folder`."""

    def __init__(self, command: tuple[str, ...], folder: Path) -> None:
        self._mark = f"FEDMOTION_TEST_MARK={uuid4()}"
        name, _, value = self._mark.partition("=")
        self.output_path = folder / "output.txt"
        self.error_path = folder / "error.txt"
        with self.output_path.open("wb") as output, self.error_path.open("wb") as error:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, name: value},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=error,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in self.offspring():
            os.kill(pid, signal.SIGKILL)
        self._process.wait()

    @property
    def pid(self) -> int:
        """The command's own process id."""
        return self._process.pid

    def wait(self, timeout_s: float = 150.0) -> int:
        """Return the exit status."""
        return self._process.wait(timeout_s)

    def wait_for_output(self, text: str, timeout_s: float = 60.0) -> None:
        """Return once the command has printed `text`."""
        until_s = time.monotonic() + timeout_s
        while text not in self.output_path.read_text("utf-8"):
            assert self._process.poll() is None, self.report()
            assert time.monotonic() < until_s, f"it never said {text!r}: {self.report()}"
            time.sleep(0.01)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        self._process.send_signal(number)

    def kill_one(self, pid: int) -> None:
        """`kill -9` one of the offspring."""
        os.kill(pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal sends SIGINT to the whole process group."""
        os.killpg(self._process.pid, signal.SIGINT)

    def offspring(self) -> dict[int, str]:
        """Return the command lines of all living processes of the command, itself included, by their ids."""
        found = {}
        for entry in _PROC.iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if self._mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found[int(entry.name)] = line
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def assert_nobody_is_left(self, timeout_s: float = 10.0) -> None:
        """Wait a moment for those who are just ending."""
        until_s = time.monotonic() + timeout_s
        while left := self.offspring():
            assert time.monotonic() < until_s, f"left over: {left}"
            time.sleep(0.01)

    def report(self) -> str:
        """Return the end of what was printed."""
        return f"{self.output_path.read_text('utf-8')[-2000:]}\n{self.error_path.read_text('utf-8')[-2000:]}"
