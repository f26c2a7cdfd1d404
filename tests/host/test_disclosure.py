import random
from itertools import combinations
from uuid import UUID

import pytest

from fedmotion.host.disclosure import (
    Disclosed,
    choose_statistics,
    first_disclosed,
    why_not_this_lineage,
    why_too_much_memory,
    why_too_much_work,
)
from fedmotion.models.specification import pca_svm
from fedmotion.protocol.messages import TrainSettings

SPECIFICATION = pca_svm(("left", "other"))
NAMES = [f"take {index}" for index in range(200)]


def test_any_two_sums_that_are_given_differ_by_nothing_or_at_least_twenty_windows() -> None:
    rng = random.Random(5)
    before: tuple[str, ...] = ()
    given: list[set[str]] = []
    present: list[str] = []
    unseen = list(NAMES)
    for _ in range(300):
        if unseen and rng.random() < 0.7:
            present.append(unseen.pop())
        elif present and rng.random() < 0.1:
            # The owner may delete what no sum holds yet.
            newest = present.pop()
            if newest in before:
                present.append(newest)
        try:
            before = choose_statistics(present, before)
        except ValueError:
            continue
        given.append(set(before))
    assert len(given) > 200
    assert max(map(len, given)) > 100
    assert all(len(one ^ other) == 0 or len(one ^ other) >= 20 for one, other in combinations(given, 2))


def test_a_sum_that_lost_a_window_is_not_given_however_many_have_come() -> None:
    with pytest.raises(ValueError, match="recordings were deleted here"):
        choose_statistics(NAMES[1:], NAMES[:20])


@pytest.mark.parametrize(
    ("n_before", "n_present", "n_chosen"), [(0, 20, 20), (20, 39, 20), (20, 40, 40), (25, 25, 25)]
)
def test_a_sum_grows_by_twenty_or_not(n_before: int, n_present: int, n_chosen: int) -> None:
    assert choose_statistics(NAMES[:n_present], NAMES[:n_before]) == tuple(NAMES[:n_chosen])


def test_nineteen_windows_and_one_of_them_twice_are_nineteen() -> None:
    with pytest.raises(ValueError, match="here are 19"):
        choose_statistics([*NAMES[:19], NAMES[0]], ())


def test_a_lineage_is_answered_for_with_its_specification_only() -> None:
    asked = first_disclosed(UUID(int=1), SPECIFICATION)
    assert why_not_this_lineage(None, asked) == ""
    assert why_not_this_lineage(Disclosed(UUID(int=1), asked.specification_sha256, ("a",)), asked) == ""
    assert "another lineage" in why_not_this_lineage(first_disclosed(UUID(int=2), SPECIFICATION), asked)
    renamed = first_disclosed(UUID(int=1), pca_svm(("right", "other")))
    assert "another specification" in why_not_this_lineage(renamed, asked)


def test_windows_take_at_most_256_mib() -> None:
    # 96 samples of 24 bytes are 2304 bytes a window; 2**28 / 2304 is 116508.4.
    assert why_too_much_memory(SPECIFICATION, 116_508) == ""
    assert "allows 268435456" in why_too_much_memory(SPECIFICATION, 116_509)


def test_random_fourier_features_are_part_of_that() -> None:
    # A float64 each: 2304 + 8 * 4096 = 35072 bytes a window; 2**28 / 35072 is 7653.8.
    many = pca_svm(("left", "other"), n_fourier=4096, gamma=0.1)
    assert why_too_much_memory(many, 7_653) == ""
    assert "allows 268435456" in why_too_much_memory(many, 7_654)


@pytest.mark.parametrize(
    ("settings", "n_windows", "is_too_much"),
    [
        (TrainSettings(), 10_000, False),
        (TrainSettings(n_epochs=1_000, batch_size=1), 25, False),
        (TrainSettings(n_epochs=1_000, batch_size=1), 26, True),
        (TrainSettings(n_epochs=1_000, batch_size=1_000_000), 26, False),
        (TrainSettings(n_epochs=1_001, batch_size=1_000_000), 26, True),
        (TrainSettings(n_epochs=1_000), 0, False),
    ],
)
def test_work_is_epochs_times_batches_times_classes(
    settings: TrainSettings, n_windows: int, is_too_much: bool
) -> None:
    assert bool(why_too_much_work(settings, SPECIFICATION, n_windows)) == is_too_much
