"""Who has which windows: the training people's data dealt to clients, and what is asked of the newcomer."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from fedmotion.host.trainer import LocalWindows
from fedmotion.protocol.identity import OTHER
from fedmotion.simulation.evaluation.movements import Movements
from fedmotion.simulation.evaluation.plan import Plan

Homes = dict[str, LocalWindows]


def local_windows(movements: Movements, plan: Plan) -> LocalWindows:
    """Return the windows with the index of each one's activity; `plan.other` labels are `other`."""
    index_of = {activity: index for index, activity in enumerate(plan.activities)}
    other = index_of[OTHER]
    labels = [index_of.get(str(label), other) for label in movements.labels]
    return LocalWindows(movements.windows, np.array(labels, np.int64), Counter())


def trained_on(movements: Movements, plan: Plan) -> Movements:
    """Return the windows of the labels that are trained on, gestures and `other`."""
    return movements.labelled([*plan.gestures, *plan.other])


def deal(movements: Movements, plan: Plan, seed: int) -> Homes:
    """Return what each client has of the training people's movements.

    By people: each person is a client. By classes: as many clients, the gestures (and the kinds of `other`)
    dealt to them one by one in an order that `seed` shuffles, whoever performed them.
    """
    names = movements.names()
    rng = np.random.default_rng(seed)
    if plan.split == "people":
        parts = [movements.of(name) for name in names]
        if plan.is_one_sided:
            parts = [
                part.where(~np.isin(part.labels, plan.other) | np.isin(part.labels, kinds))
                for part, kinds in zip(parts, _dealt(plan.other, len(names), rng), strict=True)
            ]
    else:
        kinds = _dealt(plan.gestures, len(names), rng)
        others = _dealt(plan.other, len(names), rng)
        parts = [
            movements.where(np.isin(movements.labels, [*own, *of_other]))
            for own, of_other in zip(kinds, others, strict=True)
        ]
    return {f"client-{index + 1}": local_windows(part, plan) for index, part in enumerate(parts)}


def personal_takes(movements: Movements, plan: Plan, seed: int) -> NDArray[np.bool_]:
    """Return which windows are of the newcomer's own `plan.n_personal` takes of each gesture, bool (n,)."""
    rng = np.random.default_rng([seed, 1])
    chosen: list[int] = []
    for gesture in plan.gestures:
        takes = np.unique(movements.takes[movements.labels == gesture])
        chosen += rng.permutation(takes)[: plan.n_personal].tolist()
    return np.isin(movements.takes, chosen)


def _dealt(kinds: tuple[str, ...], n_hands: int, rng: np.random.Generator) -> list[list[str]]:
    """Return `kinds` in `n_hands` parts that differ by one in size at most."""
    shuffled = [kinds[index] for index in rng.permutation(len(kinds))]
    return [shuffled[first::n_hands] for first in range(n_hands)]
