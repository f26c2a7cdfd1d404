"""Measures of decisions: accuracy, macro F1, confusion, and means with their spread."""

from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


class Spread(msgspec.Struct, frozen=True):
    """The mean over seeds and the sample standard deviation, which is 0 of one seed."""

    mean: float
    sd: float


def spread(values: Iterable[float]) -> Spread:
    """Return mean and spread of at least one value."""
    array = np.array(list(values), np.float64)
    return Spread(float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0)


def confusion_of(truth: Counts, decided: Counts, n_classes: int) -> Counts:
    """Return how often each true class (row) was decided to be each class (column)."""
    counts = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(counts, (truth, decided), 1)
    return counts


def accuracy_of(confusion: Counts) -> float:
    """Return the share decided rightly, 0 of nothing."""
    n_windows = int(confusion.sum())
    return float(np.trace(confusion)) / n_windows if n_windows else 0.0


def macro_f1_of(confusion: Counts) -> float:
    """Return the mean of the classes' F1, 2 TP / (2 TP + FP + FN), over classes that were performed."""
    right = confusion.diagonal()
    performed, decided = confusion.sum(axis=1), confusion.sum(axis=0)
    is_there = performed > 0
    if not is_there.any():
        return 0.0
    return float((2 * right[is_there] / (performed + decided)[is_there]).mean())
