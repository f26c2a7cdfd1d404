"""Networks in 8 bits, beside the same in floating point and in the interpreter of microcontrollers."""

from collections.abc import Callable

import numpy as np
import pytest
from network_training import Arrays, train_network
from numpy.typing import NDArray

from fedmotion.models.int8_input import standardised
from fedmotion.models.int8_network import Int8Network, Scale, int8_logits, int8_probabilities, quantise
from fedmotion.models.networks import NETWORKS, Convolution, Dense, Network, initial_arrays, logits
from fedmotion.models.tflite_file import tflite_file

N_CLASSES = 3
TINY = Network((Dense("head", 32, False),), window_length=2)


def performed(n_each: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Standardised windows of three movements that differ in their timing, noisy enough to be mixed up."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(N_CLASSES), n_each)
    time = np.linspace(0, 1, 96)[None, :] + rng.normal(0, 0.05, (len(labels), 1))
    swing = np.sin(2 * np.pi * time * (1 + labels[:, None] / 2)) * rng.uniform(0.5, 1.5, (len(labels), 1))
    windows = rng.normal(0, 1.5, (len(labels), 96, 6)) * [1, 1, 1, 0.2, 0.2, 0.2]
    windows[:, :, 2] += 9.81
    windows[:, :, 3] += swing
    windows[:, :, 0] -= 3 * swing
    mean, scale = windows.mean(axis=(0, 1)), windows.std(axis=(0, 1))
    return standardised(windows.astype(np.float32), mean, scale), labels


def trained(name: str, seed: int) -> Arrays:
    windows, labels = performed(30, seed)
    return train_network(NETWORKS[name], windows, labels, n_epochs=12, seed=seed)


@pytest.fixture(scope="module", params=["mlp", "cnn"])
def example(request: pytest.FixtureRequest) -> tuple[str, Arrays, Int8Network]:
    name = str(request.param)
    arrays = trained(name, seed=1)
    return name, arrays, quantise(NETWORKS[name], arrays, N_CLASSES, performed(10, seed=2)[0])


@pytest.fixture(scope="module")
def on_a_microcontroller() -> Callable[[bytes, NDArray[np.int8]], NDArray[np.int8]]:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")

    def run(file: bytes, windows: NDArray[np.int8]) -> NDArray[np.int8]:
        interpreter = runtime.Interpreter.from_bytes(file, arena_size=32 * 1024)
        shape = interpreter.get_input_details(0)["shape"]
        said = []
        for window in windows:
            interpreter.set_input(window.reshape(shape), 0)
            interpreter.invoke()
            said.append(interpreter.get_output(0)[0])
        return np.array(said)

    return run


def test_a_range_is_cut_into_255_steps_and_zero_is_one_of_them() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 3, (40, 2, 6)).astype(np.float32)
    values[0, 0, :2] = -1, 3
    arrays = {name: np.ones(shape, np.float32) for name, shape in TINY.shapes().items()}
    scale = quantise(TINY, arrays, 2, values).input
    assert scale.scale == pytest.approx(4 / 255)
    assert scale.zero_point == -64
    assert scale.stored(np.array([-1.0, 0.0, 3.0, 99.0, -99.0])).tolist() == [-128, -64, 127, 127, -128]
    assert scale.real(np.array([-64], np.int8)).tolist() == [0.0]


def test_a_dense_layer_by_hand() -> None:
    kernel = np.zeros((12, 32), np.float32)
    kernel[0, 0], kernel[1, 1], kernel[11, 1] = 1.0, -0.5, 0.25
    bias = np.zeros(32, np.float32)
    bias[0] = 0.5
    windows = np.zeros((2, 2, 6), np.float32)
    windows[0, 0, :2] = 2.55, -2.55
    network = quantise(TINY, {"head_kernel": kernel, "head_bias": bias}, 2, windows)
    # 5.1 / 255 a step; the largest weight is 127 steps, and a step of the bias is the product of both.
    assert network.input.scale == pytest.approx(0.02)
    (layer,) = network.layers
    assert layer.kernel.tolist() == [[127] + [0] * 11, [0, -64] + [0] * 9 + [32]]
    assert layer.kernel_scales == pytest.approx([1 / 127])
    assert layer.bias.tolist() == [round(0.5 / 0.02 * 127), 0]
    stored = network.input.stored(windows.astype(np.float64))
    real = layer.output.real(int8_logits(network, stored))
    assert real == pytest.approx(np.array([[3.05, 1.285], [0.5, 0.0]]), abs=0.02)


def test_eight_bits_decide_as_floating_point_does(example: tuple[str, Arrays, Int8Network]) -> None:
    name, arrays, network = example
    windows, labels = performed(100, seed=3)
    before = logits(NETWORKS[name], arrays, windows)[:, :N_CLASSES].argmax(axis=1)
    after = int8_probabilities(network, network.input.stored(windows.astype(np.float64))).argmax(axis=1)
    assert 0.7 < (before == labels).mean() < 1, "too easy or too hard to say anything"
    assert (before == after).mean() >= 0.97


