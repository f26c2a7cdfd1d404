"""A trained network in whole numbers: 8-bit weights and activations, as microcontrollers compute it.

Post-training quantisation after Jacob et al. 2018, "Quantization and training of neural networks for
efficient integer-arithmetic-only inference", with the rules of TensorFlow Lite's 8-bit specification: a real
number is scale x (stored - zero_point), weights are symmetric, biases have 32 bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.networks import Convolution, Dense, Layer, Network, logits

_LOWEST, _HIGHEST = -128, 127
_MAX_BIAS = 2**30
"""Half of what 32 bits hold, so that a product's sum has room."""

_SMALLEST_RANGE = 1e-6
"""Of activations: where all are zero a scale must be something."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How activations are stored: real = `scale` x (stored - `zero_point`), stored from -128 to 127."""

    scale: float
    zero_point: int

    def stored(self, real: NDArray[np.float64]) -> NDArray[np.int8]:
        """Return the stored numbers nearest to `real`, those beyond the ends at the end."""
        steps = np.rint(real / self.scale) + self.zero_point
        return steps.clip(_LOWEST, _HIGHEST).astype(np.int8)

    def real(self, stored: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return the real numbers that `stored` stand for."""
        return self.scale * (stored.astype(np.float64) - self.zero_point)


PROBABILITY = Scale(1 / 256, _LOWEST)
"""What a softmax gives, by the specification: 0 to 255/256."""


@dataclass(frozen=True, slots=True, eq=False)
class Int8Layer:
    """One layer.

    Attributes
    ----------
    layer : what it is
    kernel : int8, (n_channels, width, channels before) of a convolution, (n_units, n_before) of a dense one
    kernel_scales : float32, (n_channels,), or (1,) where one scale holds for the whole kernel
    bias : int32, (n_channels or n_units,), in units of the input's scale times the kernel's
    output : how its output is stored, which pooling leaves as it is
    """

    layer: Layer
    kernel: NDArray[np.int8]
    kernel_scales: NDArray[np.float32]
    bias: NDArray[np.int32]
    output: Scale


@dataclass(frozen=True, slots=True, eq=False)
class Int8Network:
    """A whole network; its last layer gives the logits of the classes in use and no others."""

    window_length: int
    input: Scale
    layers: tuple[Int8Layer, ...]

    @property
    def n_classes(self) -> int:
        """How many classes the last layer tells apart."""
        return len(self.layers[-1].bias)


def quantise(
    network: Network,
    arrays: Mapping[str, NDArray[np.float32]],
    n_classes: int,
    standardised: NDArray[np.float32],
) -> Int8Network:
    """Return `network` in whole numbers.

    Parameters
    ----------
    arrays
        Those that `network.shapes` names, trained.
    n_classes
        Of the last layer's outputs the first so many are kept.
    standardised
        Windows less the axes' mean and over their scale, shape (n_windows, window_length, 6): what the
        activations' least and greatest values are taken from.

    Raises
    ------
    ValueError
        If there is no window, or weights or windows are not finite.
    """
    if not len(standardised):
        raise ValueError("8-bit scales are taken from windows, got none")
    for name in network.shapes():
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"array {name!r} is finite, got NaN or infinity: this model cannot be exported")
    if not np.isfinite(standardised).all():
        raise ValueError("windows are finite, got NaN or infinity")
    before = _scale_of(standardised)
    first = before
    layers = []
    for position, layer in enumerate(network.layers):
        kernel, bias = arrays[f"{layer.name}_kernel"], arrays[f"{layer.name}_bias"]
        outputs = _outputs(network, arrays, position, standardised)
        if position == len(network.layers) - 1:
            kernel, bias, outputs = kernel[:, :n_classes], bias[:n_classes], outputs[:, :n_classes]
        quantised = _layer(layer, kernel.T.astype(np.float64), bias.astype(np.float64), before, outputs)
        layers.append(quantised)
        before = quantised.output
    return Int8Network(network.window_length, first, tuple(layers))


def int8_logits(network: Int8Network, stored: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return what the last layer stores, shape (n_windows, n_classes), computed in NumPy.

    It is what a microcontroller computes but for the last bit, which its rounding of products may change.

    Parameters
    ----------
    stored
        Windows as `network.input` stores them, shape (n_windows, window_length, 6).
    """
    values, before = stored, network.input
    for each in network.layers:
        steps = values.astype(np.int64) - before.zero_point
        if isinstance(each.layer, Convolution):
            steps = _columns(steps, each.layer.width)
        else:
            steps = steps.reshape(len(steps), -1)
        # Sums of products of 8 bits are exact in float64, whose matrix product is the fast one.
        kernel = each.kernel.reshape(len(each.kernel), -1).astype(np.float64)
        sums = steps.astype(np.float64) @ kernel.T + each.bias
        rescaled = np.rint(sums * (before.scale * each.kernel_scales.astype(np.float64) / each.output.scale))
        lowest = each.output.zero_point if _is_rectified(each.layer) else _LOWEST
        values = (rescaled + each.output.zero_point).clip(lowest, _HIGHEST).astype(np.int8)
        if isinstance(each.layer, Convolution):
            values = _pooled(values, each.layer.pool)
        before = each.output
    return values


def int8_probabilities(network: Int8Network, stored: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the probabilities of the classes in use, shape (n_windows, n_classes), in steps of 1/256."""
    real = network.layers[-1].output.real(int8_logits(network, stored))
    likely = np.exp(real - real.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = likely / likely.sum(axis=1, keepdims=True)
    return PROBABILITY.real(PROBABILITY.stored(shares))


def _outputs(
    network: Network, arrays: Mapping[str, NDArray[np.float32]], position: int, values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return what the layer at `position` gives, before it is pooled: so it is stored first."""
    layer = network.layers[position]
    last = replace(layer, pool=1) if isinstance(layer, Convolution) else layer
    return logits(replace(network, layers=(*network.layers[:position], last)), arrays, values)


def _layer(
    layer: Layer,
    kernel: NDArray[np.float64],
    bias: NDArray[np.float64],
    before: Scale,
    outputs: NDArray[np.float32],
) -> Int8Layer:
    # A convolution has a scale for each channel. Interpreters of before 2024 read only the first scale of a
    # dense layer and would compute something else without a word, so it has one.
    largest = (
        np.abs(kernel).max(axis=1) if isinstance(layer, Convolution) else np.abs(kernel).max(keepdims=True)[0]
    )
    least = np.abs(bias) if isinstance(layer, Convolution) else np.abs(bias).max(keepdims=True)
    scales = np.maximum(largest / _HIGHEST, least / (before.scale * _MAX_BIAS))
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    wide = scales.astype(np.float64)
    stored = np.rint(kernel / wide[:, None]).clip(-_HIGHEST, _HIGHEST).astype(np.int8)
    if isinstance(layer, Convolution):
        stored = stored.reshape(len(stored), layer.width, -1)
    steps = np.rint(bias / (before.scale * wide)).astype(np.int32)
    return Int8Layer(layer, stored, scales, steps, _scale_of(outputs))


def _scale_of(values: NDArray[np.float32]) -> Scale:
    """Return the scale over which `values` and 0, which is stored exactly, just fit."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = float(np.float32(max(high - low, _SMALLEST_RANGE) / (_HIGHEST - _LOWEST)))
    return Scale(scale, int(np.clip(np.rint(_LOWEST - low / scale), _LOWEST, _HIGHEST)))


def _is_rectified(layer: Layer) -> bool:
    return not isinstance(layer, Dense) or layer.is_rectified


def _columns(values: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Return the `width` steps around each step, with real zeros beyond the ends."""
    before = (width - 1) // 2
    n_steps = values.shape[1]
    padded = np.pad(values, ((0, 0), (before, width - 1 - before), (0, 0)))
    return np.concatenate([padded[:, first : first + n_steps] for first in range(width)], axis=2)


def _pooled(values: NDArray[np.int8], pool: int) -> NDArray[np.int8]:
    n_windows, n_steps, n_channels = values.shape
    sums = values.reshape(n_windows, n_steps // pool, pool, n_channels).sum(axis=2, dtype=np.int64)
    # Halves away from zero, as the kernels of microcontrollers round them.
    means: NDArray[np.int8] = (np.sign(sums) * ((2 * np.abs(sums) + pool) // (2 * pool))).astype(np.int8)
    return means
