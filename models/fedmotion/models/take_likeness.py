"""Which takes are too alike, and which look like the others only with their axes turned.

Copies share samples to the bit, or are alike in their curves over normalised time.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.recording_findings import Finding
from fedmotion.models.set_faults import by
from fedmotion.models.take_faults import finding
from fedmotion.models.take_signs import G_MPS2, Signs
from fedmotion.protocol.serial_frames import AXES

Floats = NDArray[np.float64]

MIN_SHARED = 4
"""Of N_SKETCH hashes: two takes that share a quarter of their samples. Of 4,100 real takes no two share more
than two hashes, and of takes cut to a half 93 % or more are found."""

COPY_CORRELATION = 0.9999
"""Of two curves without their means. Copies that were rescaled and rounded to counts have 0.99999. The two
most alike of UTD's takes have 0.9955, of airletters' 0.986, of two simulated reaches, which have no noise of
the muscles, 0.9997."""

_BLOCK = 512

MAX_COMPARED = 10_000
"""Takes of which all pairs are compared, a few seconds; of more, those of equal label and person."""

TURNED_LIKENESS = 0.8
TURNED_GAIN = 0.25
"""How alike a take is to the median of the others when turned, and how much more than as it is. As recorded
none of UTD's 536 comparable takes gets there, none of oneplus' 500, 2 of techin515's 1582, and 1 of
airletters' 699 (drawn the other way round). With both sensors turned 70 to 79 % of UTD's get there."""

MIN_OTHERS = 3

_SIGNED = [
    np.array(
        [
            [sign if column == source else 0.0 for column in range(3)]
            for source, sign in zip(p, s, strict=True)
        ]
    )
    for p in permutations(range(3))
    for s in product((1.0, -1.0), repeat=3)
]
_PERMUTATIONS = np.array(_SIGNED)
"""All 48 ways to name and sign three axes, (48, 3, 3); row i says what stands in for axis i."""

_AS_IT_IS = next(i for i, matrix in enumerate(_SIGNED) if np.array_equal(matrix, np.eye(3)))


def duplicates(takes: Sequence[Signs]) -> list[Finding]:
    """Return takes that are copies of an earlier one: to the bit, or shifted, cut or rescaled."""
    first: dict[bytes, Signs] = {}
    first_with: dict[int, Signs] = {}
    found = []
    originals: list[Signs] = []
    for take in takes:
        original = first.setdefault(take.sha256, take)
        if original is not take and take.n_samples:
            text = f"its samples are those of {_who(original)} to the bit{_between(take, original)}"
            found.append(finding("duplicate", "doubtful", take, text))
            continue
        sketch = take.sketch.tolist()
        shared = Counter(first_with[each].name for each in sketch if each in first_with)
        name, n_shared = max(shared.items(), key=lambda item: item[1], default=("", 0))
        if n_shared >= MIN_SHARED:
            original = next(each for each in originals if each.name == name)
            text = f"shares samples with {_who(original)}: a shifted or cut copy{_between(take, original)}"
            found.append(finding("duplicate", "doubtful", take, text))
            continue
        first_with.update({each: take for each in sketch if each not in first_with})
        originals.append(take)
    moving = [take for take in originals if take.curve is not None]
    if len(moving) <= MAX_COMPARED:
        return found + _near(moving)
    for group in by(moving, lambda take: (take.label, take.person)).values():
        found += _near(group[:MAX_COMPARED])
    return found


def _near(takes: Sequence[Signs]) -> list[Finding]:
    if len(takes) < 2:
        return []
    scale = _scale(takes)
    shapes = np.empty((len(takes), takes[0].curve.size if takes[0].curve is not None else 0), np.float32)
    for row, take in enumerate(takes):
        if take.curve is not None:
            shape = (take.curve - take.curve.mean(axis=0)) / scale
            shapes[row] = (shape / max(float(np.linalg.norm(shape)), 1e-12)).ravel()
    found: dict[str, Finding] = {}
    for begin in range(0, len(takes), _BLOCK):
        likeness = shapes[begin : begin + _BLOCK] @ shapes.T
        for row, other in np.argwhere(likeness > COPY_CORRELATION).tolist():
            take, original = takes[begin + row], takes[other]
            if other < begin + row and take.name not in found:
                text = (
                    f"moves as {_who(original)} does, point for point (correlation "
                    f"{likeness[row, other]:.4f}): a rescaled copy{_between(take, original)}"
                )
                found[take.name] = finding("duplicate", "doubtful", take, text)
    return list(found.values())


def turned(takes: Sequence[Signs]) -> list[Finding]:
    """Return takes that are like the others of their label and person only with axes swapped or signs turned.

    Both sensors' axes together are tried, then the gyroscope's and the accelerometer's alone.
    """
    found = []
    for group in by(takes, lambda take: (take.label, take.person)).values():
        members = [(take, take.curve.astype(np.float64)) for take in group if take.curve is not None]
        if len(members) <= MIN_OTHERS:
            continue
        curves = np.stack([curve for _, curve in members])
        for position, (take, curve) in enumerate(members):
            usual = np.median(np.delete(curves, position, axis=0), axis=0)
            text = _turn(curve, usual, has_gyro=bool(take.present[3:].all()))
            if text:
                found.append(finding("turned", "doubtful", take, text))
    return found


def _turn(curve: Floats, usual: Floats, *, has_gyro: bool) -> str:
    """Return which turn makes `curve` like `usual`, in words; nothing where it is as good as it is.

    Direction of gravity, acceleration and angular rate count alike, whatever their sizes.
    """
    parts = np.stack(
        [_alignments(one, other) for one, other in zip(_parts(curve), _parts(usual), strict=True)]
    )
    if np.linalg.norm(_parts(usual)[0]) < G_MPS2 / 4:
        # Where there is no gravity its direction is chance.
        parts[0] = parts[1]
    if not has_gyro:
        candidates = {"the accelerometer": parts[:2].mean(axis=0)}
    else:
        accel, gyro = parts[:2].sum(axis=0), parts[2]
        candidates = {
            "both sensors": (accel + gyro) / 3,
            "the accelerometer alone": (accel + gyro[_AS_IT_IS]) / 3,
            "the gyroscope alone": (accel[_AS_IT_IS] + gyro) / 3,
        }
    what = max(candidates, key=lambda name: float(candidates[name].max()))
    likeness = candidates[what]
    best, as_it_is = int(likeness.argmax()), likeness[_AS_IT_IS]
    if likeness[best] <= TURNED_LIKENESS or likeness[best] - as_it_is <= TURNED_GAIN:
        return ""
    return (
        f"it is unlike the other takes ({as_it_is:.2f}), and like them ({likeness[best]:.2f}) where {what} "
        f"had {_words(_PERMUTATIONS[best])}"
    )


def _parts(curve: Floats) -> tuple[Floats, Floats, Floats]:
    gravity = curve[:, :3].mean(axis=0, keepdims=True)
    return gravity, curve[:, :3] - gravity, curve[:, 3:]


def _alignments(curve: Floats, usual: Floats) -> Floats:
    """Return the cosine between `usual` and each permutation of `curve`, (48,)."""
    norms = max(float(np.linalg.norm(curve) * np.linalg.norm(usual)), 1e-12)
    cosines: Floats = (_PERMUTATIONS * (usual.T @ curve)).sum(axis=(1, 2)) / norms
    return cosines


def _words(permutation: Floats) -> str:
    """Return the axes that change: `x = -y` puts what y was, with its sign turned, in place of x."""
    names = [axis[1] for axis in AXES[:3]]
    sources = np.abs(permutation).argmax(axis=1).tolist()
    signs = permutation.sum(axis=1).tolist()
    return ", ".join(
        f"{name} = {'-' if sign < 0 else ''}{names[source]}"
        for name, source, sign in zip(names, sources, signs, strict=True)
        if sign < 0 or names[source] != name
    )


def _scale(takes: Sequence[Signs]) -> NDArray[np.float32]:
    """Return what makes accelerations and angular rates of these takes count alike, (6,)."""
    squares = [np.square(take.curve).mean(axis=0) for take in takes if take.curve is not None]
    if not squares:
        return np.ones(6, np.float32)
    mean = np.mean(squares, axis=0)
    sensors = np.sqrt([mean[:3].mean(), mean[3:].mean()])
    return np.repeat(np.maximum(sensors, 1e-9), 3).astype(np.float32)


def _who(take: Signs) -> str:
    return f"{take.name} ({take.label} of {take.person})"


def _between(take: Signs, original: Signs) -> str:
    if take.label != original.label:
        return ", with another label"
    return ", of another person" if take.person != original.person else ""
