"""Recording files in npz: takes of labelled movement by several people, in SI units whatever the file has."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedmotion.boards.kinematics import STANDARD_GRAVITY_MPS2, Floats
from fedmotion.protocol.identity import check_label
from fedmotion.protocol.serial_frames import AXES

_KEYS = ("data", "offsets", "label", "subject", "columns", "units", "fs_hz")
_ACCEL_UNITS = {"g": STANDARD_GRAVITY_MPS2, "m/s2": 1.0, "m/s^2": 1.0}
_GYRO_UNITS = {"deg/s": np.pi / 180, "dps": np.pi / 180, "rad/s": 1.0}


@dataclass(frozen=True, slots=True)
class RecordedTakes:
    """Takes by person and label; each is `data[offsets[i]:offsets[i + 1]]`.

    Attributes
    ----------
    data : (n_rows, 6) float64, ax to gz in m/s2 and rad/s
    offsets : (n_takes + 1,) int64
    labels, subjects : of each take
    """

    name: str
    data: Floats
    offsets: NDArray[np.int64]
    labels: tuple[str, ...]
    subjects: tuple[str, ...]
    rate_hz: float

    def axes(self, index: int) -> Floats:
        """Return one take, (n, 6)."""
        return self.data[self.offsets[index] : self.offsets[index + 1]]

    def people(self) -> tuple[str, ...]:
        """Return the subjects, each once, in order."""
        return tuple(sorted(set(self.subjects), key=lambda name: (len(name), name)))

    def find(self, subject: str, label: str) -> list[int]:
        """Return the takes of one person and label; raises ValueError where the file has neither."""
        if label not in self.labels:
            known = ", ".join(sorted(set(self.labels)))
            raise ValueError(f"{self.name} has no label {label!r}; it has {known}")
        return [i for i in self._of(subject) if self.labels[i] == label]

    def find_others(self, subject: str, labels: tuple[str, ...]) -> list[int]:
        """Return one person's takes of every label but `labels`."""
        return [i for i in self._of(subject) if self.labels[i] not in labels]

    def _of(self, subject: str) -> list[int]:
        if subject not in self.subjects:
            known = ", ".join(self.people())
            raise ValueError(f"{self.name} has no subject {subject!r}; it has {known}")
        return [i for i, name in enumerate(self.subjects) if name == subject]


def load_takes(path: Path) -> RecordedTakes:
    """Return the takes in `path`, six axes in SI units.

    Raises
    ------
    ValueError
        If it is no such file: an array or an axis is missing, a unit is unknown, the rate is not given,
        offsets do not fit, a take is empty or a value is not finite.
    OSError
        If it cannot be read.
    """
    name = path.name
    arrays = _load_arrays(path)
    axes = _si_axes(name, arrays)
    if arrays["fs_hz"].size != 1:
        raise ValueError(f"{name}: fs_hz is one number for all takes, got {arrays['fs_hz'].size}")
    rate_hz = float(arrays["fs_hz"].item())
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"{name}: fs_hz is the takes' rate, above 0, got {rate_hz}")
    labels = tuple(check_label(str(label), f"{name}: a label") for label in arrays["label"])
    subjects = tuple(str(subject) for subject in arrays["subject"])
    offsets = arrays["offsets"].astype(np.int64)
    if not len(offsets) == len(labels) + 1 == len(subjects) + 1:
        raise ValueError(
            f"{name}: offsets has one more entry than label and subject, got {len(offsets)}, {len(labels)} "
            f"and {len(subjects)}"
        )
    if offsets[0] != 0 or offsets[-1] != len(axes) or (np.diff(offsets) < 1).any():
        raise ValueError(f"{name}: offsets ascend from 0 to the {len(axes)} rows of data; no take is empty")
    return RecordedTakes(name, axes, offsets, labels, subjects, rate_hz)


def _load_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        # Opened here because numpy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in _KEYS if key in stored}
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - zip, zlib, tokenizer and more errors: each says that it is no npz
        # numpy's own sentence would advise to unpickle the file.
        raise ValueError(
            f"{path.name} is not an npz file of plain arrays (pickled ones are not read)"
        ) from None
    if missing := [key for key in _KEYS if key not in arrays]:
        raise ValueError(
            f"{path.name}: a recording file has {', '.join(_KEYS)}; {', '.join(missing)} missing"
        )
    return arrays


def _si_axes(name: str, arrays: dict[str, NDArray[np.generic]]) -> Floats:
    """Return the six axes of all takes in SI units, in order, (n_rows, 6)."""
    data = arrays["data"]
    columns = [str(column) for column in arrays["columns"].ravel()]
    units = [str(unit) for unit in arrays["units"].ravel()]
    if missing := [axis for axis in AXES if axis not in columns]:
        raise ValueError(
            f"{name}: a take has the columns {', '.join(AXES)}; {', '.join(missing)} missing, got "
            f"{', '.join(columns)}"
        )
    if data.ndim != 2 or data.shape[1] != len(columns) or len(units) != len(columns):
        raise ValueError(
            f"{name}: data has a column for each of columns and units, got {data.shape}, {len(columns)} and "
            f"{len(units)}"
        )
    axes = np.empty((len(data), len(AXES)))
    for position, axis in enumerate(AXES):
        column = columns.index(axis)
        known = _ACCEL_UNITS if position < 3 else _GYRO_UNITS
        if units[column] not in known:
            raise ValueError(
                f"{name}: the unit of {axis} is one of {', '.join(known)}, got {units[column]!r}"
            )
        axes[:, position] = data[:, column].astype(np.float64) * known[units[column]]
    if not np.isfinite(axes).all():
        raise ValueError(f"{name}: all values are finite, got some that are not")
    return axes
