"""Writes a program into an Uno or a Nano through the boot loader that every one of them is sold with.

The line is an argument: bytes, a baud rate and a reset. What is said on it is `protocol.stk500`.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fedmotion.host.first_hello import first_hello
from fedmotion.protocol import stk500
from fedmotion.protocol.errors import MessageError
from fedmotion.protocol.intel_hex import FlashImage
from fedmotion.protocol.serial_frames import Hello

FLASH_BYTES = 32 * 1024
PAGE_BYTES = 128
"""Both of an ATmega328P (DS40002061B, 27.2 and 28.5)."""

ATMEGA328P = bytes.fromhex("1e950f")
_CHIPS: Mapping[bytes, str] = {
    bytes.fromhex("1e9514"): "an ATmega328, without the P",
    bytes.fromhex("1e950f"): "an ATmega328P",
    bytes.fromhex("1e9516"): "an ATmega328PB",
    bytes.fromhex("1e9406"): "an ATmega168",
    bytes.fromhex("1e940b"): "an ATmega168P",
    bytes.fromhex("1e9801"): "an ATmega2560",
    bytes.fromhex("1e9587"): "an ATmega32U4",
}
"""Their data sheets' signatures."""

STANDSTILL_PAGE = bytes.fromhex("ffcf").ljust(PAGE_BYTES, b"\xff")
"""RJMP to itself, and nothing else: what the chip runs while its program is not whole."""

_SYNC_WAIT_S = 0.6
_N_SYNCS = 2
"""To one reset. One that comes early waits in the UART's two bytes while the boot loader blinks its LED for
0.4 s; more would be cut there, and a cut command makes optiboot give up."""
_ANSWER_WAIT_S = 3.0


@dataclass(frozen=True, slots=True)
class BootLoader:
    """One that boards are sold with; programs end before `first_address`."""

    name: str
    baud: int
    first_address: int


OPTIBOOT = BootLoader("optiboot", 115_200, 0x7E00)
ATMEGABOOT = BootLoader("ATmegaBOOT", 57_600, 0x7800)

ATTEMPTS: Mapping[str, Sequence[BootLoader]] = {
    "uno": (OPTIBOOT, OPTIBOOT, ATMEGABOOT, OPTIBOOT),
    "nano": (OPTIBOOT, ATMEGABOOT, OPTIBOOT, ATMEGABOOT),
}
"""What is expected at the line after each reset, in turn. Nanos are sold with either."""


class ProgrammingError(Exception):
    """The board was not programmed; the text says how far it came and what to do."""


class LostSyncError(ProgrammingError):
    """Bytes were lost or are not the boot loader's: beginning anew with `connect` may do."""

    def __init__(self, what: str, still: str = "the boot loader is still there") -> None:
        super().__init__(f"{what}: {still}, close other programs on this port and run the command again")
        self.what = what


class Line(Protocol):
    """What `serial_port.SerialLine` is to a programmer; each raises OSError where the line is gone."""

    def read(self) -> bytes:
        """Return what has come, nothing after a short wait."""

    def write(self, data: bytes) -> None:
        """Send all of `data`."""

    def set_baud(self, baud: int) -> None:
        """Go on at this rate."""

    def reset(self) -> None:
        """Reset the board, and return when it listens and nothing is left to read."""

    def discard_input(self) -> None:
        """Forget what has come."""


Progress = Callable[[int, int], object]
"""Called with the pages done and the pages there are."""


def check_image(image: FlashImage, boot_loader: BootLoader, name: str) -> None:
    """Raise ValueError where the program `name` does not start at 0 or reaches into the boot loader."""
    if image.first_address != 0:
        raise ValueError(
            f"{name} begins at {image.first_address:#x}, a program begins at 0: is it a boot loader's file?"
        )
    if image.end_address > boot_loader.first_address:
        raise ValueError(
            f"{name} ends at {image.end_address:#x}, a program ends before the boot loader "
            f"{boot_loader.name} at {boot_loader.first_address:#x}: make it smaller"
        )


