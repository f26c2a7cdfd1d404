"""What an emulated Uno runs in tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fedmotion.boards.emulated_board import find_elf
from fedmotion.boards.emulator_build import DA14580, EmulatorError, emulator_path

PROBE = Path(__file__).parent / "probe" / "probe.c"


def missing(text: str) -> None:
    """Skip on a user's machine; where CI is "true", fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI skips nothing, but {text}")
    pytest.skip(text)


@pytest.fixture(scope="session")
def emulator() -> Path:
    """The emulator's program."""
    try:
        return emulator_path()
    except EmulatorError as error:
        missing(str(error))
        raise


@pytest.fixture(scope="session")
def probe_elf(emulator: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that does to the hardware what it is told, probe/probe.c."""
    if shutil.which("avr-gcc") is None:
        missing("there is no avr-gcc: apt-get install gcc-avr avr-libc")
    elf = tmp_path_factory.mktemp("probe") / "probe.elf"
    flags = ["-mmcu=atmega328p", "-std=gnu99", "-Os", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["avr-gcc", *flags, "-o", str(elf), str(PROBE)], check=True)
    return elf


@pytest.fixture(scope="session")
def firmware_elf(emulator: Path) -> Path:
    """The real firmware, built by `make firmware`."""
    try:
        return find_elf()
    except EmulatorError as error:
        missing(str(error))
        raise


@pytest.fixture(scope="session")
def da14580_elf() -> Path:
    """The real firmware for the DA14580, and an emulator for it."""
    try:
        emulator_path(DA14580)
        return find_elf(board="da14580")
    except EmulatorError as error:
        missing(str(error))
        raise


@pytest.fixture(scope="session")
def built(firmware_elf: Path, da14580_elf: Path) -> dict[str, Path]:
    """Both boards' firmware."""
    return {"uno": firmware_elf, "da14580": da14580_elf}
