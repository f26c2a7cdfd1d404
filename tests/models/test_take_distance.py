"""Distances of takes to what the others have in common."""

import numpy as np
import pytest

from fedmotion.models.take_distance import likeness


def test_a_take_unlike_the_others_is_far_and_moves_neither_middle_nor_unit() -> None:
    rng = np.random.default_rng(4)
    common = np.sin(np.linspace(0, 6, 32))[:, None] * np.arange(1, 7)
    curves = common + rng.normal(0, 0.2, (12, 32, 6))
    usual = likeness(curves.astype(np.float32))
    curves[7] = -common
    spoiled = likeness(curves.astype(np.float32))
    assert spoiled.distances.argmax() == 7
    assert spoiled.distances[7] > 8
    assert np.median(spoiled.distances) == pytest.approx(1.0)
    assert np.abs(spoiled.middle - usual.middle).max() < 0.25
    assert np.delete(spoiled.distances, 7).max() < 1.5


def test_equal_takes_and_absent_axes_have_no_distance() -> None:
    curves = np.zeros((4, 32, 6), np.float32)
    curves[:, :, 0] = 3.0
    assert likeness(curves).distances.tolist() == [0.0] * 4


def test_two_takes_are_too_few() -> None:
    with pytest.raises(ValueError, match="3 or more of a gesture, got 2"):
        likeness(np.zeros((2, 32, 6), np.float32))
