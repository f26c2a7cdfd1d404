"""What a closed round makes of its contributions: a basis, an average, or a score.

Contributions come as an iterable in the order of their clients' ids and are never held together.
"""

from collections.abc import Iterable

import numpy as np

from fedmotion.aggregator.strategies.fedavg import FedAvg
from fedmotion.aggregator.strategies.strategy import Strategy, Update
from fedmotion.models.parameters import check_arrays
from fedmotion.models.specification import Parameters, Specification
from fedmotion.models.statistics import basis, merge, moments_from

Metrics = dict[str, float | list[list[int]]]
"""Numbers by name, and the confusion of an evaluate round."""

STRATEGIES: dict[str, Strategy] = {strategy.name: strategy for strategy in (FedAvg(),)}


def next_basis(specification: Specification, current: Parameters, updates: Iterable[Update]) -> Parameters:
    """Return the model with the basis that the clients' moments give together.

    Raises
    ------
    ValueError
        If the moments determine no basis.
    """
    moments = merge(moments_from(specification, update.n_windows, update.arrays) for update in updates)
    arrays = basis(specification, moments)
    dtypes = {array.name: array.dtype for array in specification.of_role("basis")}
    return _checked(
        specification, {**current, **{name: arrays[name].astype(dtype) for name, dtype in dtypes.items()}}
    )


def whose_absence_gives_a_basis(specification: Specification, updates: Iterable[Update]) -> tuple[str, ...]:
    """Return the clients without any one of whom the others' moments determine a basis, which all do not.

    Holds all moments together, and takes as many bases as there are clients: for small cohorts.
    """
    moments = {each.client_id: moments_from(specification, each.n_windows, each.arrays) for each in updates}
    cures: list[str] = []
    for client_id in moments if len(moments) > 1 else ():
        try:
            basis(specification, merge(moments[other] for other in moments if other != client_id))
        except ValueError:
            continue
        cures.append(client_id)
    return tuple(cures)


def next_parameters(
    specification: Specification, current: Parameters, updates: Iterable[Update], strategy: Strategy
) -> Parameters:
    """Return the model with the trained arrays that `strategy` makes of the updates; the basis stays.

    Arrays with a limit are held within half of it. Honest ones are far from there; one client that sends
    numbers at the limit would else bring the model there, from where the others' training steps beyond it
    and is refused for ever.
    """
    trained = dict(strategy.aggregate(specification, current, updates))
    for array in specification.of_role("trained"):
        if array.limit:
            trained[array.name] = trained[array.name].clip(-array.limit / 2, array.limit / 2)
    return _checked(specification, {**current, **trained})


def score(specification: Specification, updates: Iterable[Update]) -> Metrics:
    """Return the summed confusion, of shape (true, predicted), with its accuracy, recalls and count."""
    total = np.zeros((specification.n_classes, specification.n_classes), np.int64)
    for update in updates:
        total += update.arrays["confusion"].astype(np.int64)
    n_windows = int(total.sum())
    if n_windows == 0:
        raise ValueError("a score needs at least one window, got 0")
    metrics: Metrics = {
        "accuracy": float(np.trace(total)) / n_windows,
        "n_windows": float(n_windows),
        "confusion": [[int(count) for count in row] for row in total],
    }
    for index, activity in enumerate(specification.activities):
        if n_true := int(total[index].sum()):
            metrics[f"recall {activity}"] = int(total[index, index]) / n_true
    return metrics


def _checked(specification: Specification, arrays: Parameters) -> Parameters:
    check_arrays(arrays, specification.arrays)
    return arrays
