"""All contests of a plan: everybody is the newcomer in turn, with every seed."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from fedmotion.models.specification import Specification
from fedmotion.protocol.identity import OTHER
from fedmotion.simulation.evaluation.contest import Contest, contest
from fedmotion.simulation.evaluation.homes import deal, trained_on
from fedmotion.simulation.evaluation.mounting import Worn, wear
from fedmotion.simulation.evaluation.movements import Movements
from fedmotion.simulation.evaluation.plan import Plan
from fedmotion.simulation.evaluation.rejection import Rejection, reject
from fedmotion.simulation.evaluation.tuning import Choice, tune

MAX_SEEDS_WITH_FEWER = 2
"""Federations of fewer clients cost as much as all the rest: a curve needs them of two seeds."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of a plan; `choices` are the settings of all data in one place, by newcomer."""

    plan: Plan
    specification: Specification
    choices: dict[str, Choice]
    contests: tuple[Contest, ...]
    rejections: tuple[Rejection, ...]
    worn: tuple[Worn, ...]


def complete(plan: Plan, movements: Movements) -> Plan:
    """Return the plan with the gestures and newcomers of these movements where it names none.

    Raises
    ------
    ValueError
        If a label or newcomer is not there, a label has two roles, or there is nothing to tell apart.
    """
    other = plan.other
    if not other and OTHER in movements.activities() and OTHER not in plan.gestures:
        other = (OTHER,)
    gestures = plan.gestures or tuple(
        label for label in movements.activities() if label not in {*other, *plan.unseen}
    )
    labels = [*gestures, *other, *plan.unseen]
    movements.labelled(labels)
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ValueError(f"a label is a gesture, trained as {OTHER!r} or unseen, got {twice[0]!r} twice")
    if len(gestures) + bool(other) < 2:
        raise ValueError(
            f"two gestures are told apart, or one and labels to train as {OTHER!r}, "
            f"got {', '.join(gestures) or 'none'}"
        )
    if plan.unseen and not other:
        raise ValueError("unseen movements are no gestures: say which labels to train as `other` too")
    names = trained_on(movements, msgspec.structs.replace(plan, gestures=gestures, other=other)).names()
    if len(names) < 2:
        raise ValueError(
            f"{movements.source}: to leave one person out takes two people or more who perform "
            f"{', '.join(gestures)}, got {', '.join(names) or 'nobody'}"
        )
    if unknown := [name for name in plan.newcomers if name not in names]:
        raise ValueError(f"{movements.source} has no person {unknown[0]!r}; it has {', '.join(names)}")
    plan = msgspec.structs.replace(plan, gestures=gestures, other=other, newcomers=plan.newcomers or names)
    plan.configuration(0)
    return plan


def n_steps(plan: Plan) -> int:
    """Return how often `run` says that something is done."""
    return len(plan.newcomers) * (1 + plan.n_seeds * (1 + bool(plan.unseen) + plan.is_turned))


def run(movements: Movements, plan: Plan, on_done: Callable[[str], None] = lambda _: None) -> Evaluation:
    """Return what came of `plan`, which is complete; `on_done` is told each thing that is done."""
    if plan.axes == "accel":
        movements = movements.without_gyroscope()
    contests: list[Contest] = []
    rejections: list[Rejection] = []
    worn: list[Worn] = []
    choices: dict[str, Choice] = {}
    trained = trained_on(movements, plan)
    by_people = msgspec.structs.replace(plan, split="people")
    for newcomer in plan.newcomers:
        choices[newcomer] = tune(plan, deal(trained.where(trained.people != newcomer), by_people, 0))
        on_done(f"settings chosen without {newcomer}")
        for seed in range(plan.n_seeds):
            with_fewer = seed < MAX_SEEDS_WITH_FEWER and plan.split == "people"
            contests.append(
                contest(movements, plan, newcomer, seed, choices[newcomer], with_fewer=with_fewer)
            )
            on_done(f"newcomer {newcomer}, seed {seed}")
            if plan.unseen:
                rejections.append(reject(movements, plan, newcomer, seed))
                on_done(f"movements never trained on, newcomer {newcomer}, seed {seed}")
            if plan.is_turned:
                worn += wear(movements, plan, newcomer, seed)
                on_done(f"board turned, newcomer {newcomer}, seed {seed}")
    return Evaluation(plan, plan.specification(), choices, tuple(contests), tuple(rejections), tuple(worn))
