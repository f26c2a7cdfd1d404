"""What a take shows by itself, beside no other: the faults for which it is not trained on."""

from collections.abc import Sequence

import numpy as np

from fedmotion.models.recording_findings import Finding, Kind, Severity
from fedmotion.models.take_signs import Signs
from fedmotion.protocol.serial_frames import AXES

UNUSABLE_SATURATION = 0.25
"""Of a movement's samples. Then a quarter of a window is the sensor's limit and not the movement; the most
violent real punches here reach 0.08 (arduino_punch_flex), swings and throws 0.04 (UTD)."""

MIN_SAMPLES = 10
MIN_SECONDS = 0.2
"""No gesture is shorter: the shortest of UTD's 539 lasts 2.1 s, of cs3237's jumps 0.33 s."""

_MIN_REPEATED = 10
"""Equal samples of all axes in a row: in 4,100 real takes never more than 2, since sensors have noise."""

_LONGEST_STEP_PERIODS = 4
_LONGEST_STEP_US = 50_000
"""A step longer than both is a gap, as in the live stream."""


def faults(of: Signs) -> list[Finding]:
    """Return what is wrong with one take as it stands."""
    found = [*_not_finite(of), *_short(of), *_stuck(of), *_time(of), *_spikes(of)]
    saturated = np.flatnonzero(of.n_at_full).tolist()
    found += [saturation(of, axis, int(of.n_at_full[axis])) for axis in saturated]
    return found


def unusable(of: Signs) -> list[Finding]:
    """Return the faults for which a take is not trained on."""
    return [finding for finding in faults(of) if finding.severity == "unusable"]


def saturation(of: Signs, axis: int, n_saturated: int) -> Finding:
    """Return the finding that `n_saturated` samples of an axis are at the end of its range."""
    share = n_saturated / max(of.n_moving, 1)
    severity: Severity = "doubtful" if n_saturated > 1 else "note"
    text = f"{AXES[axis]} is at the end of its range in {n_saturated} of the movement's {of.n_moving} samples"
    if share >= UNUSABLE_SATURATION:
        severity = "unusable"
    return finding("saturated", severity, of, text, (axis,))


def finding(kind: Kind, severity: Severity, of: Signs, text: str, axes: Sequence[int] = ()) -> Finding:
    """Return a finding about one take, whose sentence says whose and of what it is."""
    return Finding(
        kind, severity, of.name, " ".join(AXES[axis] for axis in axes), f"{of.label} of {of.person}: {text}"
    )


def _not_finite(of: Signs) -> list[Finding]:
    if not of.n_not_finite:
        return []
    text = f"{of.n_not_finite} of {of.n_samples} samples hold a value that is no finite number"
    return [finding("no_number", "unusable", of, text)]


def _short(of: Signs) -> list[Finding]:
    n_sound = of.n_samples - of.n_not_finite
    if n_sound >= MIN_SAMPLES and (of.duration_s >= MIN_SECONDS or of.n_back):
        return []
    text = (
        f"a take has at least {MIN_SAMPLES} samples and lasts {MIN_SECONDS} s, this one has {n_sound} and "
        f"lasts {of.duration_s:.2f} s"
    )
    return [finding("length", "unusable", of, text)]


def _stuck(of: Signs) -> list[Finding]:
    if of.n_samples - of.n_not_finite < MIN_SAMPLES:
        return []
    found = []
    if of.constant:
        value = of.extremes[0, of.constant[0]]
        unit = "m/s²" if of.constant[0] < 3 else "rad/s"
        text = (
            f"{', '.join(AXES[axis] for axis in of.constant)} never changes"
            f"{f' from {value:.4g} {unit}' if len(of.constant) == 1 else ''}"
        )
        found.append(finding("stuck", "unusable", of, text, of.constant))
    elif of.repeated >= _MIN_REPEATED:
        severity: Severity = "unusable" if of.repeated >= of.n_samples / 2 else "doubtful"
        text = f"{of.repeated} samples in a row are equal on all axes: the sensor or the line stood still"
        found.append(finding("stuck", severity, of, text))
    return found


def _time(of: Signs) -> list[Finding]:
    if not of.has_stamps:
        return []
    if of.n_back:
        return [finding("time", "unusable", of, f"time goes back {_times(of.n_back)}")]
    if of.n_still:
        return [finding("time", "unusable", of, f"time stands still {_times(of.n_still)}")]
    if of.gap_us > max(_LONGEST_STEP_PERIODS * of.period_us, _LONGEST_STEP_US):
        text = f"a gap of {of.gap_us / 1e6:.2f} s between samples that are {of.period_us / 1e3:.1f} ms apart"
        return [finding("time", "doubtful", of, text)]
    return []


def _spikes(of: Signs) -> list[Finding]:
    found = []
    for axis in sorted({axis for axis, _, _ in of.spikes}):
        rows = [(row, size) for each, row, size in of.spikes if each == axis]
        row, size = max(rows, key=lambda spike: spike[1])
        unit = "m/s²" if axis < 3 else "rad/s"
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        text = (
            f"sample {row} of {AXES[axis]} leaps {size:.1f} {unit} out of its neighbours and back{more}, "
            "which no other axis feels"
        )
        found.append(finding("spike", "doubtful", of, text, (axis,)))
    return found


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
