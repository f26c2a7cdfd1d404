"""Networks in 8 bits beside the same in floating point: how alike they decide, and how large they are.

Five seeds: each leaves out another person, trains on the others, takes the 8 bits' scales from some of that
person's windows and asks both about the rest.

    .venv/bin/python benchmarks/int8.py --people ../shared/data/utd_mhad_inertial.npz
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from fedmotion.aggregator.configuration import LEARNING_RATES
from fedmotion.host.arena import measured_arena
from fedmotion.models import specification as specifications
from fedmotion.models.family import family
from fedmotion.models.int8_header import estimated_arena
from fedmotion.models.int8_input import standardised
from fedmotion.models.int8_network import int8_logits, quantise
from fedmotion.models.networks import NETWORKS
from fedmotion.models.one_place import train_in_one_place
from fedmotion.models.tflite_file import tflite_file
from fedmotion.protocol.identity import OTHER
from fedmotion.protocol.messages import TrainSettings
from fedmotion.simulation.evaluation.movements import load_movements
from fedmotion.simulation.evaluation.plan import Plan

GOAL = 0.97
N_CALIBRATION = 40
N_ROUNDS = 30
SPECIFICATIONS = {"mlp": specifications.mlp, "cnn": specifications.cnn}


def alike(
    name: str,
    gestures: tuple[str, ...],
    windows: NDArray[np.float32],
    labels: NDArray[np.int64],
    held_out: NDArray[np.bool_],
    seed: int,
) -> dict[str, float]:
    """Return shares decided alike and rightly of the person left out, and sizes in bytes."""
    specification = SPECIFICATIONS[name]((*gestures, OTHER), seed=seed)
    settings = TrainSettings(learning_rate=LEARNING_RATES[name], n_epochs=3, batch_size=16, seed=seed)
    specification, parameters = train_in_one_place(
        specification, windows[~held_out], labels[~held_out], settings, N_ROUNDS
    )
    own = np.random.default_rng(seed).permutation(np.flatnonzero(held_out))
    inputs = standardised(windows, parameters["mean"], parameters["scale"])
    network = quantise(NETWORKS[name], parameters, specification.n_classes, inputs[own[:N_CALIBRATION]])
    asked = own[N_CALIBRATION:]
    before = family(name).scores(specification, parameters, windows[asked]).argmax(axis=1)
    after = int8_logits(network, network.input.stored(inputs[asked].astype(np.float64))).argmax(axis=1)
    data = tflite_file(network, name)
    estimated = estimated_arena(NETWORKS[name], specification.n_classes).n_bytes
    return {
        "alike": float((before == after).mean()),
        "float right": float((before == labels[asked]).mean()),
        "int8 right": float((after == labels[asked]).mean()),
        "bytes": len(data),
        "arena": measured_arena(data) or estimated,
    }


def spread(values: Sequence[float]) -> str:
    """Return the mean and from where to where."""
    return f"{np.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def main() -> None:
    """Print a line for each network, and leave with status 1 where the goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=Path, required=True, help="an npz file of recordings")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    movements = load_movements([arguments.people], Plan(gestures=()))
    gestures = movements.activities()
    labels = np.unique(movements.labels, return_inverse=True)[1].astype(np.int64)
    names = movements.names()
    is_reached = True
    for name in NETWORKS:
        with threadpool_limits(1):
            rows = [
                alike(
                    name,
                    gestures,
                    movements.windows,
                    labels,
                    movements.people == names[seed % len(names)],
                    seed,
                )
                for seed in range(arguments.seeds)
            ]
        shares = [row["alike"] for row in rows]
        is_reached &= float(np.mean(shares)) >= GOAL
        graph = files("fedmotion.models").joinpath("artifacts", f"{name}.tflite").read_bytes()
        print(
            f"{name}, {len(gestures)} gestures and other: decided alike {spread(shares)}, goal {GOAL}; right "
            f"in float {spread([row['float right'] for row in rows])}, in 8 bits "
            f"{spread([row['int8 right'] for row in rows])}; {rows[0]['bytes']:.0f} bytes, arena "
            f"{rows[0]['arena']:.0f} bytes; the training graph: {len(graph)} bytes"
        )
    sys.exit(not is_reached)


if __name__ == "__main__":
    main()
