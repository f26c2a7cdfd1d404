"""Random Fourier features: what they estimate, and that everybody draws the same ones."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]  # ships no types
from sklearn.metrics.pairwise import rbf_kernel

from fedmotion.models.fourier import _draw, fourier_features
from fedmotion.models.specification import Specification
from fedmotion.models.specification import pca_svm as specify

VECTORS = json.loads(
    (Path(__file__).parents[2] / "protocol" / "vectors" / "specification.json").read_text("utf-8")
)


def made(n_fourier: int, gamma: float = 0.3, seed: int = 7, n_components: int = 3) -> Specification:
    return specify(("a", "other"), n_components=n_components, n_fourier=n_fourier, gamma=gamma, seed=seed)


@pytest.mark.parametrize("gamma", [0.05, 0.3, 2.0])
def test_inner_products_are_scikit_learns_gaussian_kernel_within_what_the_number_promises(
    gamma: float,
) -> None:
    points = np.random.default_rng(3).normal(size=(80, 3))
    exact = rbf_kernel(points, gamma=gamma)
    for n_fourier in (256, 4096):
        lifted = fourier_features(made(n_fourier, gamma), points)
        assert lifted.shape == (80, n_fourier)
        # Each entry is a mean of n_fourier products 2 cos cos, whose variance is at most 3 / 2.
        errors = (lifted @ lifted.T - exact) * math.sqrt(n_fourier)
        assert np.sqrt(np.square(errors).mean()) < math.sqrt(3 / 2)
        assert np.abs(errors).max() < 5 * math.sqrt(3 / 2)


@pytest.mark.parametrize("vector", VECTORS["fourier"], ids=lambda vector: f"seed {vector['seed']}")
def test_features_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    point = np.array([vector["point"]])
    specification = made(vector["n_fourier"], vector["gamma"], vector["seed"], point.shape[1])
    np.testing.assert_allclose(fourier_features(specification, point)[0], vector["features"], atol=1e-9)


def test_at_the_origin_only_the_phases_are_seen() -> None:
    lifted = fourier_features(made(3), np.zeros((1, 3)))
    # Of `openssl dgst -shake256 -xoflen 96`, its last three words, in decimal arithmetic of 40 digits.
    angles = np.arccos(lifted[0] / math.sqrt(2 / 3))
    np.testing.assert_allclose(angles, (2.949090658003, 0.911875101583, 0.090392375365), rtol=1e-9)


def test_frequencies_are_normal_and_phases_uniform() -> None:
    frequencies, phases = _draw(1, 10, 1000)
    assert stats.kstest(frequencies.ravel(), "norm").pvalue > 0.01
    assert stats.kstest(phases / (2 * np.pi), "uniform").pvalue > 0.01


def test_another_seed_draws_others_and_the_same_the_same_bits() -> None:
    points = np.random.default_rng(3).normal(size=(5, 3))
    first = fourier_features(made(50), points)
    assert fourier_features(made(50), points).tobytes() == first.tobytes()
    assert not np.isclose(fourier_features(made(50, seed=8), points), first).any(axis=0).all()


def test_what_is_drawn_once_cannot_be_written_over() -> None:
    for drawn in _draw(7, 3, 4):
        with pytest.raises(ValueError, match="read-only"):
            drawn[0] = 0
