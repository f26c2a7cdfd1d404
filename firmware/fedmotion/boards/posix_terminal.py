"""A pty as a board's serial port: the only module that needs POSIX.

The other end is opened by path, as a USB serial device is.
"""

import errno
import os
import pty
import select
import termios
import tty

_BAUD_OF_SPEED = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
}


class PtyLine:
    """The board's end of a pty, and the listener for it: a client is whoever has the other end open."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.open()

    def open(self) -> None:
        """Make a pty; its path is `address`."""
        self._master, slave = pty.openpty()
        try:
            tty.setraw(slave)  # no echo, no line editing, no change of bytes
            self.address = os.ttyname(slave)
            os.set_blocking(self._master, False)
        finally:
            # Held open here, the other end's closing would go unnoticed.
            os.close(slave)
        self._poll.register(self._master, select.POLLIN | select.POLLHUP)

    def baud(self) -> int | None:
        """Return the speed that the client asked for, None for one that has no name in termios."""
        return _BAUD_OF_SPEED.get(termios.tcgetattr(self._master)[5])

    def accept(self) -> "PtyLine | None":
        """Return the line if somebody has its other end open."""
        return self if self.is_open() else None

    def is_open(self) -> bool:
        """Whether somebody has the other end open."""
        return not any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._master

    def receive(self) -> bytes | None:
        """Return what has come, b"" for nothing, None if the other end is closed."""
        try:
            data = os.read(self._master, 4096)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno == errno.EIO:  # how Linux says that the other end is closed
                return None
            raise
        return data or None

    def send(self, data: bytes) -> int | None:
        """Return how many bytes the line took, None if the other end is closed."""
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno == errno.EIO:
                return None
            raise

    def hang_up(self) -> None:
        """Do nothing: a pty's client leaves by itself."""

    def close(self) -> None:
        """Close the board's end; its path is gone."""
        self._poll.unregister(self._master)
        os.close(self._master)
