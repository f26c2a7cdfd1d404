"""The emulated DA14580: what it lets a program do, what not, and the real firmware under every fault."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.boards.emulated_da14580 import EmulatedDa14580
from fedmotion.boards.emulated_processor import FOR_EVER, RESET_POWER_ON, RESET_WATCHDOG, BoardFault
from fedmotion.boards.emulator_build import DA14580, EmulatorError, emulator_path
from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.virtual_mpu6050 import Imperfection, VirtualMpu6050
from fedmotion.protocol.serial_frames import Command, Fault, Hello, Result, Samples, Status
from fedmotion.protocol.serial_framing import FrameDecoder, encode_frame

ROOT = Path(__file__).parents[2]
PROBE = Path(__file__).parent / "probe_da14580" / "probe.c"
PORT = ROOT / "firmware" / "ports" / "da14580"
SCRIPT = ROOT / "firmware" / "platforms" / "da14580" / "da14580.ld"


def at_rest() -> VirtualMpu6050:
    force = np.tile([1.0, 2.0, STANDARD_GRAVITY_MPS2], (2, 1))
    motion = Motion(np.array([0.0, 60.0]), force, np.full((2, 3), 0.5))
    return VirtualMpu6050(motion, imperfection=Imperfection(noise=0.0))


@pytest.fixture
def probe(da14580_elf: Path, tmp_path: Path) -> Callable[[str], EmulatedDa14580]:
    """Makes a board that runs the probe, which does what is wanted."""
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        pytest.skip("there is no arm-none-eabi-gcc: apt-get install gcc-arm-none-eabi")

    def make(wanted: str) -> EmulatedDa14580:
        elf = tmp_path / f"{wanted}.elf"
        flags = ["-mcpu=cortex-m0", "-mthumb", "-Os", "-ffreestanding", "-Wall", "-Wextra", "-Werror"]
        flags += ["-nostdlib", "-nostartfiles", f"-T{SCRIPT}", f"-I{PORT}", f"-DWANTED={wanted}"]
        subprocess.run([compiler, *flags, "-o", str(elf), str(PROBE), "-lgcc"], check=True)
        return EmulatedDa14580(elf, at_rest())

    return make


def test_a_program_that_does_it_right_is_heard(probe: Callable[[str], EmulatedDa14580]) -> None:
    with probe("RIGHT") as board:
        # RAM at power on is A5 throughout, and this is what comes after it; then WHO_AM_I.
        assert board.advance(20_000) == b"6h"
        assert board.baud == 500_000


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("NO_UART_CLOCK", "UART 1 is used without its clock: CLK_PER_REG is 0020, bit 7 has to be 1"),
        ("NO_POWER", "UART 1 is used without power: PMU_CTRL_REG is 0006"),
        ("NO_PAD", "UART 1 sends and P0_4 is not its output: P04_MODE_REG is 0200, 0302 is"),
        ("LATCHED_PADS", "SYS_CTRL_REG 0002 needs PAD_LATCH_EN"),
        ("RC_CLOCK", "UART 1 is used while the clock is the RC oscillator, which is not exact"),
        ("EARLY_CRYSTAL", "the clock is set to the crystal before SYS_STAT_REG says XTAL16_SETTLED"),
        ("FULL_FIFO", "UART 1's FIFO is full and a byte is written into it"),
        ("NO_DIVISOR", "UART 1 sends with divisor 0 and LCR 03"),
        ("NO_I2C_PADS", "I2C begins and P0_2 and P0_3 are not its wires: their modes are 0200 and 0200"),
        ("NO_I2C_CLOCK", "I2C is used without its clock: CLK_PER_REG is 0080, bit 5 has to be 1"),
        ("I2C_WHILE_DISABLED", "I2C gets a command while it is disabled"),
        ("I2C_SET_WHILE_ENABLED", "I2C is enabled and its register 50001304 is written: that is ignored"),
        ("I2C_TOO_MANY", "I2C has 8 commands waiting and gets one more"),
        ("I2C_EMPTY", "I2C's receive FIFO is empty and the program reads it"),
        ("WIDE_ACCESS", "50000000 is accessed with 4 bytes, its registers have 2"),
        ("UNKNOWN_REGISTER", "the emulated DA14580 has no register to write at 50003400"),
        ("REMAPPED", "what is at address 0 changes under the running program: SYS_CTRL_REG becomes 0000"),
    ],
)
def test_what_a_program_must_not_do_is_an_error_in_words(
    wanted: str, sentence: str, probe: Callable[[str], EmulatedDa14580]
) -> None:
    with probe(wanted) as board, pytest.raises(EmulatorError) as caught:
        board.advance(20_000)
    assert sentence in str(caught.value)


def test_a_word_at_an_odd_address_is_a_hard_fault(probe: Callable[[str], EmulatedDa14580]) -> None:
    with probe("UNALIGNED") as board:
        assert board.advance(20_000) == b"6F"


def test_the_watchdog_comes_as_nmi_after_its_counts(probe: Callable[[str], EmulatedDa14580]) -> None:
    with probe("WATCHDOG_NMI") as board:
        assert board.advance(100_000) == b"6"
        # Ten counts of 10.24 ms; the program then starts itself anew.
        assert board.advance(108_000) == b"N7"


def test_a_program_that_ignores_its_nmi_is_reset_16_counts_later(
    probe: Callable[[str], EmulatedDa14580],
) -> None:
    with probe("WATCHDOG_DEAF") as board:
        assert board.advance(265_000) == b"6N"
        assert board.advance(275_000) == b"7"


def test_a_watchdog_is_loaded_by_clean_values_only(probe: Callable[[str], EmulatedDa14580]) -> None:
    with probe("WATCHDOG_FILTER") as board:
        assert board.advance(104_000) == b"6"
        assert board.advance(106_000) == b"N"


class Host:
    """The real firmware and what came of it."""

    def __init__(self, board: EmulatedDa14580) -> None:
        self.board = board
        self.decoder = FrameDecoder()
        self.sequence = 0

    def run(self, us: int, *, n_bad_at_most: int = 0) -> list[object]:
        n_bad = self.decoder.counters.n_bad
        frames = self.decoder.feed(self.board.advance(self.board.now_us + us))
        assert self.decoder.counters.n_bad - n_bad <= n_bad_at_most
        return [frame.body for frame in frames]

    def ask(self, kind: int, argument: int = 0) -> list[object]:
        self.sequence += 1
        self.board.receive(b"\0" + encode_frame(Command(kind, argument), self.sequence))
        return self.run(60_000)

    def faults(self) -> int:
        (status,) = [body for body in self.ask(Command.GET_STATUS) if isinstance(body, Status)]
        return status.faults


@pytest.fixture
def host(da14580_elf: Path) -> Iterator[Host]:
    with EmulatedDa14580(da14580_elf, at_rest(), is_traced=True) as board:
        yield Host(board)


def rows(bodies: Sequence[object]) -> NDArray[np.int16]:
    return np.concatenate([body.counts for body in bodies if isinstance(body, Samples)])


def test_the_firmware_says_who_it_is_and_streams_what_the_sensor_felt(host: Host) -> None:
    bodies = host.run(1_500_000)
    (hello,) = [body for body in bodies if isinstance(body, Hello)]
    assert (hello.board, hello.sensor_id, hello.period_us) == ("da14580", 0x68, 10_000)
    assert hello.reset_cause == RESET_POWER_ON
    sent = rows(bodies)
    assert len(sent) > 120
    felt = [counts for _, counts in host.board.felt]
    assert sent.tolist() == [counts.tolist() for counts in felt[: len(sent)]]
    assert host.faults() == 0


def test_a_reading_starts_within_20_us_of_its_grid(host: Host) -> None:
    host.run(3_000_000)
    starts_us = np.array([burst.start_us for burst in host.board.bursts])
    assert len(starts_us) > 250
    assert np.ptp(starts_us - 10_000 * np.arange(len(starts_us))) < 20


def test_commands_are_obeyed_and_answered(host: Host) -> None:
    host.run(500_000)
    bodies = host.ask(Command.SET_ACCEL_FULL_SCALE_G, 16)
    assert [body.code for body in bodies if isinstance(body, Result)] == [0]
    assert [body.accel_full_scale_g for body in bodies if isinstance(body, Hello)] == [16]
    assert host.faults() == 0


def test_a_board_id_outlives_a_reset_and_goes_with_the_power(host: Host) -> None:
    host.run(500_000)
    host.ask(Command.SET_BOARD_ID, 0xC0FFEE)
    host.run(200_000)
    for reset_cause, board_id in ((1, 0xC0FFEE), (RESET_POWER_ON, 0)):
        host.board.restart(reset_cause=reset_cause)
        host.decoder = FrameDecoder()
        (hello,) = [body for body in host.run(500_000) if isinstance(body, Hello)]
        assert (hello.reset_cause, hello.board_id) == (reset_cause, board_id)
        assert host.faults() == 0


def test_opening_the_port_is_no_reset(host: Host) -> None:
    host.run(500_000)
    host.board.announce()
    assert [body for body in host.run(200_000) if isinstance(body, Hello)] == []
    assert [body.reset_cause for body in host.ask(Command.GET_HELLO) if isinstance(body, Hello)] == [0]


@pytest.mark.parametrize("period_us", [10_000, 1_000])
def test_a_processor_that_hangs_is_bitten_and_streams_again(host: Host, period_us: int) -> None:
    host.run(500_000)
    host.ask(Command.SET_PERIOD_US, period_us)
    host.run(1_000_000)
    host.board.fault(BoardFault.HANG)
    before = host.run(400_000)
    assert sum(len(body.counts) for body in before if isinstance(body, Samples)) < 40
    # The frame that was on the line when it hung is cut; HELLO's delimiter ends it.
    after = host.run(1_200_000, n_bad_at_most=1)
    (hello,) = [body for body in after if isinstance(body, Hello)]
    assert hello.reset_cause == RESET_WATCHDOG
    assert len(rows(after)) > 50
    assert host.faults() == 0


def plug_in_again(board: EmulatedDa14580) -> None:
    board.fault(BoardFault.PLUG_SENSOR)


@pytest.mark.parametrize("period_us", [10_000, 1_000])
@pytest.mark.parametrize(
    ("fault", "argument", "mend", "named"),
    [
        (BoardFault.UNPLUG_SENSOR, 0, plug_in_again, Fault.SENSOR_ABSENT),
        (BoardFault.NACK_ADDRESSES, 3, None, Fault.SENSOR_ABSENT),
        (BoardFault.HOLD_SDA, 5, None, Fault.BUS_STUCK),
        (BoardFault.HOLD_SDA, FOR_EVER, lambda board: board.fault(BoardFault.HOLD_SDA, 0), Fault.BUS_STUCK),
        (BoardFault.HOLD_SCL, 1, lambda board: board.fault(BoardFault.HOLD_SCL, 0), Fault.BUS_STUCK),
    ],
)
def test_a_fault_of_the_bus_is_named_and_mended(
    host: Host,
    period_us: int,
    fault: BoardFault,
    argument: int,
    mend: Callable[[EmulatedDa14580], None] | None,
    named: Fault,
) -> None:
    host.run(500_000)
    host.ask(Command.SET_PERIOD_US, period_us)
    host.run(1_000_000)
    expected = host.run(200_000)
    row = set(map(tuple, rows(expected).tolist()))
    host.board.fault(fault, argument)
    during = host.run(700_000)
    if mend is not None:
        mend(host.board)
    after = host.run(1_000_000)
    # The sensor is at rest: any other row was never felt.
    sent = [body for body in (*during, *after) if isinstance(body, Samples)]
    assert set(map(tuple, rows(sent).tolist())) == row
    assert len(rows(after)) > 0.4 * 1_000_000 / period_us
    assert host.faults() & named


def test_an_image_that_is_none_is_refused_in_a_sentence(tmp_path: Path, da14580_elf: Path) -> None:
    file = tmp_path / "firmware.bin"
    for content, sentence in (
        (b"", "an image begins with its vectors at 0x20000000"),
        (bytes(42 * 1024 + 1), "and ends within 43008 bytes"),
        (bytes(64), "its vectors are 0x0 for the stack and 0x0 to start at"),
        (b"\x7fELF\x02\x01" + bytes(60), "it is an ELF for another processor"),
        (da14580_elf.read_bytes()[:30], "it is cut off after 30 bytes"),
        (da14580_elf.read_bytes()[:8000], "it is cut off, 8000 of "),
        (
            da14580_elf.with_suffix(".bin").read_bytes()[:100],
            "and it is loaded from 0x20000000 to 0x20000064",
        ),
    ):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="is no firmware for a DA14580") as caught:
            EmulatedDa14580(file, at_rest())
        assert sentence in str(caught.value)


def test_the_image_runs_as_the_elf_does(da14580_elf: Path) -> None:
    image = da14580_elf.with_suffix(".bin")
    with EmulatedDa14580(image, at_rest()) as board:
        host = Host(board)
        assert any(isinstance(body, Samples) for body in host.run(500_000))


def test_a_clock_beyond_belief_is_refused(da14580_elf: Path) -> None:
    with pytest.raises(ValueError, match="a board's clock is off by at most 50000 millionths, got 60000"):
        EmulatedDa14580(da14580_elf, at_rest(), clock_ppm=60_000)


def test_without_unicorn_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(EmulatorError, match=r"needs unicorn: pip install 'fedmotion\[emulator\]'"):
        emulator_path(DA14580)