class Programmer:
    """One board on one line. The order of calls: `connect`, `write`, `start`, `wait_for_hello`."""

    def __init__(self, line: Line, *, clock: Callable[[], float]) -> None:
        self._line = line
        self._clock = clock
        self._n_heard_bytes = 0

    def connect(self, board: str, on_attempt: Callable[[BootLoader], object] | None = None) -> BootLoader:
        """Reset the board until a boot loader answers, and return which.

        Raises
        ------
        ProgrammingError
            If none answers, or the chip is not an ATmega328P.
        """
        for boot_loader in ATTEMPTS[board]:
            if on_attempt is not None:
                on_attempt(boot_loader)
            with _explained("the board was looked for"):
                self._line.set_baud(boot_loader.baud)
                self._line.reset()
                signature = self._signature()
            if signature is not None:
                _check_chip(signature)
                return boot_loader
        raise ProgrammingError(_silence(board, has_heard=self._n_heard_bytes > 0))

    def write(self, image: FlashImage, progress: Progress) -> int:
        """Write and read back `image`, which `check_image` has passed; return its number of pages.

        The first page holds what a reset begins with. It stands still until all others are right, and is
        written last: a board whose cable is pulled meanwhile runs nothing, and waits to be flashed again.

        Raises
        ------
        LostSyncError
            If the boot loader refuses or falls silent.
        ProgrammingError
            If the line goes, or a page reads back otherwise.
        """
        data = image.data.ljust(-(-len(image.data) // PAGE_BYTES) * PAGE_BYTES, b"\xff")
        pages = [(at, data[at : at + PAGE_BYTES]) for at in range(0, len(data), PAGE_BYTES)]
        with _explained(f"0 of {len(pages)} pages were written"):
            self._write_page(0, STANDSTILL_PAGE)
        for n_done, (address, page) in enumerate((*pages[1:], pages[0])):
            progress(n_done, len(pages))
            with _explained(f"{n_done} of {len(pages)} pages were written"):
                self._write_page(address, page)
        progress(len(pages), len(pages))
        return len(pages)

    def read_page(self, address: int) -> bytes:
        """Return the page at `address`; raises what the line and a bad answer raise."""
        self._ask(stk500.load_address(address))
        return self._ask(stk500.read_page(PAGE_BYTES), PAGE_BYTES)

    def start(self) -> None:
        """Have the boot loader start the program; raises ProgrammingError where the line goes."""
        # The program may talk at its own baud rate before the answer is read: that it runs, HELLO tells.
        with (
            _explained("the program was written and read back"),
            contextlib.suppress(MessageError, TimeoutError),
        ):
            self._ask(stk500.LEAVE_PROGMODE)

    def wait_for_hello(self) -> Hello | None:
        """Return what the firmware says of itself, None if none does; raises ProgrammingError."""
        with _explained("the program was written and read back"):
            return first_hello(self._line, self._clock)

    def _signature(self) -> bytes | None:
        """Return what the chip says it is, None where nobody answers, or not at this baud rate."""
        for _ in range(_N_SYNCS):
            self._line.discard_input()
            self._line.write(stk500.GET_SYNC)
            try:
                self._answer(0, _SYNC_WAIT_S)
                return self._ask(stk500.READ_SIGNATURE, stk500.SIGNATURE_BYTES)
            except (MessageError, TimeoutError):
                continue
        return None

    def _write_page(self, address: int, page: bytes) -> None:
        self._ask(stk500.load_address(address))
        self._ask(stk500.program_page(page))
        found = self.read_page(address)
        if found != page:
            n_wrong = sum(a != b for a, b in zip(found, page, strict=True))
            at = address + next(i for i, (a, b) in enumerate(zip(found, page, strict=True)) if a != b)
            raise ProgrammingError(
                f"the page at {address:#x} was written and reads back otherwise ({n_wrong} bytes, the first "
                f"at {at:#x}): run the command again; where it stays, the chip is worn out or the line is bad"
            )

    def _ask(self, command: bytes, n_data_bytes: int = 0) -> bytes:
        self._line.write(command)
        return self._answer(n_data_bytes, _ANSWER_WAIT_S)

    def _answer(self, n_data_bytes: int, wait_s: float) -> bytes:
        received = b""
        deadline_s = self._clock() + wait_s
        while True:
            is_late = self._clock() >= deadline_s
            came = self._line.read()
            self._n_heard_bytes += len(came)
            received += came
            answer = stk500.parse_answer(received, n_data_bytes)
            if answer is not None:
                return answer.data
            if is_late:
                raise TimeoutError(f"{len(received)} of {n_data_bytes + 2} bytes came in {wait_s:g} s")


def _check_chip(signature: bytes) -> None:
    if signature != ATMEGA328P:
        chip = _CHIPS.get(signature, "no chip that is known here")
        raise ProgrammingError(
            f"uno and nano have an ATmega328P (signature 1e 95 0f), this board says {signature.hex(' ')}, "
            f"{chip}: nothing was written; build for this board and flash that with PlatformIO"
        )


@contextlib.contextmanager
def _explained(so_far: str) -> Iterator[None]:
    """Turn what a line raises into words: what went wrong, how far it came, what to do."""
    still = "the boot loader is still there"
    try:
        yield
    except TimeoutError as error:
        raise LostSyncError(f"the board fell silent after {so_far} ({error})") from error
    except MessageError as error:
        raise LostSyncError(f"the boot loader answered otherwise after {so_far} ({error})") from error
    except OSError as error:
        raise ProgrammingError(
            f"the port went away after {so_far} ({error}): {still}, plug the board in and run the "
            "command again"
        ) from error


def _silence(board: str, *, has_heard: bool) -> str:
    heard = (
        "what came was no boot loader's answer"
        if has_heard
        else "not a byte came: use a cable that carries data (some only charge)"
    )
    return (
        f"no boot loader answers at {OPTIBOOT.baud} or {ATMEGABOOT.baud} baud, {heard}; see that this is the "
        f"board's port and that it is an Arduino {board.capitalize()}; if so, hold its reset button, run the "
        "command again and let go when it says 'looking for the boot loader'"
    )
