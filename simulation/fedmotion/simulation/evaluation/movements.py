"""Recorded people's movements as windows, whatever the source: recording files and agents' own profiles."""

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.profile import Profile
from fedmotion.host.recording_files import RecordingFile, load_recordings
from fedmotion.host.recording_store import RecordingStore
from fedmotion.models.movements import centre_of_energy_us
from fedmotion.models.specification import Specification, pca_svm
from fedmotion.models.windows import FixedWindowStream, window_at
from fedmotion.protocol.identity import OTHER
from fedmotion.protocol.serial_frames import AXES
from fedmotion.simulation.evaluation.plan import Cut, Plan

Mask = NDArray[np.bool_]

_OVERLAP = 0.5
"""Share of a fixed window that the next one holds again."""


@dataclass(frozen=True, slots=True)
class Movements:
    """Windows of several people.

    Attributes
    ----------
    source : the names of the files and folders
    sha256 : of each, in their order
    notes : what the sources lack and what was made of it, in sentences
    windows : float32 (n, window_length, 6), m/s2 and rad/s; zeros for an axis that there is not
    labels, people : str (n,)
    takes : int64 (n,), which recording a window is of
    duration_s : float64 (n,), the recording's time that the window stands for
    """

    source: str
    sha256: tuple[str, ...]
    notes: tuple[str, ...]
    windows: NDArray[np.float32]
    labels: NDArray[np.str_]
    people: NDArray[np.str_]
    takes: NDArray[np.int64]
    duration_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.windows)

    def names(self) -> tuple[str, ...]:
        """Return the people, each once, in order."""
        return tuple(sorted({str(name) for name in self.people}, key=lambda name: (len(name), name)))

    def activities(self) -> tuple[str, ...]:
        """Return the labels, each once, in order."""
        return tuple(sorted({str(label) for label in self.labels}))

    def where(self, mask: Mask) -> "Movements":
        """Return the windows that `mask`, bool (n,), chooses."""
        return replace(
            self,
            windows=self.windows[mask],
            labels=self.labels[mask],
            people=self.people[mask],
            takes=self.takes[mask],
            duration_s=self.duration_s[mask],
        )

    def of(self, *people: str) -> "Movements":
        """Return the windows of these people."""
        return self.where(np.isin(self.people, people))

    def labelled(self, labels: Sequence[str]) -> "Movements":
        """Return the windows with one of `labels`.

        Raises
        ------
        ValueError
            Naming a label that none has.
        """
        known = self.activities()
        for label in labels:
            if label not in known:
                raise ValueError(f"{self.source} has no label {label!r}; it has {', '.join(known)}")
        return self.where(np.isin(self.labels, labels))

    def without_gyroscope(self) -> "Movements":
        """Return the windows with zeros for the angular rate, as of a sensor that has none."""
        windows = self.windows.copy()
        windows[:, :, 3:] = 0
        return replace(self, windows=windows)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A recording whose every sample is a number and later than the one before."""

    label: str
    person: str
    t_us: NDArray[np.int64]
    samples: NDArray[np.float32]
    centre_us: int

    @property
    def duration_s(self) -> float:
        spans_us = float(self.t_us[-1] - self.t_us[0])
        return spans_us * len(self.t_us) / (len(self.t_us) - 1) / 1e6


def load_movements(paths: Sequence[Path], plan: Plan) -> Movements:
    """Return the windows of all recordings in `paths`, npz files and profiles' folders, cut as `plan` says.

    Raises
    ------
    ValueError
        If a file or folder is none of recordings, or they hold fewer than two people.
    OSError
        If one cannot be read.
    """
    specification = pca_svm(("any", OTHER), rate_hz=plan.rate_hz, window_length=plan.window_length)
    parts: list[NDArray[np.float32]] = []
    stretches: list[_Stretch] = []
    notes: list[str] = []
    sha256: list[str] = []
    for path in paths:
        is_profile = path.is_dir()
        stored = Profile(path).recordings if is_profile else path
        if not stored.is_file():
            raise ValueError(f"{path} is no profile with recordings: there is no {stored.name} in it")
        sha256.append(_sha256(stored))
        file = None if is_profile else load_recordings(path)
        notes += [] if file is None else _notes(file)
        left_out: Counter[str] = Counter()
        for stretch in _of_profile(stored) if file is None else _of_file(file, left_out):
            windows = _windows(specification, stretch, plan.cut)
            left_out["shorter than a window"] += not len(windows)
            if len(windows):
                parts.append(windows)
                stretches.append(stretch)
        notes += [f"{path.name}: {n} takes left out, {why}" for why, n in left_out.items() if n]
    source = ", ".join(path.name for path in paths)
    counts = [len(part) for part in parts]
    lasting = [stretch.duration_s / n for stretch, n in zip(stretches, counts, strict=True)]
    movements = Movements(
        source,
        tuple(sha256),
        tuple(notes),
        np.concatenate([np.empty((0, specification.window_length, 6), np.float32), *parts]),
        np.repeat(np.array([stretch.label for stretch in stretches], np.str_), counts),
        np.repeat(np.array([stretch.person for stretch in stretches], np.str_), counts),
        np.repeat(np.arange(len(stretches)), counts),
        np.repeat(np.array(lasting, np.float64), counts),
    )
    if len(movements.names()) < 2:
        raise ValueError(
            f"{source}: to leave one person out takes recordings of two people or more, "
            f"got those of {', '.join(movements.names()) or 'nobody'}"
        )
    return movements


def _windows(specification: Specification, stretch: _Stretch, cut: Cut) -> NDArray[np.float32]:
    if cut == "movement":
        return window_at(specification, stretch.t_us, stretch.samples, stretch.centre_us)[None]
    step = max(round(specification.window_length * (1 - _OVERLAP)), 1)
    cut_windows = FixedWindowStream(specification, step).feed(stretch.t_us, stretch.samples)
    windows = [window.samples for window in cut_windows]
    return np.array(windows, np.float32).reshape(-1, specification.window_length, len(AXES))


def _of_file(file: RecordingFile, left_out: Counter[str]) -> Iterator[_Stretch]:
    absent = [AXES.index(axis) for axis in AXES if axis not in file.axes_present]
    for take in file:
        samples = take.samples.copy()
        samples[:, absent] = 0
        t_us = take.t_us
        latest_before = np.maximum.accumulate(np.concatenate([[-1], t_us[:-1]])) if len(t_us) else t_us
        is_good = np.isfinite(samples).all(axis=1) & (t_us > latest_before)
        if is_good.sum() < 2:
            left_out["of fewer than two good samples"] += 1
            continue
        t_us, samples = t_us[is_good], samples[is_good]
        yield _Stretch(take.label, take.person, t_us, samples, centre_of_energy_us(t_us, samples))


def _of_profile(path: Path) -> Iterable[_Stretch]:
    with RecordingStore(path, clock=time.time, read_only=True) as store:
        for recording_id in store.recording_ids():
            recording = store.get(recording_id)
            if recording is not None:
                samples = recording.samples()
                yield _Stretch(
                    recording.label, recording.person, recording.t_us, samples, recording.centre_us
                )


def _notes(file: RecordingFile) -> list[str]:
    absent = [axis for axis in AXES if axis not in file.axes_present]
    notes = [f"{file.path.name}: no {', '.join(absent)}, zeros stand for them"] if absent else []
    if file.unknown_units:
        axes = ", ".join(file.unknown_units)
        notes.append(f"{file.path.name}: the unit of {axes} is not known, taken as SI")
    return notes


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
