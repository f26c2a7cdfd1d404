"""Clean takes of made-up people for the tests of checks: smooth strokes in gravity, with a sensor's noise."""

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.takes import Take

RATE_HZ = 100.0
GRAVITY = np.array([2.0, -4.0, 8.726])
"""Norm 9.8066."""


def stroke(label: str, person: int, trial: int, seed: int = 0) -> NDArray[np.float64]:
    """Return one take's samples, (n, 6), of about 1.6 s between two rests of 0.4 s."""
    shape = np.random.default_rng([seed, *label.encode()])
    rng = np.random.default_rng([seed, person, trial, *label.encode()])
    s = np.linspace(0, 1, int(160 * rng.uniform(0.85, 1.15)))
    amplitudes, frequencies, phases = (
        shape.uniform(low, high, 6) for low, high in ((0.6, 1.4), (1.0, 2.5), (0.0, 6.28))
    )
    varied = amplitudes * rng.uniform(0.7, 1.3, 6) * np.array([5.0] * 3 + [3.0] * 3)
    wave = np.sin(2 * np.pi * frequencies * s[:, None] + phases + rng.normal(0, 0.2, 6))
    # Nobody performs a gesture twice alike.
    wave += 0.25 * np.sin(2 * np.pi * rng.uniform(0.5, 3.0, 6) * s[:, None] + rng.uniform(0, 6.28, 6))
    moving = varied * np.sin(np.pi * s[:, None]) ** 2 * wave
    rest = np.zeros((40, 6))
    samples = np.vstack([rest, moving, rest])
    samples[:, :3] += GRAVITY
    noise: NDArray[np.float64] = rng.normal(0, 1, samples.shape) * ([0.03] * 3 + [0.004] * 3)
    return samples + noise


def take(
    samples: NDArray[np.float64],
    name: str = "take",
    label: str = "swipe_left",
    person: str = "1",
    *,
    rate_hz: float = RATE_HZ,
    t_us: NDArray[np.int64] | None = None,
    declared_rate_hz: float | None = RATE_HZ,
    full_scale: NDArray[np.float32] | None = None,
) -> Take:
    """Return the take of `samples`; with stamps where `t_us` is given."""
    made = np.rint(np.arange(len(samples)) * 1e6 / rate_hz).astype(np.int64)
    return Take(
        name=name,
        label=label,
        person=person,
        trial="1",
        t_us=made if t_us is None else t_us,
        samples=samples.astype(np.float32),
        declared_rate_hz=declared_rate_hz,
        has_stamps=t_us is not None,
        full_scale=np.full(6, np.nan, np.float32) if full_scale is None else full_scale,
    )


def clean_set(seed: int = 0, n_people: int = 3, n_trials: int = 5) -> dict[str, Take]:
    """Return takes of three gestures by name `label/person/trial`."""
    takes = {}
    for label in ("swipe_left", "swipe_right", "circle"):
        for person in range(1, n_people + 1):
            for trial in range(n_trials):
                name = f"{label}/{person}/{trial}"
                takes[name] = take(stroke(label, person, trial, seed), name, label, str(person))
    return takes
