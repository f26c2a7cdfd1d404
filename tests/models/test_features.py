import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.models.features import features
from fedmotion.models.specification import N_AXES, N_FFT_BINS, N_PIECES, N_STATISTICS, pca_svm

N_WITHOUT_ORDER = N_STATISTICS * N_AXES


def one_by_one(windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same numbers, written down as their definition says."""
    rows = []
    for window in windows.astype(np.float64):
        length = len(window)
        row = [window[:, axis].mean() for axis in range(6)]
        row += [window[:, axis].std() for axis in range(6)]
        row += [window[:, axis].min() for axis in range(6)]
        row += [window[:, axis].max() for axis in range(6)]
        for piece in range(8):
            first, stop = piece * length // 8, (piece + 1) * length // 8
            row += [window[first:stop, axis].mean() for axis in range(6)]
        for axis in range(6):
            centred = window[:, axis] - window[:, axis].mean()
            row += list(np.abs(np.fft.rfft(centred))[1:7] / length)
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("window_length", [16, 96, 100])
def test_features_are_what_their_definition_says(window_length: int) -> None:
    rng = np.random.default_rng(1)
    windows = rng.normal([0, 0, 9.81, 0, 0, 0], 3, (20, window_length, 6)).astype(np.float32)
    computed = features(windows)
    assert computed.dtype == np.float64
    np.testing.assert_allclose(computed, one_by_one(windows), rtol=1e-10, atol=1e-12)


def test_the_specification_counts_them() -> None:
    specification = pca_svm(("swipe", "other"))
    windows = np.zeros((3, specification.window_length, 6), np.float32)
    assert features(windows).shape == (3, specification.n_features)
    assert specification.n_features == 108
    assert N_WITHOUT_ORDER + N_AXES * (N_PIECES + N_FFT_BINS) == 108


def test_a_sine_is_half_its_amplitude_in_its_bin() -> None:
    windows = np.zeros((1, 96, 6), np.float32)
    windows[0, :, 4] = 5 + 2 * np.sin(2 * np.pi * 3 * np.arange(96) / 96)
    spectrum = features(windows)[0, -36:].reshape(6, 6)
    assert spectrum[4].tolist() == pytest.approx([0, 0, 1, 0, 0, 0], abs=1e-6)
    assert np.abs(spectrum[[0, 1, 2, 3, 5]]).max() == 0


def test_a_window_played_backwards_differs_in_the_pieces_alone() -> None:
    rng = np.random.default_rng(2)
    windows = rng.normal(size=(1, 96, 6)).astype(np.float32)
    forwards, backwards = features(windows)[0], features(windows[:, ::-1])[0]
    pieces = slice(N_WITHOUT_ORDER, N_WITHOUT_ORDER + N_PIECES * N_AXES)
    np.testing.assert_allclose(forwards[:24], backwards[:24], rtol=1e-12)
    np.testing.assert_allclose(forwards[-36:], backwards[-36:], rtol=1e-9)
    assert np.abs(forwards[pieces] - backwards[pieces]).max() > 0.1
    mirrored = backwards[pieces].reshape(N_PIECES, N_AXES)[::-1].ravel()
    np.testing.assert_allclose(forwards[pieces], mirrored, rtol=1e-12)


def test_no_windows_have_no_features() -> None:
    assert features(np.empty((0, 96, 6), np.float32)).shape == (0, 108)
