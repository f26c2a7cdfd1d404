"""The contract that every model family keeps, and the families by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.specification import N_AXES, Array, Specification
from fedmotion.models.statistics import Moments
from fedmotion.protocol.messages import TrainSettings

_MODULES = {
    "pca_svm": "fedmotion.models.pca_svm",
    "mlp": "fedmotion.models.network_family",
    "cnn": "fedmotion.models.network_family",
}


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The arrays after training, how many optimiser steps it took, and figures for people."""

    trained: Mapping[str, Array]
    n_steps: int
    metrics: dict[str, float]


class RuntimeMissingError(ValueError):
    """What a family trains with is not installed here, or does not work; the text says what to install."""


class Family(Protocol):
    """Pure functions over a specification and parameters.

    `windows` has shape (n_windows, window_length, 6), float32, m/s2 and rad/s; `labels` has shape
    (n_windows,), int64, indices into the specification's activities. All raise ValueError on other shapes,
    on values that are not finite and on labels out of range.
    """

    def moments(self, specification: Specification, windows: NDArray[np.float32]) -> Moments:
        """Return what a statistics round asks for."""

    def train(
        self,
        specification: Specification,
        parameters: Mapping[str, Array],
        windows: NDArray[np.float32],
        labels: NDArray[np.int64],
        settings: TrainSettings,
        gradient_offset: Mapping[str, Array] | None = None,
        *,
        is_head_only: bool = False,
    ) -> TrainResult:
        """Return the arrays after `settings.n_epochs` from `parameters`; the same seed, the same bits.

        With `is_head_only` those of the last layer change, see `head`, and the others stay to the bit.
        Raises RuntimeMissingError where this host lacks what the family trains with.
        """

    def head(self, specification: Specification) -> tuple[str, ...]:
        """Return the names of the trained arrays that decide: the last layer's."""

    def scores(
        self, specification: Specification, parameters: Mapping[str, Array], windows: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return a score for each window and class, shape (n_windows, n_classes), larger is likelier."""

    def probabilities(
        self, specification: Specification, parameters: Mapping[str, Array], windows: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return how likely each window is of each class, shape (n_windows, n_classes).

        Rows sum to 1 whatever the parameters; a row whose scores are no numbers is `other` for sure.
        """

    def probabilities_of_features(
        self, specification: Specification, parameters: Mapping[str, Array], rows: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the same of windows whose features were computed before, shape (n_windows, n_features).

        Raises ValueError also where the family takes windows as they are.
        """

    def points(
        self, specification: Specification, parameters: Mapping[str, Array], windows: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return where windows lie for the model, shape (n_windows, n_dimensions): near is alike."""


def family(name: str) -> Family:
    """Return the family called `name`.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in _MODULES:
        raise ValueError(f"a model family is one of {', '.join(_MODULES)}, got {name!r}")
    return cast(Family, import_module(_MODULES[name]))


def decide(specification: Specification, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return each window's class, shape (n_windows,).

    It is the most probable one; a gesture only where it is likelier than `other`, so that a model which
    knows nothing recognises nothing, and where it is at least as likely as `min_probability` asks.

    Parameters
    ----------
    probabilities
        Of a family, shape (n_windows, n_classes).
    """
    gestures = probabilities.copy()
    other = specification.other_index
    gestures[:, other] = -1.0
    best = gestures.argmax(axis=1)
    likeliest = gestures.max(axis=1)
    is_convincing = (likeliest > probabilities[:, other]) & (likeliest >= specification.min_probability)
    return np.where(is_convincing, best, other)


def confusion(
    model: Family,
    specification: Specification,
    parameters: Mapping[str, Array],
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return how often each true class (row) was decided to be each class (column).

    Raises
    ------
    ValueError
        If the windows or labels are not what every family takes.
    """
    check_windows(specification, windows, labels)
    decided = decide(specification, model.probabilities(specification, parameters, windows))
    counts = np.zeros((specification.n_classes, specification.n_classes), np.int64)
    np.add.at(counts, (labels, decided), 1)
    return counts


def class_weights(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Return weights by which the classes present count alike and the mean weight of a window is 1."""
    counts = np.bincount(labels, minlength=n_classes)
    n_present = np.count_nonzero(counts)
    return len(labels) / (np.maximum(counts, 1) * n_present)


def check_windows(
    specification: Specification, windows: NDArray[np.float32], labels: NDArray[np.int64] | None = None
) -> None:
    """Check what every family takes; raises ValueError with what is allowed and what came."""
    shape = (specification.window_length, N_AXES)
    if windows.ndim != 3 or windows.shape[1:] != shape:
        raise ValueError(f"windows have shape (n_windows, {shape[0]}, {shape[1]}), got {windows.shape}")
    if windows.dtype.kind != "f":
        raise ValueError(f"windows are of float32, got {windows.dtype}")
    if not np.isfinite(windows).all():
        raise ValueError("windows are finite, got NaN or infinity")
    if labels is None:
        return
    if labels.shape != (len(windows),) or labels.dtype.kind != "i":
        raise ValueError(
            f"labels are {len(windows)} integers, got shape {labels.shape} of {labels.dtype.name}"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < specification.n_classes:
        raise ValueError(
            f"labels are 0 to {specification.n_classes - 1}, got {labels.min()} to {labels.max()}"
        )