def test_a_microcontroller_computes_the_same_but_for_the_last_bits(
    example: tuple[str, Arrays, Int8Network],
    on_a_microcontroller: Callable[[bytes, NDArray[np.int8]], NDArray[np.int8]],
) -> None:
    _, _, network = example
    stored = network.input.stored(performed(30, seed=4)[0].astype(np.float64))
    said = on_a_microcontroller(tflite_file(network, "test"), stored)
    expected = int8_probabilities(network, stored) * 256 - 128
    assert said.shape == (90, N_CLASSES)
    assert np.abs(said - expected).max() <= 4
    assert (said.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.97


def test_a_convolution_sees_zeros_beyond_a_windows_ends(
    on_a_microcontroller: Callable[[bytes, NDArray[np.int8]], NDArray[np.int8]],
) -> None:
    """All that is in the window is at its ends, and no axis has its zero in the middle of its range."""
    network = NETWORKS["cnn"]
    rng = np.random.default_rng(5)
    arrays = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in network.shapes().items()}
    windows = np.zeros((40, 96, 6), np.float32)
    windows[:, (0, 1, 94, 95)] = rng.uniform(-1, 6, (40, 4, 6))
    quantised = quantise(network, arrays, N_CLASSES, windows)
    assert quantised.input.zero_point < -80
    stored = quantised.input.stored(windows.astype(np.float64))
    exact = logits(network, arrays, windows)[:, :N_CLASSES]
    span = exact.max() - exact.min()
    real = quantised.layers[-1].output.real(int8_logits(quantised, stored))
    assert np.abs(real - exact).max() < 0.05 * span
    said = on_a_microcontroller(tflite_file(quantised, "test"), stored)
    assert np.abs(said - (int8_probabilities(quantised, stored) * 256 - 128)).max() <= 4


def test_only_the_classes_in_use_are_there(example: tuple[str, Arrays, Int8Network]) -> None:
    _, _, network = example
    assert network.n_classes == 3
    assert network.layers[-1].kernel.shape[0] == 3


def test_a_convolution_has_a_scale_for_each_channel_and_a_dense_layer_one(
    example: tuple[str, Arrays, Int8Network],
) -> None:
    for layer in example[2].layers:
        n_scales = layer.layer.n_channels if isinstance(layer.layer, Convolution) else 1
        assert layer.kernel_scales.shape == (n_scales,)
        assert np.abs(layer.kernel.astype(int)).max() == 127


def test_a_channel_without_weights_keeps_its_bias() -> None:
    network = NETWORKS["cnn"]
    arrays = initial_arrays(network, seed=1)
    arrays["conv1_kernel"][:, 3] = 0
    arrays["conv1_bias"][3] = 0.75
    quantised = quantise(network, arrays, N_CLASSES, performed(3, seed=1)[0])
    first = quantised.layers[0]
    step = quantised.input.scale * first.kernel_scales[3]
    assert first.bias[3] * step == pytest.approx(0.75, rel=1e-6)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_by_name(poison: float) -> None:
    arrays = initial_arrays(NETWORKS["cnn"], seed=1)
    arrays["conv2_bias"][0] = poison
    with pytest.raises(ValueError, match="array 'conv2_bias' is finite, got NaN or infinity"):
        quantise(NETWORKS["cnn"], arrays, N_CLASSES, performed(3, seed=1)[0])


def test_scales_of_no_windows_and_of_windows_that_are_no_numbers_are_refused() -> None:
    arrays = initial_arrays(NETWORKS["mlp"], seed=1)
    windows, _ = performed(3, seed=1)
    with pytest.raises(ValueError, match="8-bit scales are taken from windows, got none"):
        quantise(NETWORKS["mlp"], arrays, N_CLASSES, windows[:0])
    windows[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="windows are finite, got NaN or infinity"):
        quantise(NETWORKS["mlp"], arrays, N_CLASSES, windows)


def test_windows_that_never_move_still_give_scales() -> None:
    arrays = initial_arrays(NETWORKS["cnn"], seed=1)
    network = quantise(NETWORKS["cnn"], arrays, N_CLASSES, np.zeros((4, 96, 6), np.float32))
    assert all(layer.output.scale > 0 for layer in network.layers)
    stored = network.input.stored(np.zeros((1, 96, 6)))
    assert int8_probabilities(network, stored) == pytest.approx(np.full((1, 3), 1 / 3), abs=1 / 256)


def test_a_scale_stores_what_it_reads() -> None:
    scale = Scale(0.5, 3)
    every = np.arange(-128, 128, dtype=np.int8)
    assert (scale.stored(scale.real(every)) == every).all()
