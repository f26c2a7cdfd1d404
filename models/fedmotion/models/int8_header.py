"""A network in whole numbers as a C header: its file, its labels, and what a board does around it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.int8_input import InputMap
from fedmotion.models.networks import Convolution, Network
from fedmotion.models.specification import Specification

_BYTES_A_LINE = 16

_HEAD = """\
/*
 * {what}: a gesture model in 8 bits for TensorFlow Lite for Microcontrollers.
 *
 *   #include "tensorflow/lite/micro/micro_interpreter.h"
 *   #include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
 *   #include "{name}"  // in one file only: it holds the model
 *
 *   static uint8_t arena[FM_MODEL_ARENA_BYTES] __attribute__((aligned(16)));
 *   static tflite::MicroMutableOpResolver<{n_operators}> operators;
 *   {operators}
 *   static tflite::MicroInterpreter network(tflite::GetModel(fm_model), operators, arena, sizeof arena);
 *   network.AllocateTensors();
 *
 *   // The FM_MODEL_WINDOW_LENGTH samples around the middle of a movement, FM_MODEL_RATE_HZ a second, oldest
 *   // first; each the sensor's counts of ax ay az gx gy gz, int16_t, as this board sat when it was exported.
 *   int8_t *input = network.input(0)->data.int8;
 *   for (int i = 0; i < FM_MODEL_WINDOW_LENGTH; i++)
 *       for (int axis = 0; axis < 6; axis++) *input++ = fm_model_input(axis, window[i]);
 *   network.Invoke();
 *   const char *said = fm_model_labels[fm_model_decide(network.output(0)->data.int8)];
 *
 * Accelerometer at {accel:.9g} m/s2 a count, gyroscope at {gyro:.9g} rad/s a count: set the sensor to the
 * ranges that give these, {ranges}.
 * The arena is {arena}; kernels of CMSIS-NN ask for some 1000 bytes more.
 */
"""

_CODE = """\
static inline int8_t fm_model_input(int axis, const int16_t counts[6])
{
    static const int32_t multipliers[6][6] = {
%(multipliers)s
    };
    static const int32_t offsets[6] = {%(offsets)s};
    int32_t sum = offsets[axis];
    int i;
    for (i = 0; i < 6; i++) {
        sum += multipliers[axis][i] * counts[i];
    }
    if (sum < 0) {
        return -128;
    }
    sum >>= %(shift)d;
    return (int8_t)((sum > 255 ? 255 : sum) - 128);
}

