"""Windows one after another, whatever moves."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.models.resampling import Resampler
from fedmotion.models.specification import pca_svm
from fedmotion.models.windows import FixedWindowStream, Window, window_at

SPECIFICATION = pca_svm(("walk", "other"), window_length=64)
PERIOD_US = 20_000


def walked(n_samples: int = 2000, seed: int = 1) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """About 100 Hz with jitter, from an odd time on."""
    rng = np.random.default_rng(seed)
    t_us = 123_457 + np.cumsum(rng.integers(9_000, 11_001, n_samples))
    return t_us, rng.normal(size=(n_samples, 6)).astype(np.float32)


def cut(stream: tuple[NDArray[np.int64], NDArray[np.float32]], step: int, block: int) -> list[Window]:
    windows = FixedWindowStream(SPECIFICATION, step)
    t_us, samples = stream
    return [
        window
        for at in range(0, len(t_us), block)
        for window in windows.feed(t_us[at : at + block], samples[at : at + block])
    ]


def as_bytes(windows: list[Window]) -> list[tuple[int, int, int, bytes]]:
    return [(each.start_us, each.stop_us, each.centre_us, each.samples.tobytes()) for each in windows]


@pytest.mark.parametrize("step", [1, 16, 32, 63, 64])
def test_windows_are_slices_of_the_resampled_stream_to_the_bit(step: int) -> None:
    t_us, samples = walked()
    resampled = Resampler(50.0).feed(t_us, samples)
    windows = cut((t_us, samples), step, len(t_us))
    assert len(windows) == (len(resampled) - 64) // step + 1 > 10
    for index, window in enumerate(windows):
        first = index * step
        assert window.samples.dtype == np.float32
        assert window.samples.tobytes() == resampled[first : first + 64].tobytes()
        assert window.start_us == t_us[0] + first * PERIOD_US
        assert window.centre_us == window.start_us + 32 * PERIOD_US + PERIOD_US // 2
        assert window.stop_us == window.start_us + 64 * PERIOD_US


@pytest.mark.parametrize("block", [1, 3, 64, 777])
@pytest.mark.parametrize("step", [7, 32, 64])
def test_the_cut_into_calls_changes_no_bit(step: int, block: int) -> None:
    stream = walked()
    assert as_bytes(cut(stream, step, block)) == as_bytes(cut(stream, step, 10_000))


def test_a_window_comes_with_its_last_sample_and_not_before() -> None:
    t_us, samples = walked()
    stream = FixedWindowStream(SPECIFICATION, 32)
    for at, time in enumerate(t_us):
        for window in stream.feed(t_us[at : at + 1], samples[at : at + 1]):
            # The interval of the last sample ends at stop_us, within this step of the board.
            assert t_us[at - 1] < window.stop_us <= time


def test_a_recording_gives_the_same_windows_by_their_centres() -> None:
    t_us, samples = walked()
    for window in cut((t_us, samples), 32, 100):
        again = window_at(SPECIFICATION, t_us, samples, window.centre_us)
        assert np.abs(again - window.samples).max() < 1e-5


def test_windows_do_not_change_when_the_stream_goes_on() -> None:
    t_us, samples = walked()
    stream = FixedWindowStream(SPECIFICATION, 16)
    first = stream.feed(t_us[:500], samples[:500])
    before = as_bytes(first)
    stream.feed(t_us[500:], samples[500:])
    assert as_bytes(first) == before
    first[0].samples[:] = 0
    assert as_bytes(first)[1:] == before[1:]


def test_no_window_reaches_across_a_reset() -> None:
    t_us, samples = walked()
    stream = FixedWindowStream(SPECIFICATION, 32)
    stream.feed(t_us[:100], samples[:100])
    stream.reset()
    # After a gap the board's clock may have begun anew.
    again = stream.feed(t_us - 100_000, samples)
    alone = FixedWindowStream(SPECIFICATION, 32).feed(t_us - 100_000, samples)
    assert as_bytes(again) == as_bytes(alone)


def test_too_little_gives_none() -> None:
    t_us, samples = walked(120)
    assert cut((t_us, samples), 32, 120) == []


def test_memory_does_not_grow_with_the_stream() -> None:
    stream = FixedWindowStream(SPECIFICATION, 64)
    for minute in range(3):
        stream.feed(minute * 60_000_000 + np.arange(6000) * 10_000, np.zeros((6000, 6), np.float32))
        assert len(stream._samples) < 64
        assert stream._samples.base is None


@pytest.mark.parametrize("step", [-1, 0, 65])
def test_an_impossible_step_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match=f"step is 1 to window_length, 64 samples, got {step}"):
        FixedWindowStream(SPECIFICATION, step)


def test_what_is_no_stream_is_refused_and_not_used() -> None:
    t_us, samples = walked()
    stream = FixedWindowStream(SPECIFICATION, 32)
    stream.feed(t_us[:50], samples[:50])
    for bad in ((t_us[:5], samples[:5]), (t_us[50:], samples[50:] * np.nan), (t_us[50:], samples[50:, :3])):
        with pytest.raises(ValueError, match=r"time stamps increase|are finite|have shape"):
            stream.feed(*bad)
    rest = stream.feed(t_us[50:], samples[50:])
    assert as_bytes(rest) == as_bytes(cut((t_us, samples), 32, 10_000))
