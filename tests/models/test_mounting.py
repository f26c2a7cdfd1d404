"""Where a board sits: the turn and the mirror, found from poses and from gestures."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.models.mounting import (
    AS_PICTURED,
    Mounting,
    fit_to_gestures,
    from_poses,
    gravity_of,
    in_words,
)
from fedmotion.models.turns import Vector, angle_deg, axis_rotations, turn

Score = Callable[[NDArray[np.float32]], NDArray[np.float64]]

G = 9.80665
X180 = np.diag([1.0, -1.0, -1.0])
Y180 = np.diag([-1.0, 1.0, -1.0])
Z180 = np.diag([-1.0, -1.0, 1.0])
HANGING = np.array([-G, 0, 0])
FORWARD = np.array([0, 0, G])


def rodrigues(axis: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    x, y, z = axis / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    radians = math.radians(degrees)
    rotation: NDArray[np.float64] = np.eye(3) + math.sin(radians) * k + (1 - math.cos(radians)) * k @ k
    return rotation


def some_rotations(n: int) -> list[NDArray[np.float64]]:
    rng = np.random.default_rng(7)
    return [rodrigues(rng.standard_normal(3), float(rng.uniform(0, 180))) for _ in range(n)]


def some_samples(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((*shape, 6)).astype(np.float32) * 9


def test_as_pictured_leaves_every_bit_as_it_is() -> None:
    samples = some_samples(96)
    samples[0, 0] = -0.0
    assert AS_PICTURED.apply(samples).tobytes() == samples.tobytes()


def test_half_a_turn_about_x_by_hand() -> None:
    samples = np.array([[1, 2, 3, 4, 5, 6]], np.float32)
    assert Mounting(X180).apply(samples).tolist() == [[1, -2, -3, 4, -5, -6]]


def test_a_mirror_turns_rates_the_other_way_round_by_hand() -> None:
    # Across the plane of x and z a force keeps x and z, and a spin keeps y.
    samples = np.array([[1, 2, 3, 4, 5, 6]], np.float32)
    assert Mounting(np.eye(3), is_mirrored=True).apply(samples).tolist() == [[1, -2, 3, -4, 5, -6]]


def of_force(mounting: Mounting, vector: Vector) -> Vector:
    samples: Vector = np.concatenate([vector, np.zeros(3)])
    return mounting.apply(samples)[:3]


def of_rate(mounting: Mounting, vector: Vector) -> Vector:
    samples: Vector = np.concatenate([np.zeros(3), vector])
    return mounting.apply(samples)[3:]


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_what_a_rigid_body_feels_stays_what_a_rigid_body_feels(is_mirrored: bool) -> None:
    # The force at a lever arm r of a body that spins: w x (w x r). It holds in every frame, mirrored or not,
    # if and only if the rate turns as a pseudovector.
    rng = np.random.default_rng(3)
    for rotation in some_rotations(20):
        mounting = Mounting(rotation, is_mirrored)
        r, w, turning = rng.standard_normal((3, 3))
        felt = np.cross(w, np.cross(w, r)) + np.cross(turning, r)
        arm, spin, change = of_force(mounting, r), of_rate(mounting, w), of_rate(mounting, turning)
        again = np.cross(spin, np.cross(spin, arm)) + np.cross(change, arm)
        np.testing.assert_allclose(again, of_force(mounting, felt), atol=1e-12)


def test_how_a_stream_is_cut_changes_no_bit() -> None:
    samples = some_samples(997)
    for rotation in some_rotations(5):
        mounting = Mounting(rotation, is_mirrored=True)
        whole = mounting.apply(samples)
        for n in (1, 3, 64):
            pieces = [mounting.apply(samples[first : first + n]) for first in range(0, len(samples), n)]
            assert np.concatenate(pieces).tobytes() == whole.tobytes()
        stacked = mounting.apply(samples[:996].reshape(4, 249, 6))
        assert stacked.tobytes() == whole[:996].tobytes()
        assert whole.dtype == np.float32


@pytest.mark.parametrize(
    ("rotation", "reason"),
    [
        (np.eye(2), r"3 x 3 numbers, got shape \(2, 2\)"),
        (np.diag([1.0, 1.0, -1.0]), "proper .* determinant"),
        (2 * np.eye(3), "proper"),
        (np.full((3, 3), np.nan), "proper"),
    ],
)
def test_what_is_no_turn_is_refused(rotation: NDArray[np.float64], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Mounting(rotation)


def test_samples_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 6\), got \(4, 3\)"):
        Mounting(X180).apply(np.zeros((4, 3)))


def test_equal_mountings_are_equal_and_nobody_writes_into_one() -> None:
    given = np.eye(3)
    mounting = Mounting(given)
    given[0, 0] = 5
    assert mounting == AS_PICTURED
    assert hash(mounting) == hash(AS_PICTURED)
    assert mounting != Mounting(np.eye(3), is_mirrored=True)
    with pytest.raises(ValueError, match="read-only"):
        mounting.rotation[0, 0] = 2


def test_poses_worn_as_pictured_give_no_turn() -> None:
    assert np.abs(from_poses(HANGING, FORWARD, "right").rotation - np.eye(3)).max() < 1e-12
    assert not from_poses(HANGING, FORWARD, "right").is_mirrored
    assert not from_poses(HANGING, FORWARD, "unset").is_mirrored
    assert from_poses(HANGING, FORWARD, "left").is_mirrored


def test_poses_find_any_turn_on_either_hand() -> None:
    for rotation in some_rotations(50):
        board = rotation.T
        for hand in ("left", "right"):
            found = from_poses(board @ HANGING, board @ FORWARD, hand)
            assert np.abs(found.rotation - rotation).max() < 1e-9


def test_a_sloppy_hanging_arm_leaves_the_forward_pose_exact() -> None:
    sloppy = rodrigues(np.array([0.0, 1.0, 0.0]), 25) @ HANGING
    assert np.abs(from_poses(sloppy, FORWARD, "right").rotation - np.eye(3)).max() < 1e-9
    sideways = rodrigues(np.array([0.0, 0.0, 1.0]), 10) @ HANGING
    turned = from_poses(sideways, FORWARD, "right")
    np.testing.assert_allclose(turned.rotation @ FORWARD, FORWARD, atol=1e-9)
    assert turn(turned.rotation)[1] == pytest.approx(10)


@pytest.mark.parametrize(
    ("hanging", "forward", "reason"),
    [
        (FORWARD, FORWARD, "some 90 degrees apart .45 to 135., got 0: let the arm hang"),
        (-FORWARD, FORWARD, "got 180"),
        (
            HANGING / G,
            FORWARD,
            "the arm hanging down feels gravity, 9.81 m/s2 within 1.5, got 1.00: is it in g",
        ),
        (HANGING, FORWARD * 100, "the forearm forward .* got 980.66: is it in cm/s2"),
        (HANGING, FORWARD * 1.2, "got 11.77: hold it still"),
        (HANGING * np.nan, FORWARD, "got nan"),
        (np.zeros(2), FORWARD, r"a vector of 3 numbers, got shape \(2,\)"),
    ],
)
def test_poses_that_cannot_be_are_refused_in_words(
    hanging: NDArray[np.float64], forward: NDArray[np.float64], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        from_poses(hanging, forward, "right")


def held(unrest_mps2: float, unrest_radps: float) -> NDArray[np.float32]:
    noise = np.random.default_rng(5).standard_normal((100, 6))
    noise *= np.repeat([unrest_mps2, unrest_radps], 3)
    pose: NDArray[np.float32] = (noise + np.array([0, 0, G, 0.2, 0, 0])).astype(np.float32)
    return pose


def test_a_held_pose_is_its_mean_whatever_the_gyroscopes_bias() -> None:
    np.testing.assert_allclose(gravity_of(held(0.1, 0.02)), FORWARD, atol=0.05)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (held(1.0, 0.0), r"held still .within 0.6 m/s2 and 12 deg/s., got 1\.\d m/s2 and 0 deg/s"),
        (held(0.0, 0.5), "got 0.0 m/s2 and 47 deg/s: rest the arm"),
        (held(0.0, 0.0) / 9.80665, "a pose feels gravity, .* got 1.00: is it in g"),
        (np.empty((0, 6), np.float32), r"shape \(n, 6\), got \(0, 6\)"),
        (held(0.0, 0.0) * np.float32(np.nan), "held still"),
    ],
)
def test_a_pose_not_held_is_refused_in_words(samples: NDArray[np.float32], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        gravity_of(samples)


def test_there_are_24_ways_to_turn_a_cube() -> None:
    rotations = axis_rotations()
    assert len({rotation.tobytes() for rotation in rotations}) == 24
    assert (rotations[0] == np.eye(3)).all()
    for rotation in rotations:
        Mounting(rotation)


def likeness(template: NDArray[np.float32]) -> Score:
    """Return scores of two classes, `template` (2, n, 6): less the distance to each."""

    def score(windows: NDArray[np.float32]) -> NDArray[np.float64]:
        distances: NDArray[np.float64] = -np.linalg.norm(
            (windows[:, None] - template[None]).astype(np.float64), axis=(2, 3)
        )
        return distances

    return score


def test_known_gestures_find_each_of_the_48_mountings() -> None:
    template = some_samples(2, 20)
    score = likeness(template)
    for rotation in axis_rotations():
        for is_mirrored in (False, True):
            # A reflection is its own inverse: the board felt R^T S what the template shows.
            mirrored = Mounting(np.eye(3), is_mirrored).apply(template)
            felt = Mounting(rotation.T).apply(mirrored)
            fit = fit_to_gestures(score, felt, np.array([0, 1]))
            assert fit.mounting == Mounting(rotation, is_mirrored)
            assert fit.lead > 1
            assert fit.runner_up != fit.mounting


def test_a_board_between_the_axes_is_found_by_small_turns() -> None:
    template = some_samples(2, 20)
    template[1] = -template[0]
    # Short enough for margins that the search does not take for large enough already.
    template *= np.float32(0.01)
    score = likeness(template)
    off = rodrigues(np.array([1.0, 2.0, -1.0]), 25)
    fit = fit_to_gestures(score, Mounting((off @ X180).T).apply(template), np.array([0, 1]))
    assert turn(fit.mounting.rotation @ (off @ X180).T)[1] < 10
    assert turn(fit.mounting.rotation @ X180.T)[1] > 15


def test_a_hand_that_is_told_is_not_tried_otherwise() -> None:
    template = some_samples(2, 20)
    mirrored = Mounting(np.eye(3), is_mirrored=True).apply(template)
    labels = np.array([0, 1])
    score = likeness(template)
    assert fit_to_gestures(score, mirrored, labels, hand="left").mounting.is_mirrored
    assert not fit_to_gestures(score, mirrored, labels, hand="right").mounting.is_mirrored
    assert fit_to_gestures(score, mirrored, labels, hand="unset").mounting.is_mirrored


def test_gestures_that_look_alike_every_way_round_have_no_lead() -> None:
    fit = fit_to_gestures(
        lambda windows: np.zeros((len(windows), 2)), np.zeros((1, 20, 6), np.float32), np.array([0])
    )
    assert fit.lead == 0


def test_a_fit_without_windows_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one window and a label for each, got 0"):
        fit_to_gestures(
            lambda w: np.zeros((len(w), 2)), np.empty((0, 20, 6), np.float32), np.empty(0, np.int64)
        )


def test_a_rotations_axis_and_angle_come_back() -> None:
    rng = np.random.default_rng(2)
    for degrees in (0.0, 1e-6, 1.0, 90.0, 179.0, 179.9999, 180.0):
        axis = rng.standard_normal(3)
        axis *= np.sign(axis[np.abs(axis).argmax()]) / np.linalg.norm(axis)
        found, angle = turn(rodrigues(axis, degrees))
        assert angle == pytest.approx(degrees, abs=1e-6)
        if degrees >= 1:
            np.testing.assert_allclose(found, axis, atol=1e-6)


def test_angles_are_exact_near_both_ends() -> None:
    x = np.array([1.0, 0, 0])
    assert angle_deg(x, 3 * x) == 0
    assert angle_deg(x, -x) == 180
    assert angle_deg(x, np.array([1.0, 1e-10, 0])) == pytest.approx(math.degrees(1e-10))


@pytest.mark.parametrize(
    ("mounting", "words"),
    [
        (AS_PICTURED, "turned as pictured"),
        (Mounting(X180), "turned by 180 degrees about its x axis"),
        (Mounting(Y180), "turned by 180 degrees about its y axis"),
        (Mounting(Z180), "turned by 180 degrees about its z axis"),
        (Mounting(rodrigues(np.array([0, 0, 1.0]), 90)), "turned by 90 degrees about its z axis"),
        (Mounting(rodrigues(np.array([0, 0, 1.0]), -90)), "turned by 90 degrees about its -z axis"),
        (
            Mounting(rodrigues(np.array([1.0, 1, 0]), 40)),
            "turned by 40 degrees about the axis (0.71, 0.71, 0.00) of its own",
        ),
        (Mounting(np.eye(3), is_mirrored=True), "turned as pictured, mirrored for the other hand"),
    ],
)
def test_mountings_are_told_in_words(mounting: Mounting, words: str) -> None:
    assert in_words(mounting) == words
