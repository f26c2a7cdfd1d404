import numpy as np
import pytest

from fedmotion.host.plot.decimation import decimate


def noise(n: int, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    values = np.random.default_rng(5).normal(size=(n, 6)).astype(np.float32)
    # Half a sample off the columns' edges, where rounding would decide.
    return (np.arange(n) + 0.5) / rate_hz, values


def test_each_column_keeps_its_extremes() -> None:
    t_s, values = noise(10_000, 1000)
    points_s, points = decimate(t_s, values, 0.01)
    assert points.shape == (2000, 6)
    columns = values.reshape(1000, 10, 6)
    pairs = points.reshape(1000, 2, 6)
    np.testing.assert_array_equal(pairs.min(axis=1), columns.min(axis=1))
    np.testing.assert_array_equal(pairs.max(axis=1), columns.max(axis=1))
    assert (np.diff(points_s) >= 0).all()


def test_slopes_stay_slopes() -> None:
    t_s = (np.arange(10_000) + 0.5) / 1000
    values = np.zeros((10_000, 6), dtype=np.float32)
    values[:, 0] = t_s
    values[:, 1] = -t_s
    _, points = decimate(t_s, values, 0.01)
    assert (np.diff(points[:, 0]) > 0).all()
    assert (np.diff(points[:, 1]) < 0).all()


def test_a_spike_of_one_sample_is_seen() -> None:
    t_s = np.arange(10_000) / 1000
    values = np.zeros((10_000, 6), dtype=np.float32)
    values[4321, 2] = -80.0
    points_s, points = decimate(t_s, values, 0.02)
    (seen,) = np.flatnonzero(points[:, 2] == -80.0)
    assert abs(points_s[seen] - 4.321) <= 0.02
    assert np.count_nonzero(points) == 1


def test_few_points_are_left_alone() -> None:
    t_s, values = noise(1000, 100)
    points_s, points = decimate(t_s, values, 0.01)
    assert points_s is t_s
    assert points is values


def test_a_gap_within_one_column_is_not_bridged() -> None:
    t_s, values = noise(10_000, 1000)
    values[5003] = np.nan
    points_s, points = decimate(t_s, values, 0.01)
    is_gap = np.isnan(points).all(axis=1)
    np.testing.assert_allclose(points_s[is_gap], 5.0035)
    # The rows before and behind it, in the same column of the screen, are there.
    np.testing.assert_array_equal(np.nanmax(points, axis=0), np.nanmax(values, axis=0))
    before, behind = points[np.flatnonzero(is_gap)[0] - 1], points[np.flatnonzero(is_gap)[-1] + 1]
    assert set(before) <= set(values[5000:5003].ravel())
    assert set(behind) <= set(values[5004:5010].ravel())


def test_an_axis_that_is_not_measured_stays_empty_and_the_others_do_not() -> None:
    t_s, values = noise(10_000, 1000)
    values[:, 4] = np.nan
    _, points = decimate(t_s, values, 0.01)
    assert len(points) == 2000
    assert np.isnan(points[:, 4]).all()
    assert not np.isnan(points[:, :4]).any()


@pytest.mark.parametrize("shift", [0.0, 0.0013, 7.77])
def test_a_picture_that_moves_does_not_flicker(shift: float) -> None:
    t_s, values = noise(12_000, 1000)
    first = int(shift * 1000)
    _, whole = decimate(t_s, values, 0.01)
    _, moved = decimate(t_s[first:], values[first:], 0.01)
    # All but the column that is cut is the same.
    np.testing.assert_array_equal(moved[2:], whole[-len(moved) + 2 :])


@pytest.mark.parametrize("n", [0, 1, 3])
def test_next_to_nothing_is_no_error(n: int) -> None:
    points_s, points = decimate(*noise(n, 100), 1.0)
    assert len(points_s) == len(points) == n
