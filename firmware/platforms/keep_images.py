"""Keep what `make firmware` built as the images that the package ships, with a card that says what they are.

python firmware/platforms/keep_images.py .pio/build firmware/fedmotion/boards/images
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ENVIRONMENTS = ("uno", "nano")
CARD = "images.toml"
VERSION_HEADER = Path(__file__).parents[1] / "lib" / "fm_node" / "fm_node.h"

_HEAD = """\
# What `fedmotion flash` writes and the emulated Uno runs: Intel HEX, for an ATmega328P at 16 MHz.
# Made by `make images` of what `make firmware` builds; tests/firmware/test_images.py compares the bytes.
# The source is in firmware/; what else is linked in, and its licences, stands in docs/licences.md.

"""


def card(images: dict[str, bytes]) -> str:
    """Return the card's text."""
    version = re.findall(r"FM_FIRMWARE_(?:MAJOR|MINOR|PATCH)\D+(\d+)", VERSION_HEADER.read_text("utf-8"))
    packages = ("gcc-avr", "avr-libc", "binutils-avr", "arduino-core-avr")
    lines = [
        _HEAD,
        f'firmware_version = "{".".join(version)}"\n\n',
        "[built_with]\n",
        f'compiler = "{_first_line("avr-gcc", "--version")}"\n',
    ]
    for package in packages:
        installed = _first_line("dpkg-query", "--show", "--showformat", "${Version}", package)
        lines.append(f'{package} = "{installed}"\n')
    for name, content in images.items():
        lines += [f'\n["{name}"]\n', f'sha256 = "{hashlib.sha256(content).hexdigest()}"\n']
    return "".join(lines)


def _first_line(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def main() -> None:
    """Write the images and their card."""
    build, folder = Path(sys.argv[1]), Path(sys.argv[2])
    images = {f"{each}.hex": (build / each / "firmware.hex").read_bytes() for each in ENVIRONMENTS}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in images.items():
        (folder / name).write_bytes(content)
    (folder / CARD).write_text(card(images), "utf-8")


if __name__ == "__main__":
    main()
