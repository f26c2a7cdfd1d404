"""Asks a board for its sensor's self-test, for which it must not stream, and has it stream again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fedmotion.host.imu_stream import ImuStream
from fedmotion.host.ports_listening import LISTEN_S
from fedmotion.host.serial_line import SerialLine
from fedmotion.protocol.self_test_frame import SelfTest
from fedmotion.protocol.serial_frames import Command, ResultCode

_RESULT_WAIT_S = 1.0
_N_TRIES = 3
_TEST_WAIT_S = 3.0
"""A node ends its test within 2 s (protocol/serial.md)."""


class Line(Protocol):
    """What `serial_line.SerialLine` is here; each raises OSError where the line is gone."""

    def read(self) -> bytes:
        """Return what has come, nothing after a short wait."""

    def write(self, data: bytes) -> None:
        """Send all of `data`."""

    def close(self) -> None:
        """Let go of the line."""


@dataclass(frozen=True, slots=True)
class SelfTested:
    """The board's report; None: there is none, `why` says for what reason."""

    report: SelfTest | None
    why: str = ""


def run_self_test(
    port: str,
    baud: int,
    *,
    open_line: Callable[[str, int], Line] = SerialLine,
    clock: Callable[[], float] = time.monotonic,
    wait_s: float = LISTEN_S,
) -> SelfTested:
    """Open `port`, which starts an Arduino anew, have its board test its sensor, and close it again."""
    try:
        line = open_line(port, baud)
    except ConnectionError as error:
        return SelfTested(None, str(error))
    try:
        return _Dialogue(line, clock).run(wait_s)
    except OSError as error:
        return SelfTested(None, f"{port} went away ({error}): plug the board in again")
    finally:
        line.close()


class _Dialogue:
    """One line, asked and answered."""

    def __init__(self, line: Line, clock: Callable[[], float]) -> None:
        self._line = line
        self._clock = clock
        self._stream = ImuStream(line.write)

    def run(self, wait_s: float) -> SelfTested:
        stream = self._stream
        stream.opened(self._clock())
        if not self._wait(lambda: stream.hello is not None, wait_s):
            return SelfTested(None, stream.complaint or "the board says no HELLO")
        try:
            code = self._obeyed(Command(Command.SET_STREAMING, 0))
            if code is not ResultCode.OK:
                return SelfTested(None, f"the board does not stop streaming ({_said(code)})")
            return self._tested()
        finally:
            # Left off, it would be silent for every program after this one.
            self._obeyed(Command(Command.SET_STREAMING, 1))

    def _tested(self) -> SelfTested:
        stream = self._stream
        code = self._obeyed(Command(Command.RUN_SELF_TEST))
        if code is ResultCode.UNKNOWN_COMMAND:
            return SelfTested(
                None,
                "its firmware does not have it: `fedmotion flash` brings it to an Uno, a Nano or a DA14580",
            )
        if code is not ResultCode.OK:
            return SelfTested(None, f"the board does not begin it ({_said(code)})")
        self._wait(lambda: stream.self_test is not None, _TEST_WAIT_S)
        return SelfTested(stream.self_test, f"it did not end within {_TEST_WAIT_S:g} s")

    def _obeyed(self, command: Command) -> ResultCode | None:
        """Return the board's answer, None for none; one that is busy or silent is asked again."""
        code: ResultCode | None = None
        for _ in range(_N_TRIES):
            sequence = self._stream.command(command)
            if not self._wait(lambda: self._answers(command, sequence), _RESULT_WAIT_S):  # noqa: B023
                continue
            assert self._stream.result is not None  # noqa: S101 - as waited for
            code = _code(self._stream.result.code)
            if code is not ResultCode.BUSY:
                return code
            self._wait(lambda: False, _RESULT_WAIT_S)
        return code

    def _answers(self, command: Command, sequence: int) -> bool:
        result = self._stream.result
        return (
            result is not None and result.command_type == command.type and result.command_sequence == sequence
        )

    def _wait(self, has_come: Callable[[], bool], wait_s: float) -> bool:
        deadline_s = self._clock() + wait_s
        while not has_come():
            if self._clock() >= deadline_s:
                return False
            self._stream.feed(self._line.read(), self._clock())
            self._stream.tick(self._clock())
        return True


def _code(number: int) -> ResultCode:
    return ResultCode(number) if number in {*ResultCode} else ResultCode.FAILED


def _said(code: ResultCode | None) -> str:
    return "it does not answer" if code is None else f"it answers {code.name}"
