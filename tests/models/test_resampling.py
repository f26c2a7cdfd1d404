import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.models.resampling import Resampler


def on_all_axes(values: list[float]) -> NDArray[np.float32]:
    return np.repeat(np.array(values, np.float32)[:, None], 6, axis=1)


def jittered(rng: np.random.Generator, n_samples: int, period_us: int) -> NDArray[np.int64]:
    steps = period_us + rng.integers(-period_us // 2, period_us // 2, n_samples)
    return np.cumsum(steps).astype(np.int64)


def test_falling_rate_gives_the_mean_of_each_interval() -> None:
    t_us = np.array([0, 10_000, 20_000, 30_000, 40_000])
    out = Resampler(50).feed(t_us, on_all_axes([0, 2, 4, 3, 0]))
    # Halves of an interval have means of 1 and 3, then of 3.5 and 1.5.
    assert out.tolist() == [[2.0] * 6, [2.5] * 6]
    assert out.dtype == np.float32


def test_rising_rate_gives_points_of_the_line_between_samples() -> None:
    out = Resampler(50).feed(np.array([0, 40_000, 80_000]), on_all_axes([0, 4, 0]))
    assert out[:, 0].tolist() == [1.0, 3.0, 3.0, 1.0]


def test_jitter_counts_by_its_time_stamps() -> None:
    t_us = np.array([0, 5_000, 20_000])
    out = Resampler(50).feed(t_us, on_all_axes([0, 4, 4]))
    # 5 ms at a mean of 2 and 15 ms at 4.
    assert out[:, 0].tolist() == [3.5]


@pytest.mark.parametrize("block", [1, 3, 64])
@pytest.mark.parametrize("period_us", [125, 10_000, 100_000])
@pytest.mark.parametrize("rate_hz", [30.0, 50.0])
def test_the_cut_into_calls_changes_no_bit(block: int, period_us: int, rate_hz: float) -> None:
    rng = np.random.default_rng(1)
    t_us = jittered(rng, 400, period_us)
    samples = rng.normal(size=(400, 6)).astype(np.float32)
    whole = Resampler(rate_hz).feed(t_us, samples)
    pieces = Resampler(rate_hz)
    parts = [pieces.feed(t_us[i : i + block], samples[i : i + block]) for i in range(0, 400, block)]
    assert len(whole) == (t_us[-1] - t_us[0]) // (1e6 / rate_hz)
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_samples_that_meet_the_edges_of_intervals_change_no_bit_either() -> None:
    rng = np.random.default_rng(2)
    t_us = np.arange(200) * 10_000
    samples = rng.normal(size=(200, 6)).astype(np.float32)
    pieces = Resampler(50)
    parts = [pieces.feed(t_us[i : i + 1], samples[i : i + 1]) for i in range(200)]
    assert np.concatenate(parts).tobytes() == Resampler(50).feed(t_us, samples).tobytes()


def test_a_stream_of_days_gives_the_bits_of_a_fresh_one() -> None:
    rng = np.random.default_rng(3)
    t_us = 1_000_000 + jittered(rng, 500, 10_000)
    samples = (9.81 + rng.normal(size=(500, 6))).astype(np.float32)
    aged = Resampler(1.0)
    days_us = 2 * 86_400 * 1_000_000
    aged.feed(np.array([-days_us, 0]), on_all_axes([9.81, 9.81]))
    fresh = Resampler(1.0)
    fresh.feed(np.array([0]), on_all_axes([9.81]))
    assert aged.feed(t_us, samples).tobytes() == fresh.feed(t_us, samples).tobytes()


def test_times_of_outputs_are_the_middles_of_their_intervals() -> None:
    resampler = Resampler(50)
    resampler.feed(np.array([7_000_000]), on_all_axes([0]))
    assert [resampler.time_us(k) for k in range(3)] == [7_010_000, 7_030_000, 7_050_000]


def test_reset_starts_another_grid() -> None:
    resampler = Resampler(50)
    resampler.feed(np.array([0, 30_000]), on_all_axes([1, 1]))
    resampler.reset()
    out = resampler.feed(np.array([5_000, 25_000]), on_all_axes([2, 4]))
    assert out[:, 0].tolist() == [3.0]
    assert resampler.time_us(0) == 15_000


@pytest.mark.parametrize("times", [[0, 0], [0, 10, 5]])
def test_time_that_does_not_increase_is_refused(times: list[int]) -> None:
    with pytest.raises(ValueError, match="time stamps increase from sample to sample, got a step of"):
        Resampler(50).feed(np.array(times), on_all_axes([0.0] * len(times)))


def test_time_that_does_not_increase_across_calls_is_refused_and_the_stream_goes_on() -> None:
    resampler = Resampler(50)
    resampler.feed(np.array([100_000, 110_000]), on_all_axes([1, 1]))
    with pytest.raises(ValueError, match="got a step of 0 us"):
        resampler.feed(np.array([110_000]), on_all_axes([9]))
    assert resampler.feed(np.array([120_000]), on_all_axes([1]))[:, 0].tolist() == [1.0]


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        (np.zeros((2, 5), np.float32), "samples have shape"),
        (np.zeros((3, 6), np.float32), "samples have shape"),
        (np.full((2, 6), np.nan, np.float32), "samples are finite"),
    ],
)
def test_samples_of_another_shape_or_not_finite_are_refused(
    samples: NDArray[np.float32], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Resampler(50).feed(np.array([0, 10_000]), samples)


def test_no_samples_give_no_outputs() -> None:
    assert Resampler(50).feed(np.empty(0, np.int64), np.empty((0, 6), np.float32)).shape == (0, 6)
