"""A TCP socket as a board's serial port; hosts open it with pyserial's `socket://host:port`."""

import contextlib
import socket


class TcpLine:
    """One client's connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A serial line holds little: a reader that stops is noticed soon.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._connection.fileno()

    def receive(self) -> bytes | None:
        """Return what has come, b"" for nothing, None if the client has left."""
        try:
            return self._connection.recv(4096) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def send(self, data: bytes) -> int | None:
        """Return how many bytes the line took, None if the client has left."""
        try:
            return self._connection.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return None

    def hang_up(self) -> None:
        """Close this connection."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class TcpListener:
    """Waits for clients on a port of its own; port 0 takes a free one."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self._host = host
        self._port = port
        self.open()

    def open(self) -> None:
        """Listen; once given, the port stays the same."""
        self._socket = socket.create_server((self._host, self._port), backlog=4)
        self._socket.setblocking(False)
        self._port = self._socket.getsockname()[1]
        self.address = f"socket://{self._host}:{self._port}"

    def accept(self) -> TcpLine | None:
        """Return the next client's line if one waits."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return None
        return TcpLine(connection)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
