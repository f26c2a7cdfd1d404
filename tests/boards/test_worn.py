import numpy as np
import pytest

from fedmotion.boards.simulated_board import make_script
from fedmotion.boards.worn import parse_turned, poses_script, turn_motion
from fedmotion.models.mounting import Mounting, from_poses

G = 9.80665


@pytest.mark.parametrize(
    ("text", "felt"),
    [
        ("x", (1.0, -2.0, -3.0)),
        ("y", (-1.0, 2.0, -3.0)),
        ("z:180", (-1.0, -2.0, 3.0)),
        ("z:90", (2.0, -1.0, 3.0)),
        ("z:-90", (-2.0, 1.0, 3.0)),
        ("x:0", (1.0, 2.0, 3.0)),
    ],
)
def test_a_turned_board_feels_the_same_along_other_axes(text: str, felt: tuple[float, ...]) -> None:
    by = parse_turned(text)
    np.testing.assert_allclose(np.array([1.0, 2.0, 3.0]) @ by, felt, atol=1e-12)
    np.testing.assert_allclose(Mounting(by).rotation @ np.array(felt), [1, 2, 3], atol=1e-12)


@pytest.mark.parametrize("text", ["", "w", "x:", "x:much", "xy", "x:nan", "x:361", "X", ":90"])
def test_a_turn_that_is_none_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="a board is turned by AXIS or AXIS:DEGREES"):
        parse_turned(text)


def test_the_poses_show_how_a_board_is_turned() -> None:
    script = poses_script(hanging_s=4.0)
    axes = script.motion.axes()
    np.testing.assert_allclose(axes[10], [-G, 0, 0, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(axes[-10], [0, 0, G, 0, 0, 0], atol=1e-9)
    for text in ("x", "y", "z", "y:90", "z:-90", "x:33"):
        by = parse_turned(text)
        felt = turn_motion(script.motion, by).axes()
        found = from_poses(felt[10, :3], felt[-10, :3], "right")
        np.testing.assert_allclose(found.rotation, by, atol=1e-9)


def test_a_performance_is_turned_as_a_whole_and_keeps_its_marks() -> None:
    plain = make_script(person=3, recordings=None, labels=(), counts={"swipe_left": 2}, seed=1)
    upside = make_script(person=3, recordings=None, labels=(), counts={"swipe_left": 2}, seed=1, turned="x")
    assert upside.marks == plain.marks
    np.testing.assert_allclose(upside.motion.axes(), plain.motion.axes() * [1, -1, -1, 1, -1, -1], atol=1e-9)


def test_posing_and_performing_go_not_together() -> None:
    with pytest.raises(ValueError, match="a board poses or performs gestures"):
        make_script(person=1, recordings=None, labels=(), counts={"other": 1}, seed=0, is_posing=True)
