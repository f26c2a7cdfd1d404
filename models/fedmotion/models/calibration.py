"""How far probabilities are from how often they are right, and the temperature that brings them there."""

import math

import numpy as np
from numpy.typing import NDArray

MAX_LOG_TEMPERATURE = 1.6
"""Margins are divided by 1/5 to 5. Windows that are all decided rightly would ask for 0, where all
probabilities become 1 and no threshold tells them apart; at 1/5 the margins that a hinge loss asks for, 1 and
-1, say 0.99995."""

_N_HALVINGS = 40
"""Of the range of the logarithm, 3.2, which leaves 3e-12 of it."""


def calibration_error(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], n_bins: int = 15
) -> float:
    """Return the expected calibration error: how far the surest class is from as often right as said.

    Windows are binned by the probability of their most probable class, in `n_bins` bins of equal width; the
    error is the mean over windows of the distance between their bin's mean probability and its share of
    right ones (Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", eq. 3).

    Parameters
    ----------
    probabilities
        Shape (n_windows, n_classes), each from 0 to 1.
    labels
        Shape (n_windows,), the true classes.

    Raises
    ------
    ValueError
        If there are no windows or bins, or the shapes or numbers are others.
    """
    if n_bins < 1:
        raise ValueError(f"n_bins is at least 1, got {n_bins}")
    if probabilities.ndim != 2 or labels.shape != (len(probabilities),) or not len(labels):
        raise ValueError(
            "probabilities have shape (n_windows, n_classes) with a label for each of at least one window, "
            f"got {probabilities.shape} and labels of shape {labels.shape}"
        )
    # Written so that NaN is refused too.
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities are 0 to 1, got others")
    said = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == labels
    # A bin holds its upper edge, as in the paper.
    bins = np.ceil(said * n_bins).astype(np.int64).clip(1) - 1
    gaps = np.bincount(bins, is_right - said, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(labels))


def fitted_log_temperature(margins: NDArray[np.float64], labels: NDArray[np.int64]) -> float | None:
    """Return the logarithm of the temperature T at which softmax(margins / T) makes `labels` most likely.

    One number cannot learn the windows by heart, and the most probable class stays the most probable (Guo et
    al. 2017, section 4.2). It lies within +-MAX_LOG_TEMPERATURE.

    Parameters
    ----------
    margins
        Shape (n_windows, n_classes), of at least one window.

    Returns
    -------
    log_temperature
        None where any temperature is as good, as of a model that knows nothing.
    """
    margins = margins - margins.max(axis=1, keepdims=True)
    if not margins.any():
        return None
    truth = margins[np.arange(len(labels)), labels].mean()
    low, high = -MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE
    for _ in range(_N_HALVINGS):
        middle = (low + high) / 2
        likely = np.exp(margins * math.exp(-middle))
        expected = (likely * margins).sum(axis=1) / likely.sum(axis=1)
        # The likelihood is concave in 1 / T, with this slope.
        if truth > expected.mean():
            high = middle
        else:
            low = middle
    return (low + high) / 2
