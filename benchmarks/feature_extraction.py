"""How many windows of 100 x 6 become features in a second on one core, beside other ways to the same numbers.

Run: python benchmarks/feature_extraction.py
"""

import time
from collections.abc import Callable

import numpy as np
import scipy.fft  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # nor does this

from fedmotion.models.features import features
from fedmotion.models.specification import N_FFT_BINS, N_PIECES

GOAL_PER_S = 20_000
N_WINDOWS = 2_000
WINDOW_LENGTH = 100
BATCH = 250
SECONDS_EACH = 1.5

Windows = NDArray[np.float32]
Features = NDArray[np.float64]


def naive_loop(windows: Windows) -> Features:
    """One window, axis and number after another, as the definition reads."""
    rows = []
    for window in windows.astype(np.float64):
        row: list[float] = []
        for statistic in (np.mean, np.std, np.min, np.max):
            row += [float(statistic(window[:, axis])) for axis in range(6)]
        for piece in np.array_split(window, N_PIECES):
            row += [float(np.mean(piece[:, axis])) for axis in range(6)]
        for axis in range(6):
            centred = window[:, axis] - np.mean(window[:, axis])
            row += list(np.abs(np.fft.rfft(centred))[1 : N_FFT_BINS + 1] / len(window))
        rows.append(row)
    return np.array(rows)


def numpy_a_window(windows: Windows) -> Features:
    """All axes of one window at once."""
    rows = []
    for window in windows.astype(np.float64):
        mean = window.mean(axis=0)
        pieces = [piece.mean(axis=0) for piece in np.array_split(window, N_PIECES)]
        spectrum = np.abs(np.fft.rfft(window - mean, axis=0)[1 : N_FFT_BINS + 1]).T / len(window)
        parts = [mean, window.std(axis=0), window.min(axis=0), window.max(axis=0), *pieces]
        rows.append(np.concatenate([*parts, spectrum.ravel()]))
    return np.array(rows)


def scipy_all_at_once(windows: Windows) -> Features:
    """All windows at once, with scipy's whole FFT, as a scikit-learn transformer."""
    x = windows.astype(np.float64)
    mean = x.mean(axis=1)
    pieces = np.stack([piece.mean(axis=1) for piece in np.array_split(x, N_PIECES, axis=1)], axis=1)
    bins = np.abs(scipy.fft.rfft(x - mean[:, None], axis=1)[:, 1 : N_FFT_BINS + 1]) / x.shape[1]
    parts = (mean, x.std(axis=1), x.min(axis=1), x.max(axis=1), pieces, bins.transpose(0, 2, 1))
    return np.concatenate([part.reshape(len(x), -1) for part in parts], axis=1)


def windows_per_s(extract: Callable[[Windows], Features], windows: Windows, batch: int) -> float:
    """Return the best of the passes over `windows` that fit into SECONDS_EACH."""
    best = 0.0
    end_s = time.perf_counter() + SECONDS_EACH
    while time.perf_counter() < end_s:
        start_s = time.perf_counter()
        for first in range(0, len(windows), batch):
            extract(windows[first : first + batch])
        best = max(best, len(windows) / (time.perf_counter() - start_s))
    return best


def main() -> None:
    """Measure and print."""
    # 96 samples divide into pieces of equal length, 100 do not: compare numbers there, speeds at 100.
    rng = np.random.default_rng(1)
    equal = rng.normal(size=(20, 96, 6)).astype(np.float32)
    transformer = FunctionTransformer(scipy_all_at_once)
    peers: dict[str, tuple[Callable[[Windows], Features], int]] = {
        "naive NumPy loop (per axis)": (naive_loop, 100),
        "NumPy a window at a time": (numpy_a_window, 500),
        f"scipy.fft + scikit-learn, batches of {BATCH}": (transformer.transform, N_WINDOWS),
    }
    for name, (extract, _) in peers.items():
        if not np.allclose(extract(equal), features(equal), rtol=1e-9, atol=1e-12):
            raise SystemExit(f"{name} computes other numbers")
    windows = rng.normal(size=(N_WINDOWS, WINDOW_LENGTH, 6)).astype(np.float32)
    ours = windows_per_s(features, windows, BATCH)
    print(f"features of windows of {WINDOW_LENGTH} x 6, one core; goal {GOAL_PER_S:,} windows/s\n")
    print(f"{'':46}{'windows/s':>12}{'fedmotion is':>15}")
    print(f"{f'fedmotion, batches of {BATCH}':46}{ours:12,.0f}{ours / GOAL_PER_S:9.1f} x goal")
    alone = windows_per_s(features, windows[:500], 1)
    print(f"{'fedmotion, one window at a time':46}{alone:12,.0f}")
    for name, (extract, n_windows) in peers.items():
        speed = windows_per_s(extract, windows[:n_windows], BATCH)
        print(f"{name:46}{speed:12,.0f}{ours / speed:9.1f} x")


if __name__ == "__main__":
    with threadpool_limits(1):  # the goal is for one core
        main()
