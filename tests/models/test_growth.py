"""A set of activities that grows keeps what its model knows."""

import msgspec
import numpy as np
import pytest

from fedmotion.models import pca_svm as family
from fedmotion.models.family import decide
from fedmotion.models.growth import grown, with_activities
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification, pca_svm
from fedmotion.protocol.messages import TrainSettings

SPECIFICATION = pca_svm(("left", "right", "other"), n_components=4)
LARGER = ("left", "right", "other", "circle", "square")


def random_parameters(specification: Specification, seed: int = 1) -> Parameters:
    rng = np.random.default_rng(seed)
    parameters = {array.name: rng.normal(size=array.shape) for array in specification.arrays}
    parameters["scale"] = np.abs(parameters["scale"]) + 0.1
    return parameters


def windows(n: int, seed: int = 2) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=(n, 96, 6)).astype(np.float32)


@pytest.mark.parametrize(
    "specification",
    [
        SPECIFICATION,
        pca_svm(("left", "other"), n_components=4),
        pca_svm(("left", "right", "other"), n_components=4, n_fourier=10, gamma=0.1, min_probability=0.4),
    ],
    ids=["linear", "two classes", "version 2"],
)
def test_a_grown_model_decides_every_window_as_before(specification: Specification) -> None:
    larger = with_activities(specification, (*specification.activities, "circle", "square"))
    asked = windows(300)
    known = random_parameters(specification)
    known["intercept"] -= np.median(family.scores(specification, known, asked), axis=0)
    start = grown(specification, known, larger)
    for name in ("mean", "scale", "components"):
        np.testing.assert_array_equal(start[name], known[name])
    n_known = specification.n_classes
    np.testing.assert_array_equal(start["coef"][:n_known], known["coef"])
    assert start["coef"].shape[0] == start["intercept"].shape[0] == n_known + 2
    assert not start["coef"][n_known:].any()
    assert start["intercept"][n_known:].tolist() == [-1.0, -1.0]
    before = decide(specification, family.probabilities(specification, known, asked))
    after = decide(larger, family.probabilities(larger, start, asked))
    assert len(set(before.tolist())) > 1
    if not specification.min_probability:
        np.testing.assert_array_equal(after, before)
    else:
        # Two more classes of e^-1 make each other probability a little smaller.
        assert set(after[after != before].tolist()) <= {specification.other_index}


def test_a_set_grows_behind_its_last_activity_and_in_nothing_else() -> None:
    known = initial_parameters(SPECIFICATION)
    for activities in (("right", "left", "other", "circle"), ("left", "other"), SPECIFICATION.activities):
        with pytest.raises(
            ValueError, match="a set grows behind its last activity: left, right, other and more"
        ):
            grown(SPECIFICATION, known, with_activities(SPECIFICATION, activities))
    wider = pca_svm(LARGER, n_components=5)
    with pytest.raises(ValueError, match="changes its activities and nothing else"):
        grown(SPECIFICATION, known, wider)
    with pytest.raises(ValueError, match="array 'coef' is missing"):
        grown(
            SPECIFICATION,
            {k: v for k, v in known.items() if k != "coef"},
            with_activities(SPECIFICATION, LARGER),
        )


def test_a_family_whose_arrays_do_not_change_starts_from_them_as_they_are() -> None:
    masked = msgspec.structs.replace(SPECIFICATION, family="masked")
    larger = with_activities(masked, LARGER)
    assert larger.arrays == masked.arrays
    known = random_parameters(masked)
    start = grown(masked, known, larger)
    assert all(start[name] is known[name] for name in known)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_classes_without_windows_here_are_moved_by_their_share(share: float) -> None:
    specification = with_activities(SPECIFICATION, LARGER)
    start = random_parameters(specification)
    labels = np.array([0, 1, 2] * 10)
    settings = TrainSettings(learning_rate=0.05, n_epochs=2, seed=3)
    whole = family.train(specification, start, windows(30), labels, settings).trained
    part = family.train(
        specification, start, windows(30), labels, msgspec.structs.replace(settings, absent_share=share)
    ).trained
    for name in ("coef", "intercept"):
        np.testing.assert_array_equal(part[name][:3], whole[name][:3])
        moved = whole[name][3:] - start[name][3:]
        assert np.abs(moved).max() > 0.01
        np.testing.assert_allclose(part[name][3:] - start[name][3:], share * moved, atol=1e-12)


def test_two_classes_have_one_plane_which_moves_whole() -> None:
    specification = pca_svm(("left", "other"), n_components=4)
    start = random_parameters(specification)
    labels = np.zeros(30, np.int64)
    both = [
        family.train(specification, start, windows(30), labels, TrainSettings(absent_share=share)).trained
        for share in (0.0, 1.0)
    ]
    np.testing.assert_array_equal(both[0]["coef"], both[1]["coef"])
    np.testing.assert_array_equal(both[0]["coef"][0], -both[0]["coef"][1])
