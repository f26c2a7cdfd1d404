"""The terminal's keys one by one, without Enter and without their echo. POSIX only."""

import codecs
import contextlib
import os
import select
import termios
import tty
from types import TracebackType
from typing import Self

CLOSED = "q"
"""What a keyboard that is gone is taken to have typed: nobody is there to go on for."""

_ESCAPE = "\x1b"
_N_BYTES = 256


class Keyboard:
    """The keys of the terminal at `descriptor`; `with` begins it and gives the terminal back as it was.

    Ctrl-C stays an interrupt. Ctrl-Z does nothing meanwhile: a program that was stopped would leave the
    terminal without echo.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._descriptor)
        try:
            tty.setcbreak(self._descriptor)  # forgets what was typed before
            mode = termios.tcgetattr(self._descriptor)
            mode[6][termios.VSUSP] = bytes([os.fpathconf(self._descriptor, "PC_VDISABLE")])
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def pressed(self) -> str:
        """Return what was typed since the last call; keys that type no character, as arrows, are left out."""
        if not select.select([self._descriptor], [], [], 0)[0]:
            return ""
        try:
            data = os.read(self._descriptor, _N_BYTES)
        except OSError:
            return CLOSED
        if not data:
            return CLOSED
        return self._decoder.decode(data).partition(_ESCAPE)[0]

    def _restore(self) -> None:
        # A terminal that is gone needs nothing back.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
