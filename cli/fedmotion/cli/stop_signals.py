"""Ctrl-C as a question rather than an end: what is under way finishes first."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Notes SIGINT, SIGTERM and SIGHUP while it is entered; the second SIGINT interrupts as ever."""

    def __init__(self) -> None:
        self.came: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _NUMBERS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Tell whether it is to be stopped."""
        return self.came is not None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.came == number == signal.SIGINT:
            raise KeyboardInterrupt
        self.came = number
