from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fedmotion.simulation.evaluation.movements import Movements

SWINGS = {
    "left": (0, 1.0),
    "right": (0, -1.0),
    "up": (1, 1.0),
    "down": (1, -1.0),
    "nod": (4, 1.0),
    "rest": (5, 0.0),
}
"""Which axis swings, and to which side first."""

WriteTakes = Callable[..., Path]


@pytest.fixture
def write_takes(tmp_path: Path) -> WriteTakes:
    """Write a file of takes: {person: {label: n_takes}}; a take is 50 rows of the person's number."""

    def write(people: dict[str, dict[str, int]]) -> Path:
        takes = [
            (person, label)
            for person, counts in people.items()
            for label, count in counts.items()
            for _ in range(count)
        ]
        rows = np.concatenate([np.full((50, 6), float(person)) for person, _ in takes])
        path = tmp_path / "takes.npz"
        np.savez(
            path,
            data=rows,
            offsets=np.arange(len(takes) + 1) * 50,
            label=np.array([label for _, label in takes]),
            subject=np.array([person for person, _ in takes]),
            columns=np.array(["ax", "ay", "az", "gx", "gy", "gz"]),
            units=np.array(["m/s2"] * 3 + ["rad/s"] * 3),
            fs_hz=np.array(50.0),
        )
        return path

    return write


def swinging(people: dict[str, list[str]], *, noise: float = 0.2, tell_tale: str = "") -> Movements:
    """Return windows of 16 samples, one a take of 2 s, told apart by the axis that swings and its side.

    Each person's have a mean of their own. The person `tell_tale` swings every gesture the other way round.
    """
    rng = np.random.default_rng(7)
    swing = np.sin(np.linspace(0, 2 * np.pi, 16))
    windows, labels, names = [], [], []
    for offset, (person, performed) in enumerate(people.items()):
        for label in performed:
            window = rng.normal(scale=noise, size=(16, 6))
            axis, side = SWINGS[label]
            window[:, axis] += 4 * side * (-1 if person == tell_tale else 1) * swing
            window[:, 2] += 0.1 * offset
            windows.append(window)
            labels.append(label)
            names.append(person)
    n = len(windows)
    return Movements(
        "made up",
        ("0" * 64,),
        (),
        np.array(windows, np.float32),
        np.array(labels, np.str_),
        np.array(names, np.str_),
        np.arange(n),
        np.full(n, 2.0),
    )


@pytest.fixture
def swing() -> Callable[..., Movements]:
    """Make `swinging` movements."""
    return swinging
