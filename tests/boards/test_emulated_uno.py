"""The emulated Uno's hardware, by a program that does what a test tells it: bus, sensor, UART, resets."""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from fedmotion.boards.emulated_uno import BRIDGE_BYTES, FOR_EVER, RESET_BROWN_OUT, BoardFault, EmulatedUno
from fedmotion.boards.emulator_build import EmulatorError, emulator_path
from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.simulated_node import RESET_POWER_ON
from fedmotion.boards.virtual_mpu6050 import IDEAL, VirtualMpu6050

AWAKE = ("w 6b 0", "w 1a 3")
"""Out of sleep and with the filter on: 1 kHz."""


def turning(seed: int = 0) -> VirtualMpu6050:
    """A sensor whose every instant differs from the others."""
    t_s = np.linspace(0.0, 60.0, 6001)
    force = np.stack([np.sin(t_s), np.cos(2 * t_s), np.full_like(t_s, STANDARD_GRAVITY_MPS2)], axis=1)
    rate = np.stack([np.cos(t_s), np.sin(3 * t_s), np.cos(5 * t_s)], axis=1)
    return VirtualMpu6050(Motion(t_s, force, rate), seed=seed)


def at_rest() -> VirtualMpu6050:
    force = np.tile([0.0, 0.0, STANDARD_GRAVITY_MPS2], (2, 1))
    return VirtualMpu6050(Motion(np.array([0.0, 1000.0]), force, np.zeros((2, 3))), imperfection=IDEAL)


class Probe:
    """The board with the probe program: a line in, its answer out."""

    def __init__(self, uno: EmulatedUno) -> None:
        self.uno = uno
        self.greeting = uno.advance(1_000).decode()

    def ask(self, line: str, wait_us: int = 5_000) -> str:
        self.uno.receive(line.encode() + b"\n")
        return self.uno.advance(self.uno.now_us + wait_us).decode()

    def read(self, address: int, n: int) -> bytes:
        return bytes.fromhex(self.ask(f"r {address:x} {n:x}").split(" ")[0])

    def seconds_to_read(self, address: int, n: int) -> float:
        return int(self.ask(f"r {address:x} {n:x}").split("@")[1], 16) * 0.5e-6

    def wake(self) -> None:
        for line in AWAKE:
            assert self.ask(line) == "\n"


@contextmanager
def probing(elf: Path, sensor: VirtualMpu6050 | None = None, eeprom: Path | None = None) -> Iterator[Probe]:
    with EmulatedUno(elf, sensor or at_rest(), eeprom=eeprom, is_traced=True) as uno:
        yield Probe(uno)


@pytest.fixture
def probe(probe_elf: Path) -> Iterator[Probe]:
    with probing(probe_elf) as ready:
        yield ready


def test_a_sensor_at_power_on_sleeps_and_knows_its_name(probe: Probe) -> None:
    assert probe.read(0x75, 1) == b"\x68"
    assert probe.read(0x6B, 1) == b"\x40"
    assert probe.read(0x3B, 14) == bytes(14)
    assert probe.uno.felt == []


@pytest.mark.parametrize(
    ("ranges", "counts"),
    [
        (("w 1b 0", "w 1c 0"), (0, 0, 16384, 0, 0, 0)),
        (("w 1b 8", "w 1c 8"), (0, 0, 8192, 0, 0, 0)),
        (("w 1b 10", "w 1c 10"), (0, 0, 4096, 0, 0, 0)),
        (("w 1b 18", "w 1c 18"), (0, 0, 2048, 0, 0, 0)),
    ],
)
def test_a_burst_has_the_counts_of_one_g_at_each_range(
    probe: Probe, ranges: tuple[str, str], counts: tuple[int, ...]
) -> None:
    probe.wake()
    for line in ranges:
        probe.ask(line)
    values = struct.unpack(">7h", probe.read(0x3B, 14))
    assert (*values[:3], *values[4:]) == counts
    assert values[3] == -3920  # 25 degrees: (25 - 36.53) * 340


