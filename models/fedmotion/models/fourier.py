"""Random Fourier features: a linear model over them is a kernel machine of the Gaussian kernel.

Frequencies follow from the specification alone, so that they never travel and everybody has the same.
"""

import hashlib
import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.specification import Specification


def fourier_features(specification: Specification, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sqrt(2 / n_fourier) cos(W x + b) of each point (Rahimi & Recht 2007, algorithm 1).

    Their inner products estimate exp(-gamma |x - y|^2), within about 1 / sqrt(n_fourier).

    Parameters
    ----------
    points
        Shape (n_windows, n_components).

    Returns
    -------
    lifted
        Shape (n_windows, n_fourier).
    """
    frequencies, phases = _draw(specification.seed, specification.n_components, specification.n_fourier)
    angles = points @ (math.sqrt(2 * specification.gamma) * frequencies)
    lifted: NDArray[np.float64] = math.sqrt(2 / specification.n_fourier) * np.cos(angles + phases)
    return lifted


@lru_cache(maxsize=4)
def _draw(seed: int, n_components: int, n_fourier: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return standard normal frequencies (n_components, n_fourier) and phases (n_fourier,) in 0 to 2 pi.

    No library's generator stands behind them: SHAKE-256 (FIPS 202) of the seed gives 64 bits a number,
    little endian, of which the upper 53 make a uniform one, and the normal ones are its quantiles.
    """
    n_normal = n_components * n_fourier
    stream = hashlib.shake_256(f"fedmotion/fourier/{seed}".encode()).digest(8 * (n_normal + n_fourier))
    uniform = ((np.frombuffer(stream, "<u8") >> np.uint64(11)) + 0.5) / 2**53
    quantile = NormalDist().inv_cdf
    normal = np.array([quantile(share) for share in uniform[:n_normal].tolist()])
    frequencies, phases = normal.reshape(n_components, n_fourier), 2 * np.pi * uniform[n_normal:]
    frequencies.flags.writeable = phases.flags.writeable = False  # they are kept for the next call
    return frequencies, phases
