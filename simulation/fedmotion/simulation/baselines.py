"""What federation is compared with: each client alone, and all data in one place; and each round's model.

All use the recordings that the agents made and the functions that the agents run.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.profile import Profile
from fedmotion.host.recording_store import RecordingStore
from fedmotion.host.trainer import LocalWindows, Trainer
from fedmotion.models.family import confusion, family
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Array, Specification, pca_svm
from fedmotion.models.statistics import basis
from fedmotion.protocol.messages import TrainSettings


def windows_of(profile: Path, client_id: str, specification: Specification) -> LocalWindows:
    """Return the windows in a profile's recordings, cut as its agent cuts them."""
    with RecordingStore(Profile(profile).recordings, clock=time.time) as store:
        return Trainer(store, client_id).local_windows(specification)


def pool(parts: list[LocalWindows]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return all windows and labels in one place."""
    return np.concatenate([part.windows for part in parts]), np.concatenate([part.labels for part in parts])


def train_in_one_place(
    specification: Specification,
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    settings: TrainSettings,
    n_rounds: int,
) -> tuple[Specification, dict[str, Array]]:
    """Return a model trained on these windows only, for as many epochs as `n_rounds` rounds have.

    Few windows span few directions, so the components are at most one less than the windows: the
    specification returned says how many.
    """
    n_components = min(specification.n_components, len(windows) - 1)
    if n_components < specification.n_components:
        specification = pca_svm(
            specification.activities,
            rate_hz=specification.rate_hz,
            window_length=specification.window_length,
            n_components=n_components,
            seed=specification.seed,
        )
    model = family(specification.family)
    parameters = initial_parameters(specification)
    parameters.update(basis(specification, model.moments(specification, windows)))
    for round_index in range(n_rounds):
        seed = settings.seed + round_index
        parameters.update(
            model.train(
                specification,
                parameters,
                windows,
                labels,
                TrainSettings(
                    learning_rate=settings.learning_rate,
                    n_epochs=settings.n_epochs,
                    batch_size=settings.batch_size,
                    seed=seed,
                ),
            ).trained
        )
    return specification, parameters


def accuracy(specification: Specification, parameters: Mapping[str, Array], test: LocalWindows) -> float:
    """Return the share of `test` windows that the model decides rightly."""
    counts = confusion(family(specification.family), specification, parameters, test.windows, test.labels)
    return float(np.trace(counts) / counts.sum())
