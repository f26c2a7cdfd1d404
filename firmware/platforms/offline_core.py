"""Make a core folder with which PlatformIO asks no registry: Python's own SCons as `tool-scons`.

python firmware/platforms/offline_core.py .pio/core
"""

import json
import sys
from pathlib import Path

from platformio.dependencies import get_core_dependencies

RUN_SCONS = '"""SCons as a Python package runs it."""\n\nfrom SCons.Script.Main import main\n\nmain()\n'


def main() -> None:
    """Write the package that PlatformIO would otherwise fetch."""
    version = get_core_dependencies()["tool-scons"].lstrip("~^=")
    package = Path(sys.argv[1]) / "packages" / "tool-scons"
    package.mkdir(parents=True, exist_ok=True)
    spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None, "uri": None}
    piopm = {"type": "tool", "name": "tool-scons", "version": version, "spec": spec}
    (package / "scons.py").write_text(RUN_SCONS, "utf-8")
    (package / "package.json").write_text(
        json.dumps({"name": "tool-scons", "version": version, "system": "*"}), "utf-8"
    )
    (package / ".piopm").write_text(json.dumps(piopm), "utf-8")


if __name__ == "__main__":
    main()
