"""Federated averaging: the mean of the clients' parameters, weighted by their windows."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.aggregator.strategies.strategy import Update
from fedmotion.models.specification import Array, Parameters, Specification


@dataclass(frozen=True, slots=True)
class FedAvg:
    """McMahan et al. (2017), "Communication-efficient learning of deep networks from decentralized data",
    algorithm 1: w = sum over clients k of n_k / n * w_k.

    The sum runs in float64 as a running mean, w += (w_k - w) * n_k / (n_1 + ... + n_k), which holds the
    model and one update, gives one client back exactly, and equal updates back exactly.
    """  # noqa: D205 - the source's title does not fit one line

    name: str = "fedavg"

    def aggregate(
        self, specification: Specification, current: Parameters, updates: Iterable[Update]
    ) -> Parameters:
        """Return the weighted mean of the updates; `current` has no part in it."""
        del current
        trained = specification.of_role("trained")
        means = {array.name: np.zeros(array.shape, np.float64) for array in trained}
        n_windows = 0
        for update in updates:
            if update.n_windows < 0:
                raise ValueError(f"client {update.client_id} weighs {update.n_windows}, which is negative")
            n_windows += update.n_windows
            if update.n_windows:
                _move(means, update, update.n_windows / n_windows)
        if n_windows == 0:
            raise ValueError("an average needs a total weight above 0, got 0 windows")
        return {array.name: _cast(means[array.name], array.dtype) for array in trained}


def _move(means: dict[str, NDArray[np.float64]], update: Update, share: float) -> None:
    for name, mean in means.items():
        given = update.arrays[name]
        if given.shape != mean.shape:  # NumPy would broadcast silently
            raise ValueError(
                f"client {update.client_id}: array {name!r} has shape {mean.shape}, got {given.shape}"
            )
        means[name] = mean + (given.astype(np.float64) - mean) * share


def _cast(mean: NDArray[np.float64], dtype: str) -> Array:
    is_integer = np.dtype(dtype).kind == "i"
    return (np.rint(mean) if is_integer else mean).astype(dtype)
