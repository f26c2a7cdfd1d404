"""Recording files in npz, read as they are: some axes missing, values that are none, units nobody knows.

Takes are read one after another while the file is decompressed, so that memory holds one take and not the
file. What a file lacks is said beside its takes; only what cannot be takes at all is refused.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.sample_units import unit_factor
from fedmotion.models.takes import Take
from fedmotion.protocol.serial_frames import AXES, N_AXES

MAX_TAKE_BYTES = 64 * 2**20
"""As stored: a take of six float32 axes at 100 Hz may last seven hours."""

MAX_INDEX_BYTES = 64 * 2**20
"""Of all arrays but `data`, each: offsets and names of over a hundred thousand takes."""

_TIMES_US = {"t_us": 1.0, "t_ms": 1e3, "t": 1e6, "t_s": 1e6}
_KEYS = ("data", "offsets", "label", "columns")
_NO_NPZ = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where in a row the axes and the time are; `axes` -1 where there is no such column."""

    axes: tuple[int, ...]
    factors: NDArray[np.float64]
    time: int
    us_per_tick: float


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """A file of takes; iterating reads them in order, one in memory at a time. `list(file)` has them all.

    Attributes
    ----------
    labels, people, trials : of each take
    units : of each of the six axes as the file declares it, "" where the axis is absent
    unknown_units : axes whose unit is none that is known; their values are taken as m/s2 and rad/s
    rate_hz : what the file says, None where it says nothing
    """

    path: Path
    labels: tuple[str, ...]
    people: tuple[str, ...]
    trials: tuple[str, ...]
    offsets: NDArray[np.int64]
    axes_present: tuple[str, ...]
    units: tuple[str, ...]
    unknown_units: tuple[str, ...]
    rate_hz: float | None
    _layout: _Layout

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def has_stamps(self) -> bool:
        """Whether each sample has its time; else times are made from `rate_hz`."""
        return self._layout.time >= 0

    def __iter__(self) -> Iterator[Take]:
        """Yield the takes in order.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        try:
            with _open_data(self.path) as (stored, header):
                for index, n_rows in enumerate(np.diff(self.offsets).tolist()):
                    rows = np.frombuffer(_read_exactly(stored, n_rows * header.row_bytes), dtype=header.dtype)
                    yield self._take(index, rows.reshape(n_rows, header.n_columns))
        except _NO_NPZ as error:
            raise ValueError(f"{self.path.name} is damaged: {error}") from None

    def _take(self, index: int, rows: NDArray[np.generic]) -> Take:
        layout = self._layout
        samples = np.full((len(rows), N_AXES), np.nan, dtype=np.float32)
        for axis, column in enumerate(layout.axes):
            if column >= 0:
                samples[:, axis] = rows[:, column].astype(np.float64) * layout.factors[axis]
        if self.has_stamps:
            t_us = _times(rows[:, layout.time].astype(np.float64) * layout.us_per_tick)
        else:
            t_us = np.rint(np.arange(len(rows)) * (1e6 / (self.rate_hz or 1.0))).astype(np.int64)
        return Take(
            name=f"{self.path.name}#{index}",
            label=self.labels[index],
            person=self.people[index],
            trial=self.trials[index],
            t_us=t_us,
            samples=samples,
            declared_rate_hz=self.rate_hz,
            has_stamps=self.has_stamps,
            full_scale=np.full(N_AXES, np.nan, dtype=np.float32),
        )


def load_recordings(
    path: Path, units: tuple[str, ...] | None = None, rate_hz: float | None = None
) -> RecordingFile:
    """Return the takes of the npz file at `path`, whose samples are read when it is iterated.

    The arrays are those of docs/recording-files.md, of which `subject`, `trial`, `units`, `fs_hz` and any
    axes may be missing; times are in a column `t` or `t_s` (seconds), `t_ms` or `t_us`. `units`, one for each
    of the six axes, stand for what the file says of them, `rate_hz` where it says neither rate nor times.

    Raises
    ------
    ValueError
        If it is no npz file of plain arrays, lacks an array that it needs, has no axis or neither rate nor
        times, or its arrays do not fit each other.
    OSError
        If it cannot be read.
    """
    name = path.name
    try:
        index = _read_index(path)
        with _open_data(path) as (_, header):
            pass
    except _WrongFileError:
        raise
    except _NO_NPZ:
        # numpy's own sentence would advise to unpickle the file.
        raise ValueError(f"{name} is not an npz file of plain arrays (pickled ones are not read)") from None
    columns = _texts(index["columns"])
    declared = _texts(index["units"]) if "units" in index else [""] * len(columns)
    if not len(columns) == len(declared) == header.n_columns:
        raise ValueError(
            f"{name}: data has a column for each of columns and units, got {header.n_columns}, "
            f"{len(columns)} and {len(declared)}"
        )
    given = dict(zip(AXES, units, strict=True)) if units else {}
    units_used = [given.get(column, unit) for column, unit in zip(columns, declared, strict=True)]
    labels = _texts(index["label"])
    people = _texts(index["subject"]) if "subject" in index else ["unset"] * len(labels)
    trials = _texts(index["trial"]) if "trial" in index else [""] * len(labels)
    offsets = _offsets(name, index["offsets"], header.n_rows)
    if not len(offsets) - 1 == len(labels) == len(people) == len(trials):
        raise ValueError(
            f"{name}: offsets has one more entry than label, subject and trial, got {len(offsets)}, "
            f"{len(labels)}, {len(people)} and {len(trials)}"
        )
    longest = int(np.diff(offsets).max(initial=0))
    if longest * header.row_bytes > MAX_TAKE_BYTES:
        raise ValueError(
            f"{name}: a take has at most {MAX_TAKE_BYTES // header.row_bytes} rows of these columns, the "
            f"longest here has {longest}: cut it into takes"
        )
    layout, unknown = _layout(columns, units_used)
    present = tuple(axis for axis, column in zip(AXES, layout.axes, strict=True) if column >= 0)
    if not present:
        raise ValueError(f"{name}: data has some of {', '.join(AXES)}, its columns are {', '.join(columns)}")
    rate_hz = _rate_hz(name, index.get("fs_hz")) or (rate_hz if layout.time < 0 else None)
    if rate_hz is None and layout.time < 0:
        raise ValueError(
            f"{name}: say in fs_hz how many samples a second there are, or give a column of times "
            f"({', '.join(_TIMES_US)})"
        )
    return RecordingFile(
        path=path,
        labels=tuple(labels),
        people=tuple(people),
        trials=tuple(trials),
        offsets=offsets,
        axes_present=present,
        units=tuple(units_used[column] if column >= 0 else "" for column in layout.axes),
        unknown_units=unknown,
        rate_hz=rate_hz,
        _layout=layout,
    )


class _WrongFileError(ValueError):
    """A readable file that holds no takes: its sentence says what is missing."""


@dataclass(frozen=True, slots=True)
class _Header:
    dtype: np.dtype[np.generic]
    n_rows: int
    n_columns: int

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * self.n_columns


@contextmanager
def _open_data(path: Path) -> Iterator[tuple[IO[bytes], _Header]]:
    """Open the member `data` behind its header."""
    with path.open("rb") as file, zipfile.ZipFile(file) as archive, archive.open("data.npy") as stored:
        yield stored, _read_header(path.name, stored)


def _read_header(name: str, stored: IO[bytes]) -> _Header:
    version = np.lib.format.read_magic(stored)
    read: Callable[..., tuple[tuple[int, ...], bool, np.dtype[np.generic]]] = (
        np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    )
    shape, is_fortran, dtype = read(stored)
    if len(shape) != 2 or dtype.kind not in "iuf" or not shape[1]:
        raise _WrongFileError(f"{name}: data holds numbers in rows and columns, got {dtype} of shape {shape}")
    if is_fortran and shape[0] > 1:
        raise _WrongFileError(
            f"{name}: data is stored column by column; store it row by row: numpy.ascontiguousarray(data)"
        )
    return _Header(dtype, shape[0], shape[1])


def _read_index(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return all small arrays of the file: everything but its data."""
    arrays: dict[str, NDArray[np.generic]] = {}
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        present = {member.removesuffix(".npy") for member in archive.namelist()}
        if missing := [key for key in _KEYS if key not in present]:
            raise _WrongFileError(
                f"{path.name}: a recording file has {', '.join(_KEYS)}; {', '.join(missing)} missing"
            )
        for key in ("offsets", "label", "subject", "trial", "columns", "units", "fs_hz"):
            if key not in present:
                continue
            n_bytes = archive.getinfo(f"{key}.npy").file_size
            if n_bytes > MAX_INDEX_BYTES:
                raise _WrongFileError(
                    f"{path.name}: {key} has at most {MAX_INDEX_BYTES} bytes, got {n_bytes}: split the file"
                )
            with archive.open(f"{key}.npy") as stored:
                array: NDArray[np.generic] = np.lib.format.read_array(stored, allow_pickle=False)
                arrays[key] = array
    return arrays


