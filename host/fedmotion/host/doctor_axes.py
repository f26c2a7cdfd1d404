"""Whether gyroscope and accelerometer agree on their axes, while somebody turns the board: swapped or turned.

What stands still turns backwards as seen from the board: du/dt = -w x u for up, the unit vector u of the
accelerometer, and the rates w of the gyroscope. Of the 48 ways to exchange axes and to change their signs the
one that fits this best says what is wrong.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.doctor_checks import Check, guarded, judged, not_checked
from fedmotion.host.imu_stream import STANDARD_GRAVITY_MPS2
from fedmotion.models.takes import Take

STEP_S = 0.1
_MAX_OWN_G = 0.1
"""Of gravity: what hurries more than this is not used, since its |a| is not gravity alone."""

MIN_TURN_RAD = 2.0
"""How far up must have wandered in all for a judgement, some 115 degrees."""

MAX_MISFIT = 0.35
MIN_MARGIN = 1.5
"""The share of up's movement that the best way leaves unexplained, and how many times more the second best.
Slow turning by a hand that shakes with 0.4 m/s2 leaves 0.06 (0.8: 0.2) and the second best 0.6 and more;
simulated people's swipes leave 0.6 to 0.9 and so tell nothing."""

_WAYS = np.array(
    [
        np.eye(3)[list(order)] * np.array(signs)[:, None]
        for order in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
    ]
)
"""(48, 3, 3): row i says which rate, with which sign, is that about axis i."""

NAME = "axes agree"
HOW_TO_TURN = (
    "turn the board slowly over in your hand like a die, so that each of its six sides once faces up"
)
"""Turning about what points up does not show in an accelerometer, so each axis must once lie level."""


def look_at_axes(pieces: Sequence[Take]) -> list[Check]:
    """Return the check of the axes on what was captured while the board was turned."""
    return guarded("sensor", NAME, lambda: _look(pieces))


def _look(pieces: Sequence[Take]) -> Iterator[Check]:
    nothing = (np.empty((0, 3)),) * 3
    steps = [nothing, *(_steps(piece) for piece in pieces)]
    u, turned, w = (np.concatenate(each) for each in zip(*steps, strict=True))
    if float(np.linalg.norm(turned, axis=1).sum()) < MIN_TURN_RAD:
        yield from not_checked("sensor", [NAME], f"it was turned too little: {HOW_TO_TURN}")
        return
    misfits = misfits_of(u, turned, w)
    first, second = np.argsort(misfits)[:2]
    misfit = float(misfits[first])
    if misfit > MAX_MISFIT or misfits[second] < MIN_MARGIN * misfit:
        why = f"the turning does not tell ({misfit:.0%} unexplained): {HOW_TO_TURN}"
        yield from not_checked("sensor", [NAME], why)
        return
    wrong = explain(_WAYS[first])
    yield judged(
        "sensor",
        NAME,
        is_right=not wrong,
        measured=wrong or "gyroscope and accelerometer turn alike",
        limit=f"at most {MAX_MISFIT:.0%} unexplained, it is {misfit:.0%}",
        what_to_do="correct the axis order in the firmware that the board announces (or flash it): a "
        "model that learned from right boards is misled by this one",
        value=misfit,
        unit="share",
    )


def _steps(piece: Take) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return up, how far it went and the mean rates, (n, 3) each, for steps of STEP_S."""
    samples = piece.samples.astype(np.float64)
    seconds = (piece.t_us[-1] - piece.t_us[0]) / 1e6
    n_in_step = max(2, round(STEP_S * len(samples) / seconds))
    n_steps = len(samples) // n_in_step
    means = samples[: n_steps * n_in_step].reshape(n_steps, n_in_step, 6).mean(axis=1)
    norms = np.linalg.norm(means[:, :3], axis=1)
    is_calm = np.abs(norms / STANDARD_GRAVITY_MPS2 - 1) <= _MAX_OWN_G
    up = means[:, :3] / np.maximum(norms, 1e-9)[:, None]
    # From the middle of one step to that of the next there are half the rates of both.
    step_s = seconds * n_in_step / len(samples)
    both = is_calm[1:] & is_calm[:-1]
    middle = (up[1:] + up[:-1]) / 2
    rates = (means[1:, 3:] + means[:-1, 3:]) / 2 * step_s
    return middle[both], np.diff(up, axis=0)[both], rates[both]


def misfits_of(
    u: NDArray[np.float64], turned: NDArray[np.float64], w: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return for each of the 48 ways which share of `turned` it leaves unexplained, (48,)."""
    ways = np.einsum("kij,nj->kni", _WAYS, w)
    rest = turned[None] + np.cross(ways, u[None])
    shares: NDArray[np.float64] = (rest**2).sum(axis=(1, 2)) / (turned**2).sum()
    return shares


def explain(way: NDArray[np.float64]) -> str:
    """Return what is wrong where `way` turns the gyroscope's axes into right ones; "" for nothing.

    An accelerometer whose axes are changed by Q looks as a gyroscope's by det(Q) Q, whose determinant is 1.
    Of the explanations the one that changes the fewest axes is given. Where both sensors are mirrored alike,
    every rate seems to have the wrong sign.
    """
    if (way == -np.eye(3)).all():
        return (
            "of both sensors two axes are exchanged or one has the wrong sign, which mirrors every movement"
        )
    candidates = [("g", way)]
    if np.linalg.det(way) > 0:
        candidates += [("a", way), ("a", -way)]
    sensor, change = min(candidates, key=lambda each: int((np.diag(each[1]) != 1).sum()))
    order = np.abs(change).argmax(axis=1)
    signs = change[np.arange(3), order]
    names = [f"{sensor}{axis}" for axis in "xyz"]
    moved = [i for i in range(3) if order[i] != i]
    parts = []
    if moved:
        parts.append(f"{' and '.join(names[i] for i in moved)} are exchanged")
    turned = [names[i] for i in range(3) if signs[i] < 0]
    if turned:
        parts.append(f"{' and '.join(turned)} ha{'s' if len(turned) == 1 else 've'} the wrong sign")
    return "; ".join(parts)
