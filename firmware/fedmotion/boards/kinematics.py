"""A wrist's path through space and what a sensor on it feels: specific force and angular rate.

Paths are sums of minimum-jerk steps and of oscillations, whose derivatives are known exactly; nothing
here knows of people or of gestures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STANDARD_GRAVITY_MPS2 = 9.80665
"""Standard acceleration of free fall (3rd CGPM, 1901)."""

GRID_HZ = 250.0
"""How finely a path is computed; a sensor interpolates between. Human tremor ends near 12 Hz."""

FORWARD, LEFT, UP, YAW, PITCH, ROLL = range(6)
"""A path's channels: metres in the room (forward, left, up), then radians about up, left and forward."""


@dataclass(frozen=True, slots=True)
class Motion:
    """What a sensor is put through.

    Attributes
    ----------
    t_s : (n,) float64, ascending seconds
    specific_force_mps2 : (n, 3) float64, in the sensor's axes; +g along the axis that points up at rest
    angular_rate_radps : (n, 3) float64, in the sensor's axes
    """

    t_s: Floats
    specific_force_mps2: Floats
    angular_rate_radps: Floats

    def __post_init__(self) -> None:
        n = len(self.t_s)
        if n == 0 or self.specific_force_mps2.shape != (n, 3) or self.angular_rate_radps.shape != (n, 3):
            raise ValueError(
                "a motion has n instants and two arrays of shape (n, 3), n at least 1, got "
                f"{self.t_s.shape}, {self.specific_force_mps2.shape} and {self.angular_rate_radps.shape}"
            )
        if n > 1 and not (np.diff(self.t_s) > 0).all():
            raise ValueError("a motion's instants ascend, got two that do not")

    @property
    def duration_s(self) -> float:
        """The time from the first instant to the last."""
        return float(self.t_s[-1] - self.t_s[0])

    def axes(self) -> Floats:
        """Return both quantities side by side, (n, 6) in m/s2 and rad/s."""
        return np.hstack([self.specific_force_mps2, self.angular_rate_radps])


def motion_of(t_s: Floats, axes: Floats) -> Motion:
    """Return the motion whose six axes are `axes`, (n, 6) in m/s2 and rad/s."""
    return Motion(t_s, axes[:, :3], axes[:, 3:])


def minimum_jerk(t_s: Floats, start_s: float, duration_s: float) -> Floats:
    """Return a step from 0 to 1 of least jerk and its first and second derivatives, (3, n).

    Flash & Hogan, "The coordination of arm movements", J. Neurosci. 5 (1985), equation 1 of the
    rest-to-rest case: 10 s^3 - 15 s^4 + 6 s^5, s from 0 to 1.
    """
    s = np.clip((t_s - start_s) / duration_s, 0.0, 1.0)
    return np.stack(
        [
            s**3 * (10 + s * (-15 + 6 * s)),
            30 * s**2 * (1 - s) ** 2 / duration_s,
            60 * s * (1 - s) * (1 - 2 * s) / duration_s**2,
        ]
    )


def oscillation(
    t_s: Floats, start_s: float, duration_s: float, *, frequency_hz: float, phase_rad: float, ramp_s: float
) -> Floats:
    """Return a sine that swells within `ramp_s` and dies away before its end, with derivatives, (3, n)."""
    swell = minimum_jerk(t_s, start_s, ramp_s) - minimum_jerk(t_s, start_s + duration_s - ramp_s, ramp_s)
    omega = 2 * np.pi * frequency_hz
    angle = omega * (t_s - start_s) + phase_rad
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.stack(
        [
            swell[0] * sine,
            swell[1] * sine + swell[0] * omega * cosine,
            swell[2] * sine + 2 * swell[1] * omega * cosine - swell[0] * omega**2 * sine,
        ]
    )


class Path:
    """Position and attitude of a wrist, summed from steps and oscillations of its six channels.

    Overlapping steps make curves through via-points (Flash & Henis, "Arm trajectory modifications
    during reaching towards visual targets", J. Cogn. Neurosci. 3, 1991: superposition).
    """

    def __init__(self, duration_s: float) -> None:
        self.t_s: Floats = np.arange(round(duration_s * GRID_HZ) + 1) / GRID_HZ
        self.channels: Floats = np.zeros((3, 6, len(self.t_s)))

    def move(self, start_s: float, duration_s: float, change: dict[int, float]) -> None:
        """Add a minimum-jerk step of each channel named in `change` (m or rad)."""
        shape = minimum_jerk(self.t_s, start_s, duration_s)
        for channel, amount in change.items():
            self.channels[:, channel] += amount * shape

    def swing(
        self,
        start_s: float,
        duration_s: float,
        frequency_hz: float,
        change: dict[int, tuple[float, float]],
        ramp_s: float = 0.3,
    ) -> None:
        """Add an oscillation of each channel named in `change`, an amplitude (m or rad) and a phase (rad)."""
        for channel, (amount, phase_rad) in change.items():
            self.channels[:, channel] += amount * oscillation(
                self.t_s, start_s, duration_s, frequency_hz=frequency_hz, phase_rad=phase_rad, ramp_s=ramp_s
            )

    def motion(self, posture: Floats, mounting: Floats) -> Motion:
        """Return what a sensor feels that is carried along this path.

        Parameters
        ----------
        posture : (3,) yaw, pitch and roll of the forearm at rest, rad
        mounting : (3, 3) rotation from the sensor's axes to the forearm's
        """
        position, attitude = self.channels[:, :3], self.channels[:, 3:].copy()
        attitude[0] += posture[:, np.newaxis]
        to_room = rotation(attitude[0, 0], attitude[0, 1], attitude[0, 2])
        felt = position[2].T + np.array([0.0, 0.0, STANDARD_GRAVITY_MPS2])
        force = np.einsum("nji,nj->ni", to_room, felt)
        return Motion(self.t_s, force @ mounting, _angular_rate(attitude) @ mounting)


def rotation(yaw: Floats, pitch: Floats, roll: Floats) -> Floats:
    """Return the rotations Rz(yaw) Ry(pitch) Rx(roll), (n, 3, 3), from the turned axes to the room's."""
    cy, sy = np.cos(yaw), np.sin(yaw)
    cp, sp = np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    rows = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def _angular_rate(attitude: Floats) -> Floats:
    """Return the angular rate in the turned axes, (n, 3), of angles and their rates.

    Diebel, "Representing attitude" (2006), section 5: the Euler rates' matrix of the sequence (1, 2, 3).
    """
    _, pitch, roll = attitude[0]
    yaw_rate, pitch_rate, roll_rate = attitude[1]
    return np.stack(
        [
            roll_rate - yaw_rate * np.sin(pitch),
            pitch_rate * np.cos(roll) + yaw_rate * np.cos(pitch) * np.sin(roll),
            yaw_rate * np.cos(pitch) * np.cos(roll) - pitch_rate * np.sin(roll),
        ],
        axis=-1,
    )
