"""The doctor's look at a sensor that lies still: gravity's size and direction, bias, noise, stuck axes, ends.

What a recording can have is judged by the check of recordings (`models.take_faults`, `models.set_faults`), a
second of the stream being a take.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.doctor_capture import Capture
from fedmotion.host.doctor_checks import Check, State, guarded, judged, not_checked
from fedmotion.host.imu_stream import STANDARD_GRAVITY_MPS2, ImuBlock, si_scale
from fedmotion.models import set_faults, take_faults
from fedmotion.models.recording_findings import WHAT_TO_DO, Finding, Kind
from fedmotion.models.set_faults import REST_TOLERANCE
from fedmotion.models.take_signs import Signs, signs
from fedmotion.models.takes import Take
from fedmotion.protocol.serial_frames import ACCEL_FULL_SCALES_G, AXES, Hello

PIECE_S = 1.0
_MIN_PIECES = 3

STILL_MPS2 = 0.5
STILL_DEGPS = 5.0
"""Standard deviations beyond which a board is carried: a trembling hand has 0.06 m/s2 (Elble & Koller,
"Tremor", 1990)."""

MAX_ACCEL_NOISE_MPS2 = 5 * 400e-6 * math.sqrt(44) * STANDARD_GRAVITY_MPS2
MAX_GYRO_NOISE_DEGPS = 5 * 0.005 * math.sqrt(44)
"""Five times the data sheet's densities (PS-MPU-6000A, 6.1 and 6.2) in the 44 Hz that the firmware has."""

MAX_GYRO_BIAS_DEGPS = 20.0
"""PS-MPU-6000A, 6.1: initial zero-rate output tolerance."""

TEMPERATURES_DEGC = (-40.0, 85.0)
"""PS-MPU-6000A, 6.2: the specified range."""

_OFF_AXIS_DEG = 30.0
REST_CHECKS = ("gravity", "which way is up", "gyroscope's bias", "noise")


def look_at_sensor(of: Capture) -> list[Check]:
    """Return the checks of the section `sensor`."""
    pieces = pieces_of(of)
    if of.hello is None or len(pieces) < _MIN_PIECES:
        names = ("stuck axes", "ends of the range", "leaps", *REST_CHECKS, "temperature")
        why = f"fewer than {_MIN_PIECES} whole seconds of samples came"
        return not_checked("sensor", names, why)
    hello = of.hello
    seen = [signs(piece) for piece in pieces]
    samples = np.concatenate([piece.samples for piece in pieces]).astype(np.float64)
    return [
        *guarded("sensor", "faults", lambda: _faults(seen)),
        *guarded("sensor", "rest", lambda: _rest(samples, seen, hello)),
        *guarded("sensor", "temperature", lambda: _temperature(of)),
    ]


def pieces_of(of: Capture) -> list[Take]:
    """Return the samples in takes of PIECE_S each, none with a gap within; the rest is left out."""
    takes: list[Take] = []
    for run in _runs(of.blocks):
        t_us = np.concatenate([block.t_us for block in run])
        samples = np.concatenate([block.samples for block in run])
        edges = np.arange(t_us[0], t_us[-1] + 1, round(PIECE_S * 1e6))
        rows = np.searchsorted(t_us, edges)
        for first, stop in pairwise(rows.tolist()):
            takes.append(_take(len(takes) + 1, t_us[first:stop], samples[first:stop], run[0].node))
    return takes


def _runs(blocks: Sequence[ImuBlock]) -> list[list[ImuBlock]]:
    """Return the blocks in runs without a gap."""
    runs: list[list[ImuBlock]] = []
    for block in blocks:
        if block.has_gap_before or not runs:
            runs.append([])
        runs[-1].append(block)
    return runs


def _take(number: int, t_us: NDArray[np.int64], samples: NDArray[np.float32], node: Hello) -> Take:
    return Take(
        name=f"second {number}",
        label="rest",
        person="this board",
        trial="",
        t_us=t_us,
        samples=samples,
        declared_rate_hz=1e6 / node.period_us,
        has_stamps=True,
        full_scale=(32_767 * si_scale(node)).astype(np.float32),
    )


def _faults(seen: Sequence[Signs]) -> Iterator[Check]:
    found = [fault for each in seen for fault in take_faults.faults(each)]
    yield _of_kind("stuck axes", "stuck", found, len(seen), "every axis changes", "failed")
    yield _of_kind("ends of the range", "saturated", found, len(seen), "no axis reaches them", "failed")
    yield _of_kind("leaps", "spike", found, len(seen), "none", "warning")


def _of_kind(
    name: str, kind: Kind, found: Sequence[Finding], n_seen: int, none: str, otherwise: State
) -> Check:
    of_kind = [each for each in found if each.kind == kind]
    if not of_kind:
        return Check("sensor", name, "ok", none)
    axes = [axis for axis in AXES if any(axis in each.axis.split() for each in of_kind)]
    n_seconds = len({each.take for each in of_kind})
    # The sentence of the gravest names the take's label and person, which are the same for all.
    sentence = of_kind[0].sentence.partition(": ")[2]
    return Check(
        "sensor",
        name,
        otherwise,
        f"{' '.join(axes)}: {sentence} (in {n_seconds} of {n_seen} seconds)",
        none,
        _SENSOR_WHAT_TO_DO.get(kind, WHAT_TO_DO[kind]),
    )


_SENSOR_WHAT_TO_DO: dict[Kind, str] = {
    "stuck": "check the sensor's wires and power and press reset; where the axis stays, its sensor is "
    "broken: use another",
    "saturated": "at rest nothing should reach an end: flash the board again for its usual range, and use "
    "another sensor where that does not help",
    "spike": "check the sensor's wires and solder its header: values that no other axis feels are "
    "damaged readings",
}


