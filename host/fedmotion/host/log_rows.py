"""One take from the lines that a board printed, as a serial monitor keeps them: other people's sketches.

What a sketch prints says its units, or its library is known by its words and has the units that it starts
with. Lines without a time: the rate is asked for.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from fedmotion.host.import_rows import ImportOptions, Rows, Sieve, TakeHead, head_of
from fedmotion.host.sample_units import SampleUnits, sample_units
from fedmotion.host.text_lines import TextLines
from fedmotion.protocol.serial_frames import AXES

_BATCH = 2048
_N_LINES_LOOKED_AT = 400

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b.|[\x00-\x08\x0b-\x1f\x7f]")
"""Escape sequences of a terminal (ECMA-48, 5.4) and control characters: logs of `screen` hold them."""

_COUNTED = ("counts@2g", "counts@250dps")
"""The ranges that an MPU-6050 wakes up with (RM-MPU-6000A, registers 27 and 28)."""


@dataclass(frozen=True, slots=True)
class _Form:
    """A line that holds the axes from `first` on, as many as it has numbers; its unit, where it says none."""

    first: int
    line: re.Pattern[str]
    unit: str


def _three(words: str, unit: str, first: int) -> _Form:
    """Return the form of `Words X: 1.0, Y: 2.0, Z: 3.0 unit`, with any space, comma or unit between."""
    between = rf"\s*:\s*({_NUMBER})[^XYZ]*?"
    return _Form(first, re.compile(rf"\s*(?:{words})\s+X{between}Y{between}Z\s*:\s*({_NUMBER})(.*)"), unit)


_SPACED = rf"({_NUMBER})\s+({_NUMBER})\s+({_NUMBER})"


def _named(names: tuple[str, str, str], unit: str, first: int) -> _Form:
    """Return the form of three named numbers somewhere in a line: `AcX = 12 | AcY = -3 | ...`."""
    numbers = ".*?".join(rf"(?<![A-Za-z]){name}\s*[:=]\s*({_NUMBER})" for name in names)
    return _Form(first, re.compile(rf".*?{numbers}(?![\d.]).*()"), unit)


_FORMS = (
    # jrowberg's MPU6050_raw.
    _Form(0, re.compile(rf"\s*a/g:\s+{_SPACED}\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*()"), _COUNTED[0]),
    _Form(3, re.compile(rf"\s*a/g:\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s+{_SPACED}\s*()"), _COUNTED[1]),
    # Adafruit_MPU6050's basic_readings and oled, which print their units, and unifiedsensors.
    _three("Acceleration|Accelerometer|Accel", "m/s2", 0),
    _three("Rotation|Gyroscope|Gyro", "rad/s", 3),
    # rfetick's MPU6050_light.
    _three("ACCELERO", "g", 0),
    _three("GYRO", "deg/s", 3),
    # Adafruit's plotter and motion_detection.
    _named(("AccelX", "AccelY", "AccelZ"), "m/s2", 0),
    _named(("GyroX", "GyroY", "GyroZ"), "rad/s", 3),
    # The Arduino playground's short sketch.
    _named(("AcX", "AcY", "AcZ"), _COUNTED[0], 0),
    _named(("GyX", "GyY", "GyZ"), _COUNTED[1], 3),
    # MPU6050_tockn.
    _named(("accX", "accY", "accZ"), "g", 0),
    _named(("gyroX", "gyroY", "gyroZ"), "deg/s", 3),
)
_SAID_UNITS = {
    "m/s^2": "m/s2",
    "m/s2": "m/s2",
    "rad/s": "rad/s",
    "radians/s": "rad/s",
    "rps": "rad/s",
    "deg/s": "deg/s",
}


class LogRows:
    """The samples in the lines of a log, as one take; iterating gives them.

    `notes` say, once they have been iterated over, in which units values were taken and what was left out.

    Raises
    ------
    NoLogError
        If none of the first lines is one that a known sketch prints.
    ValueError
        If the rate is not given, a sensor is missing, or units change on the way.
    """

    def __init__(self, lines: TextLines, options: ImportOptions, sieve: Sieve) -> None:
        self._lines = lines
        self._name = lines.path.name
        self._options = options
        self._sieve = sieve
        self._forms, said = _forms_in(lines)
        if not self._forms:
            raise NoLogError(f"{self._name} holds no lines of samples")
        lacking = [sensor for sensor in (0, 3) if sensor not in said]
        if lacking:
            raise ValueError(
                f"{self._name} has no lines of {'a gyroscope' if lacking[0] else 'accelerations'}, and "
                f"gestures are learned from all of {', '.join(AXES)}"
            )
        if options.rate_hz is None:
            raise ValueError(
                f"{self._name} has no times: say with --rate-hz how many samples a second were printed"
            )
        if options.time_unit:
            raise ValueError(f"{self._name} has no times: leave --time-unit out")
        self._said = (said[0],) * 3 + (said[3],) * 3
        self._units: SampleUnits = sample_units(options.units or self._said, self._name)
        self.notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Rows]:
        head = head_of(
            f"{self._name}#0", self._options, self._name, label="", person="", hand="", mounting=""
        )
        head = replace(head, scales=self._units.scales)
        accel: tuple[str, ...] | None = None
        values: list[tuple[str, ...]] = []
        at: list[int] = []
        n_samples = n_torn = n_other = 0
        for number, raw in enumerate(self._lines, start=1):
            found = self._sensors_of(_CONTROL.sub("", raw), number)
            n_other += not found and bool(raw.strip())
            for first, numbers in found:
                # A sample begins with its accelerations in all of these sketches.
                if first == 0:
                    n_torn += accel is not None
                    accel = numbers
                elif accel is None:
                    n_torn += 1
                else:
                    values.append(accel + numbers)
                    at.append(number)
                    accel = None
            if len(values) >= _BATCH:
                yield from self._rows(values, at, n_samples, head)
                n_samples += len(values)
                values, at = [], []
        n_torn += accel is not None
        yield from self._rows(values, at, n_samples, head)
        units = self._options.units or self._said
        self.notes = (
            f"values taken as {units[0]} and {units[3]}",
            *((f"{n_torn} samples that were not whole left out",) if n_torn else ()),
            *((f"{n_other} lines that hold no sample left out",) if n_other else ()),
        )

    def _sensors_of(self, line: str, number: int) -> list[tuple[int, tuple[str, ...]]]:
        found = []
        for form in self._forms:
            match = form.line.fullmatch(line)
            if match is None:
                continue
            *numbers, behind = match.groups()
            unit = _SAID_UNITS.get(behind.strip(), form.unit)
            if unit != self._said[form.first]:
                raise ValueError(
                    f"{self._name}, line {number}: {unit}, and {self._said[form.first]} before: a log has "
                    "one unit; cut it into two files"
                )
            found.append((form.first, tuple(numbers)))
        return found

    def _rows(
        self, values: list[tuple[str, ...]], at: list[int], first: int, head: TakeHead
    ) -> Iterator[Rows]:
        if not values:
            return
        us = np.rint(np.arange(first, first + len(values)) * (1e6 / (self._options.rate_hz or 1.0)))
        samples = self._units.to_si(np.array(values, dtype=np.float64))
        rows = self._sieve.sound(head, us, samples, lambda row: f"{self._name}, line {at[row]}")
        if len(rows.t_us):
            yield rows


class NoLogError(ValueError):
    """None of the file's first lines is one that a known sketch prints."""


def _forms_in(lines: TextLines) -> tuple[list[_Form], dict[int, str]]:
    """Return the forms that the first lines have, and the unit of accelerations (0) and rates (3)."""
    forms: list[_Form] = []
    said: dict[int, str] = {}
    for line in islice(lines, _N_LINES_LOOKED_AT):
        for form in _FORMS:
            match = form.line.fullmatch(_CONTROL.sub("", line))
            if match is None:
                continue
            said.setdefault(form.first, _SAID_UNITS.get(match.groups()[-1].strip(), form.unit))
            if form not in forms:
                forms.append(form)
    return sorted(forms, key=lambda form: form.first), said
