"""Simulated people and how each of them moves: two swipes, rest, and the many movements that are no gesture.

What makes people differ is kept in `Person` (amplitude, speed, arc, habits of the wrist, tremor, mounting
of the board); what makes one person's repetitions differ is drawn from the generator given to `perform`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fedmotion.boards.kinematics import FORWARD, LEFT, PITCH, ROLL, UP, YAW, Motion, Path, rotation
from fedmotion.protocol.identity import OTHER

SWIPE_RIGHT = "swipe_right"
SWIPE_LEFT = "swipe_left"
REST = "rest"

MAX_TILT_DEG = 30.0
"""How far a board may be turned on a wrist about each of its axes, unless told otherwise."""

_LEAD_S = 0.1
"""Stillness before and after a movement, so that its marks enclose all of it."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person's way of moving and of wearing the board; lengths in m, angles in rad, times in s."""

    seed: int
    amplitude_m: float
    stroke_s: float
    rise: float
    bulge: float
    yaw_radpm: float
    roll_habit_rad: float
    roll_with_stroke_rad: float
    windup: float
    pause_s: float
    return_slowness: float
    vigour: float
    tremor_hz: float
    tremor_m: float
    unsteadiness: float
    posture: tuple[float, float, float]
    mounting: tuple[float, float, float]
    habits: tuple[float, ...]


def person(seed: int, tilt_deg: float = MAX_TILT_DEG) -> Person:
    """Return the person of this seed, whose board is tilted by up to `tilt_deg` about each axis.

    Amplitudes and durations are those of quick free arm movements (0.3 to 0.5 m in 0.4 to 0.7 s);
    physiological tremor has 8 to 12 Hz (Elble & Koller, "Tremor", 1990) and some 0.02 to 0.06 m/s2.
    """
    rng = np.random.default_rng([0x9E0, seed])

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    tremor_hz = between(8.0, 12.0)
    amplitude_m = between(0.3, 0.5)
    tilt = np.radians(tilt_deg)
    return Person(
        seed=seed,
        amplitude_m=amplitude_m,
        # Longer movements are faster and yet last longer (isochrony: Viviani & Flash, 1995).
        stroke_s=between(0.44, 0.6) * (amplitude_m / 0.35) ** 0.35,
        rise=between(-0.05, 0.12),
        bulge=between(-0.1, 0.25),
        yaw_radpm=between(2.0, 3.2),
        roll_habit_rad=between(-0.25, 0.25),
        roll_with_stroke_rad=between(-0.35, 0.35),
        windup=between(0.0, 0.2),
        pause_s=between(0.0, 0.12),
        return_slowness=between(1.3, 1.9),
        vigour=between(0.75, 1.3),
        tremor_hz=tremor_hz,
        tremor_m=between(0.02, 0.06) / (2 * np.pi * tremor_hz) ** 2,
        unsteadiness=between(0.06, 0.14),
        posture=(0.0, between(-0.12, 0.12), between(-0.15, 0.15)),
        mounting=(between(-tilt, tilt), between(-tilt, tilt), between(-tilt, tilt)),
        habits=tuple(rng.dirichlet(np.full(len(OTHER_KINDS), 2.0)).tolist()),
    )


def perform(who: Person, activity: str, rng: np.random.Generator) -> Motion:
    """Return one performance, which begins and ends at the person's resting posture.

    `activity` is a swipe, `rest`, one of OTHER_KINDS by name, or `other` for one of those that this
    person is given to. Raises ValueError for anything else.
    """
    if activity == OTHER:
        activity = str(rng.choice(list(OTHER_KINDS), p=who.habits))
    if activity == REST:
        return rest(who, float(rng.uniform(1.0, 2.0)), rng)
    if activity in _SWIPES:
        path = _swipe(who, _SWIPES[activity], rng)
    elif activity in OTHER_KINDS:
        path = OTHER_KINDS[activity](who, rng)
    else:
        known = (*_SWIPES, REST, OTHER, *OTHER_KINDS)
        raise ValueError(f"a simulated person performs one of {', '.join(known)}, got {activity!r}")
    return _felt(who, path, rng)


def rest(who: Person, duration_s: float, rng: np.random.Generator) -> Motion:
    """Return `duration_s` of a hand held still but for its tremor."""
    return _felt(who, Path(duration_s), rng)


def _felt(who: Person, path: Path, rng: np.random.Generator) -> Motion:
    """Return what the board on this person's wrist feels along `path`, tremor added."""
    duration_s = float(path.t_s[-1])
    if duration_s > 0.5:
        # The forearm trembles about the elbow, a quarter of a metre away: 4 rad a metre.
        change = {
            channel: (who.tremor_m * lever * rng.uniform(0.3, 1.0), rng.uniform(0, 2 * np.pi))
            for channel, lever in {LEFT: 1.0, UP: 1.0, FORWARD: 0.5, YAW: 4.0, PITCH: 4.0, ROLL: 4.0}.items()
        }
        path.swing(0.0, duration_s, who.tremor_hz, change, ramp_s=0.2)
    yaw, pitch, roll = (np.array([angle]) for angle in who.mounting)
    return path.motion(np.array(who.posture), rotation(yaw, pitch, roll)[0])


