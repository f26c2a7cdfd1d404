"""Settings for all data in one place, chosen on training people only: nested leave-people-out."""

from collections.abc import Iterable, Mapping
from itertools import product

import msgspec
import numpy as np

from fedmotion.host.trainer import LocalWindows
from fedmotion.simulation.evaluation.plan import Plan
from fedmotion.simulation.evaluation.training import decided, pooled, share

GRID_COMPONENTS = (25, 60)
GRID_LEARNING_RATE = (0.02, 0.05)
GRID_NETWORK_LEARNING_RATE = (0.05, 0.1)
GRID_ROUNDS = (12, 25, 50)
"""Small, and around what the federation uses: each point is trained once for each group left out."""

_MAX_GROUPS = 4


class Choice(msgspec.Struct, frozen=True):
    """One point of the grid."""

    n_components: int
    learning_rate: float
    n_rounds: int

    def applied(self, plan: Plan) -> Plan:
        """Return `plan` with these settings."""
        return msgspec.structs.replace(
            plan,
            n_components=self.n_components,
            learning_rate=self.learning_rate,
            n_rounds=self.n_rounds,
        )


def tune(plan: Plan, homes: Mapping[str, LocalWindows]) -> Choice:
    """Return the settings with which models of some people's windows decide the others' best.

    The people in `homes`, in at most four groups, are left out in turn. The newcomer is not among them. Of
    equally good settings the first and smallest count. With one person there is nobody to leave out: the
    choice is the plan's.

    Parameters
    ----------
    homes
        The windows of each training person.
    """
    names = sorted(homes)
    if len(names) < 2:
        return Choice(plan.n_components, plan.configuration(0).train_settings(0).learning_rate, plan.n_rounds)
    groups = [names[first::_MAX_GROUPS] for first in range(min(len(names), _MAX_GROUPS))]
    n_right: dict[Choice, float] = {}
    for n_components, learning_rate in _grid(plan):
        longest = Choice(n_components, learning_rate, max(GRID_ROUNDS)).applied(plan)
        for group in groups:
            kept = {name: home for name, home in homes.items() if name not in group}
            specification, by_round = pooled(longest, kept, seed=0)
            for n_rounds in GRID_ROUNDS:
                choice = Choice(n_components, learning_rate, n_rounds)
                model = specification, by_round[n_rounds]
                n_right[choice] = n_right.get(choice, 0.0) + float(
                    np.mean([share(decided(plan, model, homes[name]), homes[name].labels) for name in group])
                )
    return max(n_right, key=lambda choice: n_right[choice])


def _grid(plan: Plan) -> Iterable[tuple[int, float]]:
    if plan.model != "pca_svm":
        return product((plan.n_components,), GRID_NETWORK_LEARNING_RATE)  # which a network has none of
    return product(GRID_COMPONENTS, GRID_LEARNING_RATE)
