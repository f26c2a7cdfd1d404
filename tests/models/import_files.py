"""Files to import as this room's tests write them: tables and npz of motions that a board could have felt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEAD = "t_us,ax_mps2,ay_mps2,az_mps2,gx_radps,gy_radps,gz_radps"


def motion(seed: int = 0, seconds: float = 2.0, rate_hz: float = 100.0) -> NDArray[np.float32]:
    """Return a movement in the middle of rest, (n, 6) in m/s2 and rad/s."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    bump = np.exp(-(((t - seconds / 2) / 0.3) ** 2))
    size = rng.uniform(2, 5, 6)
    samples = np.column_stack([scale * bump * np.sin(7 * t + axis) for axis, scale in enumerate(size)])
    samples[:, 2] += 9.81
    return (samples + rng.normal(0, 0.02, samples.shape)).astype(np.float32)


def lines(samples: NDArray[np.float32], rate_hz: float = 100.0, first_us: int = 0) -> list[str]:
    """Return a table's rows, times in microseconds first."""
    return [
        f"{first_us + round(row * 1e6 / rate_hz)},{','.join(map(str, sample))}"
        for row, sample in enumerate(samples)
    ]


def write(path: Path, *rows: str, head: str = HEAD, end: str = "\n") -> Path:
    path.write_bytes(end.join([head, *rows, ""]).encode())
    return path


def write_npz(path: Path, takes: Sequence[NDArray[np.float32]], **changes: Any) -> Path:
    arrays: dict[str, Any] = {
        "data": np.concatenate(takes),
        "offsets": np.cumsum([0, *map(len, takes)]),
        "label": np.array(["swipe"] * len(takes)),
        "subject": np.array(["anna"] * len(takes)),
        "columns": np.array(["ax", "ay", "az", "gx", "gy", "gz"]),
        "units": np.array(["m/s2"] * 3 + ["rad/s"] * 3),
        "fs_hz": 100.0,
        **changes,
    }
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path
