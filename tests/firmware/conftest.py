"""The firmware's C, compiled for this machine and called from Python by what its own headers declare."""

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cffi
import pytest
from cobs import cobs

from fedmotion.protocol.serial_frames import Command, Samples, Status
from fedmotion.protocol.serial_framing import DELIMITER, Frame, FrameDecoder, crc16, encode_frame

# PlatformIO's own tests: `pio test` runs them.
collect_ignore = ["native"]

CHECKOUT = Path(__file__).parents[2]
LIBRARY = CHECKOUT / "firmware" / "lib"
HERE = Path(__file__).parent
INCLUDES = [f"-I{folder}" for folder in (*sorted(LIBRARY.iterdir()), HERE)]
SOURCES = [*sorted(LIBRARY.glob("*/*.c")), HERE / "fake_board.c"]
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
# What a sanitizer finds ends the program: loud, and nothing that a test could overlook.
UNDEFINED = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
HEADERS = ("fake_board.h", "fm_text.h")


def compiler() -> str:
    """The C compiler of this machine; without one these tests fail rather than skip."""
    found = shutil.which("cc")
    assert found is not None, "the firmware's tests need a C compiler: apt-get install gcc libc6-dev"
    return found


def run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def declarations(scratch: Path) -> str:
    """The headers as cffi reads them: preprocessed, without the system's, without bodies."""
    for system in ("stdbool.h", "stdint.h"):
        (scratch / system).touch()
    everything = scratch / "everything.h"
    everything.write_text("".join(f'#include "{header}"\n' for header in HEADERS))
    text = run(compiler(), "-E", "-P", "-nostdinc", f"-I{scratch}", *INCLUDES, everything)
    return re.sub(r"static inline .*?\n}", "", text, flags=re.DOTALL)


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> tuple[cffi.FFI, Any]:
    """Types and functions."""
    scratch = tmp_path_factory.mktemp("firmware")
    library = scratch / "libfirmware.so"
    flags = [*WARNINGS, *UNDEFINED, "-O1", "-g", "-fPIC", "-shared"]
    run(compiler(), *flags, *INCLUDES, *SOURCES, "-o", library)
    ffi = cffi.FFI()
    ffi.cdef(declarations(scratch))
    return ffi, ffi.dlopen(str(library))


@pytest.fixture
def ffi(firmware: tuple[cffi.FFI, Any]) -> cffi.FFI:
    return firmware[0]


@pytest.fixture
def c(firmware: tuple[cffi.FFI, Any]) -> Any:
    return firmware[1]


class Board:
    """The node on a clock and with a sensor of its own; `raw` is fake_board.h's struct."""

    def __init__(self, c: Any, start_us: int, *, is_started: bool) -> None:
        self._c = c
        self.raw = c.fake_board_new(start_us)
        self.decoder = FrameDecoder()
        self._n_taken = 0
        self._n_commands = 0
        if is_started:
            c.fake_board_start(self.raw, 0)

    def start(self, reset_cause: int = 0) -> None:
        self._c.fake_board_start(self.raw, reset_cause)

    def run_bytes(self, us: int) -> bytes:
        """What the node sends within this time."""
        self._c.fake_board_run(self.raw, us)
        start, self._n_taken = self._n_taken, self.raw.n_sent
        return bytes(self.raw.sent[start : self.raw.n_sent])

    def run(self, us: int) -> list[Frame]:
        return self.decoder.feed(self.run_bytes(us))

    def send(self, data: bytes) -> None:
        for byte in data:
            self.raw.received[self.raw.n_received] = byte
            self.raw.n_received += 1

    def command(self, command_type: int, argument: int = 0) -> int:
        """Send a command; returns its sequence number."""
        self.send(DELIMITER + encode_frame(Command(command_type, argument), self._n_commands))
        self._n_commands += 1
        return self._n_commands - 1

    def status(self) -> Status:
        self.command(Command.GET_STATUS)
        return [frame.body for frame in self.run(30_000) if isinstance(frame.body, Status)][-1]

    def close(self) -> None:
        self._c.fake_board_free(self.raw)


def _samples_of(frames: list[Frame]) -> list[tuple[int, int, list[int]]]:
    """Number, instant and counts of each sample."""
    return [
        (body.first_index + k, frame.t_us + k * body.period_us, row)
        for frame in frames
        if isinstance(body := frame.body, Samples)
        for k, row in enumerate(body.counts.tolist())
    ]


def _damaged_line(seed: int) -> bytes:
    """Commands, frames of other kinds, damage and noise, as a line may bring them."""
    rng = random.Random(seed)
    out = bytearray()
    for _ in range(400):
        kind = rng.randrange(6)
        if kind == 0:
            out += rng.randbytes(rng.randrange(40)) + b"\0"
        elif kind == 1:
            out += bytes(rng.choices((0, 1, 2, 0xFF), k=rng.randrange(30)))
        elif kind == 2:
            plain = bytes([rng.randrange(0x38, 0x84)]) + rng.randbytes(6 + rng.randrange(12))
            out += b"\0" + cobs.encode(plain + crc16(plain).to_bytes(2, "little")) + b"\0"
        elif kind == 3:
            plain = b"\x50" + bytes(6) + rng.randbytes(rng.randrange(230, 260)).replace(b"\0", b"\x07")
            out += b"\0" + cobs.encode(plain + crc16(plain).to_bytes(2, "little")) + b"\0"
        else:
            # Not the self-test: for how long it answers BUSY depends on how fast a board hears.
            command_type = rng.choice(sorted({*Command.ARGUMENTS} - {Command.RUN_SELF_TEST}))
            layout = Command.ARGUMENTS[command_type]
            argument = int.from_bytes(rng.randbytes(layout.size), "little") if layout else 0
            line = bytearray(encode_frame(Command(command_type, argument), rng.randrange(65536)))
            if kind == 5:
                line[rng.randrange(len(line))] ^= 1 << rng.randrange(8)
            out += b"\0" + line
    return bytes(out)


@pytest.fixture
def damaged_line() -> Callable[[int], bytes]:
    return _damaged_line


@pytest.fixture
def samples_of() -> Callable[[list[Frame]], list[tuple[int, int, list[int]]]]:
    return _samples_of


@pytest.fixture
def make_board(c: Any) -> Iterator[Callable[..., Board]]:
    """Return a function that makes boards, and see that no frame of theirs was bad."""
    boards: list[Board] = []

    def make(start_us: int = 0, *, is_started: bool = True) -> Board:
        boards.append(Board(c, start_us, is_started=is_started))
        return boards[-1]

    yield make
    for board in boards:
        assert board.decoder.counters.n_bad == 0
        board.close()


@pytest.fixture
def board(make_board: Callable[..., Board]) -> Board:
    """A started node with a sensor that works."""
    return make_board()


@pytest.fixture(scope="session")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The node under random bytes and faults, a program of its own under both sanitizers."""
    program = tmp_path_factory.mktemp("fuzzer") / "fuzz_node"
    flags = [*WARNINGS, *UNDEFINED, "-fsanitize=address", "-O1", "-g"]
    run(compiler(), *flags, *INCLUDES, *SOURCES, HERE / "fuzz_node.c", "-o", program)
    return program
