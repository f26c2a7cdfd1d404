"""How well a model decides takes that it was not trained on, from one set of takes: each is asked once.

One take is one window, so no take is ever on both sides of a split.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.family import confusion, family
from fedmotion.models.one_place import train_in_one_place
from fedmotion.models.specification import Specification
from fedmotion.protocol.messages import TrainSettings

MAX_FOLDS = 5
_Z_95 = 1.959964
"""The normal distribution's 97.5 % quantile."""


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """What each part of the takes was decided to be by a model that was trained on the others.

    `confusion`, int64 (n_classes, n_classes), has how often each true class (row) was decided to be each
    class (column), of all takes together; `by_fold` has each part's share that was right.
    """

    confusion: NDArray[np.int64]
    by_fold: tuple[float, ...]

    @property
    def n_right(self) -> int:
        """How many takes were decided rightly."""
        return int(np.trace(self.confusion))

    @property
    def n_takes(self) -> int:
        """How many takes there are."""
        return int(self.confusion.sum())


def deal_folds(labels: NDArray[np.int64], takes: Sequence[str]) -> NDArray[np.int64]:
    """Return the part of each take, int64 (n,): MAX_FOLDS parts, or as many as the commonest label has takes.

    Each label is spread evenly over the parts; the only take of its label is in none of them, -1, for nothing
    could have been learned of it. Which take goes where follows from the takes' names alone, so that takes
    which were recorded one after another are torn apart, the same way each time.

    Parameters
    ----------
    labels
        Shape (n,), the takes' classes.
    takes
        A name for each, as its SHA-256.

    Raises
    ------
    ValueError
        If no label has two takes.
    """
    present, counts = np.unique(labels, return_counts=True)
    if not len(labels) or counts.max() < 2:
        raise ValueError(f"cross-validation needs two takes or more of a label, got {counts.tolist()}")
    n_folds = min(MAX_FOLDS, int(counts.max()))
    folds = np.full(len(labels), -1, np.int64)
    for label, count in zip(present, counts, strict=True):
        if count > 1:
            of_label = sorted(np.flatnonzero(labels == label).tolist(), key=lambda at: _shuffled(takes[at]))
            # The parts that begin differ by label, so that they are of one size together.
            folds[of_label] = (np.arange(count) + int(label)) % n_folds
    return folds


def cross_validate(
    specification: Specification,
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    takes: Sequence[str],
    settings: TrainSettings,
    n_rounds: int,
    on_round: Callable[[], object] = lambda: None,
) -> CrossValidation:
    """Return how each take is decided by a model trained on all parts but its own.

    Basis and training see the other parts only. `on_round` is told of each round of each part's training.

    Raises
    ------
    ValueError
        If no label has two takes, or the windows beside a part are all alike.
    """
    folds = deal_folds(labels, takes)
    total = np.zeros((specification.n_classes, specification.n_classes), np.int64)
    by_fold = []
    for fold in np.unique(folds[folds >= 0]):
        is_asked = folds == fold
        fitted, parameters = train_in_one_place(
            specification, windows[~is_asked], labels[~is_asked], settings, n_rounds, on_round=on_round
        )
        counts = confusion(family(fitted.family), fitted, parameters, windows[is_asked], labels[is_asked])
        total += counts
        by_fold.append(float(np.trace(counts) / counts.sum()))
    return CrossValidation(total, tuple(by_fold))


def share_interval(n_right: int, n: int) -> tuple[float, float]:
    """Return between which shares the true one lies, with 95 % confidence, where `n_right` of `n` were right.

    The score interval of Wilson (1927), "Probable inference, the law of succession, and statistical
    inference", which stays honest of few and of all right. Of nothing it is 0 to 1.
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = n_right / n, _Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _shuffled(take: str) -> bytes:
    return hashlib.sha256(f"fold/{take}".encode()).digest()
