"""A federation's model made one person's own: their normalisation, and training on their takes.

What comes of it stays with the person. Normalisation by a client's own statistics is the idea of FedBN (Li et
al. 2021, "FedBN: Federated learning on non-IID features via local batch normalization"), here of the sensor's
axes or features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from fedmotion.models.family import family
from fedmotion.models.specification import Array, Parameters, Specification
from fedmotion.models.statistics import Moments, merge
from fedmotion.protocol.messages import TrainSettings

FineTune = Literal["off", "head", "all"]

N_ROUNDS = 10
"""Rounds' worth of epochs that a person's own takes are trained for."""

PRIOR_WINDOWS = 20
"""As many windows of one's own the federation's mean and scale count for: a few takes say little."""


@dataclass(frozen=True, slots=True)
class Personalisation:
    """What is made one's own: the last layer or all that is trained, and mean and scale."""

    fine_tune: FineTune
    normalise: bool


def personalised(
    specification: Specification,
    parameters: Mapping[str, Array],
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    settings: TrainSettings,
    how: Personalisation,
) -> Parameters:
    """Return the model's arrays after `how` on one person's windows; as they came where that is nothing.

    Raises
    ------
    ValueError
        If there is no window, or what the family's training raises.
    """
    model = family(specification.family)
    arrays = dict(parameters)
    if how.normalise:
        arrays |= normalised(arrays, model.moments(specification, windows))
    if how.fine_tune == "off":
        return arrays
    longer = msgspec.structs.replace(settings, n_epochs=settings.n_epochs * N_ROUNDS)
    is_head_only = how.fine_tune == "head"
    result = model.train(specification, arrays, windows, labels, longer, is_head_only=is_head_only)
    return {**arrays, **result.trained}


def normalised(
    parameters: Mapping[str, Array], own: Moments, prior_windows: int = PRIOR_WINDOWS
) -> Parameters:
    """Return the arrays `mean` and `scale` of one's own windows, the federation's counting as some of them.

    A feature that never changes keeps the federation's scale, by which it was learned from.
    """
    mean, scale = parameters["mean"], parameters["scale"]
    moments = own
    if prior_windows:
        variances = prior_windows * scale**2
        moments = merge([Moments(prior_windows, mean, np.diag(variances)), own])
    deviation = np.sqrt(moments.scatter.diagonal().clip(min=0) / moments.n_windows)
    is_felt = deviation > 1e-3 * scale
    return {"mean": moments.mean, "scale": np.where(is_felt, deviation, scale)}
