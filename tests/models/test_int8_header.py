"""The C header, as compilers read it and as a program that includes it computes."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fedmotion.models.int8_header import Arena, c_header, c_string, estimated_arena
from fedmotion.models.int8_input import InputMap, input_map
from fedmotion.models.int8_network import quantise
from fedmotion.models.mounting import Mounting
from fedmotion.models.networks import NETWORKS, initial_arrays
from fedmotion.models.specification import Specification, cnn
from fedmotion.models.tflite_file import tflite_file
from fedmotion.models.turns import about_axis

ACTIVITIES = ("swipe_left", 'grüß "dich" *\\/', "what??/", "other")
SPECIFICATION = cnn(ACTIVITIES, min_probability=0.7)
PER_COUNT = np.repeat([8 * 9.80665 / 32768, 1000 * np.pi / 180 / 32768], 3)
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror"]

PROGRAM = """
#include "model.h"
#include <stdio.h>

int main(void)
{
    int16_t counts[6];
    int8_t said[FM_MODEL_N_CLASSES] = {20, 60, 60, 10};
    int axis, i, n = 0;
    while (n++, scanf("%hd %hd %hd %hd %hd %hd", counts, counts + 1, counts + 2, counts + 3, counts + 4,
                      counts + 5) == 6) {
        for (axis = 0; axis < 6; axis++) {
            printf("%d ", fm_model_input(axis, counts));
        }
    }
    printf("\\n%s\\n", fm_model_labels[fm_model_decide(said)]);
    said[FM_MODEL_OTHER] = 60;
    printf("%s\\n", fm_model_labels[fm_model_decide(said)]);
    said[0] = 61;
    printf("%s\\n", fm_model_labels[fm_model_decide(said)]);
    said[0] = 51;
    said[1] = said[2] = said[3] = 0;
    printf("%s\\n", fm_model_labels[fm_model_decide(said)]);
    for (i = 0; i < FM_MODEL_N_CLASSES; i++) {
        printf("%s\\n", fm_model_labels[i]);
    }
    fwrite(fm_model, 1, FM_MODEL_BYTES, stdout);
    return (uintptr_t)fm_model % 16 != 0;
}
"""


def made(specification: Specification = SPECIFICATION) -> tuple[str, bytes, InputMap]:
    windows = np.random.default_rng(0).normal(size=(12, 96, 6)).astype(np.float32)
    network = quantise(NETWORKS["cnn"], initial_arrays(NETWORKS["cnn"], seed=1), 4, windows)
    data = tflite_file(network, "home")
    turn = Mounting(about_axis(2, 90.0), True)
    inputs = input_map(network.input, np.full(6, 0.5), np.full(6, 2.0), turn, PER_COUNT)
    header = c_header(
        data,
        name="model.h",
        what="home, round 3, cnn 01234567",
        network=NETWORKS["cnn"],
        specification=specification,
        inputs=inputs,
        per_count=PER_COUNT,
        arena=Arena(4640, is_measured=True),
    )
    return header, data, inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.h").write_text(made()[0], "ascii")
    (tmp_path / "program.c").write_text(PROGRAM)
    (tmp_path / "unit.c").write_text('#include "model.h"\n')
    return tmp_path


def compile_in(folder: Path, compiler: str, *arguments: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    done = subprocess.run([compiler, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        "gcc -std=c99",
        "gcc -x c++ -std=c++11",
        "avr-gcc -std=c99 -mmcu=atmega2560",
        "arm-none-eabi-gcc -std=c99 -mcpu=cortex-m0 -mthumb -ffreestanding",
    ],
)
def test_compilers_take_the_header_without_a_warning(folder: Path, words: str) -> None:
    compiler, *options = words.split()
    compile_in(folder, compiler, *options, *WARNINGS, "-c", "unit.c", "-o", "unit.o")


@pytest.mark.parametrize("words", ["gcc -std=c99", "gcc -x c++ -std=c++11"])
def test_a_model_that_asks_for_no_probability_compiles_without_a_warning(folder: Path, words: str) -> None:
    (folder / "model.h").write_text(made(cnn(ACTIVITIES))[0], "ascii")
    compiler, *options = words.split()
    compile_in(folder, compiler, *options, *WARNINGS, "-c", "unit.c", "-o", "unit.o")


def test_a_program_computes_with_it_what_python_does(folder: Path) -> None:
    compile_in(folder, "gcc", "-std=c99", *WARNINGS, "program.c", "-o", "program")
    counts = np.random.default_rng(1).integers(-32768, 32768, (200, 6)).astype(np.int16)
    counts[0], counts[1] = -32768, 32767
    lines = "\n".join(" ".join(map(str, row)) for row in counts.tolist())
    done = subprocess.run([folder / "program"], input=lines.encode(), capture_output=True, check=True)
    head, *said = done.stdout.split(b"\n", 9)
    _, data, inputs = made()
    assert [int(number) for number in head.split()] == inputs.stored(counts).reshape(-1).tolist()
    labels = [each.decode() for each in said[:8]]
    # A gesture only where it is likelier than other, and where 0.7 x 256 - 128 = 51.2 is reached.
    assert labels[:4] == [ACTIVITIES[1], "other", "swipe_left", "other"]
    assert labels[4:] == list(ACTIVITIES)
    assert said[8] == data


def test_what_people_called_their_gestures_cannot_end_a_string_or_a_comment() -> None:
    assert c_string('grüß "dich" *\\/') == '"gr\\303\\274\\303\\237 \\042dich\\042 *\\134/"'
    assert c_string("what??/") == '"what\\077\\077/"'
    header = made()[0]
    # The one comment's: in the label the stroke comes after a backslash.
    assert (header.count("/*"), header.count("*/")) == (1, 1)


def test_it_says_how_it_is_used_and_for_which_ranges() -> None:
    header = made()[0]
    assert "home, round 3, cnn 01234567: a gesture model in 8 bits" in header
    assert "#define FM_MODEL_ARENA_BYTES 4640\n" in header
    assert "#define FM_MODEL_MIN_PROBABILITY (52)\n" in header
    assert "MicroMutableOpResolver<5> operators;" in header
    assert "+-8 g and +-1000 degrees/s of 16 bits" in header


def test_an_estimated_arena_is_larger_than_a_measured_one() -> None:
    # Measured in the interpreter of 2026 with five classes.
    for name, n_bytes in (("mlp", 2288), ("cnn", 4624)):
        estimated = estimated_arena(NETWORKS[name], 5)
        assert n_bytes < estimated.n_bytes < 3 * n_bytes
        assert not estimated.is_measured
