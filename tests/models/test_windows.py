import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.models.specification import pca_svm
from fedmotion.models.windows import CONTEXT_US, Window, WindowStream, window_at

SPECIFICATION = pca_svm(("swipe", "other"))
STARTS_S = (1.0, 4.0, 7.5, 10.0)


def performance(
    *, starts_s: tuple[float, ...] = STARTS_S, end_s: float = 13.0, seed: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return a stream of about 100 Hz whose clock jitters, with a swing of 0.8 s at each start."""
    rng = np.random.default_rng(seed)
    n_samples = round(end_s * 100)
    t_us = 5_000_000 + np.arange(n_samples) * 10_000 + rng.integers(-2_000, 2_000, n_samples)
    t_s = (t_us - 5_000_000) / 1e6
    samples = rng.normal(scale=0.02, size=(n_samples, 6))
    samples[:, 2] += 9.81
    for start_s in starts_s:
        phase = ((t_s - start_s) / 0.8).clip(0, 1)
        samples[:, 3] += 4 * np.sin(np.pi * phase)
        samples[:, 0] += 6 * np.sin(2 * np.pi * phase)
    return t_us, samples.astype(np.float32)


def windows_of(t_us: NDArray[np.int64], samples: NDArray[np.float32], block: int) -> list[Window]:
    stream = WindowStream(SPECIFICATION)
    windows = []
    for first in range(0, len(t_us), block):
        windows += stream.feed(t_us[first : first + block], samples[first : first + block])
    return windows + stream.flush()


def as_bytes(windows: list[Window]) -> list[tuple[int, int, int, bytes]]:
    return [(each.start_us, each.stop_us, each.centre_us, each.samples.tobytes()) for each in windows]


def test_each_gesture_is_one_window_around_its_middle() -> None:
    windows = windows_of(*performance(), 10_000)
    assert len(windows) == 4
    for window, start_s in zip(windows, STARTS_S, strict=True):
        assert window.samples.shape == (96, 6)
        assert window.samples.dtype == np.float32
        middle_us = 5_000_000 + (start_s + 0.4) * 1e6
        assert abs(window.centre_us - middle_us) < 120_000
        assert window.start_us < middle_us < window.stop_us
        # The swing's peak lies where the window's middle is.
        assert abs(int(window.samples[:, 3].argmax()) - 48) <= 6


@pytest.mark.parametrize("block", [1, 3, 64])
def test_the_cut_into_calls_changes_no_bit(block: int) -> None:
    stream = performance()
    assert as_bytes(windows_of(*stream, block)) == as_bytes(windows_of(*stream, 10_000))


def test_a_window_comes_with_its_last_sample_and_not_before() -> None:
    t_us, samples = performance()
    (window, *_) = windows_of(t_us, samples, 10_000)
    stream = WindowStream(SPECIFICATION)
    came_us = next(int(t) for i, t in enumerate(t_us) if stream.feed(t_us[i : i + 1], samples[i : i + 1]))
    # The movement must have rested 0.4 s, and the window reaches 0.96 s beyond its centre.
    due_us = max(window.stop_us + 400_000, window.centre_us + 960_000)
    assert due_us - 40_000 <= came_us <= due_us + 40_000


def test_a_recording_gives_the_window_of_the_stream_again() -> None:
    t_us, samples = performance()
    # 1 us is the rounding of `centre_us`; all else is rounding to float32.
    steepest = np.abs(np.diff(samples, axis=0) / np.diff(t_us)[:, None]).max()
    for window in windows_of(t_us, samples, 64):
        is_kept = (t_us >= window.start_us - CONTEXT_US) & (t_us <= window.stop_us + CONTEXT_US)
        again = window_at(SPECIFICATION, t_us[is_kept], samples[is_kept], window.centre_us)
        assert np.abs(again - window.samples).max() <= steepest * 1 + 1e-5


def test_a_gesture_at_the_streams_start_repeats_the_first_sample_in_both() -> None:
    t_us, samples = performance(starts_s=(0.1,), end_s=4.0)
    (window,) = windows_of(t_us, samples, 64)
    assert (window.samples[0] == window.samples[5]).all()
    again = window_at(SPECIFICATION, t_us, samples, window.centre_us)
    assert np.abs(again - window.samples).max() < 0.01


def test_flush_gives_a_gesture_that_the_end_cuts_and_repeats_its_last_sample() -> None:
    t_us, samples = performance(starts_s=(1.0,), end_s=1.9)
    stream = WindowStream(SPECIFICATION)
    assert stream.feed(t_us, samples) == []
    (window,) = stream.flush()
    assert (window.samples[-1] == window.samples[-5]).all()
    assert stream.flush() == []


def test_reset_forgets_a_gesture_under_way() -> None:
    t_us, samples = performance(starts_s=(1.0,), end_s=1.5)
    stream = WindowStream(SPECIFICATION)
    stream.feed(t_us, samples)
    stream.reset()
    assert stream.flush() == []
    # After a gap the board's clock may have begun anew.
    later = performance(starts_s=(1.0,), end_s=4.0)
    assert len(stream.feed(*later)) == 1


def test_memory_does_not_grow_with_the_stream() -> None:
    stream = WindowStream(SPECIFICATION)
    for minute in range(3):
        t_us = minute * 60_000_000 + np.arange(6000) * 10_000
        stream.feed(t_us, np.zeros((6000, 6), np.float32))
        assert len(stream._samples) <= 4 * 50 + 96


@pytest.mark.parametrize(("rate_hz", "n_expected"), [(25, 4), (100, 4), (1000, 4), (8000, 4)])
def test_boards_of_any_rate_give_the_same_windows(rate_hz: int, n_expected: int) -> None:
    t_us, samples = performance()
    at_us = np.arange(t_us[0], t_us[-1], 1_000_000 // rate_hz)
    other = np.stack([np.interp(at_us, t_us, axis) for axis in samples.T], axis=1).astype(np.float32)
    windows = windows_of(at_us, other, 10_000)
    assert len(windows) == n_expected
    for window, plain in zip(windows, windows_of(t_us, samples, 10_000), strict=True):
        assert abs(window.centre_us - plain.centre_us) <= 40_000


@pytest.mark.parametrize("centre_us", [4_000_000, 99_000_000])
def test_a_centre_outside_the_recording_is_refused(centre_us: int) -> None:
    with pytest.raises(ValueError, match="a window's centre lies within its recording"):
        window_at(SPECIFICATION, *performance(), centre_us)


def test_recordings_too_short_for_a_sample_are_refused() -> None:
    with pytest.raises(ValueError, match="a window's centre lies within its recording"):
        window_at(SPECIFICATION, np.empty(0, np.int64), np.empty((0, 6), np.float32), 0)
    with pytest.raises(ValueError, match="a recording lasts 20000 us or longer, got 0 us"):
        window_at(SPECIFICATION, np.array([7]), np.zeros((1, 6), np.float32), 7)
