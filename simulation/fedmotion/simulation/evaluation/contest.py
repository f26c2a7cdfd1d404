"""One newcomer, recognised by each client alone, the federation, personalised, and all data in one place."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fedmotion.host.trainer import LocalWindows
from fedmotion.models.family import family
from fedmotion.models.personal import Personalisation, personalised
from fedmotion.simulation.evaluation.federation import federate
from fedmotion.simulation.evaluation.homes import Homes, deal, local_windows, personal_takes, trained_on
from fedmotion.simulation.evaluation.movements import Movements
from fedmotion.simulation.evaluation.plan import Plan
from fedmotion.simulation.evaluation.training import Decided, Model, Models, alone, decided, pooled, share
from fedmotion.simulation.evaluation.tuning import Choice

WAYS: Mapping[str, Personalisation] = {
    "fine-tuned": Personalisation("all", normalise=False),
    "fine-tuned head": Personalisation("head", normalise=False),
    "normalised": Personalisation("off", normalise=True),
    "normalised, fine-tuned": Personalisation("all", normalise=True),
    "normalised, fine-tuned head": Personalisation("head", normalise=True),
}
"""How a model is made the newcomer's own; without those of the head where that is all that is trained."""


@dataclass(frozen=True, slots=True)
class Personal:
    """The newcomer's other takes, decided by the federation's model before and after some were learned from.

    `after` is by the names of WAYS.
    """

    truth: Decided
    before: Decided
    after: Mapping[str, Decided]


@dataclass(frozen=True, slots=True)
class Contest:
    """One newcomer and seed; all models are asked the same windows, whose activities are `truth`, (n,).

    Attributes
    ----------
    alone : what each client's own model decided, by client
    federated, pooled : what the last round's model decided; pooled with settings tuned for it
    pooled_alike : pooled, with the federation's settings
    federated_by_round, pooled_by_round : shares decided rightly, from the untrained model on; pooled alike
    by_n_clients : the share that a federation of fewer clients decides rightly, by their number
    """

    newcomer: str
    seed: int
    truth: Decided
    alone: Mapping[str, Decided]
    federated: Decided
    pooled: Decided
    pooled_alike: Decided
    personal: Personal | None
    federated_by_round: tuple[float, ...]
    pooled_by_round: tuple[float, ...]
    by_n_clients: Mapping[int, float]
    n_windows: Mapping[str, int]
    n_bytes_up: int
    n_bytes_down: int
    n_components: int


def contest(
    movements: Movements, plan: Plan, newcomer: str, seed: int, choice: Choice, *, with_fewer: bool
) -> Contest:
    """Return what came of one newcomer.

    Nothing is trained on the newcomer's movements but the personalised model, which is asked about the takes
    that it did not see.

    Parameters
    ----------
    choice
        The settings of all data in one place.
    with_fewer
        Whether federations of fewer clients are held as well.
    """
    trained = trained_on(movements, plan)
    homes = deal(trained.where(trained.people != newcomer), plan, seed)
    own = trained.of(newcomer)
    test = local_windows(own, plan)
    federated = federate(plan.configuration(seed), homes, plan.n_rounds)
    final = (federated.specification, federated.by_round[-1])
    alike = pooled(plan, homes, seed)
    return Contest(
        newcomer=newcomer,
        seed=seed,
        truth=test.labels,
        alone={client: decided(plan, model, test) for client, model in alone(plan, homes, seed).items()},
        federated=decided(plan, final, test),
        pooled=decided(plan, _last(pooled(choice.applied(plan), homes, seed)), test),
        pooled_alike=decided(plan, _last(alike), test),
        personal=_personal(plan, own, final, seed) if plan.n_personal else None,
        federated_by_round=_shares(plan, (federated.specification, federated.by_round), test),
        pooled_by_round=_shares(plan, alike, test),
        by_n_clients=_by_n_clients(plan, homes, test, seed) if with_fewer else {},
        n_windows={client_id: len(home.windows) for client_id, home in homes.items()},
        n_bytes_up=federated.n_bytes_up,
        n_bytes_down=federated.n_bytes_down,
        n_components=federated.specification.n_components,
    )


def _personal(plan: Plan, own: Movements, model: Model, seed: int) -> Personal | None:
    """Return what the newcomer's own takes do to the others; None where no others remain."""
    is_seen = personal_takes(own, plan, seed)
    rest, seen = local_windows(own.where(~is_seen), plan), local_windows(own.where(is_seen), plan)
    if not len(rest.windows) or not len(seen.windows):
        return None
    specification, parameters = model
    settings = plan.configuration(seed).train_settings(0)
    is_all_head = len(family(specification.family).head(specification)) == len(
        specification.of_role("trained")
    )
    after = {}
    for name, how in WAYS.items():
        if is_all_head and how.fine_tune == "head":
            continue
        own_arrays = personalised(specification, parameters, seen.windows, seen.labels, settings, how)
        after[name] = decided(plan, (specification, own_arrays), rest)
    return Personal(rest.labels, decided(plan, model, rest), after)


def _by_n_clients(plan: Plan, homes: Homes, test: LocalWindows, seed: int) -> dict[int, float]:
    """Return what 1, 2, 3, 4, 8, 16, ... clients reach that join in an order which `seed` shuffles."""
    names = sorted(homes)
    order = [names[index] for index in np.random.default_rng([seed, 2]).permutation(len(names))]
    shares = {}
    for n_clients in (n for n in (1, 2, 3, 4, 8, 16, 32) if n < len(names)):
        some = {name: homes[name] for name in order[:n_clients]}
        federated = federate(plan.configuration(seed), some, plan.n_rounds)
        shares[n_clients] = share(
            decided(plan, (federated.specification, federated.by_round[-1]), test), test.labels
        )
    return shares


def _shares(plan: Plan, models: Models, test: LocalWindows) -> tuple[float, ...]:
    specification, by_round = models
    return tuple(share(decided(plan, (specification, model), test), test.labels) for model in by_round)


def _last(models: Models) -> Model:
    return models[0], models[1][-1]