static inline int fm_model_decide(const int8_t probabilities[FM_MODEL_N_CLASSES])
{
    int best = FM_MODEL_OTHER;
    int i;
    for (i = 0; i < FM_MODEL_N_CLASSES; i++) {
        if (i != FM_MODEL_OTHER && probabilities[i] > probabilities[best]) {
            best = i;
        }
    }
    return %(decided)s;
}
"""


@dataclass(frozen=True, slots=True)
class Arena:
    """The working memory that an interpreter needs; measured in one, or estimated from above."""

    n_bytes: int
    is_measured: bool


def estimated_arena(network: Network, n_classes: int) -> Arena:
    """Return an arena that is large enough, where nothing measures it.

    What a layer takes and gives lies there together; an interpreter's notes take less than 256 bytes an
    operator, 64 a tensor and 16 a channel in those of 2023 to 2026.
    """
    n_steps, n_before = network.window_length, 6
    largest, n_operators, n_tensors, n_channels = 0, 1, 2, 0
    for layer in network.layers:
        given = n_steps * n_before
        if isinstance(layer, Convolution):
            made = n_steps * layer.n_channels
            n_steps, n_before = n_steps // layer.pool, layer.n_channels
        else:
            made = n_classes if layer is network.layers[-1] else layer.n_units
            n_steps, n_before = 1, made
        largest = max(largest, given + made)
        n_operators, n_tensors, n_channels = n_operators + 2, n_tensors + 4, n_channels + n_before
    return Arena(largest + 256 * n_operators + 64 * n_tensors + 16 * n_channels, is_measured=False)


def c_header(
    data: bytes,
    *,
    name: str,
    what: str,
    network: Network,
    specification: Specification,
    inputs: InputMap,
    per_count: NDArray[np.float64],
    arena: Arena,
) -> str:
    """Return the header.

    Parameters
    ----------
    data
        The `.tflite` file.
    name
        The header's file name.
    what
        The model in words of ASCII.
    per_count
        What one count stands for, (6,), in m/s2 and rad/s.
    """
    is_convolved = any(isinstance(layer, Convolution) for layer in network.layers)
    operators = ["Conv2D", "AveragePool2D", "Reshape"] if is_convolved else []
    operators += ["FullyConnected", "Softmax"]
    guard = "FM_MODEL_H"
    least = math.ceil(specification.min_probability * 256) - 128
    # Where every probability is enough, compilers warn of a comparison that is always false.
    is_enough = "probabilities[best] < FM_MODEL_MIN_PROBABILITY ? FM_MODEL_OTHER : best"
    arena_words = "as measured on a 64-bit machine; a microcontroller needs less"
    defines = {
        "FM_MODEL_BYTES": len(data),
        "FM_MODEL_ARENA_BYTES": arena.n_bytes,
        "FM_MODEL_WINDOW_LENGTH": specification.window_length,
        "FM_MODEL_RATE_HZ": f"{specification.rate_hz:g}",
        "FM_MODEL_N_CLASSES": specification.n_classes,
        "FM_MODEL_OTHER": specification.other_index,
        "FM_MODEL_MIN_PROBABILITY": f"({least})",
    }
    head = _HEAD.format(
        what=what,
        name=name,
        n_operators=len(operators),
        operators=" ".join(f"operators.Add{operator}();" for operator in operators),
        accel=per_count[0],
        gyro=per_count[3],
        ranges=_ranges(per_count),
        arena=arena_words if arena.is_measured else "estimated, not measured",
    )
    rows = [f"        {{{', '.join(str(number) for number in row)}}}," for row in inputs.multipliers.tolist()]
    return "\n".join(
        [
            f"{head}#ifndef {guard}",
            f"#define {guard}",
            "",
            "#include <stdint.h>",
            "",
            *(f"#define {define} {value}" for define, value in defines.items()),
            "",
            "static const char *const fm_model_labels[FM_MODEL_N_CLASSES] = {",
            *(f"    {c_string(activity)}," for activity in specification.activities),
            "};",
            "",
            _CODE
            % {
                "multipliers": "\n".join(rows),
                "decided": is_enough if least > -128 else "best",
                "offsets": ", ".join(str(number) for number in inputs.offsets.tolist()),
                "shift": inputs.shift,
            },
            "#if defined(__GNUC__)",
            "__attribute__((aligned(16)))",
            "#endif",
            "static const uint8_t fm_model[FM_MODEL_BYTES] = {",
            *_lines(data),
            "};",
            "",
            "#endif",
            "",
        ]
    )


def c_string(text: str) -> str:
    """Return a C string of the UTF-8 of `text`, escaped but for letters, digits, spaces and plain signs."""
    # Three octal digits end by themselves; a question mark could begin a trigraph.
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.,:;+*/()=<>!#%&'"
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'


def _ranges(per_count: NDArray[np.float64]) -> str:
    g = per_count[0] * 32768 / 9.80665
    dps = math.degrees(per_count[3] * 32768)
    return f"+-{g:.3g} g and +-{dps:.4g} degrees/s of 16 bits"


def _lines(data: bytes) -> list[str]:
    return [
        "    " + " ".join(f"0x{byte:02x}," for byte in data[first : first + _BYTES_A_LINE])
        for first in range(0, len(data), _BYTES_A_LINE)
    ]
