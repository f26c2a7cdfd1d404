"""How often probabilities are right: before and after the temperature, of people who are left out in turn.

Each of the recorded people is left out; the others are the clients of a federation, whose rounds run through
the aggregator's own arithmetic. The last model is asked about the one left out, at temperature 1 and its own.

    .venv/bin/python benchmarks/calibration.py --people ../shared/data/utd_mhad_inertial.npz
    .venv/bin/python benchmarks/calibration.py --people ... --fourier 500 --learning-rate 0.1
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from fedmotion.aggregator.aggregation import STRATEGIES, next_basis, next_parameters
from fedmotion.aggregator.strategies.strategy import Update
from fedmotion.host.recording_files import load_recordings
from fedmotion.models import pca_svm as model
from fedmotion.models.calibration import calibration_error, fitted_log_temperature
from fedmotion.models.family import decide
from fedmotion.models.movements import centre_of_energy_us
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import Parameters, Specification, pca_svm
from fedmotion.models.windows import window_at
from fedmotion.protocol.identity import OTHER
from fedmotion.protocol.messages import TrainSettings

TASKS = {
    "2 gestures": ("swipe_left", "swipe_right"),
    "16 gestures": (
        *("arm_cross", "arm_curl", "boxing", "bowling", "catch", "clap", "draw_circle_ccw", "draw_circle_cw"),
        *("draw_triangle", "draw_x", "knock", "push", "swipe_left", "swipe_right", "throw", "wave"),
    ),
}
MIN_PROBABILITY = (0.0, 0.5, 0.7, 0.9)

Data = tuple[NDArray[np.float32], NDArray[np.str_], NDArray[np.str_]]
Home = tuple[NDArray[np.float32], NDArray[np.int64]]
Probabilities = NDArray[np.float64]
Labels = NDArray[np.int64]


def load(path: Path) -> Data:
    """Return each recording's window (n, 96, 6), label and person."""
    specification = pca_svm(("any", OTHER))
    takes = [take for take in load_recordings(path) if len(take.t_us) > 1]
    windows = [
        window_at(specification, take.t_us, take.samples, centre_of_energy_us(take.t_us, take.samples))
        for take in takes
    ]
    labels, people = (np.array(each) for each in zip(*((t.label, t.person) for t in takes), strict=True))
    return np.array(windows, np.float32), labels, people


def federate(
    specification: Specification, homes: dict[str, Home], n_rounds: int, learning_rate: float
) -> Parameters:
    """Return the last round's model of the clients in `homes`."""

    def updates() -> Iterable[Update]:
        for client_id, (windows, _) in sorted(homes.items()):
            yield Update(client_id, len(windows), model.moments(specification, windows).arrays())

    current = next_basis(specification, initial_parameters(specification), updates())
    for round_id in range(1, n_rounds + 1):
        settings = TrainSettings(
            learning_rate=learning_rate, n_epochs=3, batch_size=16, seed=1000 * specification.seed + round_id
        )
        trained = [
            Update(
                client_id,
                len(labels),
                dict(model.train(specification, current, windows, labels, settings).trained),
            )
            for client_id, (windows, labels) in sorted(homes.items())
        ]
        current = next_parameters(specification, current, trained, STRATEGIES["fedavg"])
    return current


def held_out(
    data: Data, gestures: Sequence[str], seed: int, arguments: argparse.Namespace
) -> tuple[Specification, Probabilities, Probabilities, Labels]:
    """Return what models without each person say to that person's windows: before, after, and the truth."""
    windows, names, people = data
    specification = pca_svm(
        (*gestures, OTHER),
        n_components=arguments.components,
        n_fourier=arguments.fourier,
        gamma=arguments.gamma,
        seed=seed,
        is_calibrated=True,
    )
    index = {name: i for i, name in enumerate(specification.activities)}
    labels = np.array([index.get(name, specification.other_index) for name in names.tolist()], np.int64)
    before, after, truth = [], [], []
    for person in np.unique(people):
        homes = {
            str(other): (windows[people == other], labels[people == other])
            for other in np.unique(people)
            if other != person
        }
        parameters = federate(specification, homes, arguments.rounds, arguments.learning_rate)
        plain = {**parameters, "log_temperature": np.zeros(1)}
        own = people == person
        before.append(model.probabilities(specification, plain, windows[own]))
        after.append(model.probabilities(specification, parameters, windows[own]))
        truth.append(labels[own])
    return specification, np.concatenate(before), np.concatenate(after), np.concatenate(truth)


def log_loss(probabilities: Probabilities, labels: Labels) -> float:
    """Return the mean negative logarithm of the truth's probability."""
    return -float(np.log(probabilities[np.arange(len(labels)), labels].clip(1e-12)).mean())


def best_error(probabilities: Probabilities, labels: Labels) -> float:
    """Return the error at the temperature that fits these very windows, which nobody could know before."""
    margins = np.log(probabilities.clip(1e-300))
    tempered = np.exp(margins / np.exp(fitted_log_temperature(margins, labels) or 0.0))
    return calibration_error(tempered / tempered.sum(axis=1, keepdims=True), labels)


def row(
    name: str, seed: int, before: Probabilities, after: Probabilities, truth: Labels, changed: int
) -> str:
    """Return one line of the table."""
    errors = (calibration_error(before, truth), calibration_error(after, truth), best_error(before, truth))
    losses = (log_loss(before, truth), log_loss(after, truth))
    return f"{name:12}{seed:5}" + "".join(f"{figure:9.3f}" for figure in (*errors, *losses)) + f"{changed:9}"


def rejected(
    specification: Specification, probabilities: Probabilities, truth: Labels, least: float
) -> tuple[float, float, float]:
    """Return the shares: of gestures recognised, of others taken for one, and of what is recognised right."""
    decided = decide(msgspec.structs.replace(specification, min_probability=least), probabilities)
    is_gesture = truth != specification.other_index
    is_recognised = decided != specification.other_index
    is_right = decided == truth
    return (
        float(is_right[is_gesture].mean()),
        float(is_recognised[~is_gesture].mean()),
        float(is_right[is_recognised].mean()) if is_recognised.any() else 1.0,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=Path, help="npz file of recordings; without it nothing is measured")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument("--components", type=int, default=25)
    parser.add_argument("--fourier", type=int, default=0, help="random Fourier features; 0 is none")
    parser.add_argument("--gamma", type=float, default=0.15, help="of their kernel")
    arguments = parser.parse_args()
    if arguments.people is None:
        print("calibration is measured on recorded people: --people FILE")
        return
    data = load(arguments.people)
    print(f"{len(data[0])} windows of {len(np.unique(data[2]))} people, each left out in turn")
    print("error: expected calibration error; best: at the temperature that fits the left-out themselves\n")
    print(f"{'':12} seed    error    after     best log loss    after  changed")
    shares: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for task, gestures in TASKS.items():
        for seed in range(arguments.seeds):
            specification, before, after, truth = held_out(data, gestures, seed, arguments)
            changed = int((decide(specification, after) != decide(specification, before)).sum())
            print(row(task, seed, before, after, truth, changed), flush=True)
            for least in MIN_PROBABILITY:
                found = rejected(specification, after, truth, least)
                shares.setdefault((task, least), []).append(found)
    print(f"\n{'':12} min_probability  recognised  false alarms  right of recognised")
    for (task, least), found_each in shares.items():
        recognised, alarms, right = np.mean(found_each, axis=0)
        print(f"{task:12}{least:16.1f}{recognised:12.3f}{alarms:14.3f}{right:21.3f}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
