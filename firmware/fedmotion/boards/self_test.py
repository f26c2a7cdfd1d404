"""An MPU6050's self-test without silicon: what the factory measured, and what the push does to each axis.

Source: the register map RM-MPU-6000A-00 revision 4.2, section 4.1 (registers 13 to 16). Written from it
alone, in floating point, beside the firmware's integers in `fm_self_test.c`: tests compare the two.
"""

from collections.abc import Sequence

import numpy as np

from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Floats
from fedmotion.protocol.self_test_frame import SelfTest, SelfTestOutcome

LIMIT_PERMILLE = 140
"""PS-MPU-6000A-00, 6.1 and 6.2: the response may differ from the trim by 14 %."""

FULL_SCALE_DPS = 250
DURATION_US = 450_000
"""What the firmware takes: the masses settle twice, and 32 readings."""

CODES = (13, 17, 15, 14, 12, 16)
"""Trim codes of ax ay az gx gy gz in the middle of 1 to 31."""

_LSB_PER_G = 4096
_LSB_PER_DPS = 131
_MOST_SPREAD_MPS2 = 0.1 * STANDARD_GRAVITY_MPS2
_MOST_SPREAD_RADPS = np.radians(3.0)


def registers(codes: Sequence[int]) -> bytes:
    """Return what SELF_TEST_X, _Y, _Z and _A hold of six codes, each 0 to 31; 0 is no trim."""
    if len(codes) != 6 or not all(0 <= code <= 31 for code in codes):
        raise ValueError(f"trim codes are six of 0 to 31, got {tuple(codes)}")
    accel, gyro = codes[:3], codes[3:]
    upper = [(a >> 2) << 5 | g for a, g in zip(accel, gyro, strict=True)]
    low = [a & 3 for a in accel]
    return bytes([*upper, low[0] << 4 | low[1] << 2 | low[2]])


def trims_si(codes: Sequence[int]) -> Floats:
    """Return by how much the push moves each axis of a part as it left the factory: (6,) in m/s2 and rad/s.

    0 where a part has no trim.
    """
    powers = np.maximum(np.array(codes, dtype=np.float64) - 1, 0)
    accel = _LSB_PER_G * 0.34 * (0.92 / 0.34) ** (powers[:3] / 30)
    gyro = np.array([1, -1, 1]) * 25 * _LSB_PER_DPS * 1.046 ** powers[3:]
    moved = np.concatenate(
        [accel / _LSB_PER_G * STANDARD_GRAVITY_MPS2, np.radians(gyro * FULL_SCALE_DPS / 32768)]
    )
    return np.where(np.array(codes) == 0, 0.0, moved)


def report(rest: Floats, pushed: Floats, codes: Sequence[int], temperature_lsb: int) -> SelfTest:
    """Return what a node says of readings at rest and pushed, each (n, 6) in m/s2 and rad/s."""
    spread = np.maximum(np.ptp(rest, axis=0), np.ptp(pushed, axis=0))
    if (spread[:3] > _MOST_SPREAD_MPS2).any() or (spread[3:] > _MOST_SPREAD_RADPS).any():
        return without_values(SelfTestOutcome.MOVED)
    trims = trims_si(codes)
    response = pushed.mean(axis=0) - rest.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        permille = 1000 * (response - trims) / trims
    told = [
        SelfTest.NO_TRIM if code == 0 else int(np.clip(value, -32767, 32767))
        for code, value in zip(codes, permille, strict=True)
    ]
    counts = np.rint(np.degrees(rest[:, 3:].mean(axis=0)) * 32768 / FULL_SCALE_DPS)
    gx, gy, gz = (int(count) for count in np.clip(counts, -32768, 32767))
    return SelfTest(
        SelfTestOutcome.DONE,
        LIMIT_PERMILLE,
        FULL_SCALE_DPS,
        (told[0], told[1], told[2], told[3], told[4], told[5]),
        (gx, gy, gz),
        temperature_lsb,
    )


def without_values(outcome: SelfTestOutcome) -> SelfTest:
    """Return what a node says of a test that could not be done."""
    return SelfTest(outcome, LIMIT_PERMILLE, FULL_SCALE_DPS, (0,) * 6, (0,) * 3, 0)
