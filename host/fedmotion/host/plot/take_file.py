"""Takes of a file to look at: an npz of docs/recording-files.md, or a table in text with a line a sample."""

import csv
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from fedmotion.host.recording_files import load_recordings
from fedmotion.host.sample_units import UNIT_FACTORS
from fedmotion.models.takes import Take
from fedmotion.protocol.serial_frames import AXES, N_AXES

MAX_CSV_BYTES = 256 * 2**20
"""Read as a whole: an hour of 1 kHz in text."""

_TIMES_US = {"t": 1e6, "t_s": 1e6, "t_ms": 1e3, "t_us": 1.0}
_AXIS = re.compile(r"([ag][xyz])(?:[ _]*[\[(]?([^\])]+)[\])]?)?")
_SHORT_UNITS = {"mps2": "m/s2", "radps": "rad/s", "degps": "deg/s"}


def open_takes(path: Path) -> tuple[Callable[[int], Take], int]:
    """Return a function that reads one take of the file at `path`, from 0 on, and how many there are.

    Raises
    ------
    ValueError
        If it is no recording file, says what is wrong with it.
    OSError
        If it cannot be read.
    """
    if path.suffix.lower() == ".csv":
        take = load_csv(path)
        return lambda _: take, 1
    file = load_recordings(path)
    if not len(file):
        raise ValueError(f"{path.name} holds no takes")
    return lambda index: next(islice(file, index, None)), len(file)


def load_csv(path: Path) -> Take:
    """Return the table at `path` as one take.

    Its first line names the columns, separated by commas, semicolons or tabs: a time `t` or `t_s` (seconds),
    `t_ms` or `t_us`, and some of ax to gz, with a unit behind the name if they are not in m/s2 and rad/s,
    such as `ax [g]` or `gx_dps`. Other columns are not read; an empty field is a value that is missing.

    Raises
    ------
    ValueError
        If it is something else, says where.
    OSError
        If it cannot be read.
    """
    name = path.name
    if (n_bytes := path.stat().st_size) > MAX_CSV_BYTES:
        raise ValueError(
            f"{name}: a table has at most {MAX_CSV_BYTES} bytes, got {n_bytes}: cut it into takes"
        )
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{name} is no table: it is not text") from None
    header = lines[0] if lines else ""
    rows = csv.reader(lines, delimiter=next((mark for mark in ";\t" if mark in header), ","))
    columns = [column.strip() for column in next(rows, [])]
    time = next((index for index, column in enumerate(columns) if column in _TIMES_US), None)
    if time is None:
        raise ValueError(
            f"{name}: its first line names the columns, one of them a time ({', '.join(_TIMES_US)}), "
            f"got {header[:80]!r}"
        )
    places, factors = _axes(name, columns)
    wanted = [time, *places.values()]
    numbers: list[list[float]] = []
    for row in rows:
        if not row:
            continue
        try:
            numbers.append([_number(row[index]) for index in wanted])
        except (ValueError, IndexError):
            raise ValueError(
                f"{name}, line {rows.line_num}: expected numbers for {', '.join(columns)}, "
                f"got {lines[rows.line_num - 1][:80]!r}"
            ) from None
    table = np.array(numbers, dtype=np.float64).reshape(-1, len(wanted))
    # A sample without a time has no place in a plot.
    table = table[np.isfinite(table[:, 0])]
    samples = np.full((len(table), N_AXES), np.nan, dtype=np.float32)
    for column, axis in enumerate(places):
        samples[:, axis] = table[:, column + 1] * factors[axis]
    return Take(
        name=name,
        label="",
        person="unset",
        trial="",
        t_us=np.rint(table[:, 0] * _TIMES_US[columns[time]]).astype(np.int64),
        samples=samples,
        declared_rate_hz=None,
        has_stamps=True,
        full_scale=np.full(N_AXES, np.nan, dtype=np.float32),
    )


def _axes(name: str, columns: list[str]) -> tuple[dict[int, int], dict[int, float]]:
    """Return the column of each axis that there is, and what one of its unit is in m/s2 or rad/s."""
    places: dict[int, int] = {}
    factors: dict[int, float] = {}
    for index, column in enumerate(columns):
        match = _AXIS.fullmatch(column)
        if match is None:
            continue
        axis = AXES.index(match[1])
        known = UNIT_FACTORS[axis // 3]
        unit = (match[2] or next(iter(known))).strip()
        factor = known.get(_SHORT_UNITS.get(unit, unit))
        if factor is None:
            raise ValueError(f"{name}: the unit of {match[1]} is one of {', '.join(known)}, got {column!r}")
        places[axis], factors[axis] = index, factor
    if not places:
        raise ValueError(
            f"{name}: a table has some of {', '.join(AXES)}, its columns are {', '.join(columns)}"
        )
    return places, factors


def _number(text: str) -> float:
    return float(text) if text.strip() else float("nan")