def _read_exactly(stored: IO[bytes], n_bytes: int) -> bytes:
    data = stored.read(n_bytes)
    if len(data) != n_bytes:
        raise EOFError(f"its data ends {n_bytes - len(data)} bytes too soon")
    return data


def _texts(array: NDArray[np.generic]) -> list[str]:
    return [str(value) for value in array.ravel().tolist()]


def _offsets(name: str, stored: NDArray[np.generic], n_rows: int) -> NDArray[np.int64]:
    if stored.dtype.kind not in "iu":
        raise ValueError(f"{name}: offsets are whole numbers, got {stored.dtype}")
    offsets = stored.ravel().astype(np.int64)
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != n_rows or (np.diff(offsets) < 0).any():
        raise ValueError(f"{name}: offsets ascend from 0 to the {n_rows} rows of data")
    return offsets


def _layout(columns: list[str], units: list[str]) -> tuple[_Layout, tuple[str, ...]]:
    """Return where things are in a row, and the axes whose unit is not known."""
    positions = tuple(columns.index(axis) if axis in columns else -1 for axis in AXES)
    factors = np.ones(N_AXES)
    unknown: list[str] = []
    for axis, column in enumerate(positions):
        if column < 0:
            continue
        factor = unit_factor(units[column], axis)
        if factor is None:
            unknown.append(AXES[axis])
        factors[axis] = factor or 1.0
    time = next((name for name in _TIMES_US if name in columns), None)
    return (
        _Layout(positions, factors, columns.index(time) if time else -1, _TIMES_US[time] if time else 1.0),
        tuple(unknown),
    )


def _times(us: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the times as integers; one that is no number stands still, which a check then finds."""
    is_time = np.isfinite(us) & (np.abs(us) < 2.0**62)
    if not is_time.all():
        last = np.maximum.accumulate(np.where(is_time, np.arange(len(us)), 0))
        us = np.where(is_time[last], us[last], 0.0)
    return np.rint(us).astype(np.int64)


def _rate_hz(name: str, stored: NDArray[np.generic] | None) -> float | None:
    if stored is None:
        return None
    if stored.size != 1 or stored.dtype.kind not in "iuf":
        raise ValueError(f"{name}: fs_hz is one number for all takes, got {stored.size} of {stored.dtype}")
    rate_hz = float(stored.astype(np.float64).item())
    if not np.isfinite(rate_hz) or rate_hz < 0:
        raise ValueError(
            f"{name}: fs_hz is the takes' rate above 0, or 0 where it is not known, got {rate_hz}"
        )
    return rate_hz or None