def _varied(who: Person, rng: np.random.Generator, amount: float = 1.0) -> float:
    """Return a factor about 1 by which this repetition differs from the person's usual one."""
    return float(np.exp(amount * who.unsteadiness * np.clip(rng.standard_normal(), -2.5, 2.5)))


def _swipe(who: Person, direction: float, rng: np.random.Generator) -> Path:
    """Return a stroke to one side and the slower way back; `direction` is +1 to the left."""
    amplitude_m = who.amplitude_m * _varied(who, rng)
    stroke_s = who.stroke_s * _varied(who, rng)
    back_s = stroke_s * who.return_slowness * _varied(who, rng)
    windup_m = amplitude_m * who.windup * float(rng.uniform(0.3, 1.0))
    windup_s = 0.6 * stroke_s
    pause_s = who.pause_s * float(rng.uniform(0.3, 1.0))
    stroke_m = amplitude_m + windup_m
    # A stroke begins before the movement away from its side has ended, as a tennis player's does.
    start_s = _LEAD_S + (0.7 * windup_s if windup_m > 0.02 else 0.0)
    back_start_s = start_s + stroke_s + pause_s
    path = Path(back_start_s + back_s + _LEAD_S)
    rise = who.rise + 0.5 * who.unsteadiness * float(rng.standard_normal())
    bulge = who.bulge + 0.5 * who.unsteadiness * float(rng.standard_normal())
    roll_rad = who.roll_with_stroke_rad * _varied(who, rng, 2.0)

    def sideways(amount_m: float) -> dict[int, float]:
        return {
            LEFT: direction * amount_m,
            YAW: direction * amount_m * who.yaw_radpm,
            ROLL: direction * roll_rad * amount_m / stroke_m,
        }

    if windup_m > 0.02:
        path.move(_LEAD_S, windup_s, sideways(-windup_m))
    path.move(start_s, stroke_s, sideways(stroke_m if windup_m > 0.02 else amplitude_m))
    path.move(back_start_s, back_s, sideways(-amplitude_m))
    # The arc: out of the straight line in the stroke's first half, back in its second.
    arc = {UP: rise * amplitude_m, FORWARD: bulge * amplitude_m, PITCH: -1.2 * rise * amplitude_m}
    path.move(start_s, 0.6 * stroke_s, arc)
    path.move(start_s + 0.4 * stroke_s, 0.6 * stroke_s, {c: -amount for c, amount in arc.items()})
    # The hand's habit: it turns over once for the stroke, whichever way it goes, and back.
    habit_rad = who.roll_habit_rad * _varied(who, rng, 2.0)
    path.move(_LEAD_S, start_s - _LEAD_S + 0.6 * stroke_s, {ROLL: habit_rad})
    path.move(back_start_s, back_s, {ROLL: -habit_rad})
    return path


def _out_and_back(
    who: Person, rng: np.random.Generator, out: dict[int, float], out_s: float, hold_s: float
) -> Path:
    """Return a movement somewhere, a stay, and the way back."""
    factor = who.vigour * _varied(who, rng, 1.5)
    out = {c: amount * factor * float(rng.uniform(0.8, 1.2)) for c, amount in out.items()}
    out_s *= _varied(who, rng, 1.5) * who.stroke_s / 0.5
    back_s = out_s * who.return_slowness
    path = Path(2 * _LEAD_S + out_s + hold_s + back_s)
    path.move(_LEAD_S, out_s, out)
    path.move(_LEAD_S + out_s + hold_s, back_s, {c: -amount for c, amount in out.items()})
    return path


def _raise_arm(who: Person, rng: np.random.Generator) -> Path:
    return _out_and_back(who, rng, {UP: 0.45, FORWARD: -0.1, PITCH: -0.9}, 0.7, float(rng.uniform(0.0, 0.15)))


def _reach_up(who: Person, rng: np.random.Generator) -> Path:
    out = {UP: 0.35, FORWARD: 0.2, PITCH: -0.6, LEFT: float(rng.uniform(-0.08, 0.08))}
    return _out_and_back(who, rng, out, 0.6, float(rng.uniform(0.0, 0.15)))


def _reach_down(who: Person, rng: np.random.Generator) -> Path:
    out = {UP: -0.35, FORWARD: 0.1, PITCH: 0.7, ROLL: float(rng.uniform(-0.3, 0.3))}
    return _out_and_back(who, rng, out, 0.6, float(rng.uniform(0.0, 0.15)))


