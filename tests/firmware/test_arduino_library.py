"""The Arduino library: made of the core's own files, and its sketch on an Uno in the emulator."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedmotion.boards.emulated_uno import BoardFault, EmulatedUno
from fedmotion.boards.emulator_build import EmulatorError, emulator_path
from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Motion
from fedmotion.boards.virtual_mpu6050 import VirtualMpu6050
from fedmotion.protocol.self_test_frame import SelfTest, SelfTestOutcome
from fedmotion.protocol.serial_frames import Command, Fault, Hello, Samples, Status
from fedmotion.protocol.serial_framing import Frame, FrameDecoder, encode_frame

FIRMWARE = Path(__file__).parents[2] / "firmware"
SCRIPT = FIRMWARE / "platforms" / "arduino_library.py"
CORE = Path("/usr/share/arduino/hardware/arduino/avr")
START_UP_US = 500_000


def missing(text: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI skips nothing, but {text}")
    pytest.skip(text)


def made(target: Path) -> bytes:
    subprocess.run([sys.executable, SCRIPT, target], check=True, capture_output=True)
    return target.read_bytes()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library as the Arduino IDE unpacks it."""
    folder = tmp_path_factory.mktemp("library")
    made(folder / "fedmotion-node.zip")
    with zipfile.ZipFile(folder / "fedmotion-node.zip") as archive:
        archive.extractall(folder)
    return folder / "fedmotion-node"


def test_the_same_sources_are_the_same_bytes(tmp_path: Path) -> None:
    assert made(tmp_path / "one.zip") == made(tmp_path / "two.zip")


def test_it_holds_every_file_of_the_core_as_it_is_and_once(library: Path) -> None:
    core = sorted(FIRMWARE.glob("lib/*/*.[ch]"))
    assert len(core) > 20
    assert {path.name: path.read_bytes() for path in core}.items() <= {
        path.name: path.read_bytes() for path in (library / "src").iterdir()
    }.items()
    assert not any(path.suffix == ".c" for path in (FIRMWARE / "arduino_library").rglob("*"))


