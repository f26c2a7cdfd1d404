"""Keep what `make firmware` built as the images that the package ships, with a card that says what they are.

python firmware/platforms/keep_images.py .pio/build firmware/fedmotion/boards/images
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ENVIRONMENTS = {"uno.hex": "uno", "nano.hex": "nano", "da14580.bin": "da14580"}
CARD = "images.toml"
LICENCES = "LICENCES.txt"
AVR_LIBC_NOTICE = Path("/usr/share/doc/avr-libc/copyright")
LGPL = Path("/usr/share/common-licenses/LGPL-2.1")
VERSION_HEADER = Path(__file__).parents[1] / "lib" / "fm_node" / "fm_node.h"

_HEAD = """\
# What `fedmotion flash` writes and the emulated boards run: Intel HEX for an ATmega328P at 16 MHz, and what a
# DA14580 has in its SysRAM from 20000000 on.
# Made by `make images` of what `make firmware` builds; tests/firmware/test_images.py compares the bytes.
# The source is in firmware/; what else is linked in, and under which terms, stands in LICENCES.txt.

"""

_LICENCES_HEAD = """\
da14580.bin is fedmotion's firmware, under the Apache License 2.0, linked with nothing else.

uno.hex and nano.hex are fedmotion's firmware, under the Apache License 2.0, linked with

- the Arduino core for AVR, Copyright (c) 2005-2022 David A. Mellis, Nicholas Zambetti, Arduino LLC and
  others, under the GNU Lesser General Public License 2.1 or later, whose text stands below. Its source is
  Debian's package arduino-core-avr of the version in images.toml, https://github.com/arduino/ArduinoCore-avr;
- avr-libc, whose notice stands below;
- libgcc, under the GNU General Public License 3 or later with the GCC Runtime Library Exception 3.1.

To link them with another core: `make firmware` in a checkout of fedmotion, or `pio run -e uno`, builds them
from their whole source; docs/firmware.md says how.
"""


def card(images: dict[str, bytes]) -> str:
    """Return the card's text."""
    version = re.findall(r"FM_FIRMWARE_(?:MAJOR|MINOR|PATCH)\D+(\d+)", VERSION_HEADER.read_text("utf-8"))
    packages = ("gcc-avr", "avr-libc", "binutils-avr", "arduino-core-avr")
    arm_packages = ("gcc-arm-none-eabi", "binutils-arm-none-eabi")
    lines = [
        _HEAD,
        f'firmware_version = "{".".join(version)}"\n\n',
        "[built_with]\n",
        f'compiler = "{_first_line("avr-gcc", "--version")}"\n',
    ]
    for package in (*packages, *arm_packages):
        installed = _first_line("dpkg-query", "--show", "--showformat", "${Version}", package)
        lines.append(f'{package} = "{installed}"\n')
    for name, content in images.items():
        lines += [f'\n["{name}"]\n', f'sha256 = "{hashlib.sha256(content).hexdigest()}"\n']
    return "".join(lines)


def licences() -> str:
    """Return the notices that go with the images: what is linked in asks for them."""
    notice = AVR_LIBC_NOTICE.read_text("utf-8")
    notice = notice[notice.index("Portions of avr-libc are Copyright") :]
    rule = "-" * 78
    return f"{_LICENCES_HEAD}\n{rule}\navr-libc\n\n{notice}\n{rule}\n{LGPL.read_text('utf-8')}"


def _first_line(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def main() -> None:
    """Write the images and their card."""
    build, folder = Path(sys.argv[1]), Path(sys.argv[2])
    images = {
        name: (build / environment / "firmware").with_suffix(Path(name).suffix).read_bytes()
        for name, environment in ENVIRONMENTS.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in images.items():
        (folder / name).write_bytes(content)
    (folder / CARD).write_text(card(images), "utf-8")
    (folder / LICENCES).write_text(licences(), "utf-8")


if __name__ == "__main__":
    main()
