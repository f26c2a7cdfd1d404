"""The programmer against a model of a board and its boot loader, which behaves and misbehaves."""

import errno
from dataclasses import dataclass, field

import pytest

from fedmotion.host.programmer import (
    ATMEGABOOT,
    FLASH_BYTES,
    OPTIBOOT,
    PAGE_BYTES,
    STANDSTILL_PAGE,
    BootLoader,
    Programmer,
    ProgrammingError,
    check_image,
)
from fedmotion.protocol.intel_hex import FlashImage
from fedmotion.protocol.serial_frames import Command, Hello
from fedmotion.protocol.serial_framing import FrameDecoder, encode_frame

IMAGE = FlashImage(0, bytes(k * 7 % 251 for k in range(5 * PAGE_BYTES + 10)))
N_PAGES = 6
ERASED = b"\xff"
HELLO = Hello(
    firmware_version=(0, 1, 0),
    board="uno",
    board_id=7,
    sensor_id=0x68,
    accel_full_scale_g=8,
    gyro_full_scale_dps=1000,
    period_us=10_000,
)


@dataclass
class Board:
    """A line with a boot loader behind it; time passes while it is read in vain."""

    boot_loader: BootLoader = OPTIBOOT
    signature: bytes = b"\x1e\x95\x0f"
    first_reset: int = 1
    """The boot loader hears from the so many-th reset on."""
    chatter: bytes = b""
    """What comes after each reset instead of an answer."""
    refused_address: int | None = None
    stuck_address: int | None = None
    """A byte there does not take its last bit."""
    n_pages_to_live: int = 1000
    death: str = "pulled"
    """Then: pulled, silent or garbage."""
    has_firmware: bool = True
    greets: bool = True
    """False: HELLO comes only when it is asked for."""

    now_s: float = 0.0
    baud: int = 0
    n_resets: int = 0
    is_in_boot_loader: bool = False
    flash: bytearray = field(default_factory=lambda: bytearray(ERASED * FLASH_BYTES))
    written: list[int] = field(default_factory=list)
    out: bytes = b""
    pending: bytes = b""
    address: int = 0

    def clock(self) -> float:
        return self.now_s

    def reset(self) -> None:
        self._live()
        self.n_resets += 1
        self.is_in_boot_loader = True
        self.pending = b""
        self.out = self.chatter

    def set_baud(self, baud: int) -> None:
        self._live()
        self.baud = baud
        if not self.is_in_boot_loader and self.greets and self.has_firmware and baud == 500_000:
            self.out += b"\x55\xff\x00" + encode_frame(HELLO, 0)

    def discard_input(self) -> None:
        self.out = b""
        if self.chatter:
            self.out = self.chatter

    def read(self) -> bytes:
        self._live()
        if not self.out:
            self.now_s += 0.2
            return b""
        data, self.out = self.out[:3], self.out[3:]
        return data

    def write(self, data: bytes) -> None:
        self._live()
        if not self.is_in_boot_loader:
            asked = FrameDecoder().feed(data)
            if self.has_firmware and any(f.body == Command(Command.GET_HELLO) for f in asked):
                self.out += b"\x00" + encode_frame(HELLO, 0)
            return
        if self.baud != self.boot_loader.baud or self.n_resets < self.first_reset or self.chatter:
            return
        self.pending += data
        self._obey()

    def _obey(self) -> None:
        command, self.pending = self.pending, b""
        assert command[-1:] == b"\x20"
        body = b""
        match command[0]:
            case 0x30:
                pass
            case 0x75:
                body = self.signature
            case 0x55:
                self.address = 2 * int.from_bytes(command[1:3], "little")
            case 0x64:
                assert command[3:4] == b"F"
                n = int.from_bytes(command[1:3], "big")
                page = bytearray(command[4:-1])
                assert len(page) == n
                if self.address == self.refused_address:
                    self.out += b"\x14\x11"
                    return
                if self.stuck_address is not None and 0 <= self.stuck_address - self.address < n:
                    page[self.stuck_address - self.address] ^= 1
                if len(self.written) == self.n_pages_to_live:
                    self._die()
                    return
                self.flash[self.address : self.address + n] = page
                self.written.append(self.address)
            case 0x74:
                body = bytes(self.flash[self.address : self.address + int.from_bytes(command[1:3], "big")])
            case 0x51:
                self.is_in_boot_loader = False
        self.out += b"\x14" + body + b"\x10"

    def _die(self) -> None:
        match self.death:
            case "garbage":
                self.out += b"\xc3\x00"
            case "pulled":
                self.is_in_boot_loader = False
                self.now_s = -1.0

    def _live(self) -> None:
        if self.now_s < 0:
            raise OSError(errno.EIO, "Input/output error")


