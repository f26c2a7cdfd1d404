"""A DA14580's boot ROM without the chip: it calls on its pins, takes a program over a UART and starts it.

By AN-B-001 (see `protocol.da14580_boot`), and it misbehaves where it is told to. As a node of `NodeServer` it
has a line and time; what runs after it is another node.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fedmotion.boards.simulated_node import RESET_FROM_OUTSIDE
from fedmotion.protocol.da14580_boot import ACK, NAK, PINS, RAM_BYTES, SOH, STX, Pins, checksum
from fedmotion.protocol.serial_frames import DEFAULT_BAUD

_STEP_US = 60_000
"""From one call to the next on the same pins, as developers have seen it."""
_ANSWER_US = 50_000
"""How long a call waits to be answered."""
_OTHER_INTERFACES = bytes.fromhex("005b5b004b6b00eb00")
"""What a UART hears of SPI's and I2C's clocks on its pins."""
_HEADER_BYTES = 3


class Program(Protocol):
    """What runs once it is loaded: a node whose time begins at 0."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the host."""

    def advance(self, until_us: int, backlog_bytes: int = 0) -> bytes:
        """Let time pass and return what the node transmits meanwhile."""

    def announce(self) -> None:
        """Somebody has opened the line."""


@dataclass(slots=True)
class Misbehaviour:
    """What the boot ROM does wrong, from now on.

    Attributes
    ----------
    n_refusals : so many announcements of a length get a NAK
    n_wrong_checksums : so many programs are received with one bit turned
    dies_at_byte : after so many bytes of program it says nothing more until a reset
    is_mute : it calls on other pins only
    """

    n_refusals: int = 0
    n_wrong_checksums: int = 0
    dies_at_byte: int | None = None
    is_mute: bool = False


class BootRom:
    """A board whose UART pins `pins` are wired to the host.

    Parameters
    ----------
    start
        Makes what runs of the program's bytes.
    """

    def __init__(
        self,
        start: Callable[[bytes], Program],
        *,
        pins: Pins = PINS[2],
        misbehaviour: Misbehaviour | None = None,
    ) -> None:
        self.is_frozen = False
        self.now_us = 0
        self.program = b""
        self.n_started = 0
        self.misbehaviour = misbehaviour or Misbehaviour()
        self._start = start
        self._pins = pins
        self._begin()

    def _begin(self) -> None:
        """Be as after a reset: the RAM's program does not run any more."""
        self._running: Program | None = None
        self._started_us = 0
        self._received: deque[int] = deque()
        self._credit = 0.0
        self._is_dead = False
        self._out = bytearray()
        self._listen_again(self.now_us)

    def _listen_again(self, at_us: int) -> None:
        self._next_call_us = at_us + _STEP_US
        self._answer_until_us = -1
        self._header = b""
        self._n_wanted = 0
        self.code = bytearray()
        self._has_summed = False

    @property
    def baud(self) -> int:
        """At which rate the board speaks and listens now."""
        return self._pins.baud if self._running is None else DEFAULT_BAUD

    @property
    def motion_us(self) -> int:
        """Where in its sensor's motion the board is: nothing of the boot ROM's."""
        return self.now_us

    @property
    def next_due_us(self) -> int:
        """When the board has something to do next: always."""
        return self.now_us

    def restart(self, off_us: int = 0, reset_cause: int = RESET_FROM_OUTSIDE) -> None:  # noqa: ARG002
        """Reset the chip: whatever its RAM held is gone for it."""
        self._begin()

    def announce(self) -> None:
        """Somebody has opened the line, which no kit of this chip notices."""
        if self._running is not None:
            self._running.announce()

    def receive(self, data: bytes) -> None:
        """Take bytes from the host; they come in at the line's pace."""
        if self._running is not None:
            self._running.receive(data)
        else:
            self._received += data

    def advance(self, until_us: int, backlog_bytes: int = 0) -> bytes:
        """Let time pass up to `until_us` and return what the board transmits meanwhile."""
        if self._running is None:
            self._credit += max(until_us - self.now_us, 0) * self._pins.baud / 10e6
            self.now_us = max(self.now_us, until_us)
            self._hear()
            self._call()
        self.now_us = max(self.now_us, until_us)
        out = bytes(self._out)
        self._out.clear()
        if self._running is not None:
            out += self._running.advance(self.now_us - self._started_us, backlog_bytes)
        return out

    def _call(self) -> None:
        """Call where it is time to and nobody has answered the last call."""
        if self._is_dead or self._n_wanted or self._running is not None or self.now_us < self._next_call_us:
            return
        self._listen_again(self.now_us)
        self._answer_until_us = self.now_us + _ANSWER_US
        self._out += _OTHER_INTERFACES
        if not self.misbehaviour.is_mute:
            self._out.append(STX)

    def _hear(self) -> None:
        while self._received and self._credit >= 1 and self._running is None:
            self._credit -= 1
            byte = self._received.popleft()
            if not self._is_dead:
                self._take(byte)
        if not self._received:
            self._credit = min(self._credit, 1.0)

    def _take(self, byte: int) -> None:
        if not self._n_wanted:
            self._take_header(byte)
        elif not self._has_summed:
            self._take_code(byte)
        elif byte == ACK:
            self.program = bytes(self.code)
            self._running = self._start(self.program)
            self._started_us = self.now_us
            self.n_started += 1
        else:
            self._listen_again(self.now_us)

    def _take_header(self, byte: int) -> None:
        if self.now_us > self._answer_until_us:
            return  # nobody listens between the calls
        self._header += bytes([byte])
        if len(self._header) < _HEADER_BYTES:
            return
        n_bytes = int.from_bytes(self._header[1:], "little")
        is_refused = self.misbehaviour.n_refusals > 0
        if self._header[0] != SOH or not 1 <= n_bytes <= RAM_BYTES or is_refused:
            self.misbehaviour.n_refusals -= is_refused
            self._out.append(NAK)
            self._listen_again(self.now_us)
            return
        self._n_wanted = n_bytes
        self._out.append(ACK)

    def _take_code(self, byte: int) -> None:
        if self.misbehaviour.n_wrong_checksums and not self.code:
            self.misbehaviour.n_wrong_checksums -= 1
            byte ^= 1
        self.code.append(byte)
        if len(self.code) == self.misbehaviour.dies_at_byte:
            self._is_dead = True
        elif len(self.code) == self._n_wanted:
            self._out.append(checksum(bytes(self.code)))
            self._has_summed = True
