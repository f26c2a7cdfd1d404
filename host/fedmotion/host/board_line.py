"""A board as its host sees it: the port and the stream over it, with what is wrong said once and in words."""

import logging
from collections.abc import Callable
from typing import Protocol

from fedmotion.host.imu_stream import ImuBlock, ImuStream
from fedmotion.host.serial_port import Bytes, Lost, Opened, SerialEvent, SerialPort
from fedmotion.protocol.serial_frames import Fault

_log = logging.getLogger(__name__)


class Port(Protocol):
    """What `SerialPort` is to its owner."""

    def start(self) -> None:
        """Begin to open."""

    def write(self, data: bytes) -> bool:
        """Send; False where the port is not open."""

    def taken(self, n_bytes: int) -> None:
        """Go on reading: so many of the bytes that it reported are used up."""

    def close(self) -> None:
        """Let go."""


OpenPort = Callable[[str, int, Callable[[SerialEvent], object]], Port]


def open_serial_port(port: str, baud: int, on_event: Callable[[SerialEvent], object]) -> Port:
    """Return the port as it is on a real host; not yet started."""
    return SerialPort(port, on_event, baud=baud)


class BoardLine:
    """One board on one port. The port's events come to `on_event` and from there to `handle`."""

    def __init__(
        self,
        port: str,
        baud: int,
        on_event: Callable[[SerialEvent], object],
        *,
        open_port: OpenPort = open_serial_port,
    ) -> None:
        self.is_open = False
        self.last_reason = ""
        self._name = port
        self._port = open_port(port, baud, on_event)
        self._complaints: set[str] = set()
        self._faults = 0
        self.stream = ImuStream(self._port.write)

    @property
    def reported(self) -> str:
        """The faults of the board's last STATUS in words; empty where there are none."""
        return "" if self.stream.status is None else _in_words(self.stream.status.faults)

    def start(self) -> None:
        """Begin to open the port."""
        self._port.start()

    def close(self) -> None:
        """Let go of the port."""
        self._port.close()

    def handle(self, event: SerialEvent, now_s: float) -> list[ImuBlock]:
        """Return the samples that `event` completes."""
        match event:
            case Opened():
                self.is_open = True
                self._complaints.clear()
                _log.info("port=%s open", self._name)
                self.stream.opened(now_s)
            case Lost(reason):
                self.is_open = False
                self.last_reason = reason
                _log.warning("%s", reason)
            case Bytes(data):
                self._port.taken(len(data))
                return self.stream.feed(data, now_s)
        return []

    def tick(self, now_s: float) -> None:
        """Ask a silent board again, and say what is new about its health."""
        if not self.is_open:
            return
        self.stream.tick(now_s)
        complaint = self.stream.complaint
        if complaint and complaint not in self._complaints:
            _log.warning("port=%s %s", self._name, complaint)
            self._complaints.add(complaint)
        faults = 0 if self.stream.status is None else self.stream.status.faults
        if new := faults & ~self._faults:
            _log.warning("port=%s the board reports: %s", self._name, _in_words(new))
        self._faults = faults


def n_line_bytes(event: object) -> int:
    """Return how many bytes of the line an event carries, which is 0 of any other event."""
    return len(event.data) if isinstance(event, Bytes) else 0


def _in_words(faults: int) -> str:
    return ", ".join(fault.name.lower().replace("_", " ") for fault in Fault if fault & faults)
