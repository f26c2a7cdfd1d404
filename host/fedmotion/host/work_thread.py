"""One thread beside the event loop, so that training never holds up the stream."""

import queue
import threading
from collections.abc import Callable

Job = Callable[[], None]
Submit = Callable[[Job], None]
"""Runs a job some time; jobs run one after another and report through what they were made with."""


class WorkThread:
    """Runs jobs in the order of their coming. The thread starts with the first one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, job: Job) -> None:
        """Run `job` after those before it; it must not raise."""
        if self._thread is None:
            # A daemon: a program that is told to end does not wait for minutes of training.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def close(self, timeout_s: float = 1.0) -> None:
        """Take no further jobs and wait a moment for the one under way."""
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
