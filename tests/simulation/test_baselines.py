from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fedmotion.host.trainer import LocalWindows
from fedmotion.models.one_place import train_in_one_place
from fedmotion.models.specification import Specification, pca_svm
from fedmotion.protocol.messages import TrainSettings
from fedmotion.simulation.baselines import Examined, examine, pool, windows_of

SPECIFICATION = pca_svm(("left", "right", "other"), window_length=16, n_components=6)
SETTINGS = TrainSettings(learning_rate=0.05, n_epochs=3, batch_size=8, seed=5)


def windows(rng: np.random.Generator, classes: list[int]) -> LocalWindows:
    """Windows that are told apart by the side on which their first axis swings; class 2 is noise alone."""
    swing = np.sin(np.linspace(0, 2 * np.pi, 16))
    made = rng.normal(scale=0.2, size=(len(classes), 16, 6))
    sign = np.array([1.0, -1.0, 0.0])[classes]
    made[:, :, 0] += 4 * sign[:, None] * swing
    return LocalWindows(made.astype(np.float32), np.array(classes, np.int64), Counter())


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def in_one_place(home: LocalWindows, n_rounds: int = 8) -> tuple[Specification, float, LocalWindows]:
    test = windows(np.random.default_rng(9), [0, 1, 2] * 10)
    specification, parameters = train_in_one_place(
        SPECIFICATION, home.windows, home.labels, SETTINGS, n_rounds
    )
    return specification, examine(specification, parameters, test).accuracy, test


def test_one_home_with_all_classes_learns_them(rng: np.random.Generator) -> None:
    _, share, _ = in_one_place(windows(rng, [0, 1, 2] * 12))
    assert share >= 0.95


def test_a_home_that_never_saw_a_gesture_cannot_tell_it_and_pooling_can(rng: np.random.Generator) -> None:
    homes = [windows(rng, [0, 2] * 12), windows(rng, [1, 2] * 12)]
    alone = [in_one_place(home)[1] for home in homes]
    assert max(alone) <= 0.7
    pooled_windows, labels = pool(homes)
    assert pooled_windows.shape == (48, 16, 6)
    assert labels.tolist() == [0, 2] * 12 + [1, 2] * 12
    assert in_one_place(LocalWindows(pooled_windows, labels, Counter()))[1] >= 0.95


def test_few_windows_get_as_many_components_as_they_span(rng: np.random.Generator) -> None:
    specification, share, _ = in_one_place(windows(rng, [0, 1, 2, 0]))
    assert specification.n_components == 3
    assert SPECIFICATION.n_components == 6
    assert 0 <= share <= 1


def test_the_same_windows_and_seed_give_the_same_model(rng: np.random.Generator) -> None:
    home = windows(rng, [0, 1, 2] * 8)
    one, other = (
        train_in_one_place(SPECIFICATION, home.windows, home.labels, SETTINGS, 2)[1] for _ in range(2)
    )
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_model_is_examined_by_the_share_that_is_right_and_by_gestures_seen_in_other_movement(
    rng: np.random.Generator,
) -> None:
    test = windows(rng, [0, 1, 2] * 10)
    model = train_in_one_place(SPECIFICATION, test.windows, test.labels, SETTINGS, 8)
    assert examine(*model, test) == Examined(accuracy=1.0, n_false_alarms=0, n_other=10)
    swapped = LocalWindows(test.windows, np.array([1, 0, 2], np.int64)[test.labels], Counter())
    # Left and right exchanged, only `other` is still right.
    assert examine(*model, swapped) == Examined(10 / 30, n_false_alarms=0, n_other=10)
    moved = LocalWindows(test.windows, (test.labels + 1) % 3, Counter())
    # What swings to the right is said to be other movement now.
    assert examine(*model, moved) == Examined(0.0, n_false_alarms=10, n_other=10)


def test_a_profile_without_recordings_has_no_windows(tmp_path: Path) -> None:
    local = windows_of(tmp_path, "anna", SPECIFICATION)
    assert local.windows.shape == (0, 16, 6)
    assert local.labels.shape == (0,)
