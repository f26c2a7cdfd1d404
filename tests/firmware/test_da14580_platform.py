"""The DA14580's own PlatformIO platform: how large its program may be, and how it is loaded."""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PLATFORMS = CHECKOUT / "firmware" / "platforms"
BUILD = CHECKOUT / ".pio" / "build" / "da14580"


def missing(text: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI skips nothing, but {text}")
    pytest.skip(text)


@pytest.fixture
def built() -> Path:
    if not (BUILD / "firmware.bin").is_file():
        missing(f"there is no firmware in {BUILD}: run `make firmware`")
    return BUILD


@pytest.mark.parametrize(("text_bytes", "status"), [(8_192, 0), (8_193, 1)])
def test_a_program_above_8_kb_fails_the_build(text_bytes: int, status: int, tmp_path: Path) -> None:
    size = tmp_path / "arm-none-eabi-size"
    size.write_text(f"#!/bin/sh\necho '.text {text_bytes} 536870912'\necho '.bss 880 536879104'\n")
    size.chmod(0o755)
    done = subprocess.run(
        [sys.executable, PLATFORMS / "size_table.py", tmp_path, "da14580"],
        env={"PATH": f"{tmp_path}:/bin:/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert f"{text_bytes}     8192" in done.stdout
    assert ("too large: da14580" in done.stderr) == bool(status)


def test_the_image_is_what_is_loaded_from_its_vectors_to_its_end(built: Path) -> None:
    image = (built / "firmware.bin").read_bytes()
    stack, start = struct.unpack_from("<II", image)
    assert stack == 0x2000_9800
    assert 0x2000_0040 < start < 0x2000_0000 + len(image)
    assert start & 1
    assert len(image) <= 8_192


def test_j_link_stops_the_watchdog_loads_the_image_and_starts_at_its_vectors(built: Path) -> None:
    image = (built / "firmware.bin").read_bytes()
    stack, start = struct.unpack_from("<II", image)
    path = built / "firmware.bin"
    assert (built / "upload.jlink").read_text().splitlines() == [
        "r",
        "h",
        "w2 0x50003300 0x0008",
        "w2 0x50000012 0x00a2",
        f'loadbin "{path}", 0x20000000',
        f'verifybin "{path}", 0x20000000',
        f"wreg MSP {stack:#x}",
        "wreg XPSR 0x01000000",
        f"SetPC {start - 1:#x}",
        "g",
        "exit",
    ]


def test_openocd_understands_how_it_loads() -> None:
    openocd = shutil.which("openocd")
    if openocd is None:
        missing("there is no openocd: apt-get install openocd")
        return
    files = ["-f", "interface/jlink.cfg", "-f", str(PLATFORMS / "da14580" / "openocd.cfg")]
    commands = ["-c", "puts [info body fm_load]", "-c", "shutdown"]
    done = subprocess.run([openocd, *files, *commands], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in ("mwh 0x50003300 0x0008", "mwh 0x50000012 0x00a2", "load_image $image 0x20000000 bin"):
        assert line in done.stdout + done.stderr
