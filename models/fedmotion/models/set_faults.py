"""What shows only beside the other takes: ends of ranges, units, rates, lengths, labels, who lacks what."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.recording_findings import Finding
from fedmotion.models.take_faults import finding, saturation
from fedmotion.models.take_signs import DEGREE_RAD, FULL_SCALES, G_MPS2, Signs
from fedmotion.protocol.serial_frames import AXES

_PILE = 4
"""Samples of a set that are its extreme to the last bit: chance gives one, and two of an axis's 4,100 takes
here where values have two decimals. A run of two among them is asked for as well."""

_FLAT_TOP = 4
"""Samples in a row at a take's own extreme and far from its middle. Three in a row are chance: two of
oneplus' 500 takes have them, which come nowhere near an end."""

RATE_TOLERANCE = 0.05
"""The MPU-6050's own clock may be off by 5 % (PS-MPU-6000A, 6.6); crystals and iPhones are within 0.02 %."""

REST_TOLERANCE = 0.12
"""The MPU-6050's zero is within 0.05 g (x, y) and 0.08 g (z), its scale within 3 % (PS-MPU-6000A, 6.2); UTD's
people rest at 9.7 to 10.3 m/s2."""

MAX_RATE_RADPS = 2000 * DEGREE_RAD
_LENGTH_RATIO = 4.0
"""Against the median of the label: UTD's 539 lie within 0.57 and 1.45, 98 % of airletters' 700 within 0.57
and 4.2."""

_MIN_COMPARED = 4
"""Takes, so that the median of the others is one of three or more."""

_RARE = 0.25
"""A typing error is rare: draw_circle_cw and draw_circle_ccw are performed equally often."""

_MIN_TYPED = 4
"""Characters; shorter labels (letters, digits) differ by one as a rule."""


def by(takes: Iterable[Signs], key: Callable[[Signs], Hashable]) -> dict[Hashable, list[Signs]]:
    """Return the takes grouped by `key`, groups and takes in order."""
    groups: defaultdict[Hashable, list[Signs]] = defaultdict(list)
    for take in takes:
        groups[key(take)].append(take)
    return dict(groups)


def axes(takes: Sequence[Signs]) -> list[Finding]:
    """Return which axes no take has, and the takes that lack one that others have."""
    takes = [take for take in takes if take.n_samples]
    if not takes:
        return []
    present = np.any([take.present for take in takes], axis=0)
    found = []
    if not present.all():
        absent = " ".join(AXES[axis] for axis in np.flatnonzero(~present))
        text = f"none of the {len(takes)} takes has {absent.replace(' ', ', ')}; a model reads all six axes"
        found.append(Finding("absent_axis", "unusable", "", absent, text))
    for take in takes:
        lacking = np.flatnonzero(present & ~take.present).tolist()
        if lacking:
            text = f"has no {', '.join(AXES[axis] for axis in lacking)}, which other takes have"
            found.append(finding("absent_axis", "unusable", take, text, lacking))
    return found


def saturations(takes: Sequence[Signs]) -> list[Finding]:
    """Return the takes at the ends of ranges that nobody declared but that the whole set shows.

    An end is a usual full scale at which samples are and beyond which next to none is, the set's own
    extreme where samples pile up, or a flat top of one take.
    """
    if not takes:
        return []
    at_scale = np.sum([take.n_at_scale for take in takes], axis=0)
    runs = np.max([take.run_at_scale for take in takes], axis=0)
    beyond = np.sum([take.n_beyond_scale for take in takes], axis=0)
    found = []
    is_end = np.zeros((6, 4), dtype=bool)
    for sensor in (slice(0, 3), slice(3, 6)):
        hits = at_scale[sensor].sum(axis=0)
        is_end[sensor] = (
            (hits >= _PILE - 1) & (runs[sensor].max(axis=0) >= 2) & (beyond[sensor].sum(axis=0) <= hits / 4)
        )
    largest = np.max([take.extremes[0] for take in takes], axis=0)
    smallest = np.min([take.extremes[1] for take in takes], axis=0)
    ends = np.stack([largest, smallest])
    is_at_end = np.stack([take.extremes == ends for take in takes])
    piled = np.sum([take.n_at_extreme for take in takes] * is_at_end, axis=0)
    longest = np.max([take.run_at_extreme for take in takes] * is_at_end, axis=0)
    is_pile = (piled >= _PILE) & (longest >= 2) & (largest > smallest)
    for take, at_end in zip(takes, is_at_end, strict=True):
        counts = (take.n_at_scale * is_end).max(axis=1)
        counts = np.maximum(counts, (take.n_at_extreme * (is_pile & at_end)).sum(axis=0))
        is_flat = take.is_far & (take.run_at_extreme >= _FLAT_TOP)
        counts = np.maximum(counts, (take.n_at_extreme * is_flat).sum(axis=0))
        counts[~take.present] = 0
        counts[list(take.constant)] = 0
        counts[take.n_at_full > 0] = 0
        found += [saturation(take, axis, int(counts[axis])) for axis in np.flatnonzero(counts).tolist()]
        found += _beyond(take, is_end)
    return found