def test_what_is_read_is_what_the_virtual_sensor_gives_at_the_same_instants(probe_elf: Path) -> None:
    with probing(probe_elf, turning(seed=7)) as probe:
        probe.wake()
        probe.ask("s 2710", 2_000_000)  # every 10 ms
        felt, bursts = probe.uno.felt, probe.uno.bursts
    assert len(felt) == len(bursts) >= 199
    t_us = np.array([instant for instant, _ in felt])
    assert (np.diff(t_us) % 1_000 == 0).all()  # on the sensor's own grid
    # The newest when the sensor was addressed for reading, 30 bits after START.
    starts_us = np.array([burst.start_us for burst in bursts])
    assert ((starts_us - t_us > -200) & (starts_us - t_us < 1_000)).all()
    replayed = turning(seed=7)
    replayed.set_full_scales(2, 250)
    assert np.array([counts for _, counts in felt]).tolist() == replayed.read(t_us)[0].tolist()


def test_every_byte_of_a_stream_is_the_virtual_sensors(probe_elf: Path) -> None:
    with probing(probe_elf, turning(seed=3)) as probe:
        probe.wake()
        out = probe.ask("s 1388", 1_000_000)  # every 5 ms
        felt = probe.uno.felt
    rows = [struct.unpack(">7h", bytes.fromhex(hexes)) for hexes in re.findall(r"\b([0-9a-f]{28}) @", out)]
    assert len(rows) >= 198
    streamed = [[*row[:3], *row[4:]] for row in rows]
    assert streamed == [counts.tolist() for _, counts in felt][: len(rows)]


def test_the_same_board_twice_says_the_same_bytes(probe_elf: Path) -> None:
    def run() -> str:
        with probing(probe_elf, turning(seed=5)) as probe:
            probe.wake()
            return probe.ask("s 7d0", 300_000)

    assert run() == run()


@pytest.mark.parametrize(
    ("clock", "least_us", "most_us"),
    # 17 bytes of 9 bits, START twice and STOP: 156 bits of the clock; a polling program adds some.
    [("c", 390, 600), ("48", 1_560, 1_800)],
)
def test_a_burst_takes_the_time_of_the_bus_clock(
    probe: Probe, clock: str, least_us: int, most_us: int
) -> None:
    probe.ask(f"b {clock}")
    assert least_us < probe.seconds_to_read(0x3B, 14) * 1e6 < most_us


def test_each_bursts_start_is_known_by_the_cycle_counter(probe: Probe) -> None:
    probe.wake()
    probe.ask("s 2710", 500_000)
    starts = np.array([burst.start_us for burst in probe.uno.bursts])
    assert len(starts) >= 49
    assert np.abs(np.diff(starts) - 10_000).max() < 40  # the probe polls its clock


def test_the_fifo_holds_every_sample_in_order(probe_elf: Path) -> None:
    with probing(probe_elf, turning(seed=2)) as probe:
        probe.wake()
        probe.ask("w 19 9")  # 100 Hz
        probe.ask("w 23 78")  # six axes, no temperature
        probe.ask("w 6a 40", 50_000)
        (n,) = struct.unpack(">H", probe.read(0x72, 2))
        assert n == 12 * 5
        values = np.frombuffer(probe.read(0x74, 48), ">i2").reshape(4, 6)
        assert values.tolist() == [counts.tolist() for _, counts in probe.uno.felt[:4]]
        t_us = np.array([instant for instant, _ in probe.uno.felt])
        assert set(np.diff(t_us).tolist()) == {10_000}


def test_a_fifo_that_runs_over_says_so_once_and_keeps_the_newest(probe_elf: Path) -> None:
    with probing(probe_elf, turning()) as probe:
        probe.wake()
        probe.ask("w 23 8")  # acceleration alone: 6 bytes at 1 kHz
        probe.ask("w 6a 40", 300_000)
        assert struct.unpack(">H", probe.read(0x72, 2)) == (1024,)
        assert probe.read(0x3A, 1)[0] & 0x10
        probe.ask("w 23 0")  # nothing more comes in
        probe.read(0x3A, 1)
        assert not probe.read(0x3A, 1)[0] & 0x10
        probe.ask("w 6a 4")
        assert struct.unpack(">H", probe.read(0x72, 2)) == (0,)


