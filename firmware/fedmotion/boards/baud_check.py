"""What a wrong baud rate does: the line between an emulated board and a host that hears at another speed."""

import logging
from collections.abc import Callable
from typing import Protocol

from fedmotion.boards.node_server import Line, Listener

MAX_DEVIATION = 0.04
"""Half a bit in the ten of a byte is 5 %, and part of that is the other end's."""

_SCRAMBLED = bytes((byte * 181 + 97) % 255 + 1 for byte in range(256))
"""Every byte comes as another one, none as 00: no frame ever ends."""

_log = logging.getLogger(__name__)


class SpeedOfLine(Protocol):
    """A line whose host sets a baud rate."""

    def baud(self) -> int | None:
        """Return the host's baud rate, None if it is not known."""


class BaudCheckedListener:
    """A listener whose lines carry noise while host and board do not agree on the baud rate.

    Parameters
    ----------
    host
        Tells the host's rate; the line of `listener`.
    board_baud
        Tells the board's rate, 0 while it is silent.
    """

    def __init__(self, listener: Listener, host: SpeedOfLine, board_baud: Callable[[], int]) -> None:
        self._listener = listener
        self._host = host
        self._board_baud = board_baud
        self._said: tuple[int, int] | None = None

    @property
    def address(self) -> str:
        """What a client opens."""
        return self._listener.address

    def open(self) -> None:
        """Begin to listen."""
        self._listener.open()

    def accept(self) -> Line | None:
        """Return a line if a client waits."""
        line = self._listener.accept()
        return None if line is None else _BaudCheckedLine(line, self.is_agreed)

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def is_agreed(self) -> bool:
        """Whether both ends can understand each other; says once for each pair of rates that they cannot."""
        host, board = self._host.baud(), self._board_baud()
        if host is None or board == 0 or abs(host - board) <= MAX_DEVIATION * board:
            return True
        if self._said != (host, board):
            self._said = (host, board)
            _log.warning("port=%s was opened at %d baud, the board speaks %d", self.address, host, board)
        return False


class _BaudCheckedLine:
    def __init__(self, line: Line, is_agreed: Callable[[], bool]) -> None:
        self._line = line
        self._is_agreed = is_agreed

    def fileno(self) -> int:
        return self._line.fileno()

    def receive(self) -> bytes | None:
        data = self._line.receive()
        return data.translate(_SCRAMBLED) if data and not self._is_agreed() else data

    def send(self, data: bytes) -> int | None:
        return self._line.send(data if self._is_agreed() else data.translate(_SCRAMBLED))

    def hang_up(self) -> None:
        self._line.hang_up()
