"""Summed moments of features, merged across clients, and the scaling and PCA basis that follow from them.

The merged moments equal those of all windows in one place, so the basis is the centralised one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.networks import TURN_RAD
from fedmotion.models.parameters import check_arrays
from fedmotion.models.specification import Array, ArraySpecification, Parameters, Specification

MIN_WINDOWS = 20
"""A client with fewer windows sends no statistics: the sum of one window is the motion itself."""

_RELATIVE_FLOOR = 1e-6
"""Features whose spread is below this share of their size are constant but for rounding to float32."""

_ROUNDING_FLOOR = 1e-12
"""So are those whose spread is below this share of the largest: a spectrum of nothing is 1e-16, not 0."""


@dataclass(frozen=True, slots=True)
class Moments:
    """The first two moments of `n_windows` feature vectors, or of the samples in windows, as float64.

    `mean` has shape (n_features,); `scatter`, of shape (n_features, n_features), is the sum of outer
    products of deviations from that mean. Centred sums lose no digits to large means.
    """

    n_windows: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    def arrays(self) -> Parameters:
        """Return the arrays that travel; `n_windows` travels in the message's header."""
        return {"mean": self.mean, "scatter": self.scatter}


def moments_of(features: NDArray[np.float64]) -> Moments:
    """Return the moments of `features` of shape (n_windows, n_features).

    Raises
    ------
    ValueError
        If there are no windows.
    """
    if not len(features):
        raise ValueError("moments of at least one window are needed, got none")
    mean = features.mean(axis=0)
    deviations = features - mean
    return Moments(len(features), mean, deviations.T @ deviations)


def moments_of_axes(windows: NDArray[np.float32]) -> Moments:
    """Return the moments of the samples in `windows`, shape (n_windows, window_length, n_axes).

    A window counts as one whatever its length: its part of the scatter is the mean of its samples' outer
    products. So the moments of several clients merge, by their `n_windows`, to those of all windows.

    Raises
    ------
    ValueError
        If there are no windows.
    """
    if not len(windows):
        raise ValueError("moments of at least one window are needed, got none")
    samples = windows.reshape(-1, windows.shape[2]).astype(np.float64)
    mean = samples.mean(axis=0)
    deviations = samples - mean
    return Moments(len(windows), mean, deviations.T @ deviations / windows.shape[1])


def moment_arrays(specification: Specification, n_windows: int = 0) -> tuple[ArraySpecification, ...]:
    """Return what a statistics contribution of `n_windows` windows holds.

    The limit of the basis's `mean` is one of the features themselves. Features within +-limit have a
    variance of at most limit^2 (Popoviciu's inequality), so a scatter, whose diagonal bounds it, is within
    n_windows limit^2.
    """
    n_features = specification.n_features
    limit = next((array.limit for array in specification.of_role("basis") if array.name == "mean"), 0.0)
    return (
        ArraySpecification("mean", (n_features,), "float64", "basis", limit),
        ArraySpecification(
            "scatter", (n_features, n_features), "float64", "basis", n_windows * limit * limit
        ),
    )


def moments_from(specification: Specification, n_windows: int, arrays: Mapping[str, Array]) -> Moments:
    """Return the moments that `arrays` hold.

    Raises
    ------
    ValueError
        If the count is below MIN_WINDOWS, an array is not as specified, or the scatter is not symmetric,
        has a negative variance or a covariance beyond its variances, which no windows can give.
    """
    if n_windows < MIN_WINDOWS:
        raise ValueError(f"statistics are of at least {MIN_WINDOWS} windows, got {n_windows}")
    check_arrays(arrays, moment_arrays(specification))
    mean, scatter = (np.asarray(arrays[name], np.float64) for name in ("mean", "scatter"))
    if not _is_scatter(scatter):
        raise ValueError(
            "a scatter is symmetric, with no negative variance and no covariance beyond its variances, "
            "got one that no windows can give"
        )
    return Moments(n_windows, mean, scatter)


