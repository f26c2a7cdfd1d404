"""Simulated people: what differs between them, what differs between repetitions, what a swipe is."""

import numpy as np
import pytest

from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2
from fedmotion.boards.motion import OTHER_KINDS, perform, person, rest

ALL = ["swipe_left", "swipe_right", "rest", "other", *OTHER_KINDS]


def test_there_are_at_least_eight_kinds_of_other_movement() -> None:
    assert len(OTHER_KINDS) == 10


@pytest.mark.parametrize("activity", ALL)
def test_a_performance_is_reproducible_by_seed_and_differs_without(activity: str) -> None:
    who = person(3)
    first, again, another = (perform(who, activity, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.axes().tolist() == again.axes().tolist()
    assert first.axes().tolist() != another.axes().tolist()


@pytest.mark.parametrize("activity", ALL)
@pytest.mark.parametrize("seed", [0, 5])
def test_a_performance_begins_and_ends_in_the_same_resting_posture(activity: str, seed: int) -> None:
    axes = perform(person(seed), activity, np.random.default_rng(seed)).axes()
    assert axes[-1] == pytest.approx(axes[0], abs=1e-6)
    assert axes[0, 3:] == pytest.approx([0, 0, 0], abs=1e-6)
    assert np.linalg.norm(axes[0, :3]) == pytest.approx(STANDARD_GRAVITY_MPS2)


@pytest.mark.parametrize("activity", ["swipe_left", "swipe_right", *OTHER_KINDS])
def test_movements_stay_within_what_arms_do(activity: str) -> None:
    for seed in range(8):
        motion = perform(person(seed), activity, np.random.default_rng(seed))
        assert 0.5 < motion.duration_s < 4.0
        felt = np.linalg.norm(motion.specific_force_mps2, axis=1)
        turning = np.linalg.norm(motion.angular_rate_radps, axis=1)
        assert felt.max() < 4.5 * STANDARD_GRAVITY_MPS2
        assert 0.4 < turning.max() < np.radians(1000)


def test_a_swipe_to_the_right_begins_with_the_turning_that_a_swipe_to_the_left_begins_against() -> None:
    for seed in range(6):
        # An untilted board, whose z axis is the elbow's: clockwise is to the right.
        who = person(seed, tilt_deg=0.0)
        right, left = (
            perform(who, activity, np.random.default_rng(7)) for activity in ("swipe_right", "swipe_left")
        )
        stroke_right, stroke_left = (
            motion.angular_rate_radps[np.abs(motion.angular_rate_radps[:, 2]).argmax(), 2]
            for motion in (right, left)
        )
        assert stroke_right < -1
        assert stroke_left > 1


def test_people_differ_in_amplitude_speed_habits_and_mounting() -> None:
    people = [person(seed) for seed in range(20)]
    assert np.std([who.amplitude_m for who in people]) > 0.03
    assert np.std([who.stroke_s for who in people]) > 0.03
    tilts_deg = np.degrees([who.mounting for who in people])
    assert (np.abs(tilts_deg) <= 30).all()
    assert (tilts_deg.std(axis=0) > 10).all()
    assert all(sum(who.habits) == pytest.approx(1.0) for who in people)


def test_a_hand_at_rest_trembles_and_no_more() -> None:
    motion = rest(person(2), 5.0, np.random.default_rng(0))
    deviation = motion.specific_force_mps2 - motion.specific_force_mps2[0]
    assert 0.005 < deviation.std() < 0.1
    assert np.abs(motion.angular_rate_radps).max() < 0.1


def test_an_unknown_activity_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"one of swipe_left, swipe_right, .*circle.*, got 'juggle'"):
        perform(person(0), "juggle", np.random.default_rng(0))
