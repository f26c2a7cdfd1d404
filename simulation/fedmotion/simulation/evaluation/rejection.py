"""Movements that nobody trained on: how often they are taken for gestures, and how many gestures are known.

A gesture counts where its probability reaches a threshold, which is chosen without the newcomer: the
federation's with each client left out in turn, a client's own with each quarter of its own windows left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.trainer import LocalWindows
from fedmotion.models.family import decide
from fedmotion.simulation.evaluation.federation import federate
from fedmotion.simulation.evaluation.homes import Homes, deal, local_windows, trained_on
from fedmotion.simulation.evaluation.movements import Movements
from fedmotion.simulation.evaluation.plan import Plan
from fedmotion.simulation.evaluation.training import Decided, Model, alone, pooled, probabilities

Probabilities = NDArray[np.float64]

_KEPT = 0.99
"""Of the gestures known without a threshold, the share that it may not fall below in training."""

_N_PARTS = 4


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model says to gestures and to movements that are none.

    Attributes
    ----------
    right : for each gesture its probability where it is decided rightly, else 0; (n_gestures,)
    wrong : for each movement that is none the probability of the gesture it is taken for, else 0; (n_others,)
    """

    right: Probabilities
    wrong: Probabilities

    def recognised(self, threshold: float) -> float:
        """Return the share of the gestures that is recognised rightly."""
        return float((self.right >= max(threshold, 1e-9)).mean()) if len(self.right) else 0.0

    def n_alarms(self, threshold: float) -> int:
        """Return how many of the other movements are taken for gestures."""
        return int((self.wrong >= max(threshold, 1e-9)).sum())


@dataclass(frozen=True, slots=True)
class Trial:
    """One model with a newcomer: its answers, and the threshold that was chosen without the newcomer."""

    answers: Answers
    threshold: float


@dataclass(frozen=True, slots=True)
class Rejection:
    """One newcomer and seed; `hours` is how long the unseen movements last."""

    newcomer: str
    seed: int
    alone: Mapping[str, Trial]
    federated: Trial
    pooled: Trial
    n_unseen: int
    hours: float


def reject(movements: Movements, plan: Plan, newcomer: str, seed: int) -> Rejection:
    """Return how models that never met `plan.unseen` movements answer the newcomer's.

    The recognised gestures are the newcomer's as well.
    """
    trained = trained_on(movements, plan)
    homes = deal(trained.where(trained.people != newcomer), plan, seed)
    gestures = local_windows(movements.of(newcomer).labelled(plan.gestures), plan)
    unseen = movements.labelled(plan.unseen).of(newcomer)
    others = local_windows(unseen, plan)

    def trial(model: Model, threshold: float) -> Trial:
        return Trial(_answers(model, gestures, others), threshold)

    models = alone(plan, homes, seed)
    specification, by_round = pooled(plan, homes, seed)
    apart = _apart(plan, homes, seed)
    return Rejection(
        newcomer=newcomer,
        seed=seed,
        alone={
            client_id: trial(models[client_id], _own_threshold(plan, client_id, home, seed))
            for client_id, home in homes.items()
        },
        federated=trial(_federated(plan, homes, seed), threshold_of(apart)),
        pooled=trial((specification, by_round[-1]), threshold_of(apart)),
        n_unseen=len(unseen),
        hours=float(unseen.duration_s.sum()) / 3600,
    )


def threshold_of(answers: Sequence[Answers]) -> float:
    """Return the smallest threshold with the fewest false alarms that keeps 99 % of the gestures known.

    Known without a threshold, that is; where there is no false alarm, none is needed and it is 0.

    Parameters
    ----------
    answers
        Of models that trained on none of the windows they were asked.
    """
    right = np.sort(np.concatenate([np.empty(0), *(each.right for each in answers)]))
    wrong = np.concatenate([np.empty(0), *(each.wrong for each in answers)])
    known = right[right > 0]
    if not len(known):
        return 0.0
    highest = known[int(len(known) * (1 - _KEPT))]
    avoidable = wrong[(wrong > 0) & (wrong < highest)]
    return float(np.nextafter(avoidable.max(), 1.0)) if len(avoidable) else 0.0


def _apart(plan: Plan, homes: Homes, seed: int) -> list[Answers]:
    """Return what the federation without each client answers to that client's windows."""
    if len(homes) < 2:
        return [_own_apart(plan, client_id, home, seed) for client_id, home in homes.items()]
    answers = []
    for left_out, home in homes.items():
        rest = {client_id: other for client_id, other in homes.items() if client_id != left_out}
        answers.append(_answers(_federated(plan, rest, seed), *halves(plan, home)))
    return answers


def _own_threshold(plan: Plan, client_id: str, home: LocalWindows, seed: int) -> float:
    return threshold_of([_own_apart(plan, client_id, home, seed)])


def _own_apart(plan: Plan, client_id: str, home: LocalWindows, seed: int) -> Answers:
    """Return what models of three quarters of a client's windows answer to the fourth."""
    part = np.empty(len(home.labels), np.int64)
    part[np.argsort(home.labels, kind="stable")] = np.arange(len(home.labels)) % _N_PARTS
    found = []
    for index in range(_N_PARTS):
        rest = _where(home, part != index)
        if len(rest.windows) > 1 and (part == index).any():
            (model,) = alone(plan, {client_id: rest}, seed).values()
            found.append(_answers(model, *halves(plan, _where(home, part == index))))
    return Answers(
        np.concatenate([np.empty(0), *(each.right for each in found)]),
        np.concatenate([np.empty(0), *(each.wrong for each in found)]),
    )


def _federated(plan: Plan, homes: Homes, seed: int) -> Model:
    federated = federate(plan.configuration(seed), homes, plan.n_rounds)
    return federated.specification, federated.by_round[-1]


def _answers(model: Model, gestures: LocalWindows, others: LocalWindows) -> Answers:
    right, decided = _decided(model, gestures)
    wrong, taken = _decided(model, others)
    return Answers(
        np.where(decided == gestures.labels, right, 0.0),
        np.where(taken != model[0].other_index, wrong, 0.0),
    )


def _decided(model: Model, windows: LocalWindows) -> tuple[Probabilities, Decided]:
    likely = probabilities(model, windows.windows)
    classes = decide(model[0], likely)
    return likely[np.arange(len(classes)), classes], classes


def halves(plan: Plan, home: LocalWindows) -> tuple[LocalWindows, LocalWindows]:
    """Return a client's gestures, and its movements that are none."""
    is_other = home.labels == len(plan.gestures)
    return _where(home, ~is_other), _where(home, is_other)


def _where(home: LocalWindows, mask: NDArray[np.bool_]) -> LocalWindows:
    return LocalWindows(home.windows[mask], home.labels[mask], home.n_unknown)
