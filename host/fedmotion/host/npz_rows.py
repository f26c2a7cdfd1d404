"""Takes from an npz of docs/recording-files.md, one in memory at a time."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.import_rows import ImportOptions, Rows, Sieve, TakeHead, head_of
from fedmotion.host.recording_details import NAMES, details_of
from fedmotion.host.recording_files import MAX_INDEX_BYTES, load_recordings
from fedmotion.host.sample_units import sample_units
from fedmotion.protocol.serial_frames import AXES

_UNSET = ("", "unset")


class NpzRows:
    """The takes of the file at `path`; iterating gives each as a whole.

    Raises
    ------
    ValueError
        If it is no such file, lacks an axis or a unit, or, while iterating, at the first row that is none
        unless `sieve` skips it.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path, options: ImportOptions, sieve: Sieve) -> None:
        if options.columns or options.rows_per_take or options.time_unit:
            raise ValueError(
                f"{path.name} says itself what its columns are: leave --columns, --rows-per-take and "
                "--time-unit out"
            )
        self._name = path.name
        self._options = options
        self._sieve = sieve
        self._file = load_recordings(path, options.units, options.rate_hz)
        if missing := [axis for axis in AXES if axis not in self._file.axes_present]:
            raise ValueError(
                f"{path.name} has no columns for {', '.join(missing)}, and gestures are learned from all of "
                f"{', '.join(AXES)}"
            )
        if options.rate_hz is not None and self._file.rate_hz != options.rate_hz:
            raise ValueError(f"{path.name} has a rate or times of its own: leave --rate-hz out")
        self._units = sample_units(self._file.units, path.name)
        self._details = _details(path, len(self._file))
        self.n_takes = len(self._file)
        self.n_takes_read = 0
        self.notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Rows]:
        for index, take in enumerate(self._file):
            head = self._head(index, take.name)
            rows = self._sieve.sound(
                head,
                take.t_us.astype(np.float64),
                take.samples,
                lambda row, name=take.name: f"{name}, row {row}",  # type: ignore[misc]  # bound per take
            )
            self.n_takes_read = index + 1
            yield rows

    def _head(self, index: int, name: str) -> TakeHead:
        details = {key: str(values[index]) for key, values in self._details.items()}
        person = self._file.people[index]
        head = head_of(
            name,
            self._options,
            name,
            label=self._file.labels[index],
            # A file without people has every take of "unset".
            person="" if person in _UNSET else person,
            hand=details.get("hand", ""),
            mounting=details.get("mounting", ""),
        )
        if details.keys() >= NAMES:
            return details_of(head, details, name)
        scales = self._units.scales
        return TakeHead(name, head.label, head.person, head.hand, head.mounting, scales=scales)


def _details(path: Path, n_takes: int) -> dict[str, list[str]]:
    """Return what an exported file says of each take, as the texts that an exported table has."""
    found: dict[str, list[str]] = {}
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        present = {member.removesuffix(".npy") for member in archive.namelist()}
        for key in (NAMES | {"hand", "mounting"}) & present:
            if archive.getinfo(f"{key}.npy").file_size > MAX_INDEX_BYTES:
                raise ValueError(f"{path.name}: {key} has at most {MAX_INDEX_BYTES} bytes: split the file")
            with archive.open(f"{key}.npy") as stored:
                array: NDArray[np.generic] = np.lib.format.read_array(stored, allow_pickle=False)
            if len(array.shape) != 1 or len(array) != n_takes:
                raise ValueError(f"{path.name}: {key} has a value a take, got {array.shape} of {n_takes}")
            found[key] = [str(value) for value in array.tolist()]
    return found
