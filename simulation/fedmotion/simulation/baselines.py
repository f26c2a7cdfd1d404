"""What federation is compared with: each client alone, and all data in one place; and each round's model.

All use the recordings that the agents made and the functions that the agents run; `models.one_place` trains.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.profile import Profile
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.trainer import LocalWindows, Trainer
from fedmotion.models.family import confusion, family
from fedmotion.models.specification import Array, Specification


@dataclass(frozen=True, slots=True)
class Examined:
    """How a model decides somebody's movements: the share that is right, and gestures seen where none was.

    `n_other` is how many movements were none, of which `n_false_alarms` were taken for a gesture.
    """

    accuracy: float
    n_false_alarms: int
    n_other: int


def windows_of(profile: Path, client_id: str, specification: Specification) -> LocalWindows:
    """Return the windows in a profile's recordings, cut as its agent cuts them."""
    with RecordingStore(Profile(profile).recordings, clock=time.time) as store:
        return Trainer(store, client_id).local_windows(specification)


def pool(parts: list[LocalWindows]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return all windows and labels in one place."""
    return np.concatenate([part.windows for part in parts]), np.concatenate([part.labels for part in parts])


def examine(specification: Specification, parameters: Mapping[str, Array], test: LocalWindows) -> Examined:
    """Return how the model decides `test` windows."""
    counts = confusion(family(specification.family), specification, parameters, test.windows, test.labels)
    other = counts[specification.other_index]
    return Examined(
        accuracy=float(np.trace(counts) / counts.sum()),
        n_false_alarms=int(other.sum() - other[specification.other_index]),
        n_other=int(other.sum()),
    )
