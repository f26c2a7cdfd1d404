"""Units that files give accelerations and angular rates in, and what one of each is in m/s2 and rad/s.

Besides those of physics there are a board's own counts, with the range that stands for 32768 of them:
`counts@2g` and `counts@250dps`.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.imu_stream import STANDARD_GRAVITY_MPS2, scale_vector
from fedmotion.protocol.serial_frames import AXES, N_AXES

UNIT_FACTORS = (
    {
        "m/s2": 1.0,
        "m/s^2": 1.0,
        "m/s²": 1.0,
        "mm/s^2": 1e-3,
        "g": STANDARD_GRAVITY_MPS2,
        "mg": 1e-3 * STANDARD_GRAVITY_MPS2,
    },
    {"rad/s": 1.0, "mrad/s": 1e-3, "deg/s": np.pi / 180, "dps": np.pi / 180, "mdps": 1e-3 * np.pi / 180},
)
"""What one of each unit is in m/s2 (of accelerations) and rad/s (of angular rates)."""

_OTHER_SPELLINGS = (
    {"mps2": "m/s2", "ms2": "m/s2", "m/s/s": "m/s2", "mm/s2": "mm/s^2", "m/s**2": "m/s2"},
    {
        "radps": "rad/s",
        "rads": "rad/s",
        "rps": "rad/s",
        "radians/s": "rad/s",
        "degps": "deg/s",
        "°/s": "deg/s",
    },
)
_COUNTS = (re.compile(r"counts@(\d+)g"), re.compile(r"counts@(\d+)(?:dps|deg/s)"))
_COUNT_TOLERANCE = 0.01
"""Of one count: a float32 of SI units is off by at most 0.002 of them."""


@dataclass(frozen=True, slots=True)
class SampleUnits:
    """What one of each axis' unit is in SI units, float64 (6,).

    `scales` are the same for accelerations and rates where these are a board's counts, else both 0.
    """

    factors: NDArray[np.float64]
    scales: tuple[float, float] = (0.0, 0.0)

    def to_si(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return values (n, 6) in m/s2 and rad/s."""
        if self.scales != (0.0, 0.0):
            # As a board's own counts are scaled, to the bit.
            counted: NDArray[np.float32] = values.astype(np.float32) * scale_vector(*self.scales)
            return counted
        return (values * self.factors).astype(np.float32)


def unit_factor(unit: str, axis: int) -> float | None:
    """Return what one of `unit` is in SI units for an axis of AXES; None where it is not known."""
    sensor = axis // 3
    # A remark may stand behind the unit: "mm/s^2 (int16)".
    word = (unit.split() or [""])[0]
    counted = _COUNTS[sensor].fullmatch(word)
    if counted and int(counted[1]):
        one = np.pi / 180 if sensor else STANDARD_GRAVITY_MPS2
        return int(counted[1]) * float(one) / 32768
    return UNIT_FACTORS[sensor].get(_OTHER_SPELLINGS[sensor].get(word, word))


def sample_units(units: tuple[str, ...], who: str) -> SampleUnits:
    """Return the units of the six axes, one for each of AXES.

    Raises
    ------
    ValueError
        Naming the axes whose unit is not given or not known.
    """
    factors = [unit_factor(unit, axis) for axis, unit in enumerate(units)]
    unknown = [axis for axis, factor in enumerate(factors) if factor is None]
    if unknown:
        given = ", ".join(repr(units[axis]) for axis in unknown if units[axis])
        raise ValueError(
            f"{who} does not say in which units {', '.join(AXES[axis] for axis in unknown)} are"
            f"{f' (it says {given})' if given else ''}: give --units, for example --units g,deg/s"
        )
    is_counted = [_COUNTS[axis // 3].match(unit) is not None for axis, unit in enumerate(units)]
    known = np.array([factor for factor in factors if factor is not None])
    alike = len({*known[:3].tolist()}) == len({*known[3:].tolist()}) == 1
    if all(is_counted) and alike:
        return SampleUnits(known, (float(known[0]), float(known[3])))
    return SampleUnits(known)


def parse_units(text: str) -> tuple[str, ...]:
    """Return the unit of each of AXES from `ACCELERATIONS,RATES`, such as `g,deg/s`.

    Raises
    ------
    ValueError
        If it is something else, or a unit is not known.
    """
    parts = tuple(part.strip() for part in text.split(","))
    if len(parts) == 2 and all(
        unit_factor(part, 3 * sensor) is not None for sensor, part in enumerate(parts)
    ):
        return (parts[0],) * 3 + (parts[1],) * (N_AXES - 3)
    known = " or ".join(f"({', '.join(factors)})" for factors in UNIT_FACTORS)
    raise ValueError(
        f"--units gives that of accelerations and that of rates, {known}, or a board's counts as in "
        f"counts@2g,counts@250dps; got {text!r}"
    )


def counts_of(samples: NDArray[np.float32], scales: tuple[float, float]) -> NDArray[np.int16] | None:
    """Return the counts (n, 6) that `samples` in SI units are, None where they are none of these scales."""
    if not min(scales) > 0:
        return None
    exact = samples / np.repeat(np.array(scales, dtype=np.float64), 3)
    counts = np.rint(exact)
    limits = np.iinfo(np.int16)
    if len(counts) and (
        counts.min() < limits.min
        or counts.max() > limits.max
        or np.abs(exact - counts).max() > _COUNT_TOLERANCE
    ):
        return None
    return counts.astype(np.int16)
