"""Probabilities that are as often right as they say."""

import math

import msgspec
import numpy as np
import pytest
from model_families import SETTINGS, performed
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]  # ships no types
from scipy.special import log_softmax, softmax  # type: ignore[import-untyped]  # nor does this

from fedmotion.models import pca_svm
from fedmotion.models.calibration import MAX_LOG_TEMPERATURE, calibration_error, fitted_log_temperature
from fedmotion.models.family import decide
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import pca_svm as specify
from fedmotion.models.statistics import basis

SPECIFICATION = specify(("a", "b", "other"), n_components=6, is_calibrated=True)


def test_the_error_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.65, 0.35], [0.4, 0.6]])
    labels = np.array([0, 0, 0, 1])
    # One bin: said 2.95 of 4, right 3 of 4.
    assert calibration_error(probabilities, labels, 1) == pytest.approx(0.05 / 4)
    # Five bins: 0.65 and 0.8 share one, of which one is right; 0.6 and 0.9, which are right, have one each.
    assert calibration_error(probabilities, labels, 5) == pytest.approx((0.45 + 0.1 + 0.4) / 4)


def test_the_error_is_none_where_all_is_as_said_and_one_where_nothing_is() -> None:
    sure = np.tile([1.0, 0.0], (10, 1))
    assert calibration_error(sure, np.zeros(10, np.int64)) == 0
    assert calibration_error(sure, np.ones(10, np.int64)) == 1
    assert calibration_error(np.full((10, 2), 0.5), np.arange(10) % 2) == 0


@pytest.mark.parametrize(
    ("probabilities", "labels", "n_bins", "sentence"),
    [
        (np.ones((2, 2)), np.zeros(2, np.int64), 0, "n_bins is at least 1, got 0"),
        (np.ones((0, 2)), np.zeros(0, np.int64), 5, r"at least one window, got \(0, 2\)"),
        (np.ones(2), np.zeros(2, np.int64), 5, r"got \(2,\) and labels of shape \(2,\)"),
        (np.ones((2, 2)), np.zeros(3, np.int64), 5, r"labels of shape \(3,\)"),
        (np.full((1, 2), np.nan), np.zeros(1, np.int64), 5, "probabilities are 0 to 1"),
        (np.full((1, 2), 2.0), np.zeros(1, np.int64), 5, "probabilities are 0 to 1"),
    ],
)
def test_what_is_no_probability_is_refused(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], n_bins: int, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        calibration_error(probabilities, labels, n_bins)


def drawn(temperature: float, n_windows: int = 20_000) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Margins, and labels that are what their softmax at `temperature` says."""
    rng = np.random.default_rng(2)
    margins = rng.normal(size=(n_windows, 4))
    shares = softmax(margins / temperature, axis=1).cumsum(axis=1)
    return margins, (rng.uniform(size=(n_windows, 1)) > shares).sum(axis=1).clip(max=3)


@pytest.mark.parametrize("temperature", [0.25, 0.4, 1.0, 3.0])
def test_the_temperature_is_scipys_optimum_and_the_one_that_labels_were_drawn_with(
    temperature: float,
) -> None:
    margins, labels = drawn(temperature)
    fitted = fitted_log_temperature(margins, labels)
    assert fitted is not None

    def loss(log_temperature: float) -> float:
        likely = log_softmax(margins / math.exp(log_temperature), axis=1)
        return -float(likely[np.arange(len(labels)), labels].mean())

    assert fitted == pytest.approx(minimize_scalar(loss, bounds=(-1.6, 1.6), method="bounded").x, abs=1e-4)
    assert fitted == pytest.approx(math.log(temperature), abs=0.1)
    after = calibration_error(softmax(margins / math.exp(fitted), axis=1), labels)
    assert after < 0.03
    if temperature != 1:
        assert after < calibration_error(softmax(margins, axis=1), labels) / 2


def test_windows_all_right_or_all_wrong_reach_the_limits() -> None:
    margins = np.array([[2.0, 0.0], [0.0, 3.0]])
    assert fitted_log_temperature(margins, np.array([0, 1])) == pytest.approx(-MAX_LOG_TEMPERATURE)
    assert fitted_log_temperature(margins, np.array([1, 0])) == pytest.approx(MAX_LOG_TEMPERATURE)


def test_a_model_that_knows_nothing_has_no_temperature() -> None:
    assert fitted_log_temperature(np.zeros((5, 3)), np.zeros(5, np.int64)) is None


@pytest.mark.parametrize("log_temperature", [-1e300, -3.0, -0.7, 0.7, 3.0, 1e300])
def test_no_decision_depends_on_the_temperature(log_temperature: float) -> None:
    windows, _ = performed(SPECIFICATION, n_each=100)
    parameters = initial_parameters(SPECIFICATION)
    parameters |= basis(SPECIFICATION, pca_svm.moments(SPECIFICATION, windows))
    rng = np.random.default_rng(3)
    parameters["coef"] = rng.normal(size=(3, 6))
    plain = pca_svm.probabilities(SPECIFICATION, parameters, windows)
    parameters["log_temperature"][0] = log_temperature
    tempered = pca_svm.probabilities(SPECIFICATION, parameters, windows)
    assert np.abs(tempered - plain).max() > 0.05
    decided = decide(SPECIFICATION, plain)
    assert (decide(SPECIFICATION, tempered) == decided).all()
    assert np.bincount(decided).min() > 0


def test_a_client_fits_the_model_that_it_got_and_not_the_one_that_it_trained() -> None:
    windows, labels = performed(SPECIFICATION)
    parameters = initial_parameters(SPECIFICATION)
    parameters |= basis(SPECIFICATION, pca_svm.moments(SPECIFICATION, windows))
    first = pca_svm.train(SPECIFICATION, parameters, windows, labels, SETTINGS).trained
    assert first["log_temperature"].tolist() == [0.0]
    # Half of the labels are wrong: what it trains on now, and how sure it may have been before.
    spoiled = np.where(np.arange(len(labels)) % 2, labels, (labels + 1) % 3)
    second = pca_svm.train(SPECIFICATION, {**parameters, **first}, windows, spoiled, SETTINGS).trained
    margins = pca_svm.scores(SPECIFICATION, {**parameters, **first}, windows)
    margins[:, 2] = margins[:, 2].clip(min=0)
    assert second["log_temperature"].tolist() == [fitted_log_temperature(margins, spoiled)]
    none = msgspec.structs.replace(SETTINGS, n_epochs=0)
    kept = pca_svm.train(SPECIFICATION, {**parameters, **second}, windows, labels, none).trained
    assert kept["log_temperature"].tolist() == second["log_temperature"].tolist()


def test_specifications_of_version_1_have_no_temperature() -> None:
    plain = specify(("a", "b", "other"), n_components=6)
    assert "log_temperature" not in initial_parameters(plain)
    assert [array.name for array in SPECIFICATION.of_role("trained")][-1] == "log_temperature"
