"""The model families, and what their tests share: a new family is added to FAMILIES and passes them all."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedmotion.models import network_family
from fedmotion.models import pca_svm as pca_svm_family
from fedmotion.models import specification as specifications
from fedmotion.models.family import Family
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification
from fedmotion.models.statistics import basis
from fedmotion.protocol.messages import TrainSettings

SETTINGS = TrainSettings(learning_rate=0.02, n_epochs=3, batch_size=24, seed=5)
THREE = ("swipe_left", "swipe_right", "other")


@dataclass(frozen=True)
class Case:
    """A family and how to specify a small model of it; it steps `n_times` as far as settings say."""

    model: Family  # mypy checks here that the module keeps the contract
    specify: Callable[[tuple[str, ...]], Specification]
    n_times: float = 1.0

    def start(self, specification: Specification, windows: NDArray[np.float32]) -> Parameters:
        """Initial parameters, with a basis where the family has one."""
        parameters = initial_parameters(specification)
        if specification.has_statistics:
            parameters |= basis(specification, self.model.moments(specification, windows))
        return parameters


FAMILIES = {
    "pca_svm, calibrated": Case(
        pca_svm_family,
        lambda activities: specifications.pca_svm(activities, n_components=6, is_calibrated=True),
    ),
    "pca_svm, Fourier": Case(
        pca_svm_family,
        lambda activities: specifications.pca_svm(activities, n_components=6, n_fourier=64, gamma=0.2),
    ),
    "pca_svm": Case(pca_svm_family, lambda activities: specifications.pca_svm(activities, n_components=6)),
    # They step once a batch, and not once a window.
    "mlp": Case(network_family, specifications.mlp, n_times=5),
    "cnn": Case(network_family, specifications.cnn, n_times=5),
}


def performed(
    specification: Specification, n_each: int = 20, seed: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return windows and labels: each class swings its own way, with noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(specification.n_classes), n_each)
    phase = 2 * np.pi * np.arange(specification.window_length) / specification.window_length
    windows = rng.normal(scale=0.3, size=(len(labels), specification.window_length, 6))
    windows[:, :, 2] += 9.81
    windows[:, :, 3] += np.sin(phase) * (3 * np.cos(2 * np.pi * labels / specification.n_classes))[:, None]
    windows[:, :, 4] += np.sin(phase) * (3 * np.sin(2 * np.pi * labels / specification.n_classes))[:, None]
    return windows.astype(np.float32), labels


def same_bits(a: Parameters, b: Parameters) -> bool:
    return a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)


def close(a: Parameters, b: Parameters, tolerance: float = 1e-9) -> bool:
    return a.keys() == b.keys() and all(np.abs(a[name] - b[name]).max() <= tolerance for name in a)


def train(
    case: Case,
    specification: Specification,
    parameters: Parameters,
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    settings: TrainSettings = SETTINGS,
    gradient_offset: Parameters | None = None,
) -> Parameters:
    scaled = msgspec.structs.replace(settings, learning_rate=case.n_times * settings.learning_rate)
    return dict(case.model.train(specification, parameters, windows, labels, scaled, gradient_offset).trained)
