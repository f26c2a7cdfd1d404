"""What federating a network costs, beside the same motion in one place: pooled, by person, and classes split.

    .venv/bin/python benchmarks/networks.py --people ../shared/data/utd_mhad_inertial.npz --model cnn

Each person in turn is left out; the others are the clients, or their classes are dealt to as many. Every seed
pools and federates the same people with the same settings, so differences are paired. Two columns of what one
client sends and receives in all. `fedmotion evaluate --model cnn` says more, and takes ten times as long.
"""

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fedmotion.simulation.evaluation.federation import federate
from fedmotion.simulation.evaluation.homes import deal, local_windows, trained_on
from fedmotion.simulation.evaluation.movements import Movements, load_movements
from fedmotion.simulation.evaluation.plan import Plan
from fedmotion.simulation.evaluation.run import complete
from fedmotion.simulation.evaluation.training import decided, pooled, share


@dataclass(frozen=True)
class Result:
    """The mean over newcomers of what is decided rightly, and the bytes of one client."""

    pooled: float
    by_person: float
    by_classes: float
    n_bytes_up: int
    n_bytes_down: int


def one_seed(movements: Movements, plan: Plan, seed: int) -> Result:
    """Return what comes of one seed, all newcomers in turn."""
    right: dict[str, list[float]] = {"pooled": [], "people": [], "classes": []}
    n_bytes_up = n_bytes_down = 0
    for newcomer in plan.newcomers:
        known = trained_on(movements, plan)
        test = local_windows(known.of(newcomer), plan)
        others = known.where(known.people != newcomer)
        homes = deal(others, plan, seed)
        specification, by_round = pooled(plan, homes, seed)
        right["pooled"].append(share(decided(plan, (specification, by_round[-1]), test), test.labels))
        for split in ("people", "classes"):
            split_plan = msgspec.structs.replace(plan, split=split)
            homes = deal(others, split_plan, seed)
            federated = federate(split_plan.configuration(seed), homes, plan.n_rounds)
            model = federated.specification, federated.by_round[-1]
            right[split].append(share(decided(split_plan, model, test), test.labels))
            n_bytes_up, n_bytes_down = (
                each // len(homes) for each in (federated.n_bytes_up, federated.n_bytes_down)
            )
    means = {name: statistics.fmean(values) for name, values in right.items()}
    return Result(means["pooled"], means["people"], means["classes"], n_bytes_up, n_bytes_down)


def main() -> None:
    """Measure and print a row a seed, then the means and their spread."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=Path, default=Path("../shared/data/utd_mhad_inertial.npz"))
    parser.add_argument("--model", choices=["pca_svm", "mlp", "cnn"], default="cnn")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    plan = Plan(gestures=(), model=arguments.model, n_rounds=arguments.rounds)
    movements = load_movements((arguments.people,), plan)
    plan = complete(plan, movements)
    print(
        f"{plan.model}, {len(plan.gestures)} gestures, {len(plan.newcomers)} newcomers, "
        f"{plan.n_rounds} rounds"
    )
    print(
        f"{'':<8}{'pooled':>10}{'by person':>12}{'classes split':>16}{'MB up':>8}{'MB down':>9}{'CPU-s':>8}"
    )
    results = []
    for seed in range(arguments.seeds):
        start_s = time.process_time()
        result = one_seed(movements, plan, seed)
        results.append(result)
        print(
            f"seed {seed:<3}{result.pooled:>10.3f}{result.by_person:>12.3f}{result.by_classes:>16.3f}"
            f"{result.n_bytes_up / 1e6:>8.2f}{result.n_bytes_down / 1e6:>9.2f}"
            f"{time.process_time() - start_s:>8.0f}",
            flush=True,
        )
    for name, values in {
        "pooled": [each.pooled for each in results],
        "by person": [each.by_person for each in results],
        "classes split": [each.by_classes for each in results],
        "by person - pooled": [each.by_person - each.pooled for each in results],
        "classes split - pooled": [each.by_classes - each.pooled for each in results],
    }.items():
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        print(
            f"{name:<24}{statistics.fmean(values):+.3f} ± {sd:.3f}, {min(values):+.3f} to {max(values):+.3f}"
        )


if __name__ == "__main__":
    main()