def programmer(board: Board) -> Programmer:
    return Programmer(board, clock=board.clock)


def connected(board: Board) -> Programmer:
    result = programmer(board)
    assert result.connect("uno") is OPTIBOOT
    return result


def pages(*_: int) -> None:
    """Progress that nobody looks at."""


def test_a_program_is_written_read_back_started_and_heard() -> None:
    board = Board()
    seen: list[tuple[int, int]] = []
    flashing = connected(board)
    assert flashing.write(IMAGE, lambda done, n: seen.append((done, n))) == N_PAGES
    assert bytes(board.flash[: len(IMAGE.data)]) == IMAGE.data
    assert set(board.flash[len(IMAGE.data) :]) == {0xFF}
    assert seen == [(k, N_PAGES) for k in (0, 1, 2, 3, 4, 5, 6)]
    flashing.start()
    assert flashing.wait_for_hello() == HELLO


def test_the_first_page_is_written_last_and_stands_still_meanwhile() -> None:
    board = Board(n_pages_to_live=N_PAGES)
    with pytest.raises(ProgrammingError):
        connected(board).write(IMAGE, pages)
    assert board.written == [0, 128, 256, 384, 512, 640]
    assert bytes(board.flash[:PAGE_BYTES]) == STANDSTILL_PAGE
    assert STANDSTILL_PAGE[:2] == b"\xff\xcf"  # RJMP .-2: 1100 1111 1111 1111, low byte first


def test_a_hello_that_was_missed_is_asked_for() -> None:
    board = Board(greets=False)
    flashing = connected(board)
    flashing.start()
    assert flashing.wait_for_hello() == HELLO


def test_another_program_says_no_hello() -> None:
    board = Board(has_firmware=False)
    flashing = connected(board)
    flashing.start()
    assert flashing.wait_for_hello() is None
    assert board.now_s < 10


@pytest.mark.parametrize(
    ("name", "boot_loader", "attempts"),
    [
        ("uno", OPTIBOOT, [115_200]),
        ("uno", ATMEGABOOT, [115_200, 115_200, 57_600]),
        ("nano", OPTIBOOT, [115_200]),
        ("nano", ATMEGABOOT, [115_200, 57_600]),
    ],
)
def test_either_boot_loader_is_found_and_each_attempt_has_a_reset_of_its_own(
    name: str, boot_loader: BootLoader, attempts: list[int]
) -> None:
    board = Board(boot_loader)
    said: list[int] = []
    assert programmer(board).connect(name, lambda attempt: said.append(attempt.baud)) is boot_loader
    assert said == attempts
    assert board.n_resets == len(attempts)


def test_a_boot_loader_that_misses_the_first_reset_is_found_by_the_next() -> None:
    board = Board(first_reset=2)
    assert programmer(board).connect("uno") is OPTIBOOT


def test_silence_is_told_from_noise() -> None:
    with pytest.raises(ProgrammingError, match=r"at 115200 or 57600 baud, not a byte came: use a cable that"):
        programmer(Board(first_reset=99)).connect("uno")
    with pytest.raises(ProgrammingError, match="what came was no boot loader's answer") as error:
        programmer(Board(chatter=b"\x00\x80gyro")).connect("nano")
    assert "an Arduino Nano; if so, hold its reset button" in str(error.value)