def merge(moments: Iterable[Moments]) -> Moments:
    """Return the moments of all windows together, merging in the order given.

    Pairwise update of Chan, Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm for
    computing sample variances", eq. 2.1, for vectors.

    Raises
    ------
    ValueError
        If there are none.
    """
    total: Moments | None = None
    for part in moments:
        total = part if total is None else _merge_two(total, part)
    if total is None:
        raise ValueError("moments of at least one client are needed, got none")
    return total


def basis(specification: Specification, moments: Moments) -> Parameters:
    """Return the arrays `mean` and `scale`, and the `components` that are specified, by `moments`.

    `components`, of shape (n_components, n_features), are the leading eigenvectors of the correlation
    matrix, divided by the root of the largest eigenvalue, so that one learning rate suits any number of
    features. Each one's largest entry is positive, which makes the basis unique.
    Without components the scale is of axes and has room for turns of TURN_RAD.
    Constant features get a scale of 1 and no part in the components; constant means a spread that is
    rounding, as of an axis that stands still.

    Raises
    ------
    ValueError
        If the windows span fewer directions than the specification has components, or are all alike.
    """
    deviation = np.sqrt(moments.scatter.diagonal().clip(min=0) / moments.n_windows)
    floor = np.maximum(_RELATIVE_FLOOR * np.abs(moments.mean), _ROUNDING_FLOOR * deviation.max())
    is_constant = deviation <= floor
    scale = np.where(is_constant, 1.0, deviation)
    if not specification.n_components:
        if is_constant.all():
            raise ValueError(f"{moments.n_windows} windows that are all alike give no scale")
        return {"mean": moments.mean, "scale": _scale_with_turns(moments.mean, scale, is_constant)}
    correlation = moments.scatter / moments.n_windows / np.outer(scale, scale)
    correlation[is_constant, :] = 0
    correlation[:, is_constant] = 0
    eigenvalues, vectors = np.linalg.eigh((correlation + correlation.T) / 2)
    n_components = specification.n_components
    leading = eigenvalues[::-1][:n_components]
    if leading[-1] <= 1e-9 * leading[0]:
        n_spanned = int((eigenvalues > 1e-9 * leading[0]).sum())
        raise ValueError(
            f"{n_components} components need windows that span as many directions, "
            f"these {moments.n_windows} windows span {n_spanned}"
        )
    components = vectors[:, ::-1][:, :n_components].T
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(n_components), largest])
    # In C order, as it is read from a message: in another some processors' sums differ in their last bits.
    components = np.ascontiguousarray(components * (signs / np.sqrt(leading[0]))[:, None])
    return {"mean": moments.mean, "scale": scale, "components": components}


def _scale_with_turns(
    mean: NDArray[np.float64], scale: NDArray[np.float64], is_constant: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the scale of axes that are also turned, by a small angle about each axis.

    An axis then takes up the angle's share of the two beside it: its variance grows by the angle's times
    their mean squares. A board that always lies alike would else see a small turn as tens of deviations.
    """
    squares = np.where(is_constant, 0.0, scale**2) + mean**2
    beside = np.repeat(squares.reshape(-1, 3).sum(axis=1), 3) - squares
    turned: NDArray[np.float64] = np.sqrt(scale**2 + TURN_RAD**2 * beside)
    return turned


def _is_scatter(scatter: NDArray[np.float64]) -> bool:
    with np.errstate(over="ignore"):
        variances = scatter.diagonal()
        if variances.min() < 0:
            return False
        deviations = np.sqrt(variances)
        # Cauchy & Schwarz: |s_ij| is at most the root of s_ii s_jj, but for rounding.
        bounds = np.outer(deviations, deviations)
        tolerance = 1e-9 * bounds + np.finfo(np.float64).tiny
        is_symmetric = np.abs(scatter - scatter.T) <= tolerance
        return bool((is_symmetric & (np.abs(scatter) <= bounds + tolerance)).all())


def _merge_two(a: Moments, b: Moments) -> Moments:
    n_windows = a.n_windows + b.n_windows
    step = b.mean - a.mean
    return Moments(
        n_windows,
        a.mean + step * (b.n_windows / n_windows),
        a.scatter + b.scatter + np.outer(step, step) * (a.n_windows * b.n_windows / n_windows),
    )
