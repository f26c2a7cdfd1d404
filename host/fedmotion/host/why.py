"""Why a model decided as it did: which own take lies nearest to a window for the model, and how near."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.recording_store import DamagedRecordingError, Recording, RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.family import decide, family
from fedmotion.models.specification import Specification
from fedmotion.models.windows import window_at

MAX_TAKES = 2000
"""The newest recordings that are compared: a few MB, and a comparison within milliseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class OwnTake:
    """One recording as the model meets it; `window` is turned as if the board were worn as pictured."""

    recording_id: int
    label: str
    person: str
    window: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The own take nearest to a window: how far for the model, and how far takes of its label usually are.

    `usual` is the median over takes of this label of the distance to the nearest other one of it, None where
    there are fewer than three.
    """

    take: OwnTake
    distance: float
    usual: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What there is to show of one decision; `activities` and `probabilities` belong together."""

    activity: str
    activities: tuple[str, ...]
    probabilities: tuple[float, ...]
    least: float
    window: NDArray[np.float32]
    rate_hz: float
    nearest: Nearest | None
    n_takes: int


class OwnTakes:
    """The recordings of the store at `path`, windows cut once and kept; one that is not there has none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cut_for: tuple[float, int] | None = None
        self._takes: dict[int, OwnTake] = {}

    def explain(
        self,
        model: LoadedModel,
        window: NDArray[np.float32],
        *,
        least: float = 0.0,
        without: int | None = None,
    ) -> Explanation:
        """Return what the model makes of `window` (window_length, 6) and which own take is nearest.

        Parameters
        ----------
        least
            The least probability that is asked for besides the model's.
        without
            A recording that is left out, where the window is of one.

        Raises
        ------
        StoreError
            If the recordings cannot be read.
        """
        specification = model.specification
        its_family = family(specification.family)
        probabilities = its_family.probabilities(specification, model.parameters, window[None])
        activity = specification.activities[int(decide(specification, probabilities)[0])]
        takes = [each for each in self._read(specification) if each.recording_id != without]
        return Explanation(
            activity=activity,
            activities=specification.activities,
            probabilities=tuple(probabilities[0].tolist()),
            least=max(least, specification.min_probability),
            window=window,
            rate_hz=specification.rate_hz,
            nearest=_nearest(model, window, takes) if takes else None,
            n_takes=len(takes),
        )

    def get(self, recording_id: int, specification: Specification) -> OwnTake:
        """Return one recording; raises ValueError where there is none of this id."""
        if self._path.exists():
            with RecordingStore(self._path, clock=lambda: 0.0, read_only=True) as store:
                recording = store.get(recording_id)
                if recording is not None:
                    return _cut(recording_id, recording, specification)
        raise ValueError(
            f"{self._path} has no recording {recording_id}: `fedmotion recordings check` names them all"
        )

    def _read(self, specification: Specification) -> list[OwnTake]:
        cut_for = (specification.rate_hz, specification.window_length)
        if cut_for != self._cut_for:
            self._takes.clear()
            self._cut_for = cut_for
        if not self._path.exists():
            return []
        with RecordingStore(self._path, clock=lambda: 0.0, read_only=True) as store:
            present = store.recording_ids()[-MAX_TAKES:]
            for gone in self._takes.keys() - set(present):
                del self._takes[gone]
            for recording_id in present:
                if recording_id in self._takes:
                    continue
                try:
                    recording = store.get(recording_id)
                except DamagedRecordingError:
                    # The trainer and the check say so; here it is one take less to be compared with.
                    continue
                if recording is not None:
                    self._takes[recording_id] = _cut(recording_id, recording, specification)
        return list(self._takes.values())


def _cut(recording_id: int, recording: Recording, specification: Specification) -> OwnTake:
    window = window_at(specification, recording.t_us, recording.samples(), recording.centre_us)
    return OwnTake(recording_id, recording.label, recording.person, recording.turn.apply(window))


def _nearest(model: LoadedModel, window: NDArray[np.float32], takes: list[OwnTake]) -> Nearest:
    specification = model.specification
    windows = np.stack([window, *(take.window for take in takes)])
    points = family(specification.family).points(specification, model.parameters, windows)
    distances = np.linalg.norm(points[1:] - points[0], axis=1)
    best = int(distances.argmin())
    take = takes[best]
    alike = points[1:][[each.label == take.label for each in takes]]
    return Nearest(take, float(distances[best]), _usual(alike))


def _usual(points: NDArray[np.float64]) -> float | None:
    """Return the median distance from each point to the nearest other."""
    if len(points) < 3:
        return None
    squares = (points**2).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0.0)
    np.fill_diagonal(apart, np.inf)
    return float(np.median(np.sqrt(apart.min(axis=1))))
