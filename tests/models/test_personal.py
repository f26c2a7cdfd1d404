"""A federation's model made one person's own."""

from collections.abc import Callable
from functools import cache

import msgspec
import numpy as np
import pytest
from model_families import FAMILIES, Case, performed, same_bits, train
from numpy.typing import NDArray

from fedmotion.models.personal import Personalisation, normalised, personalised
from fedmotion.models.specification import Parameters, Specification
from fedmotion.models.statistics import Moments, moments_of
from fedmotion.protocol.messages import TrainSettings

ACTIVITIES = ("swipe_left", "swipe_right", "other")
SETTINGS = TrainSettings(learning_rate=0.02, n_epochs=3, batch_size=16, seed=7)


@pytest.fixture(params=list(FAMILIES.values()), ids=list(FAMILIES))
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Case)
    return request.param


def worn_otherwise(specification: Specification, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return windows of somebody who moves half as much, about other axes, and wears the board askew."""
    windows, labels = performed(specification, n_each=12, seed=seed)
    other = windows.copy()
    other[:, :, 3], other[:, :, 4] = -windows[:, :, 4] / 2, windows[:, :, 3] / 2
    other[:, :, 0] += 4.0
    return other, labels


def share(case: Case, specification: Specification, parameters: Parameters, seed: int) -> float:
    windows, labels = worn_otherwise(specification, seed)
    likely = case.model.probabilities(specification, parameters, windows)
    return float((likely.argmax(axis=1) == labels).mean())


def settings_of(case: Case) -> TrainSettings:
    return msgspec.structs.replace(SETTINGS, learning_rate=case.n_times * SETTINGS.learning_rate)


@cache
def federated(case: Case) -> tuple[Specification, Parameters]:
    specification = case.specify(ACTIVITIES)
    windows, labels = performed(specification, n_each=20)
    start = case.start(specification, windows)
    settings = TrainSettings(learning_rate=0.02, n_epochs=20, batch_size=16, seed=1)
    return specification, {**start, **train(case, specification, start, windows, labels, settings)}


@pytest.mark.parametrize("fine_tune", ["head", "all"])
def test_ones_own_takes_make_a_model_that_decides_ones_others_better(case: Case, fine_tune: str) -> None:
    specification, parameters = federated(case)
    how = Personalisation("head" if fine_tune == "head" else "all", normalise=True)
    own = personalised(specification, parameters, *worn_otherwise(specification, 1), settings_of(case), how)
    before, after = (share(case, specification, each, seed=2) for each in (parameters, own))
    assert before < 0.7
    assert after > before + 0.2


def test_nothing_wanted_changes_nothing(case: Case) -> None:
    specification, parameters = federated(case)
    how = Personalisation("off", normalise=False)
    own = personalised(specification, parameters, *worn_otherwise(specification, 1), settings_of(case), how)
    assert same_bits(own, parameters)


def test_normalising_changes_mean_and_scale_alone(case: Case) -> None:
    specification, parameters = federated(case)
    how = Personalisation("off", normalise=True)
    own = personalised(specification, parameters, *worn_otherwise(specification, 1), settings_of(case), how)
    changed = {name for name in own if (own[name] != parameters[name]).any()}
    assert changed == {"mean", "scale"}


def test_the_head_changes_alone_and_is_among_what_is_trained(case: Case) -> None:
    specification, parameters = federated(case)
    head = set(case.model.head(specification))
    assert head <= {array.name for array in specification.of_role("trained")}
    how = Personalisation("head", normalise=False)
    own = personalised(specification, parameters, *worn_otherwise(specification, 1), settings_of(case), how)
    changed = {name for name in own if (own[name] != parameters[name]).any()}
    assert changed
    assert changed <= head


def test_the_same_takes_give_the_same_bits_and_the_federations_model_stays_as_it_is(case: Case) -> None:
    specification, parameters = federated(case)
    kept = {name: array.copy() for name, array in parameters.items()}
    how = Personalisation("head", normalise=True)
    make: Callable[[], Parameters] = lambda: personalised(  # noqa: E731 - made twice
        specification, parameters, *worn_otherwise(specification, 1), SETTINGS, how
    )
    assert same_bits(make(), make())
    assert same_bits(parameters, kept)


def test_own_mean_and_scale_by_hand() -> None:
    federation: Parameters = {"mean": np.array([0.0, 10.0]), "scale": np.array([1.0, 2.0])}
    # Means 4 and 10; squares about them sum to 32 and 0, so variances of 16 and 0.
    own = moments_of(np.array([[0.0, 10.0], [8.0, 10.0]]))
    alone = normalised(federation, own, prior_windows=0)
    assert alone["mean"].tolist() == [4.0, 10.0]
    # A feature that never changed keeps the federation's scale.
    assert alone["scale"].tolist() == [4.0, 2.0]
    # Two windows of the federation's beside the two: means halfway, (2 x 1 + 32 + 1 x 16) / 4 = 12.5.
    both = normalised(federation, own, prior_windows=2)
    assert both["mean"].tolist() == [2.0, 10.0]
    assert both["scale"] == pytest.approx([12.5**0.5, 2**0.5])


def test_one_window_alone_keeps_every_scale() -> None:
    federation: Parameters = {"mean": np.zeros(2), "scale": np.array([1.0, 2.0])}
    own = Moments(1, np.array([1.0, 1.0]), np.zeros((2, 2)))
    assert normalised(federation, own, prior_windows=0)["scale"].tolist() == [1.0, 2.0]