def test_int_status_tells_of_each_sample_once(probe: Probe) -> None:
    probe.wake()
    probe.ask("w 19 63")  # 10 Hz
    probe.uno.advance(probe.uno.now_us + 100_000)
    assert [probe.read(0x3A, 1)[0] for _ in range(2)] == [1, 0]


def test_the_int_pin_comes_at_the_sensors_rate_while_it_is_enabled(probe: Probe) -> None:
    probe.wake()
    probe.ask("w 19 9")  # 100 Hz
    probe.ask("w 38 1")
    probe.ask("i")
    assert probe.ask("i", 100_000) in {"00\n", "01\n"}
    assert probe.ask("i") in {"0a\n", "09\n"}
    probe.ask("w 38 0")
    probe.ask("i", 100_000)
    assert probe.ask("i") == "00\n"


def test_an_unplugged_sensor_is_not_answered_and_a_replugged_one_sleeps(probe: Probe) -> None:
    probe.wake()
    probe.uno.fault(BoardFault.UNPLUG_SENSOR)
    assert probe.ask("r 75 1") == "! 20\n"
    probe.uno.fault(BoardFault.PLUG_SENSOR)
    assert probe.read(0x6B, 1) == b"\x40"


def test_a_sensor_may_refuse_its_address_or_a_byte(probe: Probe) -> None:
    probe.uno.fault(BoardFault.NACK_ADDRESSES, 1)
    assert probe.ask("r 75 1") == "! 20\n"
    probe.uno.fault(BoardFault.NACK_DATA, 1)
    assert probe.ask("r 75 1") == "! 30\n"
    assert probe.read(0x75, 1) == b"\x68"


def test_another_sensor_has_another_name(probe: Probe) -> None:
    probe.uno.fault(BoardFault.WHO_AM_I, 0x70)
    assert probe.read(0x75, 1) == b"\x70"


def test_a_bus_whose_data_line_is_held_low_is_free_after_the_clocks_it_waited_for(probe: Probe) -> None:
    assert probe.ask("l") == "03\n"
    probe.uno.fault(BoardFault.HOLD_SDA, 9)
    assert probe.ask("l") == "02\n"
    assert probe.ask("r 75 1", 10_000) == "! --\n"
    probe.ask("c 8")
    assert probe.ask("l") == "02\n"
    probe.ask("c 1")
    assert probe.ask("l") == "03\n"
    assert probe.read(0x75, 1) == b"\x68"


def test_a_bus_that_is_held_for_ever_is_free_only_when_it_is_let_go(probe: Probe) -> None:
    probe.uno.fault(BoardFault.HOLD_SDA, FOR_EVER)
    probe.ask("c 40")
    assert probe.ask("l") == "02\n"
    probe.uno.fault(BoardFault.HOLD_SDA, 0)
    probe.uno.fault(BoardFault.HOLD_SCL, 1)
    assert probe.ask("l") == "01\n"
    assert probe.ask("r 75 1", 10_000) == "! --\n"
    probe.uno.fault(BoardFault.HOLD_SCL, 0)
    assert probe.read(0x75, 1) == b"\x68"


def test_each_reset_has_its_cause_and_only_power_takes_the_memory(probe: Probe) -> None:
    assert probe.greeting == "boot 01 a5\n"
    probe.wake()
    probe.uno.restart()
    assert probe.uno.now_us == 0
    assert probe.uno.advance(1_000) == b"boot 02 11\n"
    assert probe.ask("l") == "03\n"
    assert probe.read(0x6B, 1) == b"\x00"  # the sensor has not noticed
    probe.uno.restart(0, RESET_BROWN_OUT)
    assert probe.uno.advance(1_000) == b"boot 04 11\n"
    before_us = probe.uno.motion_us
    probe.uno.restart(5_000_000, RESET_POWER_ON)
    assert probe.uno.advance(1_000) == b"boot 01 a5\n"
    assert probe.uno.motion_us - before_us == pytest.approx(5_001_000, abs=100)
    assert probe.read(0x6B, 1) == b"\x40"
    assert probe.ask("k", 100_000) == "boot 08 11\n"


