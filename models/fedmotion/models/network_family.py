"""The families `mlp` and `cnn`: small networks over windows as they are, standardised by axis.

The TFLite runtime trains them (see `tflite_door`) and is opened only then. They are asked in NumPy and
float64, so that whoever only recognises needs no runtime, and a window's answer does not depend on others.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.augmentation import varied
from fedmotion.models.family import TrainResult, check_windows, class_weights
from fedmotion.models.networks import N_OUTPUTS, NETWORKS, last_hidden, logits
from fedmotion.models.parameters import check_arrays, select
from fedmotion.models.specification import Array, Specification
from fedmotion.models.statistics import Moments, moments_of_axes
from fedmotion.models.tflite_door import graph
from fedmotion.protocol.messages import TrainSettings

_CLIP_NORM = 5.0
"""Gradients are shortened to this length: a home of few and similar windows else steps too far at a rate that
suits many."""


def moments(specification: Specification, windows: NDArray[np.float32]) -> Moments:
    """Return the moments of the windows' samples, by axis."""
    check_windows(specification, windows)
    return moments_of_axes(windows)


def train(
    specification: Specification,
    parameters: Mapping[str, Array],
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    settings: TrainSettings,
    gradient_offset: Mapping[str, Array] | None = None,
    *,
    is_head_only: bool = False,
) -> TrainResult:
    """Return the network's arrays after the local epochs of stochastic gradient descent.

    Without momentum: where classes are split between clients it drives them apart.

    The loss is the cross entropy of the softmax over all classes, also over those that have no window here:
    without them, clients with different classes learn nothing that tells one's from another's. Each class
    present counts alike, whatever its number of windows. Each epoch sees the windows a little `varied`. After
    each step the arrays are pulled towards their start (`proximal_mu`, FedProx: Li et al. 2020, eq. 2);
    `gradient_offset` is added to each gradient (as SCAFFOLD's control variates: Karimireddy et al. 2020,
    eq. 3).

    Raises
    ------
    ValueError
        If an array, the windows or the labels are not as specified, there is no window, the numbers grow
        without bound, or there is no runtime.
    """
    check_arrays(parameters, specification.arrays)
    check_windows(specification, windows, labels)
    if gradient_offset is not None:
        check_arrays(gradient_offset, specification.of_role("trained"))
    if not len(windows):
        raise ValueError("training needs at least one window, got none")
    start = select(parameters, "trained", specification)
    if settings.n_epochs == 0:
        trained = {name: array.copy() for name, array in start.items()}
        return TrainResult(trained, 0, {"cross_entropy": _loss(specification, parameters, windows, labels)})
    weights = class_weights(labels, specification.n_classes)[labels].astype(np.float32)
    class_mask = np.zeros(N_OUTPUTS, np.float32)
    class_mask[: specification.n_classes] = 1
    outputs = labels.astype(np.int32)
    random = np.random.default_rng(settings.seed)
    network = graph(specification.family)
    network.begin(start, gradient_offset)
    n_steps = 0
    for _ in range(settings.n_epochs):
        order = random.permutation(len(labels))
        inputs = _standardised(parameters, varied(windows[order], random)).astype(np.float32)
        for first in range(0, len(labels), settings.batch_size):
            batch = order[first : first + settings.batch_size]
            network.step(
                inputs[first : first + settings.batch_size],
                outputs[batch],
                weights[batch],
                class_mask,
                learning_rate=settings.learning_rate,
                clip_norm=_CLIP_NORM,
                proximal_mu=settings.proximal_mu,
                body_rate=0.0 if is_head_only else 1.0,
            )
            n_steps += 1
    trained = dict(network.arrays())
    # NaN compares false.
    if not all((np.abs(trained[each.name]) <= each.limit).all() for each in specification.of_role("trained")):
        raise ValueError("training grew without bound: the start is too large or the learning rate too high")
    loss = _loss(specification, {**parameters, **trained}, windows, labels)
    return TrainResult(trained, n_steps, {"cross_entropy": loss})


def head(specification: Specification) -> tuple[str, ...]:
    """Return the names of the last layer's arrays."""
    name = NETWORKS[specification.family].layers[-1].name
    return f"{name}_kernel", f"{name}_bias"


def scores(
    specification: Specification, parameters: Mapping[str, Array], windows: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the logits of each window, shape (n_windows, n_classes)."""
    check_windows(specification, windows)
    with np.errstate(all="ignore"):
        given = logits(
            NETWORKS[specification.family], _doubled(parameters), _standardised(parameters, windows)
        )
    return np.asarray(given[:, : specification.n_classes], np.float64)


def probabilities(
    specification: Specification, parameters: Mapping[str, Array], windows: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the softmax of the logits; a window whose logits are no numbers is `other` for sure."""
    given = scores(specification, parameters, windows)
    is_lost = ~np.isfinite(given).all(axis=1)
    given[is_lost] = 0.0
    likely = np.exp(given - given.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = likely / likely.sum(axis=1, keepdims=True)
    shares[is_lost] = np.eye(specification.n_classes)[specification.other_index]
    return shares


def probabilities_of_features(
    specification: Specification, parameters: Mapping[str, Array], rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Raise ValueError: there are no features here."""
    del parameters, rows
    raise ValueError(f"a {specification.family} takes windows as they are and no features")


def points(
    specification: Specification, parameters: Mapping[str, Array], windows: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return what the last layer decides by, shape (n_windows, units before it)."""
    check_windows(specification, windows)
    with np.errstate(all="ignore"):
        given = last_hidden(
            NETWORKS[specification.family], _doubled(parameters), _standardised(parameters, windows)
        )
    return np.asarray(given, np.float64)


def _standardised(parameters: Mapping[str, Array], windows: NDArray[np.float32]) -> NDArray[np.float64]:
    deviations = windows - parameters["mean"]
    scale = parameters["scale"]
    # Before its first statistics round a lineage's basis is zeros: all windows are the origin.
    return np.divide(deviations, scale, out=np.zeros_like(deviations), where=scale > 0)


def _doubled(parameters: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(array, np.float64) for name, array in parameters.items()}


def _loss(
    specification: Specification,
    parameters: Mapping[str, Array],
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> float:
    """Return the mean cross entropy of the windows unvaried."""
    given = scores(specification, parameters, windows)
    highest = given.max(axis=1)
    log_sums = highest + np.log(np.exp(given - highest[:, None]).sum(axis=1))
    return float((log_sums - given[np.arange(len(labels)), labels]).mean())
