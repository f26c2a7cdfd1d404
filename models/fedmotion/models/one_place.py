"""Training in one place: what one store's windows, or everybody's pooled, give without a federation.

The steps are those of a federation's lineage: statistics, the basis that follows, then rounds of training.
"""

import hashlib
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedmotion.models.family import family
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Array, Parameters, Specification, pca_svm
from fedmotion.models.statistics import Moments, basis
from fedmotion.protocol.messages import TrainSettings

FIRST_TRAIN_ROUND = 2
"""Round 1 of a lineage is its statistics round."""


def training_seed(settings_seed: int, round_id: int, client_id: str) -> int:
    """Return a client's seed for one round, 0 to 2**32 - 1: the same again for the same three."""
    digest = hashlib.sha256(f"{settings_seed}/{round_id}/{client_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def train_in_one_place(
    specification: Specification,
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    settings: TrainSettings,
    n_rounds: int,
    client_id: str = "pooled",
    on_round: Callable[[], object] = lambda: None,
) -> tuple[Specification, dict[str, Array]]:
    """Return the model after all rounds of `train_by_round`, and its specification."""
    specification, by_round = train_by_round(
        specification, windows, labels, settings, n_rounds, client_id, on_round
    )
    return specification, by_round[-1]


def train_by_round(
    specification: Specification,
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    settings: TrainSettings,
    n_rounds: int,
    client_id: str = "pooled",
    on_round: Callable[[], object] = lambda: None,
) -> tuple[Specification, tuple[Parameters, ...]]:
    """Return models trained on these windows only: untrained, and after as many epochs as each round has.

    The shuffling is that of a client called `client_id` in a federation whose settings these are, so that a
    federation of one is this, to the bit. Few windows span few directions, so there are as many components
    as fit: the specification returned says how many. `on_round` is told of each round's end.

    Raises
    ------
    ValueError
        If there are no windows, or they are all alike.
    """
    model = family(specification.family)
    parameters = initial_parameters(specification)
    if specification.has_statistics:
        moments = model.moments(specification, windows)
        specification = fitting(specification, moments)
        parameters = initial_parameters(specification)
        parameters.update(basis(specification, moments))
    by_round = [parameters]
    for round_id in range(FIRST_TRAIN_ROUND, FIRST_TRAIN_ROUND + n_rounds):
        seed = training_seed(settings.seed + round_id, round_id, client_id)
        result = model.train(
            specification, by_round[-1], windows, labels, msgspec.structs.replace(settings, seed=seed)
        )
        by_round.append({**by_round[-1], **result.trained})
        on_round()
    return specification, tuple(by_round)


def fitting(specification: Specification, moments: Moments) -> Specification:
    """Return `specification`, with fewer components where it has some and the windows span fewer directions.

    Raises
    ------
    ValueError
        If the windows span none, as those of a sensor that stands still.
    """
    if not specification.n_components:
        if not _spans(specification, moments, 0):
            raise ValueError(f"{moments.n_windows} windows that are all alike give no model")
        return specification
    low, high = 1, min(specification.n_components, max(moments.n_windows - 1, 1))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _spans(specification, moments, middle) else (low, middle - 1)
    if not _spans(specification, moments, low):
        raise ValueError(f"{moments.n_windows} windows that are all alike give no model")
    return with_components(specification, low)


def with_components(specification: Specification, n_components: int) -> Specification:
    """Return `specification` with another number of components."""
    if n_components == specification.n_components:
        return specification
    return pca_svm(
        specification.activities,
        rate_hz=specification.rate_hz,
        window_length=specification.window_length,
        n_components=n_components,
        seed=specification.seed,
        n_fourier=specification.n_fourier,
        gamma=specification.gamma,
        min_probability=specification.min_probability,
        is_calibrated=specification.version >= 2,
    )


def _spans(specification: Specification, moments: Moments, n_components: int) -> bool:
    try:
        basis(with_components(specification, n_components), moments)
    except ValueError:
        return False
    return True
