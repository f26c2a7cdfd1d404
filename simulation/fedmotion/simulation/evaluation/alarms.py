"""False alarms in figures: movements that nobody trained on, for each way to train."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from fedmotion.simulation.evaluation.measures import Spread, spread
from fedmotion.simulation.evaluation.rejection import Rejection, Trial

_CURVE_THRESHOLDS = (0.0, *np.linspace(0.3, 0.95, 27).round(3).tolist())


class Point(msgspec.Struct, frozen=True):
    """What happens where a gesture counts from `threshold` on: shares of all newcomers and seeds."""

    threshold: float
    recognised: float
    per_hour: float


class Alarms(msgspec.Struct, frozen=True):
    """One way to train, over all newcomers.

    `recognised` is the share of the newcomers' gestures that is recognised rightly, `per_hour` the false
    alarms in an hour of the unseen movements. `chosen_` is with the threshold chosen without the newcomer.
    """

    recognised: Spread
    per_hour: Spread
    chosen_threshold: Spread
    chosen_recognised: Spread
    chosen_per_hour: Spread
    curve: list[Point]


class FalseAlarms(msgspec.Struct, frozen=True):
    """How movements that nobody trained on are answered.

    `alone_fewest` is the fewest an hour that any one client's model gives with each newcomer, picked
    afterwards and whatever it recognises. `hours` is how long all newcomers' unseen movements last.
    """

    alone: dict[str, Alarms]
    federated: Alarms
    pooled: Alarms
    alone_fewest_per_hour: Spread
    n_unseen: int
    hours: float


def false_alarms(rejections: Sequence[Rejection]) -> FalseAlarms:
    """Return the figures of at least one newcomer and seed; clients are compared by their ids."""
    by_seed = [
        [each for each in rejections if each.seed == seed]
        for seed in sorted({each.seed for each in rejections})
    ]
    clients = sorted({client_id for each in rejections for client_id in each.alone})

    def of_client(client_id: str) -> Alarms:
        return _alarms(by_seed, lambda each: each.alone[client_id])

    return FalseAlarms(
        alone={client_id: of_client(client_id) for client_id in clients},
        federated=_alarms(by_seed, lambda each: each.federated),
        pooled=_alarms(by_seed, lambda each: each.pooled),
        alone_fewest_per_hour=spread(
            sum(min(trial.answers.n_alarms(0.0) for trial in each.alone.values()) for each in part)
            / sum(each.hours for each in part)
            for part in by_seed
        ),
        n_unseen=sum(each.n_unseen for each in by_seed[0]),
        hours=sum(each.hours for each in by_seed[0]),
    )


def _alarms(by_seed: list[list[Rejection]], choose: Callable[[Rejection], Trial]) -> Alarms:
    def recognised(part: Sequence[Rejection], threshold: float | None = None) -> float:
        answers = [
            np.full(len(trial.answers.right), trial.answers.recognised(_or(threshold, trial)))
            for trial in map(choose, part)
        ]
        return float(np.concatenate(answers).mean())

    def per_hour(part: Sequence[Rejection], threshold: float | None = None) -> float:
        n_alarms = sum(trial.answers.n_alarms(_or(threshold, trial)) for trial in map(choose, part))
        return n_alarms / sum(each.hours for each in part)

    everything = [each for part in by_seed for each in part]
    return Alarms(
        recognised=spread(recognised(part, 0.0) for part in by_seed),
        per_hour=spread(per_hour(part, 0.0) for part in by_seed),
        chosen_threshold=spread(
            float(np.mean([choose(each).threshold for each in part])) for part in by_seed
        ),
        chosen_recognised=spread(recognised(part) for part in by_seed),
        chosen_per_hour=spread(per_hour(part) for part in by_seed),
        curve=[
            Point(threshold, recognised(everything, threshold), per_hour(everything, threshold))
            for threshold in _CURVE_THRESHOLDS
        ],
    )


def _or(threshold: float | None, trial: Trial) -> float:
    return trial.threshold if threshold is None else threshold
