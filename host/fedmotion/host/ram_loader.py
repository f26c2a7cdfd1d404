"""Loads a program into a DA14580 through the boot ROM that every one of them has, over its UART.

The line is an argument, as it is to the programmer of Uno and Nano. What is said on it is
`protocol.da14580_boot`.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from fedmotion.host.first_hello import first_hello
from fedmotion.host.programmer import Line, LostSyncError, ProgrammingError, Progress
from fedmotion.protocol.da14580_boot import ACK, NAK, PINS, STX, Pins, checksum, header
from fedmotion.protocol.serial_frames import Hello

NEEDED = "press the board's reset button"
STILL = "nothing is kept in the chip, so press its reset button"
"""What stands between a loading that failed and the next."""

_BAUDS = tuple(dict.fromkeys(pins.baud for pins in PINS))
_N_TURNS = 4
_LISTEN_S = 1.5
"""At each baud rate in turn: the boot ROM comes round to its first pins within a tenth of that."""
_ACK_WAIT_S = 0.1
_ACK_GONE_S = 0.2
_CHECKSUM_WAIT_S = 3.0
_CHUNK_BYTES = 256
_BITS_A_BYTE = 10


class RamLoader:
    """One board on one line. The order of calls: `connect`, `load`, `wait_for_hello`."""

    def __init__(self, line: Line, *, clock: Callable[[], float]) -> None:
        self._line = line
        self._clock = clock
        self._baud = 0
        self._n_heard_bytes = 0
        self._n_refusals = 0

    def connect(self, n_bytes: int, on_attempt: Callable[[int], object] | None = None) -> Sequence[Pins]:
        """Wait for the boot ROM and announce `n_bytes`; return the pins that its baud rate leaves.

        `on_attempt` is told each baud rate when it is listened at. The reset by DTR or RTS, for boards that
        have one, comes first; with others a person presses the button meanwhile.

        Raises
        ------
        ProgrammingError
            If it does not answer at any baud rate.
        """
        with _explained("the boot ROM was looked for"):
            self._line.reset()
            for baud in _BAUDS * _N_TURNS:
                if on_attempt is not None:
                    on_attempt(baud)
                self._line.set_baud(baud)
                self._line.discard_input()
                if self._meet(n_bytes):
                    self._baud = baud
                    return tuple(pins for pins in PINS if pins.baud == baud)
        raise ProgrammingError(self._silence())

    def load(self, program: bytes, progress: Progress) -> None:
        """Send `program`, which `connect` has announced, and have it started once its checksum is right.

        Raises
        ------
        LostSyncError
            If the boot ROM falls silent or has received something else.
        ProgrammingError
            If the line goes.
        """
        n_done = 0
        for at in range(0, len(program), _CHUNK_BYTES):
            progress(at, len(program))
            with _explained(f"{n_done} of {len(program)} bytes were sent"):
                self._line.write(program[at : at + _CHUNK_BYTES])
            n_done = min(at + _CHUNK_BYTES, len(program))
        with _explained(f"all {len(program)} bytes were sent"):
            # The kernel takes them at once, the line takes its time.
            wait_s = _CHECKSUM_WAIT_S + len(program) * _BITS_A_BYTE / self._baud
            answer = self._next_byte(wait_s)
            wanted = checksum(program)
            if answer is None:
                raise LostSyncError(f"the board fell silent after all {len(program)} bytes were sent", STILL)
            if answer != wanted:
                self._line.write(bytes([NAK]))
                raise LostSyncError(
                    f"bytes were lost or changed on the way: the checksum is {wanted:02x}, the boot ROM says "
                    f"{answer:02x}",
                    STILL,
                )
            self._line.write(bytes([ACK]))
            # A new baud rate would cut a byte that is still on its way; what comes meanwhile is at another.
            gone_s = self._clock() + _ACK_GONE_S
            while self._clock() < gone_s:
                self._line.read()
        progress(len(program), len(program))

    def wait_for_hello(self) -> Hello | None:
        """Return what the firmware says of itself, None if none does; raises ProgrammingError."""
        with _explained("the program was loaded"):
            return first_hello(self._line, self._clock)

    def _meet(self, n_bytes: int) -> bool:
        """Answer each STX until one of them was the boot ROM's.

        The boot ROM's tries of SPI and I2C on the same pins come as other bytes, and 02 may be among those.
        """
        deadline_s = self._clock() + _LISTEN_S
        while self._clock() < deadline_s:
            came = self._heard()
            if STX in came:
                self._line.write(header(n_bytes))
                if self._is_accepted():
                    return True
        return False

    def _is_accepted(self) -> bool:
        deadline_s = self._clock() + _ACK_WAIT_S
        while self._clock() < deadline_s:
            for byte in self._heard():
                if byte == ACK:
                    return True
                if byte == NAK:
                    self._n_refusals += 1
                    return False
        return False

    def _next_byte(self, wait_s: float) -> int | None:
        deadline_s = self._clock() + wait_s
        while True:
            is_late = self._clock() >= deadline_s
            came = self._heard()
            if came:
                return came[0]
            if is_late:
                return None

    def _heard(self) -> bytes:
        came = self._line.read()
        self._n_heard_bytes += len(came)
        return came

    def _silence(self) -> str:
        bauds = ", ".join(map(str, _BAUDS[:-1])) + f" or {_BAUDS[-1]}"
        if self._n_refusals:
            heard = f"it refused what was sent {self._n_refusals} times: use shorter wires"
        elif self._n_heard_bytes:
            heard = (
                "what came was not its call: a program that runs already does not listen, and a chip with a "
                "program in its OTP never calls"
            )
        else:
            heard = "not a byte came: see that the board's transmit pin is wired to the adapter's receive pin"
        return (
            f"the DA14580's boot ROM does not answer at {bauds} baud, {heard}; {NEEDED} while the command "
            "looks for it"
        )


@contextlib.contextmanager
def _explained(so_far: str) -> Iterator[None]:
    """Turn a line that is gone into words: how far it came, what to do."""
    try:
        yield
    except OSError as error:
        raise ProgrammingError(
            f"the port went away after {so_far} ({error}): nothing is kept in the chip, plug the board in "
            "and run the command again"
        ) from error
