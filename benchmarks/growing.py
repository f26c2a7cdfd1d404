"""A set of gestures that grows: what one client teaches all others, and what that costs the gestures before.

Each of the recorded people is left out; the others are the clients of a federation, whose rounds run through
the aggregator's own arithmetic. It learns the gestures of --old; then one client, by turns, records a new one
which nobody else has takes of, the set grows, and rounds go on. The model is asked about the one left out.

    .venv/bin/python benchmarks/growing.py --people ../shared/data/utd_mhad_inertial.npz
    .venv/bin/python benchmarks/growing.py --people ... --absent 0 0.5 1 --start 0 -1

--absent compares how far a client moves the classes that it has no take of: 1 learns from its takes what such
a class is not, 0 leaves it as it was. --start compares the new class's first intercept.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from fedmotion.aggregator.aggregation import STRATEGIES, next_basis, next_parameters
from fedmotion.aggregator.strategies.strategy import Update
from fedmotion.models import pca_svm as model
from fedmotion.models.family import confusion
from fedmotion.models.growth import grown, with_activities
from fedmotion.models.one_place import training_seed
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification, pca_svm
from fedmotion.protocol.identity import OTHER
from fedmotion.protocol.messages import TrainSettings
from fedmotion.simulation.evaluation.movements import Movements, load_movements
from fedmotion.simulation.evaluation.plan import Plan

OLD = ("swipe_left", "swipe_right", "wave", "clap")
NEW = ("draw_circle_cw", "throw")
COLUMNS = ("old right", "new right", "other alarmed", "other as new")


@dataclass(frozen=True, slots=True)
class Way:
    """How a lineage goes on: how far absent classes move, and where a new one starts."""

    absent: float
    start: float


class Homes:
    """The clients of one federation: their windows, of which only the teacher's hold the new gesture."""

    def __init__(self, movements: Movements, newcomer: str, teacher: str, new: str) -> None:
        self._new = new
        is_kept = (movements.labels != new) | (movements.people == teacher)
        clients = movements.where(is_kept & (movements.people != newcomer))
        self.by_client = {name: clients.of(name) for name in clients.names()}

    def local(self, specification: Specification) -> dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Return each client's windows and labels; a gesture that is not known has no place."""
        return {name: labelled(specification, home, self._new) for name, home in self.by_client.items()}


