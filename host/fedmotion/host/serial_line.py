"""One serial line held open by a program that asks and waits for each answer: what flashes a board."""

import errno
import time

from fedmotion.host.serial_port import RESET_PULSE_S, Link, check_port, open_link, why_not_open

_RESET_START_S = 0.1
"""From a reset to a chip that listens: its start-up takes 65 ms by the Uno's fuses (DS40002061B, 9.4)."""


class SerialLine:
    """One line held open for a program that asks and waits for each answer, and can reset the board.

    Raises
    ------
    ConnectionError
        If the port cannot be opened, says why and what to do. What goes wrong later is an OSError.
    """

    def __init__(self, port: str, baud: int) -> None:
        self._port = check_port(port)
        self._baud = baud
        self._link: Link | None = self._opened()

    def read(self) -> bytes:
        """Return what has come, nothing after a short wait."""
        try:
            return self._require().read()
        except TypeError as error:  # pyserial's, where its descriptor vanished within a read
            raise ConnectionResetError(errno.ECONNRESET, "the port went away") from error

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        self._require().write(data)

    def set_baud(self, baud: int) -> None:
        """Go on at this rate; nothing is sent, and the board is not reset."""
        self._baud = baud
        self._require().set_baud(baud)

    def reset(self) -> None:
        """Reset the board and return when it listens, with nothing that came before left to read.

        A line without DTR, a pty's or a socket, is opened anew, which resets the boards behind those.
        """
        if not self._require().pulse_reset():
            self.close()
            time.sleep(RESET_PULSE_S)
            self._link = self._opened()
        time.sleep(_RESET_START_S)
        self.discard_input()

    def discard_input(self) -> None:
        """Forget what has come."""
        self._require().discard_input()

    def close(self) -> None:
        """Let go of the line."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _opened(self) -> Link:
        try:
            return open_link(self._port, self._baud)
        except OSError as error:
            raise ConnectionError(why_not_open(self._port, error)) from error

    def _require(self) -> Link:
        if self._link is None:
            raise ConnectionResetError(errno.ECONNRESET, f"{self._port} is closed")
        return self._link