def _rest(samples: NDArray[np.float64], seen: Sequence[Signs], hello: Hello) -> Iterator[Check]:
    accel, gyro = samples[:, :3], np.degrees(samples[:, 3:])
    accel_std, gyro_std = float(accel.std(axis=0).max()), float(gyro.std(axis=0).max())
    is_still = accel_std <= STILL_MPS2 and gyro_std <= STILL_DEGPS
    yield judged(
        "sensor",
        "held still",
        is_right=is_still,
        measured=f"deviations of {accel_std:.3f} m/s² and {gyro_std:.2f} deg/s",
        limit=f"{STILL_MPS2} m/s² and {STILL_DEGPS:g} deg/s",
        what_to_do="put the board on a table, do not touch it, and run the doctor again",
        otherwise="warning",
    )
    if not is_still:
        yield from not_checked("sensor", REST_CHECKS, "the board was moved")
        return
    yield _gravity(accel, seen, hello)
    yield Check("sensor", "which way is up", "ok", up_in_words(accel.mean(axis=0)))
    yield _bias(gyro)
    is_quiet = accel_std <= MAX_ACCEL_NOISE_MPS2 and gyro_std <= MAX_GYRO_NOISE_DEGPS
    yield judged(
        "sensor",
        "noise",
        is_right=is_quiet,
        measured=f"{accel_std:.3f} m/s² and {gyro_std:.3f} deg/s",
        limit=f"{MAX_ACCEL_NOISE_MPS2:.3f} m/s² and {MAX_GYRO_NOISE_DEGPS:.3f} deg/s",
        what_to_do="put the board where nothing shakes it; where it stays, shorten its wires and use "
        "its 5V pin",
        otherwise="warning",
        value=accel_std,
        unit="m/s2",
    )


def _gravity(accel: NDArray[np.float64], seen: Sequence[Signs], hello: Hello) -> Check:
    norm = float(np.linalg.norm(accel.mean(axis=0)))
    unit_fault = next((each.sentence for each in set_faults.units(seen) if "ax" in each.axis), "")
    bound = REST_TOLERANCE * STANDARD_GRAVITY_MPS2
    return judged(
        "sensor",
        "gravity",
        is_right=not unit_fault,
        measured=f"|a| is {norm:.2f} m/s²",
        limit=f"{STANDARD_GRAVITY_MPS2:.2f} ± {bound:.2f} m/s² ({REST_TOLERANCE:.0%})",
        what_to_do=_wrong_scale(norm, hello) or unit_fault.partition(": ")[2],
        value=norm,
        unit="m/s2",
    )


def _wrong_scale(norm_mps2: float, hello: Hello) -> str:
    """Return what to do where another of the sensor's ranges would make `norm_mps2` gravity; else ""."""
    for full_scale_g in ACCEL_FULL_SCALES_G:
        as_if = norm_mps2 * full_scale_g / hello.accel_full_scale_g
        if (
            full_scale_g != hello.accel_full_scale_g
            and abs(as_if / STANDARD_GRAVITY_MPS2 - 1) <= REST_TOLERANCE
        ):
            return (
                f"the board announces ±{hello.accel_full_scale_g} g and measures as if set to "
                f"±{full_scale_g} g: press reset; where it stays, flash fedmotion's firmware"
            )
    return ""


def up_in_words(mean_mps2: NDArray[np.float64]) -> str:
    """Return which axis points up, as an accelerometer at rest feels what holds it up: (3,) in m/s2."""
    norm = float(np.linalg.norm(mean_mps2))
    if norm == 0:
        return "no direction: every axis is 0"
    axis = int(np.abs(mean_mps2).argmax())
    off_deg = math.degrees(math.acos(min(abs(float(mean_mps2[axis])) / norm, 1.0)))
    way = "up" if mean_mps2[axis] > 0 else "down"
    angle = f"{off_deg:.0f}° off" if off_deg >= 1 else "straight"
    between = ", so it lies between two axes" if off_deg > _OFF_AXIS_DEG else ""
    values = " ".join(f"{value:+.2f}" for value in mean_mps2)
    return f"{'xyz'[axis]} points {way}, {angle}{between} (ax ay az {values} m/s²)"


def _bias(gyro_degps: NDArray[np.float64]) -> Check:
    bias = gyro_degps.mean(axis=0)
    worst = float(np.abs(bias).max())
    return judged(
        "sensor",
        "gyroscope's bias",
        is_right=worst <= MAX_GYRO_BIAS_DEGPS,
        measured=f"gx gy gz {' '.join(f'{value:+.2f}' for value in bias)} deg/s",
        limit=f"± {MAX_GYRO_BIAS_DEGPS:g} deg/s",
        what_to_do="let it warm up for a minute and run the doctor again; where it stays, use another sensor",
        otherwise="warning",
        value=worst,
        unit="deg/s",
    )


def _temperature(of: Capture) -> Iterator[Check]:
    if of.status is None:
        yield from not_checked("sensor", ["temperature"], "no STATUS came")
        return
    low, high = TEMPERATURES_DEGC
    value = of.status.temperature_degc
    yield judged(
        "sensor",
        "temperature",
        is_right=low <= value <= high,
        measured=f"{value:.1f} °C",
        limit=f"{low:g} to {high:g} °C",
        what_to_do="a temperature that cannot be says that the sensor is misread: check its wires and power",
        otherwise="warning",
        value=value,
        unit="degC",
    )