def _beyond(take: Signs, is_end: NDArray[np.bool_]) -> list[Finding]:
    found = []
    for axis, scale in np.argwhere(is_end & (take.n_beyond_scale > 0)).tolist():
        end = FULL_SCALES[axis, scale]
        text = (
            f"{AXES[axis]} reaches {take.peak[axis]:.1f}, beyond the {end:.1f} {_unit(axis)} at which the "
            "sensor's range ends"
        )
        found.append(finding("spike", "doubtful", take, text, (axis,)))
    return found


def rates(takes: Sequence[Signs]) -> list[Finding]:
    """Return takes whose stamps contradict the declared rate, as one finding where most of them do."""
    stamped = [take for take in takes if np.isfinite(take.rate_hz) and not take.n_back and not take.n_still]
    declared = [take for take in stamped if take.declared_rate_hz]
    wrong = [take for take in declared if _is_off(take.rate_hz, take.declared_rate_hz or 0.0)]
    found = []
    if len(wrong) > len(declared) / 2:
        median = float(np.median([take.rate_hz for take in wrong]))
        text = (
            f"{wrong[0].declared_rate_hz:g} samples a second are declared, and by the time stamps of "
            f"{len(wrong)} of {len(declared)} takes there are {median:.1f}"
        )
        return [Finding("rate", "doubtful", "", "", text)]
    for take in wrong:
        text = (
            f"{take.declared_rate_hz:g} samples a second are declared, by its time stamps {take.rate_hz:.1f}"
        )
        found.append(finding("rate", "doubtful", take, text))
    if len(stamped) >= _MIN_COMPARED:
        usual = float(np.median([take.rate_hz for take in stamped]))
        for take in stamped:
            if take not in wrong and _is_off(take.rate_hz, usual):
                text = f"{take.rate_hz:.1f} samples a second, where the set has {usual:.1f}"
                found.append(finding("rate", "doubtful", take, text))
    return found


def _is_off(rate_hz: float, expected_hz: float) -> bool:
    return abs(rate_hz / expected_hz - 1) > RATE_TOLERANCE


def units(takes: Sequence[Signs]) -> list[Finding]:
    """Return people whose accelerations or angular rates are in another unit; one finding where all are."""
    people = by(takes, lambda take: take.person)
    said = [(str(person), _unit_faults(of)) for person, of in people.items()]
    if len(said) > 1 and all(faults for _, faults in said):
        of_all = _unit_faults(takes)
        if of_all:
            return [Finding("units", "doubtful", "", axis, f"all takes: {text}") for axis, text in of_all]
    return [
        Finding("units", "doubtful", "", axis, f"takes of {person}: {text}")
        for person, faults in said
        for axis, text in faults
    ]


def _unit_faults(takes: Sequence[Signs]) -> list[tuple[str, str]]:
    found = [("ax ay az", text)] if (text := _accel_fault(takes)) else []
    gyro = np.array([take.peak[3:].max() for take in takes if take.present[3:].all()])
    # One damaged sample must not speak for all takes.
    if len(gyro) and np.median(gyro) > MAX_RATE_RADPS:
        text = (
            f"they turn at up to {np.median(gyro):.0f} rad/s, and sensors of this kind end at "
            f"{MAX_RATE_RADPS:.1f} (2000 deg/s): these look like deg/s; multiply by pi / 180"
        )
        found.append(("gx gy gz", text))
    return found


def _accel_fault(takes: Sequence[Signs]) -> str:
    """Return what is wrong with the accelerations of takes that are alike in unit, or nothing."""
    rests = np.array([take.rest_mps2 for take in takes])
    rests = rests[np.isfinite(rests)]
    typical = np.array([take.typical_mps2 for take in takes])
    typical = typical[np.isfinite(typical)]
    if not len(typical):
        return ""
    if len(rests) >= max(3, len(takes) / 5):
        norm, what = float(np.median(rests)), "at rest"
        is_right = abs(norm / G_MPS2 - 1) <= REST_TOLERANCE
    else:
        norm, what = float(np.median(typical)), "in the median"
        # Nothing rests: what moves has one g in it and seldom two.
        is_right = G_MPS2 / 2 < norm < 2 * G_MPS2
    if is_right:
        return ""
    text = f"|a| {what} is {norm:.3g} m/s², and gravity alone is {G_MPS2:.2f}: "
    if what == "at rest":
        return text + _suggested(norm)
    return (
        f"{text}no steady pull is in it, so gravity was taken out before (phones offer that), or the unit is "
        "another; a model that learned with gravity is misled"
    )


