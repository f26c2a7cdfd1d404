"""How a program under test dies, or kills its broker, at named points; `kill -9` leaves it no last word."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Deaths:
    """`plan` names the points that are deadly one after another, as `POINT:N` for its N-th time from here on.

    `victim` gives the process to kill: this one, or the broker, whose number changes when it is started
    again; before that it is not killed once more.
    """

    plan: list[str]
    victim: Callable[[], int]
    points_path: Path
    n_seen: int = 0
    last_pid: int = field(default=0)

    def at(self, point: str) -> None:
        """Reach `point`: leave a trace for whoever looks on, and kill if it is time."""
        with self.points_path.open("ab", buffering=0) as file:
            file.write(point.encode() + b"\n")
        if not self.plan:
            return
        deadly, _, nth = self.plan[0].partition(":")
        pid = self.victim()
        if point != deadly or pid in {0, self.last_pid}:
            return
        self.n_seen += 1
        if self.n_seen == int(nth):
            self.n_seen = 0
            self.last_pid = pid
            del self.plan[0]
            os.kill(pid, signal.SIGKILL)


def read_pid(path: Path) -> int:
    """Return the process id in a file, 0 where it is being replaced."""
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0