def _reach_forward(who: Person, rng: np.random.Generator) -> Path:
    out = {
        FORWARD: 0.4,
        UP: 0.05,
        PITCH: -0.5,
        YAW: float(rng.uniform(-0.2, 0.2)),
        LEFT: float(rng.uniform(-0.08, 0.08)),
    }
    return _out_and_back(who, rng, out, 0.55, float(rng.uniform(0.0, 0.15)))


def _turn_wrist(who: Person, rng: np.random.Generator) -> Path:
    side = float(rng.choice([-1.0, 1.0]))
    out = {ROLL: side * 1.2, UP: 0.02, LEFT: 0.02 * side}
    return _out_and_back(who, rng, out, 0.45, float(rng.uniform(0.0, 0.15)))


def _circle(who: Person, rng: np.random.Generator) -> Path:
    turn_s = 1.1 * _varied(who, rng, 1.5) * who.stroke_s / 0.5
    n_turns = int(rng.integers(1, 4))
    radius_m = 0.11 * who.vigour * _varied(who, rng, 1.5)
    way = float(rng.choice([-1.0, 1.0]))
    path = Path(2 * _LEAD_S + n_turns * turn_s + 0.4)
    plane = UP if rng.random() < 0.7 else FORWARD
    change = {LEFT: (radius_m, way * np.pi / 2), plane: (radius_m, 0.0)}
    # The forearm follows its hand about the elbow, sideways by yaw and upwards by pitch.
    change[YAW] = (radius_m * who.yaw_radpm, way * np.pi / 2)
    if plane == UP:
        change[PITCH] = (-2.5 * radius_m, 0.0)
    path.swing(_LEAD_S, n_turns * turn_s + 0.4, 1 / turn_s, change, ramp_s=0.4)
    return path


def _repeated(
    who: Person, rng: np.random.Generator, frequency_hz: float, duration_s: float, change: dict[int, float]
) -> Path:
    """Return a to and fro of several channels at once."""
    frequency_hz *= _varied(who, rng, 1.5)
    phase_rad = float(rng.uniform(0, 2 * np.pi))
    factor = who.vigour * _varied(who, rng, 1.5)
    path = Path(2 * _LEAD_S + duration_s)
    path.swing(
        _LEAD_S, duration_s, frequency_hz, {c: (amount * factor, phase_rad) for c, amount in change.items()}
    )
    return path


def _shake(who: Person, rng: np.random.Generator) -> Path:
    channel = (LEFT, UP, FORWARD)[int(rng.integers(3))]
    change = {channel: 0.04, ROLL: 0.25 * float(rng.uniform(-1, 1)), YAW: 0.15 * float(rng.uniform(-1, 1))}
    return _repeated(who, rng, 3.5, float(rng.uniform(1.0, 1.8)), change)


def _scratch(who: Person, rng: np.random.Generator) -> Path:
    path = _repeated(who, rng, 4.5, float(rng.uniform(1.4, 2.0)), {UP: 0.012, PITCH: 0.12})
    lift = {UP: 0.3, FORWARD: -0.2, PITCH: -0.8}
    path.move(_LEAD_S, 0.6, lift)
    path.move(float(path.t_s[-1]) - _LEAD_S - 0.6, 0.6, {c: -amount for c, amount in lift.items()})
    return path


def _walk(who: Person, rng: np.random.Generator) -> Path:
    # Walking: arms swing once a stride (about 0.9 Hz), the trunk bobs once a step, twice as often.
    duration_s = float(rng.uniform(2.0, 3.0))
    path = _repeated(who, rng, 0.9, duration_s, {FORWARD: 0.16, PITCH: 0.35})
    path.swing(_LEAD_S, duration_s, 1.8, {UP: (0.02, float(rng.uniform(0, 2 * np.pi)))})
    return path


def _tap(who: Person, rng: np.random.Generator) -> Path:
    n_taps = int(rng.integers(2, 5))
    tap_s = 0.16 * _varied(who, rng)
    path = Path(2 * _LEAD_S + n_taps * 2 * tap_s)
    depth = {UP: -0.05 * who.vigour, PITCH: 0.2 * who.vigour}
    for index in range(n_taps):
        start_s = _LEAD_S + index * 2 * tap_s
        path.move(start_s, tap_s, depth)
        path.move(start_s + tap_s, tap_s, {c: -amount for c, amount in depth.items()})
    return path


_SWIPES = {SWIPE_LEFT: 1.0, SWIPE_RIGHT: -1.0}

OTHER_KINDS: dict[str, Callable[[Person, np.random.Generator], Path]] = {
    "raise_arm": _raise_arm,
    "reach_up": _reach_up,
    "reach_down": _reach_down,
    "reach_forward": _reach_forward,
    "turn_wrist": _turn_wrist,
    "circle": _circle,
    "shake": _shake,
    "scratch": _scratch,
    "walk": _walk,
    "tap": _tap,
}
"""The movements that are no gesture, by name."""
