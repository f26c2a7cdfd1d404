"""An evaluation in figures: for the JSON file, the tables and the pictures."""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from fedmotion.simulation.evaluation.alarms import FalseAlarms, false_alarms
from fedmotion.simulation.evaluation.contest import Contest
from fedmotion.simulation.evaluation.measures import (
    Counts,
    Spread,
    accuracy_of,
    confusion_of,
    macro_f1_of,
    spread,
)
from fedmotion.simulation.evaluation.mounting import Turned, turned
from fedmotion.simulation.evaluation.plan import Plan
from fedmotion.simulation.evaluation.run import Evaluation
from fedmotion.simulation.evaluation.tuning import Choice

Decisions = list[tuple[Counts, Counts]]
"""Pairs of truth and what was decided."""

_FINE_TUNED = "fine-tuned"


class Method(msgspec.Struct, frozen=True):
    """How one way to train did, over all newcomers.

    `by_person` is the accuracy with each newcomer, mean over seeds; `confusion` sums all newcomers and seeds,
    true classes in rows.
    """

    accuracy: Spread
    macro_f1: Spread
    by_person: dict[str, float]
    confusion: list[list[int]]


class Difference(msgspec.Struct, frozen=True):
    """Accuracy of one way less that of another on the same windows with the same seed, over seeds.

    `lowest` and `highest` are of the newcomers, each the mean over seeds.
    """

    mean: float
    sd: float
    lowest: float
    highest: float


class Figures(msgspec.Struct, frozen=True):
    """All of one evaluation; see `Contest` for what is compared.

    `personalised` is fine-tuned, all that is trained; `personal` has every way by its name in `contest.WAYS`,
    all asked about the same takes as `before_personalised`.

    `most_windows` is how many the largest client has: below 20 a real federation waits for more.
    """

    family: str
    plan: Plan
    n_windows: int
    n_clients: int
    most_windows: int
    n_components: int
    alone: Method
    alone_best: Spread
    alone_worst: Spread
    federated: Method
    personalised: Method | None
    before_personalised: Spread | None
    personal: dict[str, Method]
    pooled: Method
    pooled_alike: Method
    differences: dict[str, Difference]
    federated_by_round: list[Spread]
    pooled_by_round: list[Spread]
    by_n_clients: dict[int, Spread]
    bytes_up_per_client: float
    bytes_down_per_client: float
    choices: dict[str, Choice]
    false_alarms: FalseAlarms | None
    turned: dict[str, Turned]


def figures(evaluation: Evaluation) -> Figures:
    """Return the figures of an evaluation."""
    contests = evaluation.contests
    n_classes = len(evaluation.plan.activities)

    def method(decisions: Callable[[Contest], Decisions]) -> Method:
        return _method(contests, decisions, n_classes)

    personal = [each for each in contests if each.personal is not None]
    n_clients = [len(each.alone) for each in contests]
    return Figures(
        family=evaluation.specification.family,
        plan=evaluation.plan,
        n_windows=sum(len(each.truth) for each in contests if each.seed == 0),
        n_clients=max(n_clients),
        most_windows=max(max(each.n_windows.values()) for each in contests),
        n_components=min(each.n_components for each in contests),
        alone=method(_alone),
        alone_best=_over_seeds(contests, lambda each: max(_shares(each))),
        alone_worst=_over_seeds(contests, lambda each: min(_shares(each))),
        federated=method(_federated),
        personalised=_method(personal, _by_way(_FINE_TUNED), n_classes) if personal else None,
        before_personalised=_method(personal, _before, n_classes).accuracy if personal else None,
        personal={way: _method(personal, _by_way(way), n_classes) for way in _ways(personal)},
        pooled=method(_pooled),
        pooled_alike=method(_alike),
        differences={
            "federated - alone": _difference(contests, _federated, _alone),
            "federated - pooled": _difference(contests, _federated, _pooled),
            "federated - pooled_alike": _difference(contests, _federated, _alike),
            **{
                f"{'personalised' if way == _FINE_TUNED else way} - federated": _difference(
                    personal, _by_way(way), _before
                )
                for way in _ways(personal)
            },
        },
        federated_by_round=_curve(contests, lambda each: each.federated_by_round),
        pooled_by_round=_curve(contests, lambda each: each.pooled_by_round),
        by_n_clients=_by_n_clients(contests),
        bytes_up_per_client=_mean(each.n_bytes_up / len(each.alone) for each in contests),
        bytes_down_per_client=_mean(each.n_bytes_down / len(each.alone) for each in contests),
        choices=evaluation.choices,
        false_alarms=false_alarms(evaluation.rejections) if evaluation.rejections else None,
        turned=turned(evaluation.worn) if evaluation.worn else {},
    )


