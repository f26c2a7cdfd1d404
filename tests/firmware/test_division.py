"""The DA14580's own division, compiled for this machine, against Python's."""

import ctypes
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

DIVIDE = Path(__file__).parents[2] / "firmware" / "ports" / "da14580" / "fm_divide.c"
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fPIC", "-shared")
NEAR_POWERS = [2**exponent + off for exponent in (0, 4, 16, 31) for off in (-1, 0, 1)]
EDGES = (*NEAR_POWERS, 12, 1000, 2**32 - 2, 2**32 - 1)


@pytest.fixture(scope="module")
def divide(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], int]:
    library = tmp_path_factory.mktemp("division") / "libdivide.so"
    compiler = shutil.which("cc")
    assert compiler is not None, "the firmware's tests need a C compiler: apt-get install gcc libc6-dev"
    subprocess.run([compiler, *FLAGS, "-o", library, DIVIDE], check=True)
    function = ctypes.CDLL(str(library)).__aeabi_uidiv
    function.argtypes = [ctypes.c_uint32, ctypes.c_uint32]
    function.restype = ctypes.c_uint32
    return lambda dividend, divisor: int(function(dividend, divisor))


def test_it_divides_as_python_does(divide: Callable[[int, int], int]) -> None:
    generator = random.Random(1)
    numbers = [*EDGES, *(generator.getrandbits(generator.randint(1, 32)) for _ in range(200))]
    for dividend in numbers:
        for divisor in numbers:
            if divisor != 0:
                assert divide(dividend, divisor) == dividend // divisor