def test_it_says_what_both_tools_want_to_know(library: Path) -> None:
    lines = (library / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    assert properties["name"] == "fedmotion node"
    assert properties["version"] == "0.1.0"
    assert (properties["architectures"], properties["includes"]) == ("*", "fedmotion_node.h")
    assert all(properties[each] for each in ("author", "maintainer", "sentence", "paragraph", "category"))
    manifest = json.loads((library / "library.json").read_text())
    assert (manifest["version"], manifest["frameworks"], manifest["platforms"]) == ("0.1.0", "arduino", "*")
    assert (library / "LICENSE").read_text().lstrip().startswith("Apache License")


def test_the_port_uses_the_arduino_api_and_nothing_of_a_chip() -> None:
    text = "".join(path.read_text() for path in (FIRMWARE / "ports" / "arduino_api").iterdir())
    assert "<avr" not in text
    assert "#if" not in text.replace("#ifndef FM_ARDUINO_API_H", "")
    assert [line for line in text.splitlines() if line.startswith("#include <")] == [
        "#include <Arduino.h>",
        "#include <Wire.h>",
    ]


@pytest.fixture(scope="module")
def sketch(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built for an Uno as the Arduino IDE does: Debian's core, its Wire, and the library."""
    if shutil.which("avr-g++") is None or not CORE.is_dir():
        missing("there is no Arduino core: apt-get install gcc-avr avr-libc arduino-core-avr")
    folder = tmp_path_factory.mktemp("sketch")
    wire = CORE / "libraries" / "Wire" / "src"
    cores = CORE / "cores" / "arduino"
    includes = [f"-I{each}" for each in (cores, CORE / "variants" / "standard", wire, library / "src")]
    machine = ["-mmcu=atmega328p", "-Os", "-ffunction-sections", "-fdata-sections"]
    defines = ["-DF_CPU=16000000L", "-DARDUINO=10807", "-DARDUINO_AVR_UNO", "-DARDUINO_ARCH_AVR"]
    cxx = ["-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics", "-DDECIMAL_DIG=__DECIMAL_DIG__"]
    program = folder / "node.cpp"
    program.write_text("#include <Arduino.h>\n" + (library / "examples" / "node" / "node.ino").read_text())
    ours = [program, *sorted((library / "src").glob("*.c*"))]
    theirs = [*cores.glob("*.c*"), *wire.glob("*.cpp"), *wire.glob("utility/*.c")]
    objects = []
    for source in (*ours, *theirs):
        is_ours = source in ours
        target = folder / f"{source.name}.o"
        warnings = ["-Wall", "-Wextra", "-Werror"] if is_ours else ["-w"]
        language = ["avr-gcc", "-std=gnu11"] if source.suffix == ".c" else ["avr-g++", *cxx]
        flags = [*machine, *defines, *warnings, *includes]
        subprocess.run([*language, *flags, "-c", source, "-o", target], check=True)
        objects.append(target)
    elf = folder / "node.elf"
    subprocess.run(["avr-gcc", *machine, "-Wl,--gc-sections", *objects, "-lm", "-o", elf], check=True)
    return elf


@pytest.fixture
def uno(sketch: Path) -> EmulatedUno:
    """An Uno that lies still, with the sketch on it."""
    try:
        emulator_path()
    except EmulatorError as error:
        missing(str(error))
    up = np.tile([0.0, 0.0, STANDARD_GRAVITY_MPS2], (2, 1))
    still = Motion(np.array([0.0, 100.0]), up, np.zeros((2, 3)))
    return EmulatedUno(sketch, VirtualMpu6050(still, seed=4), is_traced=True)


def indices(frames: list[Frame]) -> list[int]:
    return [
        frame.body.first_index + k
        for frame in frames
        if isinstance(frame.body, Samples)
        for k in range(len(frame.body.counts))
    ]


def status_of(uno: EmulatedUno, decoder: FrameDecoder) -> Status:
    uno.receive(b"\0" + encode_frame(Command(Command.GET_STATUS), 9))
    frames = decoder.feed(uno.advance(uno.now_us + 50_000))
    return [frame.body for frame in frames if isinstance(frame.body, Status)][-1]


def test_the_sketch_streams_what_the_sensor_feels(uno: EmulatedUno) -> None:
    with uno:
        decoder = FrameDecoder()
        frames = decoder.feed(uno.advance(3_000_000))
        status = status_of(uno, decoder)
        assert (uno.baud, uno.n_overruns, decoder.counters.n_bad) == (500_000, 0, 0)
        felt = np.array([counts for _, counts in uno.felt], dtype=np.int16)
    hello = frames[0].body
    assert isinstance(hello, Hello)
    assert (hello.board, hello.sensor_id, hello.period_us) == ("arduino-api", 0x68, 10_000)
    counts = np.concatenate([frame.body.counts for frame in frames if isinstance(frame.body, Samples)])
    assert indices(frames) == list(range(len(counts)))
    assert len(counts) > 270
    assert np.array_equal(counts, felt[: len(counts)])
    assert (status.faults, status.n_dropped, status.n_sensor_errors) == (0, 0, 0)


def test_it_keeps_up_with_500_hz_and_refuses_more(uno: EmulatedUno) -> None:
    with uno:
        decoder = FrameDecoder()
        decoder.feed(uno.advance(START_UP_US))
        for sequence, period_us in enumerate((2_000, 1_999)):
            uno.receive(b"\0" + encode_frame(Command(Command.SET_PERIOD_US, period_us), sequence))
            decoder.feed(uno.advance(uno.now_us + 100_000))
        decoder.feed(uno.advance(uno.now_us + 20_000))
        frames = decoder.feed(uno.advance(uno.now_us + 2_000_000))
        status = status_of(uno, decoder)
    numbers = indices(frames)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) > 980
    assert (status.faults, status.n_dropped, status.n_bad_commands) == (0, 0, 1)


def test_it_tests_its_sensor(uno: EmulatedUno) -> None:
    with uno:
        decoder = FrameDecoder()
        decoder.feed(uno.advance(START_UP_US))
        off, run = Command(Command.SET_STREAMING, 0), Command(Command.RUN_SELF_TEST)
        uno.receive(b"\0" + encode_frame(off, 0) + encode_frame(run, 1))
        frames = decoder.feed(uno.advance(uno.now_us + 800_000))
    (report,) = [frame.body for frame in frames if isinstance(frame.body, SelfTest)]
    assert report.outcome == SelfTestOutcome.DONE
    assert all(abs(value) < 10 for value in report.deviation_permille)


def unplugged(uno: EmulatedUno) -> Fault:
    uno.fault(BoardFault.UNPLUG_SENSOR)
    uno.advance(uno.now_us + 300_000)
    uno.fault(BoardFault.PLUG_SENSOR)
    return Fault.SENSOR_ABSENT


def sda_held(uno: EmulatedUno) -> Fault:
    uno.fault(BoardFault.HOLD_SDA, 5)
    return Fault.BUS_STUCK


def scl_held_for_a_while(uno: EmulatedUno) -> Fault:
    uno.fault(BoardFault.HOLD_SCL, 1)
    uno.advance(uno.now_us + 300_000)
    uno.fault(BoardFault.HOLD_SCL, 0)
    return Fault.BUS_STUCK


@pytest.mark.parametrize("hurt", [unplugged, sda_held, scl_held_for_a_while])
def test_a_bus_that_fails_is_said_and_mended(uno: EmulatedUno, hurt: Callable[[EmulatedUno], Fault]) -> None:
    with uno:
        decoder = FrameDecoder()
        decoder.feed(uno.advance(START_UP_US))
        fault = hurt(uno)
        decoder.feed(uno.advance(uno.now_us + 700_000))
        frames = decoder.feed(uno.advance(uno.now_us + 1_000_000))
        status = status_of(uno, decoder)
    assert len(indices(frames)) >= 99
    assert fault & status.faults
    counts = np.concatenate([frame.body.counts for frame in frames if isinstance(frame.body, Samples)])
    assert np.abs(counts[:, 2] - 4096).max() < 60
