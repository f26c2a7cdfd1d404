"""The programs of a demo as processes of their own: started by the command line, heard by their lines."""

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_END_S = 5.0


class ProgramError(Exception):
    """A program ended when it should not, or was silent for too long; the text has the end of its log."""


class Program:
    """`fedmotion ARGUMENTS...` as a child process whose output lines can be waited for."""

    def __init__(self, name: str, arguments: Sequence[str], directory: Path) -> None:
        self.name = name
        self.log_path = directory / f"{name}.log"
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
                [sys.executable, "-m", "fedmotion.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )
        self._reader = threading.Thread(target=self._read, name=f"{name}-lines", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def check_running(self) -> None:
        """Raise ProgramError where the process has ended."""
        if not self.is_running:
            raise ProgramError(f"{self.name} ended early: {self._log_end()}")

    def next_line(self, timeout_s: float) -> str | None:
        """Return the next line of output without its end, or None after the last one.

        Raises
        ------
        ProgramError
            If none comes in time.
        """
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise ProgramError(f"{self.name} said nothing for {timeout_s:.0f} s: {self._log_end()}") from None
        if line is None:
            self._lines.put(None)
        return line

    def require_line(self, timeout_s: float) -> str:
        """Return the next line; raises ProgramError also where the program has ended."""
        line = self.next_line(timeout_s)
        if line is None:
            raise ProgramError(f"{self.name} ended early: {self._log_end()}")
        return line

    def lines(self, quiet_s: float) -> Iterator[str]:
        """Return the lines up to the end of output; raises ProgramError after `quiet_s` without one."""
        while (line := self.next_line(quiet_s)) is not None:
            yield line

    def wait(self, timeout_s: float) -> None:
        """Wait for the end; raises ProgramError where it does not come in time or is not a success."""
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ProgramError(f"{self.name} still runs after {timeout_s:.0f} s") from None
        if status != 0:
            raise ProgramError(f"{self.name} ended with status {status}: {self._log_end()}")

    def close(self) -> None:
        """End the process, gently at first."""
        if self.is_running:
            self._process.terminate()
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(_END_S)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe, as asked for above
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _log_end(self) -> str:
        lines = self.log_path.read_text("utf-8", errors="replace").splitlines()
        return " / ".join(lines[-3:]) or f"its log {self.log_path} is empty"
