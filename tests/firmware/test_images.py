"""The firmware that the package ships is the one that these sources make, and its card says so."""

import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fedmotion.protocol.intel_hex import read_intel_hex

CHECKOUT = Path(__file__).parents[2]
IMAGES = CHECKOUT / "firmware" / "fedmotion" / "boards" / "images"
BUILD = CHECKOUT / ".pio" / "build"
SCRIPT = CHECKOUT / "firmware" / "platforms" / "keep_images.py"
IMAGE_NAMES = ("da14580.bin", "nano.hex", "uno.hex")
NAMES = tuple(sorted(("LICENCES.txt", "images.toml", *IMAGE_NAMES)))


def missing(text: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI skips nothing, but {text}")
    pytest.skip(text)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make images` would keep of the last `make firmware`."""
    if not all((BUILD / name / "firmware.elf").is_file() for name in ("uno", "nano", "da14580")):
        missing(f"there is no firmware in {BUILD}: run `make firmware`")
    folder = tmp_path_factory.mktemp("images")
    done = subprocess.run(
        [sys.executable, SCRIPT, BUILD, folder], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        missing(f"the build's tools cannot be asked for their versions: {done.stderr.splitlines()[-1]}")
    return folder


def test_the_folder_holds_the_images_and_their_card() -> None:
    assert tuple(sorted(path.name for path in IMAGES.iterdir())) == NAMES


@pytest.mark.parametrize("name", IMAGE_NAMES)
def test_the_card_has_the_sum_of_each_image(name: str) -> None:
    card = tomllib.loads((IMAGES / "images.toml").read_text())
    assert card[name]["sha256"] == hashlib.sha256((IMAGES / name).read_bytes()).hexdigest()


def test_the_images_say_which_board_they_are_for() -> None:
    uno, nano = (
        read_intel_hex((IMAGES / f"{name}.hex").read_bytes(), 0x8000, name) for name in ("uno", "nano")
    )
    assert uno.first_address == nano.first_address == 0
    assert b"uno\0" in uno.data
    assert b"nano\0" in nano.data
    assert b"da14580\0" in (IMAGES / "da14580.bin").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_the_images_are_what_is_built_byte_for_byte(built: Path, name: str) -> None:
    tools = [tomllib.loads((folder / "images.toml").read_text())["built_with"] for folder in (built, IMAGES)]
    if tools[0] != tools[1]:
        missing(f"the images were made with other tools than this machine has ({tools[1]} and {tools[0]})")
    is_equal = (built / name).read_bytes() == (IMAGES / name).read_bytes()
    assert is_equal, f"{IMAGES / name} is not what was built: run `make images` and commit the result"
