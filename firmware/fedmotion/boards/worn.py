"""How a board is worn: turned on its wrist, and in the two poses by which `fedmotion mount` finds that."""

import numpy as np

from fedmotion.boards.kinematics import PITCH, Floats, Motion, Path, rotation
from fedmotion.boards.script import Script

POSE_S = 15.0
"""How long the arm hangs: time for somebody to read what is asked."""

_LIFT_S = 1.2
_LEVEL_S = 3.0


def parse_turned(text: str) -> Floats:
    """Return the rotation, (3, 3), of a board turned as `text` says: AXIS or AXIS:DEGREES, as x or z:-90.

    Half a turn where no degrees are given; right-handed about the board's own axis.

    Raises
    ------
    ValueError
        If it says something else.
    """
    axis, _, said = text.partition(":")
    try:
        degrees = float(said) if ":" in text else 180.0
    except ValueError:
        degrees = np.nan
    if axis not in {"x", "y", "z"} or not abs(degrees) <= 360:
        raise ValueError(
            f"a board is turned by AXIS or AXIS:DEGREES, as x or z:-90 (-360 to 360), got {text!r}"
        )
    roll, pitch, yaw = (np.array([np.radians(degrees) if axis == each else 0.0]) for each in "xyz")
    by: Floats = rotation(yaw, pitch, roll)[0]
    return by


def turn_motion(motion: Motion, by: Floats) -> Motion:
    """Return what a board turned by the rotation `by`, (3, 3), feels of `motion`."""
    # Rows: each is by.T @ row, from the axes as pictured into those of the turned board.
    return Motion(motion.t_s, motion.specific_force_mps2 @ by, motion.angular_rate_radps @ by)


def poses_script(*, hanging_s: float = POSE_S) -> Script:
    """Return an arm that hangs for `hanging_s`, and then the forearm held level, palm down."""
    path = Path(hanging_s + _LIFT_S + _LEVEL_S)
    path.move(hanging_s, _LIFT_S, {PITCH: -np.pi / 2})
    return Script(path.motion(np.array([0.0, np.pi / 2, 0.0]), np.eye(3)), ())
