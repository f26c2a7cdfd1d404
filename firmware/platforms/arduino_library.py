"""Make the Arduino library of the node, a zip file for the Arduino IDE and PlatformIO, of the core's files.

    python firmware/platforms/arduino_library.py fedmotion-node.zip

Nothing of the core is kept twice in this repository: the library's folder has its wiring, sketch and words.
"""

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

FIRMWARE = Path(__file__).parents[1]
NAME = "fedmotion-node"
_SOURCES = ("lib/*/*.[ch]", "ports/arduino_api/*.[ch]*", "arduino_library/*.[ch]*")
_VERSION_HEADER = FIRMWARE / "lib" / "fm_node" / "fm_node.h"
_SENTENCE = "An MPU6050 as a node of fedmotion: gestures that boards learn together."
_PARAGRAPH = "Samples over the serial port, in frames with CRC, sequence numbers and the sensor's own scale."
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""A zip file's first date: the same sources are the same bytes."""


def version() -> str:
    """Return the firmware's version."""
    numbers = re.findall(r"FM_FIRMWARE_(?:MAJOR|MINOR|PATCH)\D+(\d+)", _VERSION_HEADER.read_text("utf-8"))
    return ".".join(numbers)


def properties() -> str:
    """Return library.properties, as the Arduino library specification 1.5 has it."""
    fields = {
        "name": "fedmotion node",
        "version": version(),
        "author": "The fedmotion contributors",
        "maintainer": "The fedmotion contributors",
        "sentence": _SENTENCE,
        "paragraph": _PARAGRAPH,
        "category": "Sensors",
        "architectures": "*",
        "includes": "fedmotion_node.h",
    }
    return "".join(f"{key}={value}\n" for key, value in fields.items())


def manifest() -> str:
    """Return PlatformIO's library.json."""
    fields = {
        "name": NAME,
        "version": version(),
        "description": _SENTENCE,
        "license": "Apache-2.0",
        "frameworks": "arduino",
        "platforms": "*",
        "headers": "fedmotion_node.h",
    }
    return json.dumps(fields, indent=2) + "\n"


def contents() -> Iterator[tuple[str, bytes]]:
    """Yield each file's path in the library and its bytes, in order of their paths."""
    files = {
        "library.properties": properties().encode(),
        "library.json": manifest().encode(),
        "LICENSE": (FIRMWARE.parent / "LICENSE").read_bytes(),
        "README.md": (FIRMWARE / "arduino_library" / "README.md").read_bytes(),
        "examples/node/node.ino": (FIRMWARE / "arduino_library/examples/node/node.ino").read_bytes(),
    }
    for pattern in _SOURCES:
        for path in FIRMWARE.glob(pattern):
            target = f"src/{path.name}"
            if target in files:
                sys.exit(f"two sources are called {path.name}: a library has one folder of them")
            files[target] = path.read_bytes()
    yield from sorted(files.items())


def main() -> None:
    """Write the zip file."""
    target = Path(sys.argv[1])
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in contents():
            entry = zipfile.ZipInfo(f"{NAME}/{path}", _EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    print(f"{target}: {NAME} {version()}, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
