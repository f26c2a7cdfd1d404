"""Reports and differences of models: figures that a hand can check, and words for what people ask."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from fedmotion.models.feature_names import feature_names
from fedmotion.models.features import features
from fedmotion.models.model_difference import difference
from fedmotion.models.model_file import StoredModel
from fedmotion.models.model_report import N_HEAVIEST, FeatureWeight, report_on
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, pca_svm
from fedmotion.protocol.tensors import sha256_of

SPECIFICATION = pca_svm(("wave", "other"), n_components=3)
NAMES = feature_names()
PERIOD = 2 * np.pi * np.arange(96) / 96


def model(parameters: Parameters | None = None, **changes: Any) -> StoredModel:
    parameters = initial_parameters(SPECIFICATION) if parameters is None else parameters
    plain = StoredModel(
        federation="home",
        federation_id=UUID(int=1),
        lineage_id=UUID(int=2),
        round_id=3,
        sha256=sha256_of(parameters),
        specification=SPECIFICATION,
        parameters=parameters,
        written_utc="2026-03-01T12:00:00Z",
        written_by="fedmotion 0.1.0",
    )
    return replace(plain, **changes)


def trained() -> Parameters:
    """A model that calls it a wave where piece 3 of gy is large and the mean of ax is small."""
    parameters = initial_parameters(SPECIFICATION)
    parameters["scale"][:] = 1
    parameters["components"][0, NAMES.index("piece 3 of gy")] = 1
    parameters["components"][1, NAMES.index("mean ax")] = 0.5
    parameters["coef"][0] = (2, -3, 0)
    parameters["coef"][1] = (-2, 3, 0)
    return parameters


def test_each_feature_has_a_name_of_its_own() -> None:
    assert len(NAMES) == len(set(NAMES)) == SPECIFICATION.n_features


@pytest.mark.parametrize("axis_index", range(6))
def test_names_stand_where_the_features_do(axis_index: int) -> None:
    axis = ("ax", "ay", "az", "gx", "gy", "gz")[axis_index]
    for piece in range(1, 9):
        window = np.zeros((1, 96, 6), np.float32)
        window[0, 12 * (piece - 1) : 12 * piece, axis_index] = 8
        row = dict(zip(NAMES, features(window)[0], strict=True))
        assert row[f"piece {piece} of {axis}"] == 8
        assert row[f"mean {axis}"] == 1
        assert (row[f"minimum {axis}"], row[f"maximum {axis}"]) == (0, 8)
        assert row[f"deviation {axis}"] == pytest.approx(np.sqrt(7))
        assert sum(abs(value) for name, value in row.items() if not name.endswith(axis)) == 0
    for k in range(1, 7):
        window = np.zeros((1, 96, 6), np.float32)
        window[0, :, axis_index] = np.sin(k * PERIOD)
        row = dict(zip(NAMES, features(window)[0], strict=True))
        assert (
            max((name for name in NAMES if name.startswith("bin")), key=row.__getitem__)
            == f"bin {k} of {axis}"
        )


def test_a_report_says_what_weighs_most_by_the_features_names() -> None:
    report = report_on(model(trained()))
    assert report.why_no_weights == ""
    assert len(report.heaviest["wave"]) == N_HEAVIEST
    assert report.heaviest["wave"][:2] == (
        FeatureWeight("piece 3 of gy", 2.0),
        FeatureWeight("mean ax", -1.5),
    )
    assert report.heaviest["other"][0] == FeatureWeight("piece 3 of gy", -2.0)


def test_a_report_has_the_figures_of_each_array_and_of_an_update() -> None:
    report = report_on(model(trained()))
    coef = next(array for array in report.arrays if array.name == "coef")
    assert (coef.role, coef.dtype, coef.shape, coef.n_bytes) == ("trained", "float64", (2, 3), 48)
    assert (coef.minimum, coef.maximum) == (-3, 3)
    assert coef.norm == pytest.approx(np.sqrt(26))
    assert report.n_parameters == sum(array.size for array in trained().values())
    # 6 + 2 float64 behind an index.
    assert 64 < report.update_bytes < 64 + 250
    assert report.sha256 == sha256_of(trained()).hex()


def test_a_model_before_its_training_weighs_nothing() -> None:
    report = report_on(model())
    assert not report.is_trained
    assert report.heaviest == {}
    assert report.why_no_weights == "it is not trained yet and recognises nothing"


def test_kinship_is_said_in_words() -> None:
    old, new = model(), model(trained(), round_id=15)
    for sentence, a, b in (
        ("A and B are the same model", old, old),
        (
            "A and B have the same arrays; A says it is of round 3, B of round 4",
            old,
            replace(old, round_id=4),
        ),
        ("B is 12 rounds after A in the same lineage", old, new),
        ("B is 12 rounds before A in the same lineage", new, old),
        ("B is 1 round after A in the same lineage", old, replace(new, round_id=4)),
        (
            "B is of another lineage than A, in the same federation (home)",
            old,
            replace(new, lineage_id=UUID(int=9)),
        ),
        (
            "A is of federation home, B of federation lab: they learned apart",
            old,
            replace(new, federation_id=UUID(int=9), federation="lab"),
        ),
    ):
        assert difference(a, b).kinship == sentence
    assert "one of them is not what it says" in difference(old, replace(new, round_id=3)).kinship


def test_arrays_are_compared_one_by_one() -> None:
    after = trained()
    after["coef"] = after["coef"] * 3
    after["intercept"] = np.array([0.5, -0.25])
    found = difference(model(trained()), model(after, round_id=4))
    changes = {array.name: array for array in found.arrays}
    coef = changes["coef"]
    assert (coef.role, coef.largest) == ("trained", 6)
    assert coef.relative == pytest.approx(2)
    assert coef.cosine == pytest.approx(1)
    # From zero there is no relative change and no angle.
    assert (changes["intercept"].largest, changes["intercept"].relative) == (0.5, None)
    assert changes["intercept"].cosine is None
    assert (changes["components"].largest, changes["components"].relative) == (0, 0)
    assert (found.is_same_specification, found.is_same_basis) == (True, True)
    assert found.basis == "the basis is the same"


def test_another_basis_is_told_from_none_yet() -> None:
    moved = trained()
    moved["mean"] = moved["mean"] + 1
    assert difference(model(trained()), model(moved)).basis == "the basis is another one"
    assert difference(model(), model(trained())).basis == (
        "A has no basis yet: it is from before its lineage's statistics round"
    )


def test_other_specifications_are_told_key_by_key_and_what_does_not_fit_is_not_compared() -> None:
    other = pca_svm(("wave", "clap", "other"), n_components=3)
    parameters = initial_parameters(other)
    found = difference(model(), model(parameters, specification=other))
    assert not found.is_same_specification
    assert "activities wave, other became wave, clap, other" in found.specification
    assert {"coef", "intercept"} <= set(found.not_compared)
    assert "mean" in {array.name for array in found.arrays}


def test_numbers_near_the_end_of_their_range_are_reported_all_the_same() -> None:
    huge = {**trained(), "coef": np.full((2, 3), 1e308)}
    assert report_on(model(huge)).is_trained
    assert difference(model(huge), model({**huge, "coef": -huge["coef"]})).arrays


def test_what_version_2_has_is_in_the_report() -> None:
    specification = pca_svm(("wave", "other"), n_components=3, n_fourier=8, gamma=0.2, min_probability=0.6)
    parameters = initial_parameters(specification)
    parameters["coef"][:] = 1
    made = model(parameters, specification=specification)
    report = report_on(made)
    assert (report.specification_version, report.n_fourier, report.gamma) == (2, 8, 0.2)
    assert report.min_probability == 0.6
    assert [array.name for array in report.arrays][-1] == "log_temperature"
    assert report.heaviest == {}
    assert "random Fourier features" in report.why_no_weights
    assert difference(model(), made).specification[0] == "version 1 became 2"