def _alone(contest: Contest) -> Decisions:
    return [(contest.truth, decided) for decided in contest.alone.values()]


def _federated(contest: Contest) -> Decisions:
    return [(contest.truth, contest.federated)]


def _pooled(contest: Contest) -> Decisions:
    return [(contest.truth, contest.pooled)]


def _alike(contest: Contest) -> Decisions:
    return [(contest.truth, contest.pooled_alike)]


def _ways(contests: Sequence[Contest]) -> list[str]:
    return [way for each in contests[:1] if each.personal is not None for way in each.personal.after]


def _by_way(way: str) -> Callable[[Contest], Decisions]:
    def decisions(contest: Contest) -> Decisions:
        personal = contest.personal
        return [] if personal is None else [(personal.truth, personal.after[way])]

    return decisions


def _before(contest: Contest) -> Decisions:
    return [] if contest.personal is None else [(contest.personal.truth, contest.personal.before)]


def _shares(contest: Contest) -> list[float]:
    return [float((decided == contest.truth).mean()) for decided in contest.alone.values()]


def _total(contests: Sequence[Contest], decisions: Callable[[Contest], Decisions], n_classes: int) -> Counts:
    total = np.zeros((n_classes, n_classes), np.int64)
    for contest in contests:
        for truth, decided in decisions(contest):
            total += confusion_of(truth, decided, n_classes)
    return total


def _seeds(contests: Sequence[Contest]) -> list[list[Contest]]:
    seeds = sorted({each.seed for each in contests})
    return [[each for each in contests if each.seed == seed] for seed in seeds]


def _people(contests: Sequence[Contest]) -> dict[str, list[Contest]]:
    names = dict.fromkeys(each.newcomer for each in contests)
    return {name: [each for each in contests if each.newcomer == name] for name in names}


def _method(contests: Sequence[Contest], decisions: Callable[[Contest], Decisions], n_classes: int) -> Method:
    by_seed = [_total(part, decisions, n_classes) for part in _seeds(contests)]
    return Method(
        accuracy=spread(accuracy_of(counts) for counts in by_seed),
        macro_f1=spread(macro_f1_of(counts) for counts in by_seed),
        by_person={
            name: accuracy_of(_total(part, decisions, n_classes)) for name, part in _people(contests).items()
        },
        confusion=sum(by_seed[1:], by_seed[0]).tolist(),
    )


def _difference(
    contests: Sequence[Contest],
    one: Callable[[Contest], Decisions],
    other: Callable[[Contest], Decisions],
) -> Difference:
    def gained(part: Sequence[Contest]) -> float:
        return _accuracy(part, one) - _accuracy(part, other)

    over_seeds = spread(gained(part) for part in _seeds(contests))
    people = [gained(part) for part in _people(contests).values()]
    return Difference(over_seeds.mean, over_seeds.sd, min(people), max(people))


def _accuracy(contests: Sequence[Contest], decisions: Callable[[Contest], Decisions]) -> float:
    pairs = [pair for each in contests for pair in decisions(each)]
    n_right = sum(int((truth == decided).sum()) for truth, decided in pairs)
    return n_right / max(sum(len(truth) for truth, _ in pairs), 1)


def _over_seeds(contests: Sequence[Contest], value: Callable[[Contest], float]) -> Spread:
    return spread(
        _mean((value(each) for each in part), [len(each.truth) for each in part]) for part in _seeds(contests)
    )


def _mean(values: Iterable[float], weights: Sequence[int] | None = None) -> float:
    return float(np.average(np.array(list(values)), weights=weights))


def _curve(contests: Sequence[Contest], points: Callable[[Contest], tuple[float, ...]]) -> list[Spread]:
    seeds = [
        np.average([points(each) for each in part], axis=0, weights=[len(each.truth) for each in part])
        for part in _seeds(contests)
    ]
    return [spread(column) for column in np.array(seeds).T]


def _by_n_clients(contests: Sequence[Contest]) -> dict[int, Spread]:
    def share(n_clients: int) -> Spread:
        held = [each for each in contests if n_clients in each.by_n_clients]
        return _over_seeds(held, lambda each: each.by_n_clients[n_clients])

    return {n: share(n) for n in sorted({n for each in contests for n in each.by_n_clients})}
