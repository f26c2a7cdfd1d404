"""Tables in text, a line a sample, as spreadsheets and sketches write them: which column is what.

Names are read as people write them: `ax`, `aX`, `accel_x`, `AccX [g]`, `gyro_z_dps`. What a table must say
and does not is asked for, never guessed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fedmotion.host.sample_units import SampleUnits, sample_units, unit_factor
from fedmotion.protocol.serial_frames import AXES

TIMES_US = {"s": 1e6, "ms": 1e3, "us": 1.0}
"""Microseconds in the units that times are given in."""

_SENSORS = {
    "a": ("a", "ac", "acc", "accel", "acceleration", "accelerometer"),
    "g": ("g", "gy", "gyr", "gyro", "gyroscope", "rotation", "angularvelocity"),
}
_AXIS_OF = {
    f"{word}{xyz}": f"{sensor}{xyz}" for sensor, words in _SENSORS.items() for word in words for xyz in "xyz"
}
_TIME_NAMES = {
    **dict.fromkeys(("t", "seconds"), "s"),
    **dict.fromkeys(("ms", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "micros", "microseconds"), "us"),
    **dict.fromkeys(("time", "timestamp", "timestamps"), ""),
}
_WORDS = {
    "label": ("label", "gesture", "activity", "class", "actionlabel", "activitylabel"),
    "person": ("person", "subject", "user", "participant"),
    "take": ("take", "recording", "trial", "sequence", "actionid", "takeid", "recordingid"),
    "hand": ("hand",),
    "mounting": ("mounting",),
}
_WORD_OF = {name: word for word, names in _WORDS.items() for name in names}
_BEHIND = re.compile(r"(.*?)\s*[\[(]([^\])]*)[\])]")
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a row things are: `axes`, six of them, and `time`, -1 where there is none.

    `words` are the columns of label, person, take, hand and mounting that there are; `extras` those of any
    other name, by name.
    """

    names: tuple[str, ...]
    axes: tuple[int, ...]
    units: SampleUnits
    time: int
    us_per_tick: float
    words: dict[str, int]
    extras: dict[str, int]


def split_header(line: str) -> tuple[list[str], str] | None:
    """Return the names in a line and what stands between them, or nothing where it heads no table."""
    for delimiter in _DELIMITERS:
        names = [name.strip().strip("\"'").strip() for name in line.rstrip("\r\n").split(delimiter)]
        if sum(_axis_and_unit(name)[0] != "" for name in names) >= 3:
            return names, delimiter
    return None


def columns_of(
    names: Sequence[str], who: str, *, units: tuple[str, ...] | None, time_unit: str | None, has_rate: bool
) -> Columns:
    """Return what is where.

    Parameters
    ----------
    who
        The table, as sentences name it.
    units
        Of the six axes, instead of what the names say.
    time_unit
        Of a column of times whose name says none: one of TIMES_US.
    has_rate
        Whether times may be missing.

    Raises
    ------
    ValueError
        If an axis, its unit or the time is missing or there twice.
    """
    places: dict[str, int] = {}
    said = dict.fromkeys(AXES, "")
    words: dict[str, int] = {}
    extras: dict[str, int] = {}
    times: list[tuple[int, str]] = []
    for index, name in enumerate(names):
        axis, unit = _axis_and_unit(name)
        plain = _plain(name)
        time = _time(name)
        if axis:
            if axis in places:
                raise ValueError(f"{who} has two columns for {axis}: {names[places[axis]]!r} and {name!r}")
            places[axis], said[axis] = index, unit
        elif time is not None:
            times.append((index, time))
        elif plain in _WORD_OF and _WORD_OF[plain] not in words:
            words[_WORD_OF[plain]] = index
        else:
            extras[name] = index
    if missing := [axis for axis in AXES if axis not in places]:
        is_half = "a gyroscope" if missing == list(AXES[3:]) else f"columns for {', '.join(missing)}"
        raise ValueError(
            f"{who} has no {is_half}, and gestures are learned from all of {', '.join(AXES)}; its columns "
            f"are {', '.join(names)[:200]}"
        )
    if len(times) > 1:
        raise ValueError(f"{who} has two columns of times: {', '.join(names[index] for index, _ in times)}")
    if not times and not has_rate:
        raise ValueError(
            f"{who} has no column of times (t_s, t_ms or t_us): say with --rate-hz how many samples a second "
            "there are"
        )
    place, said_time = times[0] if times else (-1, "s")
    ticks = said_time or time_unit
    if ticks is None:
        raise ValueError(f"{who} does not say in what {names[place]} counts: give --time-unit s, ms or us")
    return Columns(
        names=tuple(names),
        axes=tuple(places[axis] for axis in AXES),
        units=sample_units(units or tuple(said[axis] for axis in AXES), who),
        time=place,
        us_per_tick=TIMES_US[ticks],
        words=words,
        extras=extras,
    )


def _axis_and_unit(name: str) -> tuple[str, str]:
    """Return the axis that a column's name says, "" where it says none, and the unit behind it."""
    behind = _BEHIND.fullmatch(name)
    bare, unit = (behind[1], behind[2].strip()) if behind else (name, "")
    if axis := _AXIS_OF.get(_plain(bare)):
        return axis, unit
    # The unit as the last word: ax_mps2, gyro_z_dps.
    for at, mark in enumerate(bare):
        if mark in " _" and (axis := _AXIS_OF.get(_plain(bare[:at]))):
            unit = bare[at + 1 :].strip(" _")
            return (axis, unit) if unit_factor(unit, AXES.index(axis)) is not None else ("", "")
    return "", ""


def _time(name: str) -> str | None:
    """Return the unit of a column of times, "" where its name says none; None where it is no such column."""
    behind = _BEHIND.fullmatch(name)
    bare, unit = (behind[1], behind[2].strip()) if behind else (name, "")
    plain = _plain(bare)
    if plain in _TIME_NAMES:
        return unit if unit in TIMES_US else _TIME_NAMES[plain]
    stem, _, last = bare.strip().lower().replace(" ", "_").rpartition("_")
    if last in TIMES_US and _plain(stem) in _TIME_NAMES:
        return last
    return None


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
