"""A model's arrays: the initial ones, and whether given ones are what a specification says."""

from collections.abc import Iterable, Mapping

import numpy as np

from fedmotion.models.networks import NETWORKS, initial_arrays
from fedmotion.models.specification import Array, ArraySpecification, Parameters, Specification


def initial_parameters(specification: Specification) -> Parameters:
    """Return round 0's arrays: zeros, which is where a linear model starts, or a network's own.

    A basis of zeros predicts nothing; the statistics round that begins a lineage replaces it.
    """
    zeros = {array.name: np.zeros(array.shape, array.dtype) for array in specification.arrays}
    if specification.family not in NETWORKS:
        return zeros
    return {**zeros, **initial_arrays(NETWORKS[specification.family], specification.seed)}


def check_arrays(arrays: Mapping[str, Array], expected: Iterable[ArraySpecification]) -> None:
    """Check that `arrays` are exactly the `expected` ones and finite.

    Raises
    ------
    ValueError
        Naming the array that is missing, foreign, of another shape or dtype, or not finite. Shapes are
        never broadcast.
    """
    specified = {array.name: array for array in expected}
    if foreign := sorted(set(arrays) - set(specified)):
        raise ValueError(f"the arrays are {', '.join(specified)}, got also {', '.join(foreign)[:80]!r}")
    for name, array in specified.items():
        if name not in arrays:
            raise ValueError(f"array {name!r} is missing")
        given = arrays[name]
        if given.shape != array.shape:
            raise ValueError(f"array {name!r} has shape {array.shape}, got {given.shape}")
        if given.dtype != np.dtype(array.dtype):  # another byte order is another dtype
            raise ValueError(f"array {name!r} is of {array.dtype}, got {given.dtype}")
        if not np.isfinite(given).all():
            raise ValueError(f"array {name!r} is finite, got {_first_not_finite(given)}")


def select(arrays: Mapping[str, Array], role: str, specification: Specification) -> Parameters:
    """Return the arrays of `role` only."""
    return {array.name: arrays[array.name] for array in specification.of_role(role)}


def _first_not_finite(array: Array) -> str:
    index = np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape)
    return f"{array[index]} at {tuple(int(i) for i in index)}"