def test_the_eeprom_outlives_the_board_in_its_file(probe_elf: Path, tmp_path: Path) -> None:
    kept = tmp_path / "eeprom.bin"
    with probing(probe_elf, eeprom=kept) as probe:
        assert probe.ask("d 5") == "ff\n"
        probe.ask("e 5 77", 20_000)
    assert kept.read_bytes()[:7] == b"\xff\xff\xff\xff\xff\x77\xff"
    with probing(probe_elf, eeprom=kept) as probe:
        assert probe.ask("d 5") == "77\n"


def test_bytes_come_at_the_uarts_pace_and_too_many_are_lost_on_the_board(probe: Probe) -> None:
    start_us = probe.uno.now_us
    assert probe.uno.advance(start_us + 10_000) == b""
    assert probe.uno.baud == 500_000
    # The probe hears nothing while it reads the sensor for half a millisecond: 27 bytes' time.
    probe.uno.receive(b"r 3b e\n" + b"i" * 20 + b"\n")
    probe.uno.advance(probe.uno.now_us + 10_000)
    assert probe.uno.n_overruns > 10


def test_what_nobody_reads_is_lost_in_the_usb_bridge(probe: Probe) -> None:
    probe.wake()
    probe.ask("s 3e8")
    assert len(probe.uno.advance(probe.uno.now_us + 10_000, BRIDGE_BYTES - 6)) == 6
    assert probe.uno.advance(probe.uno.now_us + 10_000, BRIDGE_BYTES) == b""
    assert probe.uno.n_lost_bytes > 500
    assert len(probe.uno.advance(probe.uno.now_us + 10_000)) > 200


def test_a_program_that_has_ended_is_reported_and_a_reset_starts_it_anew(
    probe: Probe, caplog: pytest.LogCaptureFixture
) -> None:
    probe.ask("z")
    assert probe.uno.has_stopped
    assert "the firmware has stopped" in caplog.text
    probe.uno.restart()
    assert probe.uno.advance(1_000) == b"boot 02 11\n"
    assert not probe.uno.has_stopped


def test_what_is_no_program_for_it_is_refused_with_a_sentence(emulator: Path, tmp_path: Path) -> None:
    elf = tmp_path / "firmware.elf"
    for content, sentence in (
        (b"no ELF", "is no firmware for an Uno: it is no ELF file"),
        (elf_header(machine=40), "is no firmware for an Uno: it is an ELF for another processor"),
        (elf_header(machine=83)[:40], "is no firmware for an Uno: it is cut off after 40 bytes"),
    ):
        elf.write_bytes(content)
        with pytest.raises(ValueError, match=sentence):
            EmulatedUno(elf, at_rest())
    elf.write_bytes(elf_header(machine=83))
    with pytest.raises(EmulatorError, match="the emulator has ended"):
        EmulatedUno(elf, at_rest())


def elf_header(machine: int) -> bytes:
    return b"\x7fELF\x01\x01\x01".ljust(16, b"\0") + bytes([2, 0, machine, 0]) + bytes(32)


def test_a_missing_compiler_or_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulatorError, match="needs a C compiler: apt-get install gcc pkg-config libsimavr"):
        emulator_path()


def test_a_missing_simavr_is_named(emulator: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PKG_CONFIG_LIBDIR", str(tmp_path))
    with pytest.raises(EmulatorError, match="needs simavr or libelf: apt-get install"):
        emulator_path()


def test_the_emulator_is_compiled_once(emulator: Path) -> None:
    compiled_s = emulator.stat().st_mtime
    assert emulator_path() == emulator
    assert emulator.stat().st_mtime == compiled_s
