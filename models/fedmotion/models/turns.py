"""Rotations: their axis and angle, the cube's 24, and the frame that two directions span."""

import math
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def axis_rotations() -> tuple[NDArray[np.float64], ...]:
    """Return the 24 proper rotations that send axes to axes (the cube's), the identity first."""
    rotations = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            rotation = np.zeros((3, 3))
            rotation[np.arange(3), order] = signs
            if np.linalg.det(rotation) > 0:
                rotations.append(rotation)
    return tuple(rotations)


def about_axis(index: int, degrees: float) -> NDArray[np.float64]:
    """Return the rotation by `degrees` about axis x, y or z (`index` 0 to 2), right-handed."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = (index + 1) % 3, (index + 2) % 3
    rotation = np.eye(3)
    rotation[i, i] = rotation[j, j] = cosine
    rotation[i, j], rotation[j, i] = -sine, sine
    return rotation


def angle_deg(a: Vector, b: Vector) -> float:
    """Return the angle between two vectors, 0 to 180 degrees; exact also near both ends."""
    # Kahan 2006, "How futile are mindless assessments of roundoff", section 12.
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return math.degrees(2 * math.atan2(float(np.linalg.norm(a - b)), float(np.linalg.norm(a + b))))


def turn(rotation: NDArray[np.float64]) -> tuple[Vector, float]:
    """Return a proper rotation's axis, (3,) of length 1, and its angle, 0 to 180 degrees."""
    # The quaternion is a symmetric matrix's leading eigenvector, exact at every angle (Bar-Itzhack 2000, "New
    # method for extracting the quaternion from a rotation matrix", J. Guid. Control Dyn. 23).
    r = rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
        ]
    )
    # eigh reads the lower half of this symmetric matrix.
    x, y, z, w = np.linalg.eigh(k)[1][:, -1]
    vector = np.array([x, y, z]) * (1.0 if w >= 0 else -1.0)
    length = float(np.linalg.norm(vector))
    angle = math.degrees(2 * math.atan2(length, abs(w)))
    axis = np.array([0.0, 0.0, 1.0]) if length == 0 else vector / length
    if angle > 180 - 1e-6 and axis[np.abs(axis).argmax()] < 0:
        axis = -axis  # half a turn is the same either way round
    return axis, angle


def axis_words(axis: Vector) -> str:
    """Return "its x axis" where `axis` is within 15 degrees of it either way, else its components."""
    index = int(np.abs(axis).argmax())
    if abs(axis[index]) >= math.cos(math.radians(15)):
        return f"its {'-' if axis[index] < 0 else ''}{'xyz'[index]} axis"
    return f"the axis ({', '.join(f'{round(part, 2) + 0.0:.2f}' for part in axis)}) of its own"


def frame_of(exact: Vector, other: Vector) -> NDArray[np.float64]:
    """Return the orthonormal frame of two directions, one a column; the first is `exact`."""
    first = exact / np.linalg.norm(exact)
    normal = np.cross(first, other)
    normal /= np.linalg.norm(normal)
    return np.stack([first, normal, np.cross(first, normal)], axis=1)
