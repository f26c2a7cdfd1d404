from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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
