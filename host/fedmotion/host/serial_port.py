"""The serial line's door: a device, a pty or `socket://host:port`, read in a thread, reopened when it goes.

The only module that imports pyserial. It knows bytes, never frames.
"""

import contextlib
import errno
import logging
import re
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import serial
import serial.tools.list_ports

from fedmotion.protocol.serial_frames import DEFAULT_BAUD

FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 5.0
_READ_TIMEOUT_S = 0.2
_WRITE_TIMEOUT_S = 1.0
_CONNECT_TIMEOUT_S = 3.0
_READ_BYTES = 65_536
RESET_PULSE_S = 0.25
"""With DTR off the capacitor between it and the chip's reset pin is full again after some 0.1 s."""
MAX_OUTSTANDING_BYTES = 2**20
"""What may be read ahead of the owner; a line that sends more then waits, and a UART loses it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """The port is open; whatever was read before belongs to an earlier time."""

    port: str


@dataclass(frozen=True, slots=True)
class Bytes:
    """What came from the line, cut anywhere."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """The port went or could not be opened, in words; opening is tried again until `close`."""

    reason: str


SerialEvent = Opened | Bytes | Lost


class Link(Protocol):
    """An open line."""

    def read(self) -> bytes:
        """Return what has come, nothing after a short wait; raises OSError where the line is gone."""

    def write(self, data: bytes) -> None:
        """Send all of `data`; raises OSError where that fails."""

    def discard_input(self) -> None:
        """Forget what has come."""

    def set_baud(self, baud: int) -> None:
        """Go on at this rate, where the line has one."""

    def pulse_reset(self) -> bool:
        """Let DTR and RTS go off and on again, which resets the board; False where the line has neither."""

    def close(self) -> None:
        """Let go of the line."""


class _DeviceLink:
    """A device or a pty through pyserial, whose open touches no line of a pty that it does not have."""

    def __init__(self, port: str, baud: int) -> None:
        self._serial = serial.serial_for_url(
            port,
            baudrate=baud,
            timeout=_READ_TIMEOUT_S,
            write_timeout=_WRITE_TIMEOUT_S,
            exclusive=True,
        )

    def read(self) -> bytes:
        first = bytes(self._serial.read(1))
        if not first:
            return b""
        try:
            return first + bytes(self._serial.read(self._serial.in_waiting))
        except OSError:
            # The next read says so again; what came before must not be lost with it.
            return first

    def write(self, data: bytes) -> None:
        self._serial.write(data)

    def discard_input(self) -> None:
        self._serial.reset_input_buffer()

    def set_baud(self, baud: int) -> None:
        self._serial.baudrate = baud

    def pulse_reset(self) -> bool:
        try:
            self._serial.dtr = self._serial.rts = False
            time.sleep(RESET_PULSE_S)
            self._serial.dtr = self._serial.rts = True
        except OSError as error:
            if error.errno in {errno.ENOTTY, errno.EINVAL}:  # a pty
                return False
            raise
        return True

    def close(self) -> None:
        self._serial.close()


class _SocketLink:
    """A TCP line. pyserial's own handler reads a byte a time and drops what came before an end."""

    def __init__(self, url: str) -> None:
        host, port = _host_and_port(url)
        self._socket = socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(_WRITE_TIMEOUT_S)

    def read(self) -> bytes:
        readable, _, _ = select.select([self._socket], [], [], _READ_TIMEOUT_S)
        if not readable:
            return b""
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "the other side closed the connection")
        return data

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def set_baud(self, baud: int) -> None:
        pass

    def pulse_reset(self) -> bool:
        return False

    def discard_input(self) -> None:
        while select.select([self._socket], [], [], 0)[0] and self._socket.recv(_READ_BYTES):
            pass

    def close(self) -> None:
        self._socket.close()


