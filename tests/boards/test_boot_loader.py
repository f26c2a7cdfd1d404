"""`fedmotion flash` and real boot loaders in the emulated Uno, over a pty with its baud rates."""

import errno
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from fedmotion.boards.emulated_board import find_elf, open_emulated_port
from fedmotion.boards.emulated_uno import EmulatedUno
from fedmotion.boards.node_server import NodeServer
from fedmotion.boards.simulated_board import make_script
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.cli.main import command as fedmotion
from fedmotion.host.programmer import (
    ATMEGABOOT,
    OPTIBOOT,
    PAGE_BYTES,
    STANDSTILL_PAGE,
    Programmer,
    ProgrammingError,
)
from fedmotion.host.serial_line import SerialLine
from fedmotion.protocol.intel_hex import read_intel_hex
from fedmotion.protocol.serial_frames import Hello, Samples
from fedmotion.protocol.serial_framing import FrameDecoder

# The emulated board runs in real time at best, and slower beside other tests.
pytestmark = pytest.mark.timeout(240)

CORE = Path("/usr/share/arduino/hardware/arduino/avr/bootloaders")
IMAGES = Path(__file__).parents[2] / "firmware" / "fedmotion" / "boards" / "images"
DEADLINE_S = 30.0


def missing(text: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI skips nothing, but {text}")
    pytest.skip(text)


@pytest.fixture(scope="session")
def optiboot(emulator: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Arduino's optiboot of the Uno, compiled from Debian's copy of its source.

    Debian's own binary has 532 bytes, 20 more than the boot section, and cannot run on any chip.
    """
    source = CORE / "optiboot" / "optiboot.c"
    if not source.is_file() or shutil.which("avr-gcc") is None:
        missing("there is no optiboot to compile: apt-get install gcc-avr avr-libc arduino-core-avr")
    folder = tmp_path_factory.mktemp("optiboot")
    # The optiboot Makefile's for the Uno, and two that make it as small as its own compiler did.
    small = ("-Os", "-fno-split-wide-types", "-fwhole-program", "-fno-move-loop-invariants", "-w")
    board = ("-mmcu=atmega328p", "-DF_CPU=16000000L", "-DLED_START_FLASHES=3", "-DBAUD_RATE=115200")
    places = ("-Wl,--section-start=.text=0x7e00", "-Wl,--section-start=.version=0x7ffe")
    flags = (*small, *board, "-nostartfiles", "-nostdlib", "-Wl,--relax", *places)
    subprocess.run(["avr-gcc", *flags, "-o", folder / "optiboot.elf", source], check=True)
    subprocess.run(
        ["avr-objcopy", "-O", "ihex", folder / "optiboot.elf", folder / "optiboot.hex"], check=True
    )
    return folder / "optiboot.hex"


@pytest.fixture(scope="session")
def atmegaboot(emulator: Path) -> Path:
    """The boot loader of older Nanos, Debian's binary."""
    path = CORE / "atmega" / "ATmegaBOOT_168_atmega328.hex"
    if not path.is_file():
        missing("there is no ATmegaBOOT: apt-get install arduino-core-avr")
    return path


class Served:
    """A board with a boot loader on a pty, and what is done to its cable."""

    def __init__(self, server: NodeServer, uno: EmulatedUno) -> None:
        self.server = server
        self.uno = uno

    @property
    def port(self) -> str:
        return self.server.address

    def do(self, action: Callable[[], None]) -> None:
        is_done = threading.Event()
        self.server.post(action)
        self.server.post(is_done.set)
        assert is_done.wait(DEADLINE_S)


@contextmanager
def board_with(boot_loader: Path, firmware: Path | None = None) -> Iterator[Served]:
    script = make_script(person=3, recordings=None, labels=(), counts={"swipe_left": 4}, seed=1)
    stop = threading.Event()
    with EmulatedUno(firmware, VirtualMpu6050(script.motion, seed=1), boot_loader=boot_loader) as uno:
        uno.advance(1_000)
        # In real time: a boot loader gives up after a second of the board's.
        server = NodeServer(uno, open_emulated_port("pty", uno), speed=1.0, starts_at_once=True)
        thread = threading.Thread(target=server.serve, args=(stop,))
        thread.start()
        try:
            yield Served(server, uno)
        finally:
            stop.set()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


def flash(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(fedmotion, ["flash", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def stream(board: Served) -> tuple[Hello, list[int]]:
    """Open the port, which resets the board; return HELLO and the numbers of some samples."""
    deadline_s = time.monotonic() + DEADLINE_S
    while board.server.has_client:  # until then nobody notices that it is opened anew
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    line = SerialLine(board.port, 500_000)
    decoder = FrameDecoder()
    hello, indices = None, list[int]()
    while hello is None or len(indices) < 50:
        assert time.monotonic() < deadline_s, f"waited in vain: {hello}, {len(indices)} samples"
        for frame in decoder.feed(line.read()):
            if isinstance(frame.body, Hello):
                hello, indices = frame.body, []
            if isinstance(frame.body, Samples):
                indices += [frame.body.first_index + k for k in range(len(frame.body.counts))]
    line.close()
    return hello, indices


def test_optiboot_writes_the_shipped_firmware_and_its_samples_flow(
    optiboot: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with board_with(optiboot) as board:
        status, said = flash("uno", "--port", board.port)
        assert status == 0, said
        assert f"{board.port}: optiboot answers; writing the shipped uno.hex" in said
        assert "pages were read back and are right" in said
        assert f"{board.port}: the board runs fedmotion 0.1.0 for 'uno', board id 0" in said
        hello, indices = stream(board)
        assert board.uno.n_overruns == 0
    assert hello.board == "uno"
    assert indices == list(range(len(indices)))


def test_the_old_nanos_boot_loader_is_found_by_its_baud_rate(
    atmegaboot: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with board_with(atmegaboot) as board:
        status, said = flash("nano", "--port", board.port, "--json")
        assert status == 0, said
        report = json.loads(said.splitlines()[-1])
        hello, indices = stream(board)
    assert (report["boot_loader"], report["boot_loader_baud"]) == (ATMEGABOOT.name, 57_600)
    assert (report["firmware_board"], hello.board) == ("nano", "nano")
    assert len(indices) >= 50
    assert "was opened at 115200 baud, the board speaks 58823" in caplog.text


def test_a_cable_that_is_pulled_half_way_leaves_a_board_that_is_mended_by_another_run(optiboot: Path) -> None:
    image = read_intel_hex((IMAGES / "uno.hex").read_bytes(), 0x8000, "uno.hex")
    old = IMAGES / "nano.hex"  # there was a program before
    with board_with(optiboot, old) as board:
        line = SerialLine(board.port, OPTIBOOT.baud)
        programmer = Programmer(line, clock=time.monotonic)
        assert programmer.connect("nano") is OPTIBOOT

        def pull(n_done: int, _: int) -> None:
            if n_done == 30:
                board.do(board.server.pull_cable)

        with pytest.raises(ProgrammingError, match="the port went away after 30 of 93 pages were written"):
            programmer.write(image, pull)
        line.close()
        board.do(board.server.plug_in)
        line = SerialLine(board.port, OPTIBOOT.baud)
        programmer = Programmer(line, clock=time.monotonic)
        programmer.connect("nano")
        assert programmer.read_page(0) == STANDSTILL_PAGE
        assert programmer.read_page(PAGE_BYTES) == image.data[PAGE_BYTES : 2 * PAGE_BYTES]
        line.close()
        status, said = flash("nano", "--port", board.port, "--hex", str(IMAGES / "uno.hex"))
        assert status == 0, said
        assert "the board runs fedmotion 0.1.0 for 'uno'" in said


@pytest.mark.parametrize("name", ["optiboot", "atmegaboot"])
def test_a_board_with_half_a_program_is_silent_and_its_boot_loader_still_answers(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    boot_loader: Path = request.getfixturevalue(name)
    half = tmp_path / "half.hex"
    image = read_intel_hex((IMAGES / "uno.hex").read_bytes(), 0x8000, "uno.hex").data
    half.write_text(intel_hex(STANDSTILL_PAGE + image[PAGE_BYTES:4000]))
    script = make_script(person=3, recordings=None, labels=(), counts={"swipe_left": 1}, seed=1)
    with EmulatedUno(half, VirtualMpu6050(script.motion), boot_loader=boot_loader) as uno:
        assert uno.advance(3_000_000) == b""
        assert not uno.has_stopped
        uno.restart()
        uno.advance(450_000)
        uno.receive(b"\x30\x20")
        assert uno.advance(500_000) == b"\x14\x10"


def intel_hex(data: bytes) -> str:
    rows = []
    for at in range(0, len(data), 16):
        record = bytes([len(data[at : at + 16]), *at.to_bytes(2, "big"), 0]) + data[at : at + 16]
        rows.append(f":{record.hex()}{-sum(record) & 0xFF:02x}\n")
    return "".join(rows) + ":00000001FF\n"


def test_a_firmware_that_is_there_runs_behind_its_boot_loader_as_without(optiboot: Path) -> None:
    with board_with(optiboot, IMAGES / "uno.hex") as board:
        hello, indices = stream(board)
    assert hello.board == "uno"
    assert indices == list(range(len(indices)))


def test_the_shipped_hex_runs_where_nothing_was_built(
    emulator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedmotion.boards.emulated_board.BUILT_ELF", tmp_path / "firmware.elf")
    shipped = find_elf()
    assert shipped.name == "uno.hex"
    script = make_script(person=3, recordings=None, labels=(), counts={"swipe_left": 1}, seed=1)
    with EmulatedUno(shipped, VirtualMpu6050(script.motion)) as uno:
        frames = FrameDecoder().feed(uno.advance(300_000))
    assert isinstance(frames[0].body, Hello)
    assert frames[0].body.board == "uno"
    assert any(isinstance(frame.body, Samples) for frame in frames)


def test_a_boot_loader_too_large_for_its_section_is_refused(emulator: Path) -> None:
    script = make_script(person=3, recordings=None, labels=(), counts={"swipe_left": 1}, seed=1)
    broken = CORE / "optiboot" / "optiboot_atmega328.hex"
    if not broken.is_file():
        missing("there is no optiboot_atmega328.hex: apt-get install arduino-core-avr")
    with pytest.raises(ValueError, match="the flash ends at 0x8000, got 16 bytes at 0x8000"):
        EmulatedUno(None, VirtualMpu6050(script.motion), boot_loader=broken)
    with pytest.raises(OSError, match="No such file") as error:
        EmulatedUno(None, VirtualMpu6050(script.motion), boot_loader=broken.with_name("none.hex"))
    assert error.value.errno == errno.ENOENT
