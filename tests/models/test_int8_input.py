"""What a board multiplies and adds, beside the standardisation that it stands for."""

import numpy as np
import pytest

from fedmotion.models.int8_input import input_map, standardised
from fedmotion.models.int8_network import Scale
from fedmotion.models.mounting import AS_PICTURED, Mounting
from fedmotion.models.turns import about_axis

MEAN = np.array([0.4, -1.2, 9.1, 0.02, -0.1, 0.0])
SCALE = np.array([3.1, 2.2, 4.5, 0.9, 1.4, 2.0])
PER_COUNT = np.repeat([8 * 9.80665 / 32768, 1000 * np.pi / 180 / 32768], 3)
TO = Scale(0.04, 9)


def counts(n: int = 500) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    rng = np.random.default_rng(3)
    some = rng.normal(0, 4000, (n, 6)).clip(-32768, 32767).astype(np.int16)
    some[:4] = [[-32768] * 6, [32767] * 6, [0] * 6, [32767, -32768] * 3]
    return some


@pytest.mark.parametrize(
    "turn",
    [AS_PICTURED, Mounting(about_axis(2, 90.0)), Mounting(about_axis(0, 33.0) @ about_axis(1, 10), True)],
    ids=["as pictured", "a quarter turn", "askew on the left hand"],
)
def test_counts_become_what_the_turned_and_standardised_sample_is_stored_as(turn: Mounting) -> None:
    mapped = input_map(TO, MEAN, SCALE, turn, PER_COUNT)
    some = counts()
    exact = standardised(turn.apply(some * PER_COUNT), MEAN, SCALE).astype(np.float64)
    apart = np.abs(mapped.stored(some).astype(int) - TO.stored(exact).astype(int))
    assert apart.max() <= 1
    # Another number only where rounding was a close call.
    assert (apart == 0).mean() > 0.98


def test_the_sum_fits_32_bits_whatever_the_counts() -> None:
    mapped = input_map(TO, MEAN, SCALE, Mounting(about_axis(0, 45.0)), PER_COUNT)
    largest = np.abs(mapped.multipliers.astype(np.int64)).sum(axis=1) * 32768
    assert (largest + np.abs(mapped.offsets.astype(np.int64)) < 2**31).all()
    assert mapped.shift >= 16


def test_an_axis_that_never_moved_is_zero_whatever_is_felt() -> None:
    scale = SCALE.copy()
    scale[4] = 0
    mapped = input_map(TO, MEAN, scale, AS_PICTURED, PER_COUNT)
    assert set(mapped.stored(counts())[:, 4].tolist()) == {9}
    windows = np.ones((2, 3, 6), np.float32)
    assert (standardised(windows, MEAN, scale)[..., 4] == 0).all()


def test_an_axis_that_hardly_moved_is_beyond_32_bits_and_refused() -> None:
    scale = SCALE.copy()
    scale[4] = 1e-9
    with pytest.raises(ValueError, match=r"hardly moved .*smallest scale 1e-09"):
        input_map(TO, MEAN, scale, AS_PICTURED, PER_COUNT)
