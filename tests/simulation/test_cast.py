from collections.abc import Callable
from pathlib import Path

import pytest

from fedmotion.boards.motion import OTHER_KINDS
from fedmotion.simulation.cast import NEWCOMER, recorded_cast, simulated_cast

WriteTakes = Callable[..., Path]

GESTURES = {"wave": 2, "clap": 3}
FIVE = {str(person): {**GESTURES, "jump": 1, "walk": 1} for person in range(1, 6)}


def test_four_simulated_people_teach_and_a_fifth_performs_at_least_twenty_gestures() -> None:
    cast = simulated_cast(0)
    assert cast.gestures == ("swipe_left", "swipe_right")
    assert cast.activities == ("swipe_left", "swipe_right", "other")
    assert [role.client_id for role in cast.roles] == [
        "client-1",
        "client-2",
        "client-3",
        "client-4",
        NEWCOMER,
    ]
    assert [role.person for role in cast.roles] == ["1", "2", "3", "4", "5"]
    assert cast.newcomer.n_gestures == 24
    assert cast.recordings is None


def test_amounts_are_skewed_and_each_gesture_is_there_in_all() -> None:
    for seed in range(5):
        learners = simulated_cast(seed).learners
        left = sorted(role.counts["swipe_left"] for role in learners)
        right = sorted(role.counts["swipe_right"] for role in learners)
        assert left == right == [0, 2, 8, 8]
        assert all(sum(role.counts.values()) >= 24 for role in learners)


def test_each_home_has_two_kinds_of_other_movement_and_the_newcomer_does_two_that_no_home_has() -> None:
    for seed in range(5):
        cast = simulated_cast(seed)
        kinds = [{kind for kind in role.counts if kind in OTHER_KINDS} for role in cast.learners]
        assert [len(some) for some in kinds] == [2, 2, 2, 2]
        assert len(set().union(*kinds)) == 8
        assert set(OTHER_KINDS) <= cast.newcomer.counts.keys()


def test_no_two_seeds_share_a_person() -> None:
    people = [role.person for seed in range(50) for role in simulated_cast(seed).roles]
    assert len(people) == len(set(people)) == 250


def test_the_same_seed_gives_the_same_cast() -> None:
    assert simulated_cast(7) == simulated_cast(7)
    amounts = {
        tuple(tuple(role.counts.values()) for role in simulated_cast(seed).learners) for seed in range(9)
    }
    assert len(amounts) > 1


@pytest.mark.parametrize("seed", [-1, 1_000_001])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match=f"the seed is 0 to 1000000, got {seed}"):
        simulated_cast(seed)


def test_the_unseen_person_of_a_file_teaches_nothing(write_takes: WriteTakes) -> None:
    path = write_takes(FIVE)
    for unseen in FIVE:
        cast = recorded_cast(path, ["wave", "clap"], unseen, seed=0)
        assert cast.newcomer.person == unseen
        assert sorted(role.person for role in cast.learners) == sorted(set(FIVE) - {unseen})
        assert cast.newcomer.counts == {"wave": 2, "clap": 3, "other": 2}
        assert cast.newcomer.n_gestures == 5
        assert cast.activities == ("wave", "clap", "other")
        assert cast.recordings == path


def test_of_many_people_four_teach_and_the_seed_says_which(write_takes: WriteTakes) -> None:
    path = write_takes({str(person): GESTURES for person in range(1, 11)})
    chosen = {
        tuple(role.person for role in recorded_cast(path, ["wave"], "1", seed).learners) for seed in range(9)
    }
    assert len(chosen) > 1
    assert all(len(people) == 4 and "1" not in people for people in chosen)


def test_other_movement_is_bounded_so_that_no_gesture_drowns(write_takes: WriteTakes) -> None:
    path = write_takes({person: {"wave": 2, "walk": 60} for person in "123"})
    cast = recorded_cast(path, ["wave"], "3", seed=0)
    assert [role.counts for role in cast.learners] == [{"wave": 2, "other": 24}] * 2
    assert cast.newcomer.counts == {"wave": 2, "other": 2}


@pytest.mark.parametrize(
    ("labels", "unseen", "said"),
    [
        ([], "1", "the labels are one or more gestures and not 'other', got none"),
        (["wave", "other"], "1", "not 'other', got wave, other"),
        (["fly"], "1", "has no label 'fly'; it has clap, jump, walk, wave"),
        (["wave"], "9", "has no person '9'; it has 1, 2, 3, 4, 5"),
    ],
)
def test_what_a_file_does_not_have_is_named(
    write_takes: WriteTakes, labels: list[str], unseen: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        recorded_cast(write_takes(FIVE), labels, unseen, seed=0)


def test_too_few_people_or_an_idle_newcomer_are_refused(write_takes: WriteTakes) -> None:
    with pytest.raises(ValueError, match="two people beside '2' are needed, it has 1"):
        recorded_cast(write_takes({"1": GESTURES, "2": GESTURES}), ["wave"], "2", seed=0)
    people = {"1": GESTURES, "2": GESTURES, "3": {"walk": 3}}
    with pytest.raises(ValueError, match="'3' performs none of wave, clap"):
        recorded_cast(write_takes(people), ["wave", "clap"], "3", seed=0)
