"""Garbage, right frames of wrong content and a failing sensor, watched by two sanitizers.

For longer: FEDMOTION_FUZZ_SECONDS=600 make test ARGS=tests/firmware/test_fuzz.py
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

SECONDS = int(os.environ.get("FEDMOTION_FUZZ_SECONDS", "5"))


@pytest.mark.timeout(SECONDS + 60)
def test_no_bytes_and_no_fault_break_the_node(fuzzer: Path) -> None:
    done = subprocess.run([fuzzer, "1", str(SECONDS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    (n_runs,) = re.findall(r"^(\d+) runs", done.stdout)
    assert int(n_runs) >= 1
    # Otherwise the sensor's FIFO and its clock were never fuzzed.
    ((n_looks, n_overflows),) = re.findall(r"(\d+) looks at a board at 1 kHz, (\d+) FIFO", done.stdout)
    assert int(n_looks) > 0
    assert int(n_overflows) > 0
