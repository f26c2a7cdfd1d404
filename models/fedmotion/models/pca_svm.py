"""Features, standardisation, PCA and a linear SVM: one hinge loss for each class against the rest.

The basis is exact (see `statistics`); the SVM is scikit-learn's, trained by stochastic gradient descent
from the federation's parameters. scikit-learn is imported where it trains, so that an idle agent and one
that only recognises do without.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.calibration import MAX_LOG_TEMPERATURE, fitted_log_temperature
from fedmotion.models.family import TrainResult, check_windows, class_weights
from fedmotion.models.features import features
from fedmotion.models.fourier import fourier_features
from fedmotion.models.parameters import check_arrays
from fedmotion.models.specification import Array, Specification
from fedmotion.models.statistics import Moments, moments_of
from fedmotion.protocol.messages import TrainSettings

_ALPHA = 1e-3
"""L2 regularisation, chosen on training people only."""

_LARGEST_MARGIN = 1e300

_AT_ONCE = 4096
"""Windows given to scikit-learn in one call: it costs 0.45 ms for each class, as stepping over 3000 does."""


def moments(specification: Specification, windows: NDArray[np.float32]) -> Moments:
    """Return the moments of the windows' features."""
    check_windows(specification, windows)
    return moments_of(features(windows))


def train(
    specification: Specification,
    parameters: Mapping[str, Array],
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    settings: TrainSettings,
    gradient_offset: Mapping[str, Array] | None = None,
    *,
    is_head_only: bool = False,  # noqa: ARG001 - all that a linear model trains is its head
) -> TrainResult:
    """Return `coef` (n_classes, n_components) and `intercept` (n_classes,) after the local epochs.

    Each class present counts alike, whatever its number of windows. Between mini-batches `coef` and
    `intercept` are pulled towards their start (`proximal_mu`, FedProx: Li et al. 2020, eq. 2) and shifted
    by `gradient_offset` (arrays like them, as SCAFFOLD's control variates: Karimireddy et al. 2020, eq. 3).
    Where specified, `log_temperature` (1,) is that with which the start's own margins, not those trained
    here, are as sure of these windows as they are right; it is pulled and shifted once.
    A class without windows here is learned from as what the others are not, and then moved back by 1 less
    `absent_share`: a class that one client alone knows is else forgotten by all others in each average.

    Raises
    ------
    ValueError
        If an array, the windows or the labels are not as specified, there is no window, or the numbers
        grow without bound.
    """
    check_arrays(parameters, specification.arrays)
    check_windows(specification, windows, labels)
    if gradient_offset is not None:
        check_arrays(gradient_offset, specification.of_role("trained"))
    if not len(windows):
        raise ValueError("training needs at least one window, got none")
    points = _project(specification, parameters, windows)
    weights = class_weights(labels, specification.n_classes)[labels]
    svm = _Svm(parameters["coef"], parameters["intercept"], settings)
    random = np.random.default_rng(settings.seed)
    n_steps = 0
    if gradient_offset is not None and not any(array.any() for array in gradient_offset.values()):
        gradient_offset = None
    is_pulled = settings.proximal_mu > 0 or gradient_offset is not None
    for batch in _batches(len(labels), settings, random, is_pulled=is_pulled):
        svm.step(points[batch], labels[batch], weights[batch])
        # scikit-learn steps once a window; the pull and the offset follow once a batch.
        step = settings.learning_rate * len(batch)
        svm.pull(parameters, min(step * settings.proximal_mu, 1.0))
        if gradient_offset is not None:
            svm.shift(gradient_offset, step)
        n_steps += len(batch)
    trained = svm.arrays()
    _move_back_absent(parameters, trained, labels, settings.absent_share)
    if "log_temperature" in parameters:
        margins = _margins(specification, parameters, points)
        trained["log_temperature"] = _temperature(parameters, margins, labels, settings, gradient_offset)
    with np.errstate(over="ignore", invalid="ignore"):
        loss = _hinge_loss(points @ trained["coef"].T + trained["intercept"], labels)
    if not np.isfinite(loss):
        raise ValueError("training grew without bound: the start is too large or the learning rate too high")
    return TrainResult(trained, n_steps, {"hinge_loss": loss})


