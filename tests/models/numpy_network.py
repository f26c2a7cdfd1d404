"""A network's training in NumPy, written from the layers' list alone: what the graphs are compared with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.networks import Convolution, Network

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """Windows (n, window_length, 6), labels (n,), weights (n,) and which outputs have a part (N_OUTPUTS,)."""

    windows: Floats
    labels: NDArray[np.int64]
    weights: Floats
    has_part: NDArray[np.bool_]


class NumpyNetwork:
    """Stochastic gradient descent with momentum, a pull and an offset, in the dtype of the arrays given."""

    def __init__(self, network: Network, arrays: dict[str, Floats]) -> None:
        self.network = network
        self.arrays = {name: array.copy() for name, array in arrays.items()}
        self.anchor = arrays
        self.velocity = {name: np.zeros_like(array) for name, array in arrays.items()}

    def step(
        self,
        batch: Batch,
        *,
        learning_rate: float,
        momentum: float = 0.0,
        clip_norm: float = 1e6,
        proximal_mu: float = 0.0,
        body_rate: float = 1.0,
        offset: dict[str, Floats] | None = None,
    ) -> float:
        """Take a step and return the loss before it."""
        loss, gradients = self.gradients(batch)
        norm = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients.values()))
        shortened = min(1.0, clip_norm / norm)
        pull = min(learning_rate * proximal_mu, 1.0)
        head = self.network.layers[-1].name
        for name, gradient in gradients.items():
            shifted = gradient * shortened if offset is None else gradient * shortened + offset[name]
            self.velocity[name] = momentum * self.velocity[name] + shifted
            rate = learning_rate * (1.0 if name.startswith(head) else body_rate)
            moved = self.arrays[name] - rate * self.velocity[name]
            self.arrays[name] = moved - pull * (moved - self.anchor[name])
        return loss

    def gradients(self, batch: Batch) -> tuple[float, dict[str, Floats]]:
        """Return the weighted mean cross entropy and its gradient by array."""
        seen: list[tuple[Floats, Floats]] = []
        values = batch.windows
        for layer in self.network.layers:
            kernel, bias = self.arrays[f"{layer.name}_kernel"], self.arrays[f"{layer.name}_bias"]
            if isinstance(layer, Convolution):
                before = (layer.width - 1) // 2
                padded = np.pad(values, ((0, 0), (before, layer.width - 1 - before), (0, 0)))
                around = np.lib.stride_tricks.sliding_window_view(padded, layer.width, axis=1)
                given = np.ascontiguousarray(around.transpose(0, 1, 3, 2))
                given = given.reshape(len(values), values.shape[1], -1)
                output = np.maximum(given @ kernel + bias, 0)
                seen.append((given, output))
                n_steps = values.shape[1] // layer.pool
                values = output.reshape(len(values), n_steps, layer.pool, -1).mean(axis=2)
            else:
                given = values.reshape(len(values), -1)
                values = given @ kernel + bias
                if layer.is_rectified:
                    values = np.maximum(values, 0)
                seen.append((given, values))
        shares = np.zeros_like(values)
        taken = values[:, batch.has_part]
        taken = np.exp(taken - taken.max(axis=1, keepdims=True))
        shares[:, batch.has_part] = taken / taken.sum(axis=1, keepdims=True)
        rows = np.arange(len(batch.labels))
        loss = -float((np.log(shares[rows, batch.labels]) * batch.weights).mean())
        shares[rows, batch.labels] -= 1
        return loss, self._back(seen, shares * (batch.weights / len(rows))[:, None])

    def _back(self, seen: list[tuple[Floats, Floats]], slope: Floats) -> dict[str, Floats]:
        gradients = {}
        for layer, (given, output) in reversed(list(zip(self.network.layers, seen, strict=True))):
            if isinstance(layer, Convolution):
                slope = np.repeat(slope.reshape(len(slope), -1, layer.n_channels), layer.pool, axis=1)
                slope = slope * (output > 0) / layer.pool
            elif layer.is_rectified:
                slope = slope.reshape(output.shape) * (output > 0)
            flat, slopes = given.reshape(-1, given.shape[-1]), slope.reshape(-1, slope.shape[-1])
            gradients[f"{layer.name}_kernel"] = flat.T @ slopes
            gradients[f"{layer.name}_bias"] = slopes.sum(axis=0)
            slope = slope @ self.arrays[f"{layer.name}_kernel"].T
            if isinstance(layer, Convolution):
                slope = _gathered(slope, layer.width)
        return gradients


def _gathered(slope: Floats, width: int) -> Floats:
    n, n_steps, _ = slope.shape
    parts = slope.reshape(n, n_steps, width, -1)
    before = (width - 1) // 2
    padded = np.zeros((n, n_steps + width - 1, parts.shape[3]), slope.dtype)
    for first in range(width):
        padded[:, first : first + n_steps] += parts[:, :, first]
    return padded[:, before : before + n_steps]
