"""A newcomer who wears the board another way: what is still recognised, and what calibration gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from fedmotion.host.trainer import LocalWindows
from fedmotion.models.family import family
from fedmotion.models.mounting import AS_PICTURED, Mounting, fit_to_gestures
from fedmotion.simulation.evaluation.federation import federate
from fedmotion.simulation.evaluation.homes import deal, local_windows, personal_takes, trained_on
from fedmotion.simulation.evaluation.measures import Spread, spread
from fedmotion.simulation.evaluation.movements import Movements
from fedmotion.simulation.evaluation.plan import Plan
from fedmotion.simulation.evaluation.training import Model, decided, share

WAYS: Mapping[str, Mounting] = {
    "as recorded": AS_PICTURED,
    "180° about x": Mounting(np.diag([1.0, -1.0, -1.0])),
    "180° about y": Mounting(np.diag([-1.0, 1.0, -1.0])),
    "180° about z": Mounting(np.diag([-1.0, -1.0, 1.0])),
    "mirrored": Mounting(np.eye(3), is_mirrored=True),
}
"""How a board may sit; each undoes itself."""

N_KNOWN = (1, 2)
"""Takes of each gesture that a calibration gets."""


@dataclass(frozen=True, slots=True)
class Worn:
    """One newcomer, seed and way to wear the board: shares decided rightly of the takes left for asking.

    `calibrated` is by how many known takes of each gesture the mounting was fitted to.
    """

    newcomer: str
    seed: int
    way: str
    uncalibrated: float
    calibrated: Mapping[int, float]
    n_asked: int


class Turned(msgspec.Struct, frozen=True):
    """One way to wear the board, all newcomers, over seeds."""

    uncalibrated: Spread
    calibrated: dict[int, Spread]


def wear(movements: Movements, plan: Plan, newcomer: str, seed: int) -> list[Worn]:
    """Return what the federation's model makes of the newcomer's movements, worn each of the WAYS.

    The takes that the largest calibration is given are asked in no case, so that all shares are of the same
    windows.
    """
    trained = trained_on(movements, plan)
    federated = federate(
        plan.configuration(seed), deal(trained.where(trained.people != newcomer), plan, seed), plan.n_rounds
    )
    model = federated.specification, federated.by_round[-1]
    own = trained.of(newcomer)
    known = {
        n_takes: personal_takes(own, msgspec.structs.replace(plan, n_personal=n_takes), seed)
        for n_takes in N_KNOWN
    }
    asked = local_windows(own.where(~known[max(N_KNOWN)]), plan)
    found = []
    for way, mounting in WAYS.items():
        test = _turned(asked, mounting)
        calibrated = {
            n_takes: _calibrated(plan, model, _turned(local_windows(own.where(mask), plan), mounting), test)
            for n_takes, mask in known.items()
        }
        uncalibrated = share(decided(plan, model, test), test.labels)
        found.append(Worn(newcomer, seed, way, uncalibrated, calibrated, len(test.labels)))
    return found


def turned(worn: Sequence[Worn]) -> dict[str, Turned]:
    """Return the figures by way; each seed's are the mean over all newcomers' windows."""

    def over_seeds(part: Sequence[Worn], shares: Sequence[float]) -> Spread:
        seeds = sorted({each.seed for each in part})
        chosen = [[index for index, each in enumerate(part) if each.seed == seed] for seed in seeds]
        return spread(
            float(np.average([shares[i] for i in some], weights=[part[i].n_asked for i in some]))
            for some in chosen
        )

    figures = {}
    for way in WAYS:
        part = [each for each in worn if each.way == way and each.n_asked]
        figures[way] = Turned(
            over_seeds(part, [each.uncalibrated for each in part]),
            {n: over_seeds(part, [each.calibrated[n] for each in part]) for n in N_KNOWN},
        )
    return figures


def _calibrated(plan: Plan, model: Model, known: LocalWindows, test: LocalWindows) -> float:
    specification, parameters = model
    scores = family(specification.family).scores
    fit = fit_to_gestures(
        lambda windows: scores(specification, parameters, windows), known.windows, known.labels
    )
    return share(decided(plan, model, _turned(test, fit.mounting)), test.labels)


def _turned(windows: LocalWindows, mounting: Mounting) -> LocalWindows:
    return LocalWindows(mounting.apply(windows.windows), windows.labels, windows.n_unknown)