class SerialPort:
    """One line, kept open: reports Opened, Bytes and Lost to `on_event` from a thread of its own.

    `on_event` is a queue's `put`, or as thread-safe. The wait between attempts doubles from
    `first_retry_s` to `longest_retry_s`; the same reason twice in a row is reported once.

    Reading pauses while `max_outstanding_bytes` or more were reported and not yet `taken`, so that a line
    that sends faster than its bytes are used cannot fill the memory.
    """

    def __init__(
        self,
        port: str,
        on_event: Callable[[SerialEvent], object],
        *,
        baud: int = DEFAULT_BAUD,
        first_retry_s: float = FIRST_RETRY_S,
        longest_retry_s: float = LONGEST_RETRY_S,
        max_outstanding_bytes: int = MAX_OUTSTANDING_BYTES,
    ) -> None:
        self._port = check_port(port)
        self._on_event = on_event
        self._baud = baud
        self._first_retry_s = first_retry_s
        self._longest_retry_s = longest_retry_s
        self._max_outstanding_bytes = max_outstanding_bytes
        self._outstanding_bytes = 0
        self._has_taken = threading.Condition()
        self._link: Link | None = None
        self._link_lock = threading.Lock()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"serial {port}", daemon=True)

    def start(self) -> None:
        """Begin opening the port; does not wait for it."""
        self._thread.start()

    def write(self, data: bytes) -> bool:
        """Send `data`; False where the port is not open or does not take it, which `Lost` then explains."""
        with self._link_lock:
            if self._link is None:
                return False
            try:
                self._link.write(data)
            except OSError as error:
                _log.warning("port=%s cannot write: %s", self._port, error)
                return False
            return True

    def taken(self, n_bytes: int) -> None:
        """Make room for `n_bytes` more: that many of those reported are used up."""
        with self._has_taken:
            self._outstanding_bytes -= n_bytes
            self._has_taken.notify_all()

    def close(self) -> None:
        """End the thread and let go of the port; no event comes after this."""
        self._is_closing.set()
        with self._has_taken:
            self._has_taken.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        retry_s = self._first_retry_s
        last_reason = ""
        while not self._is_closing.is_set():
            try:
                link = open_link(self._port, self._baud)
            except OSError as error:
                reason = why_not_open(self._port, error)
            else:
                has_read, reason = self._read_until_lost(link)
                if has_read:
                    # One that opens and gives nothing is no board that came back: no haste with it.
                    retry_s = self._first_retry_s
                    last_reason = ""
            if self._is_closing.is_set():
                return
            if reason != last_reason:
                self._on_event(Lost(reason))
                last_reason = reason
            self._is_closing.wait(retry_s)
            retry_s = min(2 * retry_s, self._longest_retry_s)

    def _read_until_lost(self, link: Link) -> tuple[bool, str]:
        """Return whether anything came, and why no more does."""
        has_read = False
        with self._link_lock:
            self._link = link
        try:
            self._on_event(Opened(self._port))
            while not self._is_closing.is_set():
                data = link.read()
                if data:
                    has_read = True
                    self._report(data)
        except (OSError, TypeError) as error:
            # pyserial raises TypeError where its descriptor vanished within a read.
            reason = f"{self._port} went away ({error}): plug the board in again, it is found by itself"
            return has_read, reason
        finally:
            with self._link_lock:
                self._link = None
                with contextlib.suppress(OSError):
                    link.close()
        return has_read, ""

    def _report(self, data: bytes) -> None:
        """Report `data`, and return once more may be read."""
        with self._has_taken:
            self._outstanding_bytes += len(data)
        self._on_event(Bytes(data))
        with self._has_taken:
            self._has_taken.wait_for(self._may_read_on)

    def _may_read_on(self) -> bool:
        return self._outstanding_bytes < self._max_outstanding_bytes or self._is_closing.is_set()


def check_port(port: str) -> str:
    """Return `port` if it may name a line; raises ValueError with what is allowed."""
    if not port:
        raise ValueError("a port is a device such as /dev/ttyUSB0 or socket://HOST:PORT, got nothing")
    if port.startswith("--"):
        raise ValueError(
            f"a port is a device such as /dev/ttyUSB0 or socket://HOST:PORT, got {port!r}: is it left out?"
        )
    if port.startswith("socket:"):
        _host_and_port(port)
    elif re.fullmatch(r"(tcp:)?([\w.-]+:)?\d+", port):
        number = port.rpartition(":")[2]
        raise ValueError(
            f"a TCP line is socket://HOST:PORT, got {port!r}: did you mean socket://127.0.0.1:{number}?"
        )
    return port


def available_ports() -> list[str]:
    """Return the devices that this machine lists; ptys and sockets are in no such list."""
    return sorted(info.device for info in serial.tools.list_ports.comports())


@dataclass(frozen=True, slots=True)
class ListedPort:
    """A serial device as this machine lists it; `vid` and `pid` are USB's, None where it is not on USB."""

    port: str
    description: str
    vid: int | None
    pid: int | None


def listed_ports() -> list[ListedPort]:
    """Return the devices that this machine lists, with what they say they are."""
    return [
        ListedPort(info.device, info.description or "unnamed", info.vid, info.pid)
        for info in sorted(serial.tools.list_ports.comports())
    ]


def usb_ports() -> dict[str, str]:
    """Return the serial devices that are on USB, each with what it says it is."""
    return {each.port: each.description for each in listed_ports() if each.vid is not None}


def open_link(port: str, baud: int) -> Link:
    """Open `port`; raises OSError, for which `why_not_open` has words."""
    if port.startswith("socket://"):
        return _SocketLink(port)
    return _DeviceLink(port, baud)


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        raise ValueError(f"a TCP line is socket://HOST:PORT with a port of 1 to 65535, got {url!r}")
    return host, port


def why_not_open(port: str, error: OSError) -> str:
    """Return why `port` cannot be opened and what a person can do about it."""
    if port.startswith("socket://"):
        return f"{port} does not answer ({error}): start the board behind it, it is found by itself"
    match error.errno:
        case errno.ENOENT:
            others = ", ".join(available_ports()) or "none"
            return f"there is no port {port}: plug the board in (ports on this machine: {others})"
        case errno.EACCES | errno.EPERM if not _may_group_open(port):
            return (
                f"no permission to open {port}: it is its owner's alone, so it is hardly a board's; name "
                f"another port (ports on this machine: {', '.join(available_ports()) or 'none'})"
            )
        case errno.EACCES | errno.EPERM:
            return (
                f"no permission to open {port}: join its group (sudo usermod -aG {_group_of(port)} $USER) "
                "and log in again"
            )
        case errno.EBUSY | errno.EAGAIN:
            return f"{port} is in use by another program: close the serial monitor or the other agent"
        case _:
            return f"{port} cannot be opened as a serial port ({error}): check its name and its cable"


def _may_group_open(port: str) -> bool:
    """Tell whether joining the port's group would help; the group of administrators is not to be joined."""
    try:
        status = Path(port).stat()
    except OSError:
        return True
    return status.st_gid != 0 and status.st_mode & 0o060 == 0o060


def _group_of(port: str) -> str:
    try:
        return Path(port).group()
    except (OSError, KeyError, NotImplementedError):
        return "dialout"  # Debian's for serial ports
