import numpy as np
import pytest

from fedmotion.host.plot.sample_ring import MAX_ROWS, SampleRing


def rows(first_us: int, n: int, period_us: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    t_us = first_us + np.arange(n, dtype=np.int64) * period_us
    return t_us, np.repeat(t_us[:, np.newaxis], 6, axis=1).astype(np.float32)


def test_what_is_older_than_the_span_goes() -> None:
    ring = SampleRing(1.0)
    ring.append(*rows(0, 250))
    assert ring.t_us[[0, -1]].tolist() == [1_490_000, 2_490_000]
    assert len(ring) == 101
    np.testing.assert_array_equal(ring.values[:, 5], ring.t_us.astype(np.float32))


@pytest.mark.parametrize("length", [1, 7, 64, 3000])
def test_pieces_of_any_length_keep_the_same_rows(length: int) -> None:
    ring = SampleRing(10.0)
    t_us, values = rows(0, 30_000, 1000)
    n_new = [
        ring.append(t_us[first : first + length], values[first : first + length])
        for first in range(0, 30_000, length)
    ]
    assert sum(n_new) == 30_000
    np.testing.assert_array_equal(ring.t_us, t_us[-10_001:])
    np.testing.assert_array_equal(ring.values, values[-10_001:])


def test_a_gap_is_a_row_that_is_no_number_between_its_neighbours() -> None:
    ring = SampleRing(10.0)
    # Before the first sample there is nothing from which it could be apart.
    assert ring.append(*rows(0, 3), has_gap_before=True) == 3
    assert ring.append(*rows(100_000, 2), has_gap_before=True) == 3
    assert ring.t_us.tolist() == [0, 10_000, 20_000, 60_000, 100_000, 110_000]
    assert np.isnan(ring.values).all(axis=1).tolist() == [False, False, False, True, False, False]


def test_no_samples_are_no_rows() -> None:
    ring = SampleRing(1.0)
    assert ring.append(*rows(0, 0), has_gap_before=True) == 0
    assert len(ring) == 0


def test_a_board_that_claims_a_sample_each_microsecond_does_not_fill_the_memory() -> None:
    ring = SampleRing(10.0)
    for first_us in range(0, 3 * MAX_ROWS, 250_000):
        ring.append(*rows(first_us, 250_000, 1))
    assert len(ring) == MAX_ROWS
    assert ring.t_us[-1] == 3 * MAX_ROWS - 1
    assert ring.append(*rows(3 * MAX_ROWS, MAX_ROWS + 5, 1), has_gap_before=True) == MAX_ROWS


@pytest.mark.parametrize("span_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_span_is_a_number_of_seconds(span_s: float) -> None:
    with pytest.raises(ValueError, match="a plot shows a number of seconds above 0, got"):
        SampleRing(span_s)
