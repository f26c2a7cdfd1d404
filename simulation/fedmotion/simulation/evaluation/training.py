"""Models to compare, all trained by the agents' own functions, and what they decide."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.trainer import LocalWindows
from fedmotion.models.family import decide, family
from fedmotion.models.one_place import train_by_round
from fedmotion.models.specification import Parameters, Specification
from fedmotion.simulation.baselines import pool
from fedmotion.simulation.evaluation.plan import Plan

Decided = NDArray[np.int64]
Model = tuple[Specification, Parameters]
Models = tuple[Specification, tuple[Parameters, ...]]


def alone(plan: Plan, homes: Mapping[str, LocalWindows], seed: int) -> dict[str, Model]:
    """Return each client's model, trained as the federation trains, but on its own windows only."""
    configuration = plan.configuration(seed)
    models: dict[str, Model] = {}
    for client_id, home in homes.items():
        specification, by_round = train_by_round(
            configuration.specification(),
            home.windows,
            home.labels,
            configuration.train_settings(0),
            plan.n_rounds,
            client_id,
        )
        models[client_id] = specification, by_round[-1]
    return models


def pooled(plan: Plan, homes: Mapping[str, LocalWindows], seed: int) -> Models:
    """Return the models, round by round, of all clients' windows in one place."""
    configuration = plan.configuration(seed)
    windows, labels = pool(list(homes.values()))
    return train_by_round(
        configuration.specification(), windows, labels, configuration.train_settings(0), plan.n_rounds
    )


def probabilities(model: Model, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how likely each window is of each class, (n_windows, n_classes)."""
    specification, parameters = model
    return family(specification.family).probabilities(specification, parameters, windows)


def decided(plan: Plan, model: Model, test: LocalWindows) -> Decided:
    """Return the class of each window: by the agents' rule, or the likeliest where all are gestures."""
    likely = probabilities(model, test.windows)
    if plan.is_closed:
        likeliest: Decided = likely[:, : model[0].other_index].argmax(axis=1)  # `other` is the last class
        return likeliest
    return decide(model[0], likely)


def share(decided: Decided, truth: Decided) -> float:
    """Return the share that is decided rightly, 0 of nothing."""
    return float((decided == truth).mean()) if len(truth) else 0.0
