"""Paths and what is felt along them: minimum jerk, oscillation, gravity, angular rate."""

import itertools

import numpy as np
import pytest

from fedmotion.boards.kinematics import (
    LEFT,
    PITCH,
    ROLL,
    STANDARD_GRAVITY_MPS2,
    UP,
    YAW,
    Motion,
    Path,
    minimum_jerk,
    oscillation,
    rotation,
)


def test_a_minimum_jerk_step_is_the_polynomial_of_flash_and_hogan() -> None:
    # s = 1/4: 10/64 - 15/256 + 6/1024 = 106/1024; halfway the speed is 15/8 of the mean one.
    position, velocity, _ = minimum_jerk(np.array([0.0, 0.5, 1.0, 2.0]), 0.0, 2.0)
    assert position.tolist() == [0.0, 106 / 1024, 0.5, 1.0]
    assert velocity[2] == pytest.approx(15 / 8 / 2)


def test_a_minimum_jerk_step_is_at_rest_at_both_ends_and_outside() -> None:
    steps = minimum_jerk(np.array([-1.0, 0.0, 1.0, 3.0]), 0.0, 1.0)
    assert steps[0].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert steps[1:].tolist() == [[0.0] * 4, [0.0] * 4]


def test_a_minimum_jerk_step_has_less_jerk_than_another_smooth_step() -> None:
    t_s = np.linspace(0, 1, 10_001)
    _, _, acceleration = minimum_jerk(t_s, 0.0, 1.0)
    # The septic step is also at rest at both ends: 140 s^3 (1 - s)^3 is its speed.
    septic = np.gradient(140 * t_s**3 * (1 - t_s) ** 3, t_s)

    def cost(a: np.ndarray) -> float:
        return float(np.mean(np.gradient(a, t_s) ** 2))

    assert cost(acceleration) == pytest.approx(720, rel=1e-3)  # 720 is the optimum, D^2/T^5 = 1
    assert cost(septic) > 720


@pytest.mark.parametrize(
    "derivatives",
    [
        minimum_jerk(np.arange(0, 2, 1e-4), 0.3, 1.1),
        oscillation(np.arange(0, 2, 1e-4), 0.2, 1.5, frequency_hz=3.0, phase_rad=0.4, ramp_s=0.3),
    ],
)
def test_the_derivatives_are_those_of_the_curve(derivatives: np.ndarray) -> None:
    for curve, derivative in itertools.pairwise(derivatives):
        assert np.gradient(curve, 1e-4) == pytest.approx(derivative, abs=0.05)


def test_a_still_wrist_feels_gravity_upwards_and_no_turning() -> None:
    motion = Path(1.0).motion(np.zeros(3), np.eye(3))
    assert motion.specific_force_mps2 == pytest.approx(np.tile([0.0, 0.0, STANDARD_GRAVITY_MPS2], (251, 1)))
    assert motion.angular_rate_radps.tolist() == [[0.0, 0.0, 0.0]] * 251


def test_a_wrist_rolled_by_90_degrees_feels_gravity_on_its_left_axis() -> None:
    motion = Path(0.1).motion(np.array([0.0, 0.0, np.pi / 2]), np.eye(3))
    assert motion.specific_force_mps2[0] == pytest.approx([0.0, STANDARD_GRAVITY_MPS2, 0.0])


def test_a_move_to_the_left_accelerates_leftwards_and_then_brakes() -> None:
    path = Path(1.0)
    path.move(0.0, 1.0, {LEFT: 0.5})
    leftwards = path.motion(np.zeros(3), np.eye(3)).specific_force_mps2[:, 1]
    assert leftwards[50] > 2
    assert leftwards[200] < -2
    assert leftwards.sum() == pytest.approx(0.0, abs=1e-9)


def test_the_angular_rate_is_that_of_the_attitude() -> None:
    path = Path(1.0)
    path.move(0.0, 1.0, {YAW: 1.0, PITCH: -0.6, ROLL: 0.9})
    rates = path.motion(np.zeros(3), np.eye(3)).angular_rate_radps
    attitudes = rotation(*path.channels[0, 3:])
    # R(t)^T R(t + dt) = 1 + dt [w]x for the rate w in the turned axes.
    steps = np.einsum("nji,njk->nik", attitudes[:-1], attitudes[1:])
    skew = (steps - steps.transpose(0, 2, 1)) / 2 * 250
    measured = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=-1)
    assert measured == pytest.approx((rates[:-1] + rates[1:]) / 2, abs=2e-3)


def test_a_turned_mounting_turns_both_quantities() -> None:
    path = Path(1.0)
    path.move(0.0, 1.0, {ROLL: 1.0, UP: 0.1})
    straight = path.motion(np.zeros(3), np.eye(3))
    yaw = np.array([np.pi / 2])
    turned = path.motion(np.zeros(3), rotation(yaw, yaw * 0, yaw * 0)[0])
    # The sensor's x axis points left: what was felt along "left" comes on x, forward on -y.
    expected = straight.specific_force_mps2[:, [1, 0, 2]] * [1, -1, 1]
    assert turned.specific_force_mps2 == pytest.approx(expected)
    assert turned.angular_rate_radps[:, 1] == pytest.approx(-straight.angular_rate_radps[:, 0])


def test_a_motion_of_wrong_shapes_or_order_is_refused() -> None:
    with pytest.raises(ValueError, match=r"two arrays of shape \(n, 3\)"):
        Motion(np.zeros(2), np.zeros((2, 3)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="instants ascend"):
        Motion(np.zeros(2), np.zeros((2, 3)), np.zeros((2, 3)))