def _suggested(norm: float) -> str:
    """Return which unit the accelerations have, judged by gravity."""
    for name, factor in (
        ("these look like g; multiply by 9.80665", G_MPS2),
        ("these look like milli-g; multiply by 0.00980665", G_MPS2 / 1e3),
        ("these look like m/s² that were taken for g; divide by 9.80665", 1 / G_MPS2),
        ("these look like mm/s²; divide by 1000", 1e-3),
        *(
            (
                f"these look like counts of a sensor at +-{scale} g; multiply by {scale} * 9.80665 / 32768",
                g_count,
            )
            for scale, g_count in ((s, s * G_MPS2 / 32768) for s in (2, 4, 8, 16))
        ),
    ):
        if abs(norm * factor / G_MPS2 - 1) <= REST_TOLERANCE:
            return name
    return f"no usual unit; multiplied by {G_MPS2 / norm:.4g} they would be m/s²"


def lengths(takes: Sequence[Signs]) -> list[Finding]:
    """Return takes that are much shorter or longer than the others of their label."""
    found = []
    for group in by(takes, lambda take: take.label).values():
        usual = float(np.median([take.duration_s for take in group]))
        if len(group) < _MIN_COMPARED or usual <= 0:
            continue
        for take in group:
            ratio = take.duration_s / usual
            if not 1 / _LENGTH_RATIO <= ratio <= _LENGTH_RATIO:
                text = f"{take.duration_s:.2f} s long, where takes of {take.label} last {usual:.2f} s"
                found.append(finding("length", "doubtful", take, text))
    return found


def labels(takes: Sequence[Signs]) -> list[Finding]:
    """Return labels that look like typing errors, and labels with a single take."""
    counts = Counter(take.label for take in takes)
    found = []
    suspects = set()
    for one, two in combinations(counts, 2):
        rare, usual = sorted((one, two), key=lambda label: counts[label])
        is_same = _plain(one) == _plain(two)
        is_typo = (
            min(len(one), len(two)) >= _MIN_TYPED
            and _letters(one) != _letters(two)
            and counts[rare] <= _RARE * counts[usual]
            and is_one_edit(_plain(one), _plain(two))
        )
        if is_same or is_typo:
            suspects.add(rare)
            text = (
                f"{rare!r} ({_takes(counts[rare])}) is written almost as {usual!r} "
                f"({_takes(counts[usual])}): is the same meant?"
            )
            found.append(Finding("label", "doubtful", "", "", text))
    for label, count in counts.items():
        if count == 1 and len(takes) > 1 and label not in suspects:
            text = f"{label!r} has one take: a model can learn nothing of how it varies"
            found.append(Finding("label", "doubtful", "", "", text))
    return found


def coverage(takes: Sequence[Signs]) -> list[Finding]:
    """Return notes of people who lack a label that all others have."""
    has = {person: {take.label for take in of} for person, of in by(takes, lambda t: t.person).items()}
    if len(has) < 3:
        return []
    found = []
    for label in sorted(set.union(*has.values())):
        lacking = [person for person in has if label not in has[person]]
        if len(lacking) == 1:
            text = f"{lacking[0]} has no take of {label!r}, which everybody else has"
            found.append(Finding("coverage", "note", "", "", text))
    return found


def is_one_edit(one: str, two: str) -> bool:
    """Tell whether one letter more, less, other or swapped with its neighbour makes `one` into `two`."""
    if one == two:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two))
    )
    one, two = one[start:], two[start:]
    return (
        one[1:] == two[1:]
        or one[1:] == two
        or one == two[1:]
        or (one[:2] == two[:2][::-1] and one[2:] == two[2:])
    )


def _plain(label: str) -> str:
    """Return a label without what writers differ in: case, spaces, hyphens and underscores."""
    return "".join(character for character in label.casefold() if character not in " -_")


def _letters(label: str) -> str:
    """Return a label without digits: walk1 and walk2 are two on purpose."""
    return "".join(character for character in label if not character.isdigit())


def _takes(count: int) -> str:
    return "1 take" if count == 1 else f"{count} takes"


def _unit(axis: int) -> str:
    return "m/s²" if axis < 3 else "rad/s"
