"""How much working memory a `.tflite` needs, measured in microcontrollers' interpreter where it is here.

That interpreter ends its whole process where something does not fit, so it has one of its own.
"""

import re
import subprocess
import sys

_PROGRAM = """
import sys
from tflite_micro.python.tflite_micro import runtime

network = runtime.Interpreter.from_bytes(sys.stdin.buffer.read(), arena_size=1 << 22)
network.print_allocations()
"""
_SAID = re.compile(rb"Arena allocation total (\d+) bytes")
_ALIGNMENT_BYTES = 16
"""An arena that is not aligned loses as much."""

_TIMEOUT_S = 60.0


def measured_arena(tflite: bytes) -> int | None:
    """Return the bytes of arena that `tflite` needs here; None where the interpreter is not installed."""
    # Our own interpreter and program; the file is its input.
    done = subprocess.run(  # noqa: S603 - see above
        [sys.executable, "-c", _PROGRAM], input=tflite, capture_output=True, timeout=_TIMEOUT_S, check=False
    )
    said = _SAID.search(done.stderr)
    return None if done.returncode or said is None else int(said[1]) + _ALIGNMENT_BYTES
