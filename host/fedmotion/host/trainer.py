"""Answers rounds from the local recordings: statistics, training and evaluation on windows cut from them.

The recordings stay here; what an answer holds is all that leaves the house.
"""

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedmotion.host.recording_store import DamagedRecordingError, RecordingStore
from fedmotion.host.released_model import LoadedModel
from fedmotion.models.family import confusion, family
from fedmotion.models.specification import Parameters, Specification
from fedmotion.models.statistics import MIN_WINDOWS
from fedmotion.models.windows import window_at
from fedmotion.protocol.messages import Announcement, TrainSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalWindows:
    """What this client can train on.

    `windows`, float32 (n, window_length, 6), and `labels`, int64 (n,), the index of each one's activity.
    `n_unknown` counts by label the recordings whose label the specification does not have: they stand
    for nothing, least of all for `other`.
    """

    windows: NDArray[np.float32]
    labels: NDArray[np.int64]
    n_unknown: Counter[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a round gets from this client: arrays, or why there are none."""

    arrays: Parameters = field(default_factory=dict)
    n_windows: int = 0
    n_steps: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    declined: str = ""


def training_seed(settings_seed: int, round_id: int, client_id: str) -> int:
    """Return a client's seed for one round, 0 to 2**32 - 1: the same again for the same three."""
    digest = hashlib.sha256(f"{settings_seed}/{round_id}/{client_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


class Trainer:
    """Works on the recordings of one store; windows are cut once and kept between rounds."""

    def __init__(self, store: RecordingStore, client_id: str) -> None:
        self._store = store
        self._client_id = client_id
        self._cut_for: tuple[float, int] | None = None
        # By recording: its label and its window.
        self._windows: dict[int, tuple[str, NDArray[np.float32]]] = {}

    def local_windows(self, specification: Specification) -> LocalWindows:
        """Return the windows of all recordings whose label `specification` has."""
        self._refresh(specification)
        index_of = {activity: index for index, activity in enumerate(specification.activities)}
        known = [(index_of[label], window) for label, window in self._windows.values() if label in index_of]
        windows = np.empty((len(known), specification.window_length, 6), dtype=np.float32)
        for position, (_, window) in enumerate(known):
            windows[position] = window
        return LocalWindows(
            windows,
            np.array([index for index, _ in known], dtype=np.int64),
            Counter(label for label, _ in self._windows.values() if label not in index_of),
        )

    def answer(self, announcement: Announcement, model: LoadedModel) -> Answer:
        """Return this client's answer to the round, computed from `model`; reproducible to the bit."""
        local = self.local_windows(model.specification)
        if local.n_unknown:
            _log.warning(
                "client=%s round=%d recordings without a place in this federation: %s",
                self._client_id,
                announcement.round_id,
                ", ".join(f"{label} ({count})" for label, count in sorted(local.n_unknown.items())),
            )
        if len(local.windows) == 0:
            return Answer(declined=_why_nothing(local))
        match announcement.round_kind:
            case "statistics":
                return _statistics(model, local)
            case "train":
                return self._train(announcement, model, local)
            case "evaluate":
                return _evaluate(model, local)

    def _train(self, announcement: Announcement, model: LoadedModel, local: LocalWindows) -> Answer:
        settings: TrainSettings = msgspec.structs.replace(
            announcement.settings,
            seed=training_seed(announcement.settings.seed, announcement.round_id, self._client_id),
        )
        result = family(model.specification.family).train(
            model.specification, model.parameters, local.windows, local.labels, settings
        )
        n_unused = float(local.n_unknown.total())
        return Answer(
            arrays=dict(result.trained),
            n_windows=len(local.windows),
            n_steps=result.n_steps,
            metrics={**result.metrics, "n_unused": n_unused} if n_unused else dict(result.metrics),
        )

    def _refresh(self, specification: Specification) -> None:
        cut_for = (specification.rate_hz, specification.window_length)
        if cut_for != self._cut_for:
            self._windows.clear()
            self._cut_for = cut_for
        present = self._store.recording_ids()
        for gone in self._windows.keys() - set(present):
            del self._windows[gone]
        for recording_id in present:
            if recording_id in self._windows:
                continue
            try:
                recording = self._store.get(recording_id)
            except DamagedRecordingError as error:
                _log.warning("client=%s trains without one: %s", self._client_id, error)
                continue
            if recording is not None:
                window = window_at(
                    specification,
                    recording.t_us,
                    recording.samples(),
                    recording.centre_us,
                )
                self._windows[recording_id] = (recording.label, window)


def _statistics(model: LoadedModel, local: LocalWindows) -> Answer:
    n_windows = len(local.windows)
    if n_windows < MIN_WINDOWS:
        return Answer(
            declined=f"statistics need at least {MIN_WINDOWS} windows, so that none shows by itself; "
            f"here are {n_windows}"
        )
    moments = family(model.specification.family).moments(model.specification, local.windows)
    return Answer(arrays=moments.arrays(), n_windows=n_windows)


def _evaluate(model: LoadedModel, local: LocalWindows) -> Answer:
    counts = confusion(
        family(model.specification.family),
        model.specification,
        model.parameters,
        local.windows,
        local.labels,
    )
    n_windows = len(local.windows)
    return Answer(
        arrays={"confusion": counts},
        n_windows=n_windows,
        metrics={"accuracy": float(np.trace(counts)) / n_windows},
    )


def _why_nothing(local: LocalWindows) -> str:
    # Which labels there are is nobody else's business.
    if local.n_unknown:
        return "no recording here is of an activity of this federation"
    return "there are no recordings here yet"
