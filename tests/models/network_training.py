"""Networks trained in NumPy, for tests and benchmarks that want weights of real training and no runtime."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.networks import Convolution, Network, initial_arrays

Arrays = dict[str, NDArray[np.float32]]


def train_network(
    network: Network,
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    n_epochs: int,
    seed: int,
    learning_rate: float = 0.05,
    batch_size: int = 16,
) -> Arrays:
    """Return arrays after plain stochastic gradient descent on the cross-entropy of standardised windows."""
    arrays = initial_arrays(network, seed)
    rng = np.random.default_rng(seed)
    for _ in range(n_epochs):
        order = rng.permutation(len(labels))
        for first in range(0, len(order), batch_size):
            batch = order[first : first + batch_size]
            for name, gradient in _gradients(network, arrays, windows[batch], labels[batch]).items():
                arrays[name] -= np.float32(learning_rate) * gradient
    return arrays


def _gradients(
    network: Network,
    arrays: Mapping[str, NDArray[np.float32]],
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> Arrays:
    values, seen = windows, []
    for layer in network.layers:
        kernel, bias = arrays[f"{layer.name}_kernel"], arrays[f"{layer.name}_bias"]
        inputs = _columns(values, layer.width) if isinstance(layer, Convolution) else _flat(values)
        outputs = inputs @ kernel + bias
        is_rectified = isinstance(layer, Convolution) or layer.is_rectified
        seen.append((values.shape, inputs, outputs))
        values = np.maximum(outputs, 0) if is_rectified else outputs
        if isinstance(layer, Convolution):
            n, n_steps, n_channels = values.shape
            values = values.reshape(n, n_steps // layer.pool, layer.pool, n_channels).mean(axis=2)
    likely = np.exp(values - values.max(axis=1, keepdims=True))
    slope = likely / likely.sum(axis=1, keepdims=True)
    slope[np.arange(len(labels)), labels] -= 1
    slope /= len(labels)
    gradients: Arrays = {}
    for layer, (shape, inputs, outputs) in zip(reversed(network.layers), reversed(seen), strict=True):
        if isinstance(layer, Convolution):
            n, n_steps, n_channels = outputs.shape
            slope = np.repeat(slope.reshape(n, n_steps // layer.pool, n_channels), layer.pool, axis=1)
            slope = slope / layer.pool * (outputs > 0)
        elif layer.is_rectified:
            slope = slope * (outputs > 0)
        rows = slope.reshape(-1, slope.shape[-1])
        gradients[f"{layer.name}_kernel"] = inputs.reshape(len(rows), -1).T @ rows
        gradients[f"{layer.name}_bias"] = rows.sum(axis=0)
        slope = slope @ arrays[f"{layer.name}_kernel"].T
        slope = (
            _uncolumns(slope, layer.width, shape) if isinstance(layer, Convolution) else slope.reshape(shape)
        )
    return gradients


def _flat(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values.reshape(len(values), -1)


def _columns(values: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    before, n_steps = (width - 1) // 2, values.shape[1]
    padded = np.pad(values, ((0, 0), (before, width - 1 - before), (0, 0)))
    return np.concatenate([padded[:, first : first + n_steps] for first in range(width)], axis=2)


def _uncolumns(slopes: NDArray[np.float32], width: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    before, (n, n_steps, n_channels) = (width - 1) // 2, shape
    padded = np.zeros((n, n_steps + width - 1, n_channels), np.float32)
    parts = slopes.reshape(n, n_steps, width, n_channels)
    for first in range(width):
        padded[:, first : first + n_steps] += parts[:, :, first]
    return padded[:, before : before + n_steps]
