import numpy as np
import pytest

from fedmotion.models.cross_validation import cross_validate, deal_folds, share_interval
from fedmotion.models.specification import pca_svm
from fedmotion.protocol.messages import TrainSettings

SPECIFICATION = pca_svm(("left", "right", "other"), window_length=16, n_components=6)
SETTINGS = TrainSettings(learning_rate=0.05, n_epochs=3, batch_size=8, seed=5)


def names(n: int) -> list[str]:
    return [f"take {index}" for index in range(n)]


def swings(labels: list[int]) -> np.ndarray:
    rng = np.random.default_rng(3)
    made = rng.normal(scale=0.2, size=(len(labels), 16, 6))
    made[:, :, 0] += 4 * np.array([1.0, -1.0, 0.0])[labels][:, None] * np.sin(np.linspace(0, 2 * np.pi, 16))
    return made.astype(np.float32)


def test_each_take_is_in_one_part_and_each_label_is_spread_evenly() -> None:
    labels = np.array([0] * 12 + [1] * 7)
    folds = deal_folds(labels, names(19))
    assert sorted(np.bincount(folds[labels == 0], minlength=5)) == [2, 2, 2, 3, 3]
    assert sorted(np.bincount(folds[labels == 1], minlength=5)) == [1, 1, 1, 2, 2]


def test_the_parts_follow_from_the_takes_names_and_not_from_their_order() -> None:
    labels = np.array([0] * 8 + [1] * 8)
    takes = names(16)
    before = dict(zip(takes, deal_folds(labels, takes), strict=True))
    turned = deal_folds(labels[::-1], takes[::-1])
    assert dict(zip(takes[::-1], turned, strict=True)) == before


def test_the_only_take_of_its_label_is_never_asked_about() -> None:
    folds = deal_folds(np.array([0, 0, 0, 1, 1, 1, 2]), names(7))
    assert folds[6] == -1
    assert set(folds[:6]) == {0, 1, 2}
    with pytest.raises(ValueError, match=r"two takes or more of a label, got \[1, 1\]"):
        deal_folds(np.array([0, 1]), names(2))


def test_what_can_be_told_apart_is_and_every_take_is_asked_about_once() -> None:
    labels = np.array([0, 1, 2] * 10)
    n_rounds: list[None] = []
    found = cross_validate(
        SPECIFICATION, swings(labels.tolist()), labels, names(30), SETTINGS, 12, lambda: n_rounds.append(None)
    )
    assert found.confusion.sum(axis=1).tolist() == [10, 10, 10]
    assert found.n_takes == 30
    assert found.n_right >= 27
    assert len(found.by_fold) == 5
    assert min(found.by_fold) >= 4 / 6
    assert len(n_rounds) == 5 * 12


def test_labels_that_mean_nothing_are_not_learned_by_heart() -> None:
    labels = np.array([0, 1, 2] * 10)
    shuffled = np.random.default_rng(2).permutation(labels)
    found = cross_validate(SPECIFICATION, swings(shuffled.tolist()), labels, names(30), SETTINGS, 6)
    assert found.n_right <= 18


@pytest.mark.parametrize(
    ("n_right", "n", "expected"),
    [
        # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (0, 0, (0.0, 1.0)),
        (10, 10, (0.7225, 1.0)),
    ],
)
def test_the_interval_of_a_share_is_that_of_the_literature(
    n_right: int, n: int, expected: tuple[float, float]
) -> None:
    assert share_interval(n_right, n) == pytest.approx(expected, abs=5e-5)
