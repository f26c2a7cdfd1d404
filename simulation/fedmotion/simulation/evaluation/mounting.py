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
from fedmotion.simulation.evaluation.rejection import halves
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
    """One newcomer, seed and way to wear the board: shares of the gestures left for asking decided rightly.

    `calibrated` is by how many known takes of each gesture the mounting was fitted to; `other_kept` is the
    share of the other movements that then are decided to be none, None where there are no others.
    """

    newcomer: str
    seed: int
    way: str
    uncalibrated: float
    calibrated: Mapping[int, float]
    n_asked: int
    other_kept: Mapping[int, float] | None


class Turned(msgspec.Struct, frozen=True):
    """One way to wear the board, all newcomers, over seeds; `other_kept` is None where all are gestures."""

    uncalibrated: Spread
    calibrated: dict[int, Spread]
    other_kept: dict[int, Spread] | None


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
    asked, others = halves(plan, local_windows(own.where(~known[max(N_KNOWN)]), plan))
    found = []
    for way, mounting in WAYS.items():
        fitted = {
            n_takes: _fitted(model, _turned(local_windows(own.where(mask), plan), mounting))
            for n_takes, mask in known.items()
        }

        def right(of: LocalWindows, worn: Mounting, calibrated: Mounting = AS_PICTURED) -> float:
            test = _turned(_turned(of, worn), calibrated)
            return share(decided(plan, model, test), test.labels)

        found.append(
            Worn(
                newcomer,
                seed,
                way,
                uncalibrated=right(asked, mounting),
                calibrated={n_takes: right(asked, mounting, fit) for n_takes, fit in fitted.items()},
                n_asked=len(asked.labels),
                other_kept={n_takes: right(others, mounting, fit) for n_takes, fit in fitted.items()}
                if len(others.labels)
                else None,
            )
        )
    return found


def turned(worn: Sequence[Worn]) -> dict[str, Turned]:
    """Return the figures by way; each seed's are the mean over all newcomers, weighted by their gestures."""

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
            {n: over_seeds(part, [each.other_kept[n] for each in part if each.other_kept]) for n in N_KNOWN}
            if all(each.other_kept for each in part)
            else None,
        )
    return figures


def _fitted(model: Model, known: LocalWindows) -> Mounting:
    specification, parameters = model
    scores = family(specification.family).scores
    return fit_to_gestures(
        lambda windows: scores(specification, parameters, windows), known.windows, known.labels
    ).mounting


def _turned(windows: LocalWindows, mounting: Mounting) -> LocalWindows:
    return LocalWindows(mounting.apply(windows.windows), windows.labels, windows.n_unknown)
