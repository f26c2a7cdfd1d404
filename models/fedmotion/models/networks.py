"""The networks of the families `mlp` and `cnn`, as lists of layers, and what they compute, in NumPy.

The training graphs, the int8 export and the specification's arrays follow from these lists: a layer is
described once.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_OUTPUTS = 32
"""Classes that a network has room for; a specification names those in use, from the first on."""

NETWORK_WINDOW_LENGTH = 96
"""Samples in a window of a network: its graph is made for one length."""

TURN_RAD = math.radians(15)
"""How much a board is worn turned about each axis, as a standard deviation: what training shows a network,
and what its axes' scales have room for. Chosen with people 1 to 5 of UTD-MHAD."""

_N_AXES = 6

_N_AT_ONCE = 64
"""Windows that go through a network together: a convolution lays 32 kB of each side by side."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution along time with zeros beyond the ends, a ReLU, and means of `pool` steps."""

    name: str
    width: int
    n_channels: int
    pool: int


@dataclass(frozen=True, slots=True)
class Dense:
    """A matrix and a bias over all that came before, flattened row by row, with a ReLU or without."""

    name: str
    n_units: int
    is_rectified: bool


Layer = Convolution | Dense


@dataclass(frozen=True, slots=True)
class Network:
    """Layers over a standardised window of shape (window_length, 6); the last one gives N_OUTPUTS logits.

    Layer NAME has the arrays NAME_kernel, of shape (width x channels before, n_channels) or (units before,
    n_units), and NAME_bias. A convolution's kernel has its rows in the order of time, then channel.
    """

    layers: tuple[Layer, ...]
    window_length: int = NETWORK_WINDOW_LENGTH

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, in the order of the layers."""
        shapes: dict[str, tuple[int, ...]] = {}
        n_steps, n_channels = self.window_length, _N_AXES
        for layer in self.layers:
            if isinstance(layer, Convolution):
                shapes[f"{layer.name}_kernel"] = (layer.width * n_channels, layer.n_channels)
                shapes[f"{layer.name}_bias"] = (layer.n_channels,)
                n_steps, n_channels = n_steps // layer.pool, layer.n_channels
            else:
                shapes[f"{layer.name}_kernel"] = (n_steps * n_channels, layer.n_units)
                shapes[f"{layer.name}_bias"] = (layer.n_units,)
                n_steps, n_channels = 1, layer.n_units
        return shapes


NETWORKS: Mapping[str, Network] = {
    "mlp": Network(
        (Dense("hidden1", 64, True), Dense("hidden2", 32, True), Dense("head", N_OUTPUTS, False)),
    ),
    "cnn": Network(
        (
            Convolution("conv1", 7, 16, 4),
            Convolution("conv2", 5, 32, 6),
            Dense("head", N_OUTPUTS, False),
        ),
    ),
}


def initial_arrays(network: Network, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return the arrays that training starts from: the same bits on every machine.

    Kernels are uniform within +-sqrt(6 / rows) (He et al. 2015, "Delving deep into rectifiers", eq. 10, for a
    uniform distribution); biases and the last layer are zeros, so that an untrained network prefers nothing.
    """
    # Uniform numbers are exact multiples of 2**-53 everywhere; normal ones pass through a libm.
    from numpy.random import PCG64, Generator  # noqa: PLC0415 - 6 MB that who only recognises does without

    random = Generator(PCG64(seed))
    arrays = {}
    for name, shape in network.shapes().items():
        is_drawn = name.endswith("_kernel") and not name.startswith(network.layers[-1].name)
        limit = math.sqrt(6 / shape[0]) if is_drawn else 0.0
        # No zero is a negative one: an average would give it back as another number.
        arrays[name] = ((2 * random.random(shape) - 1) * limit + 0.0).astype(np.float32)
    return arrays


def logits(network: Network, arrays: Mapping[str, NDArray[Any]], standardised: NDArray[Any]) -> NDArray[Any]:
    """Return what the last layer gives, shape (n_windows, N_OUTPUTS), computed in NumPy.

    It is what the graphs are tested against, and for who has no runtime. In float64 where given that.

    Parameters
    ----------
    standardised
        Windows less the axes' mean and over their scale, shape (n_windows, window_length, 6).
    """
    return _passed(network.layers, arrays, standardised)


def last_hidden(
    network: Network, arrays: Mapping[str, NDArray[Any]], standardised: NDArray[Any]
) -> NDArray[Any]:
    """Return what the last layer is given, shape (n_windows, units before it)."""
    return _flat(_passed(network.layers[:-1], arrays, standardised))


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(len(values), math.prod(values.shape[1:]))  # -1 would be no number of none


def _passed(
    layers: tuple[Layer, ...], arrays: Mapping[str, NDArray[Any]], standardised: NDArray[Any]
) -> NDArray[Any]:
    firsts = range(0, max(len(standardised), 1), _N_AT_ONCE)
    parts = [_passed_at_once(layers, arrays, standardised[first : first + _N_AT_ONCE]) for first in firsts]
    return np.concatenate(parts)


def _passed_at_once(
    layers: tuple[Layer, ...], arrays: Mapping[str, NDArray[Any]], values: NDArray[Any]
) -> NDArray[Any]:
    for layer in layers:
        kernel, bias = arrays[f"{layer.name}_kernel"], arrays[f"{layer.name}_bias"]
        if isinstance(layer, Convolution):
            values = np.maximum(_columns(values, layer.width) @ kernel + bias, 0)
            n_windows, n_steps, n_channels = values.shape
            pooled = values.reshape(n_windows, n_steps // layer.pool, layer.pool, n_channels)
            values = pooled.mean(axis=2)
        else:
            values = _flat(values) @ kernel + bias
            if layer.is_rectified:
                values = np.maximum(values, 0)
    return values


def _columns(values: NDArray[Any], width: int) -> NDArray[Any]:
    """Return the `width` steps around each step, side by side: (n_windows, n_steps, width x channels)."""
    before = (width - 1) // 2
    n_steps = values.shape[1]
    padded = np.pad(values, ((0, 0), (before, width - 1 - before), (0, 0)))
    return np.concatenate([padded[:, first : first + n_steps] for first in range(width)], axis=2)