def head(specification: Specification) -> tuple[str, ...]:
    """Return the names of all trained arrays: what comes before them is the basis."""
    return tuple(array.name for array in specification.of_role("trained"))


def _batches(
    n_windows: int, settings: TrainSettings, random: np.random.Generator, *, is_pulled: bool
) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of the windows to step over between two pulls, each epoch in an order of its own.

    Where nothing pulls, a batch means nothing to an SVM that steps once a window, and several epochs are one.
    """
    if not is_pulled:
        n_at_once = max(1, _AT_ONCE // n_windows)
        for first in range(0, settings.n_epochs, n_at_once):
            n_epochs = min(n_at_once, settings.n_epochs - first)
            yield np.concatenate([random.permutation(n_windows) for _ in range(n_epochs)])
        return
    for _ in range(settings.n_epochs):
        order = random.permutation(n_windows)
        for first in range(0, n_windows, settings.batch_size):
            yield order[first : first + settings.batch_size]


def scores(
    specification: Specification, parameters: Mapping[str, Array], windows: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the margins of each window, shape (n_windows, n_classes)."""
    check_windows(specification, windows)
    margins: NDArray[np.float64] = (
        _project(specification, parameters, windows) @ parameters["coef"].T + parameters["intercept"]
    )
    return margins


def probabilities(
    specification: Specification, parameters: Mapping[str, Array], windows: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the softmax of the margins, where that of `other` is at least 0.

    So a gesture is likelier than `other` just where its margin is positive and above that of `other`. The
    temperature, where there is one, changes how sure it is and not of what.
    """
    check_windows(specification, windows)
    return _probabilities(specification, parameters, features(windows))


def probabilities_of_features(
    specification: Specification, parameters: Mapping[str, Array], rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the same of rows of `features`, shape (n_windows, n_features)."""
    if rows.ndim != 2 or rows.shape[1] != specification.n_features:
        raise ValueError(f"features have shape (n_windows, {specification.n_features}), got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("features are finite, got NaN or infinity")
    return _probabilities(specification, parameters, rows)


def points(
    specification: Specification, parameters: Mapping[str, Array], windows: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the principal components of the windows' features, shape (n_windows, n_components)."""
    check_windows(specification, windows)
    return _components(parameters, features(windows))


def _probabilities(
    specification: Specification, parameters: Mapping[str, Array], rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        margins = _margins(specification, parameters, _bent(specification, _components(parameters, rows)))
    if "log_temperature" in parameters:
        limit = MAX_LOG_TEMPERATURE
        margins /= np.exp(parameters["log_temperature"].clip(-limit, limit))
    likely = np.exp(margins - margins.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = likely / likely.sum(axis=1, keepdims=True)
    return shares


def _margins(
    specification: Specification, parameters: Mapping[str, Array], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the margins, finite whatever the parameters, where that of `other` is at least 0."""
    with np.errstate(all="ignore"):
        margins = points @ parameters["coef"].T + parameters["intercept"]
    # A hostile model's may overflow: where one is no number, it is no gesture.
    margins[~np.isfinite(margins).all(axis=1)] = -_LARGEST_MARGIN
    margins = margins.clip(-_LARGEST_MARGIN, _LARGEST_MARGIN)
    other = margins[:, specification.other_index]
    np.maximum(other, 0.0, out=other)
    return margins


def _temperature(
    parameters: Mapping[str, Array],
    margins: NDArray[np.float64],
    labels: NDArray[np.int64],
    settings: TrainSettings,
    gradient_offset: Mapping[str, Array] | None,
) -> NDArray[np.float64]:
    """Return the logarithm of the temperature that fits, or the start's where there is nothing to learn."""
    start = parameters["log_temperature"].astype(np.float64)
    fitted = fitted_log_temperature(margins, labels) if settings.n_epochs else None
    log_temperature = start if fitted is None else np.array([fitted])
    step = settings.learning_rate * len(labels) * settings.n_epochs
    log_temperature = log_temperature - min(step * settings.proximal_mu, 1.0) * (log_temperature - start)
    if gradient_offset is not None:
        log_temperature = log_temperature - step * gradient_offset["log_temperature"]
    return log_temperature.clip(-MAX_LOG_TEMPERATURE, MAX_LOG_TEMPERATURE)


def _move_back_absent(
    start: Mapping[str, Array],
    trained: dict[str, NDArray[np.float64]],
    labels: NDArray[np.int64],
    share: float,
) -> None:
    """Leave of what training did to the classes without windows only `share`, in place.

    The scaling of absent classes' steps of Li & Zhan 2021, "FedRS: federated learning with restricted softmax
    for label distribution non-IID data", of one-against-rest planes. Two classes have one plane in common.
    """
    n_classes = len(trained["coef"])
    is_absent = np.bincount(labels, minlength=n_classes) == 0
    if share == 1 or n_classes == 2:
        return
    for name in ("coef", "intercept"):
        before = start[name][is_absent].astype(np.float64)
        trained[name][is_absent] = before + share * (trained[name][is_absent] - before)


class _Svm:
    """scikit-learn's SGDClassifier, started from given arrays.

    With two classes scikit-learn keeps one hyperplane and the arrays hold it twice, once with each sign.
    """

    def __init__(self, coef: Array, intercept: Array, settings: TrainSettings) -> None:
        from sklearn.linear_model import SGDClassifier  # noqa: PLC0415 - 60 MB that only training needs

        self._is_binary = len(coef) == 2
        self._sgd = SGDClassifier(
            loss="hinge",
            alpha=_ALPHA,
            learning_rate="constant",
            eta0=settings.learning_rate,
            shuffle=False,
            random_state=0,
        )
        # What partial_fit keeps between calls; with it set, the first call goes on from these arrays.
        self._sgd.classes_ = np.arange(len(coef))
        self._sgd.coef_ = self._planes(coef).copy()
        self._sgd.intercept_ = self._planes(intercept).copy()
        self._sgd.n_features_in_ = coef.shape[1]
        self._sgd.t_ = 1.0

    def step(
        self, points: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> None:
        self._sgd.partial_fit(points, labels, sample_weight=weights)

    def pull(self, towards: Mapping[str, Array], share: float) -> None:
        self._sgd.coef_ -= share * (self._sgd.coef_ - self._planes(towards["coef"]))
        self._sgd.intercept_ -= share * (self._sgd.intercept_ - self._planes(towards["intercept"]))

    def shift(self, gradient_offset: Mapping[str, Array], step: float) -> None:
        self._sgd.coef_ -= step * self._planes(gradient_offset["coef"])
        self._sgd.intercept_ -= step * self._planes(gradient_offset["intercept"])

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        coef, intercept = self._sgd.coef_, self._sgd.intercept_
        if self._is_binary:
            coef, intercept = np.concatenate([-coef, coef]), np.concatenate([-intercept, intercept])
        return {"coef": coef.copy(), "intercept": intercept.copy()}

    def _planes(self, array: Array) -> NDArray[np.float64]:
        rows = array.astype(np.float64)
        return (rows[1:] - rows[:1]) / 2 if self._is_binary else rows


def _project(
    specification: Specification, parameters: Mapping[str, Array], windows: NDArray[np.float32]
) -> NDArray[np.float64]:
    return _bent(specification, _components(parameters, features(windows)))


def _components(parameters: Mapping[str, Array], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    deviations = rows - parameters["mean"]
    scale = parameters["scale"]
    # Before its first statistics round a lineage's basis is zeros: all points are the origin.
    standardised = np.divide(deviations, scale, out=np.zeros_like(deviations), where=scale > 0)
    components: NDArray[np.float64] = standardised @ parameters["components"].T
    return components


def _bent(specification: Specification, components: NDArray[np.float64]) -> NDArray[np.float64]:
    return fourier_features(specification, components) if specification.n_fourier else components


def _hinge_loss(margins: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    signs = np.where(np.arange(margins.shape[1]) == labels[:, None], 1.0, -1.0)
    return float(np.maximum(0, 1 - signs * margins).mean())
