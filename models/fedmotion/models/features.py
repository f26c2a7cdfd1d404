"""Numbers computed from windows: statistics, means of pieces that keep the order of time, and a spectrum."""

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.specification import N_AXES, N_FFT_BINS, N_PIECES


def features(windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the features of each window.

    Per axis: mean, standard deviation, minimum and maximum; the mean of each of N_PIECES pieces of equal
    length in order (what tells a movement from its mirror image in time); and the magnitudes of the
    first N_FFT_BINS bins of the spectrum without its mean, divided by the window's length.

    Parameters
    ----------
    windows
        Shape (n_windows, window_length, 6), m/s2 and rad/s, window_length at least 16.

    Returns
    -------
    features
        Shape (n_windows, n_features), n_features = 6 (4 + N_PIECES + N_FFT_BINS) = 108.
    """
    n_windows, window_length, _ = windows.shape
    x = windows.astype(np.float64)
    mean = x.mean(axis=1)
    edges = np.arange(N_PIECES) * window_length // N_PIECES
    lengths = np.diff(edges, append=window_length)
    pieces = np.add.reduceat(x, edges, axis=1) / lengths[:, None]
    spectrum = np.abs((x - mean[:, None]).transpose(0, 2, 1) @ _bins(window_length)) / window_length
    parts = (
        mean,
        x.std(axis=1),
        x.min(axis=1),
        x.max(axis=1),
        pieces.reshape(n_windows, N_PIECES * N_AXES),
        spectrum.reshape(n_windows, N_AXES * N_FFT_BINS),
    )
    return np.concatenate(parts, axis=1)


def _bins(window_length: int) -> NDArray[np.complex128]:
    # A product with the few bins that are wanted beats a whole FFT.
    k = np.arange(1, N_FFT_BINS + 1)
    bins: NDArray[np.complex128] = np.exp(-2j * np.pi / window_length * np.outer(np.arange(window_length), k))
    return bins