def labelled(
    specification: Specification, home: Movements, new: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return windows and labels; what is none of the activities is `other`, but for `new`."""
    index = {name: i for i, name in enumerate(specification.activities)}
    has_place = np.array([name in index or name != new for name in home.labels.tolist()], np.bool_)
    kept = home.where(has_place)
    labels = [index.get(name, specification.other_index) for name in kept.labels.tolist()]
    return kept.windows, np.array(labels, np.int64)


def first_basis(specification: Specification, homes: Homes) -> Parameters:
    """Return the model after the statistics round."""

    def updates() -> Iterable[Update]:
        for client_id, (windows, _) in sorted(homes.local(specification).items()):
            yield Update(client_id, len(windows), model.moments(specification, windows).arrays())

    return next_basis(specification, initial_parameters(specification), updates())


def rounds(
    specification: Specification,
    current: Parameters,
    homes: Homes,
    round_ids: range,
    seed: int,
    absent: float,
) -> Parameters:
    """Return the model after these train rounds."""
    local = sorted(homes.local(specification).items())
    for round_id in round_ids:
        updates = [
            Update(
                client_id,
                len(labels),
                trained(
                    specification, current, windows, labels, training_seed(seed, round_id, client_id), absent
                ),
            )
            for client_id, (windows, labels) in local
        ]
        current = next_parameters(specification, current, updates, STRATEGIES["fedavg"])
    return current


def trained(
    specification: Specification,
    current: Parameters,
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int,
    absent: float,
) -> Parameters:
    """Return one client's update, classes that it has no window of moved by the share `absent`."""
    settings = TrainSettings(learning_rate=0.02, n_epochs=3, batch_size=16, seed=seed, absent_share=absent)
    return dict(model.train(specification, current, windows, labels, settings).trained)


def asked(
    specification: Specification, parameters: Parameters, newcomer: Movements, new: str
) -> NDArray[np.float64]:
    """Return the figures of COLUMNS for one model; nan for the new gesture where it is not known."""
    windows, labels = labelled(specification, newcomer, new)
    counts = confusion(model, specification, parameters, windows, labels)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    index = {name: i for i, name in enumerate(specification.activities)}
    old = [shares[index[name], index[name]] for name in OLD]
    other = shares[index[OTHER]]
    is_known = new in index
    return np.array(
        [
            float(np.mean(old)),
            shares[index[new], index[new]] if is_known else np.nan,
            1.0 - other[index[OTHER]],
            other[index[new]] if is_known else np.nan,
        ]
    )


def one_case(
    movements: Movements, newcomer: str, teacher: str, new: str, seed: int, n_rounds: int, ways: Sequence[Way]
) -> dict[str, NDArray[np.float64]]:
    """Return the figures of all models of one federation."""
    homes = Homes(movements, newcomer, teacher, new)
    person = movements.of(newcomer)
    before = pca_svm((*OLD, OTHER), seed=seed)
    larger = with_activities(before, (*before.activities, new))
    early, late, whole = (
        range(2, 2 + n_rounds),
        range(2 + n_rounds, 2 + 2 * n_rounds),
        range(2, 2 + 2 * n_rounds),
    )
    known = rounds(before, first_basis(before, homes), homes, early, seed, 1.0)
    longer = rounds(before, known, homes, late, seed, 1.0)
    figures = {
        "before": asked(before, known, person, new),
        "not grown, as many rounds more": asked(before, longer, person, new),
    }
    for way in ways:
        start = grown(before, known, larger)
        start["intercept"][-1] = way.start
        after = rounds(larger, start, homes, late, seed, way.absent)
        figures[f"grown, absent {way.absent:g}, start {way.start:g}"] = asked(larger, after, person, new)
    scratch = rounds(larger, first_basis(larger, homes), homes, whole, seed, 1.0)
    figures["from scratch"] = asked(larger, scratch, person, new)
    pooled = Homes(movements, newcomer, teacher, new)
    everybody = movements.where(
        np.isin(movements.people, list(pooled.by_client))
        & ((movements.labels != new) | (movements.people == teacher))
    )
    pooled.by_client = {"pooled": everybody}
    one = rounds(larger, first_basis(larger, pooled), pooled, whole, seed, 1.0)
    figures["pooled"] = asked(larger, one, person, new)
    return figures


def taught_by(people: Sequence[str], seed: int) -> Iterator[tuple[str, str]]:
    """Yield each person who is left out, and who teaches the new gesture then."""
    for position, newcomer in enumerate(people):
        others = [each for each in people if each != newcomer]
        yield newcomer, others[(seed + position) % len(others)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=Path, help="npz file of recordings; without it nothing is measured")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=12, help="before, and again after the set has grown")
    parser.add_argument("--absent", type=float, nargs="+", default=[0.25])
    parser.add_argument("--start", type=float, nargs="+", default=[-1.0])
    parser.add_argument("--new", nargs="+", default=list(NEW))
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.people is None:
        print("growing is measured on recorded people: --people FILE")
        return
    movements = load_movements([arguments.people], Plan(gestures=(*OLD, *NEW)))
    people = movements.names()
    ways = [Way(absent, start) for absent, start in product(arguments.absent, arguments.start)]
    print(f"{len(movements)} windows of {len(people)} people, each left out in turn; old: {', '.join(OLD)}")
    print(f"new, by turns, of one client alone: {', '.join(arguments.new)}; {arguments.seeds} seeds\n")
    found: dict[str, list[list[NDArray[np.float64]]]] = {}
    with ProcessPoolExecutor(arguments.jobs, initializer=threadpool_limits, initargs=(1,)) as pool:
        for seed in range(arguments.seeds):
            cases = [
                pool.submit(one_case, movements, newcomer, teacher, new, seed, arguments.rounds, ways)
                for newcomer, teacher in taught_by(people, seed)
                for new in arguments.new
            ]
            results = [case.result() for case in cases]
            for name in results[0]:
                found.setdefault(name, []).append([figures[name] for figures in results])
            print(f"seed {seed} done", flush=True)
    print(f"\n{'':36}" + "".join(f"{column:>22}" for column in COLUMNS))
    for name, seeds in found.items():
        means = np.mean(np.array(seeds), axis=1)
        cells = (
            f"{mean:12.3f} ({low:.2f}-{high:.2f})"
            for mean, low, high in zip(means.mean(0), means.min(0), means.max(0), strict=True)
        )
        print(f"{name:36}" + "".join(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    main()