@pytest.mark.parametrize(
    ("signature", "chip"),
    [
        ("1e9514", "1e 95 14, an ATmega328, without the P"),
        ("1e9801", "1e 98 01, an ATmega2560"),
        ("1e9406", "1e 94 06, an ATmega168"),
        ("000000", "00 00 00, no chip that is known here"),
    ],
)
def test_another_chip_is_refused_by_name_before_anything_is_written(signature: str, chip: str) -> None:
    board = Board(signature=bytes.fromhex(signature))
    with pytest.raises(ProgrammingError, match=f"this board says {chip}: nothing was written"):
        programmer(board).connect("uno")
    assert board.written == []


def test_a_page_that_reads_back_otherwise_ends_it_and_the_program_does_not_start() -> None:
    board = Board(stuck_address=300)
    with pytest.raises(
        ProgrammingError, match=r"the page at 0x100 .* reads back otherwise \(1 bytes, the first at 0x12c\)"
    ):
        connected(board).write(IMAGE, pages)
    assert bytes(board.flash[:PAGE_BYTES]) == STANDSTILL_PAGE


def test_a_page_that_is_refused_ends_it() -> None:
    with pytest.raises(
        ProgrammingError, match=r"otherwise after 3 of 6 pages were written \(.* 11 \(FAILED\)\)"
    ):
        connected(Board(refused_address=4 * PAGE_BYTES)).write(IMAGE, pages)


@pytest.mark.parametrize(
    ("death", "sentence"),
    [
        ("pulled", "the port went away after 2 of 6 pages were written"),
        ("silent", "the board fell silent after 2 of 6 pages were written"),
        ("garbage", r"the boot loader answered otherwise after 2 of 6 .* begins with 14, got c3"),
    ],
)
def test_an_end_in_the_middle_says_how_far_it_came_and_that_the_boot_loader_is_still_there(
    death: str, sentence: str
) -> None:
    board = Board(n_pages_to_live=3, death=death)
    with pytest.raises(ProgrammingError, match=sentence) as error:
        connected(board).write(IMAGE, pages)
    assert "the boot loader is still there, " in str(error.value)
    assert "run the command again" in str(error.value)


def test_a_board_left_with_half_a_program_is_mended_by_another_run() -> None:
    board = Board(n_pages_to_live=3)
    with pytest.raises(ProgrammingError):
        connected(board).write(IMAGE, pages)
    board.now_s, board.n_pages_to_live = 0.0, 1000
    connected(board).write(IMAGE, pages)
    assert bytes(board.flash[: len(IMAGE.data)]) == IMAGE.data


def test_a_port_that_goes_before_or_after_the_pages_is_told() -> None:
    board = Board(now_s=-1.0)
    with pytest.raises(ProgrammingError, match="the port went away after the board was looked for"):
        programmer(board).connect("uno")
    board = Board()
    flashing = connected(board)
    board.now_s = -1.0
    with pytest.raises(ProgrammingError, match="the port went away after the program was written and read"):
        flashing.start()


def test_a_program_of_one_page_and_one_of_a_whole_flash_are_written() -> None:
    for n_bytes in (1, PAGE_BYTES, OPTIBOOT.first_address):
        board = Board()
        image = FlashImage(0, b"\x42" * n_bytes)
        check_image(image, OPTIBOOT, "own.hex")
        assert connected(board).write(image, pages) == -(-n_bytes // PAGE_BYTES)
        assert bytes(board.flash[:n_bytes]) == image.data


def test_a_program_that_reaches_into_the_boot_loader_or_does_not_start_at_0_is_refused() -> None:
    image = FlashImage(0, bytes(0x7801))
    check_image(image, OPTIBOOT, "own.hex")
    with pytest.raises(ValueError, match=r"own\.hex ends at 0x7801, .* the boot loader ATmegaBOOT at 0x7800"):
        check_image(image, ATMEGABOOT, "own.hex")
    with pytest.raises(ValueError, match=r"own\.hex begins at 0x7e00, a program begins at 0"):
        check_image(FlashImage(0x7E00, b"\x11"), OPTIBOOT, "own.hex")
