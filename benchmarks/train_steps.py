"""What a training step costs: the shipped graphs in the TFLite runtime, beside other libraries.

    python benchmarks/train_steps.py --people ../shared/data/utd_mhad_inertial.npz

All peers train the same network on the same batches of 16 windows of real movements from the same start, by
plain stochastic gradient descent, in one process and one thread, in turns, five times over. Printed are steps
a second of the processor's time, and how far the arrays are from NumPy's in float64 after 50 steps.
scikit-learn's MLP has a start of its own. PyTorch is measured where it is installed: pip install torch, in an
environment of its own.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedmotion.models import network_family
from fedmotion.models.networks import N_OUTPUTS, NETWORKS, Convolution, initial_arrays
from fedmotion.models.parameters import initial_parameters
from fedmotion.models.specification import cnn
from fedmotion.models.statistics import basis
from fedmotion.models.tflite_door import graph
from fedmotion.simulation.evaluation.movements import load_movements
from fedmotion.simulation.evaluation.plan import Plan

sys.path.append(str(Path(__file__).parents[1] / "tests" / "models"))
from numpy_network import Batch, NumpyNetwork

BATCH = 16
LEARNING_RATE = 0.05
N_REPEATS = 5
SECONDS = 1.0
N_COMPARED = 50

Arrays = dict[str, NDArray[np.float32]]
Step = Callable[[int], object]


@dataclass(frozen=True)
class Data:
    """Standardised windows, float32 (n, 96, 6), and labels, int64 (n,), in an order of chance."""

    windows: NDArray[np.float32]
    labels: NDArray[np.int64]

    def batch(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return one of the batches, again and again."""
        first = index % (len(self.labels) // BATCH) * BATCH
        return self.windows[first : first + BATCH], self.labels[first : first + BATCH]


@dataclass(frozen=True)
class Peer:
    """Who trains: `begin` starts anew and returns what takes a step; `arrays` are those of now, if known."""

    name: str
    begin: Callable[[], Step]
    arrays: Callable[[], Arrays] | None


def tflite(name: str, start: Arrays, data: Data) -> Peer:
    """Return the graph behind the door that agents use, all its checks included."""
    network = graph(name)
    mask, ones = np.ones(N_OUTPUTS, np.float32), np.ones(BATCH, np.float32)

    def begin() -> Step:
        network.begin(start)

        def step(index: int) -> object:
            windows, labels = data.batch(index)
            return network.step(windows, labels.astype(np.int32), ones, mask, learning_rate=LEARNING_RATE)

        return step

    return Peer("TFLite runtime, as agents call it", begin, network.arrays)


def tflite_bare(name: str, start: Arrays, data: Data) -> Peer:
    """Return the same graph without the door's checks."""
    network = graph(name)
    runner = network._run["train_free"]
    mask, ones = np.ones(N_OUTPUTS, np.float32), np.ones(BATCH, np.float32)
    rate, momentum, clip = (np.array([each], np.float32) for each in (LEARNING_RATE, 0.0, 1e6))

    def begin() -> Step:
        network.begin(start)

        def step(index: int) -> object:
            windows, labels = data.batch(index)
            return runner(
                windows=windows,
                labels=labels.astype(np.int32),
                weights=ones,
                class_mask=mask,
                learning_rate=rate,
                momentum=momentum,
                clip_norm=clip,
            )

        return step

    return Peer("TFLite runtime alone", begin, network.arrays)


def in_numpy(name: str, start: Arrays, data: Data, dtype: type) -> Peer:
    """Return the tests' NumPy, in float32 or float64."""
    trained: list[NumpyNetwork] = []

    def begin() -> Step:
        network = NumpyNetwork(NETWORKS[name], {key: array.astype(dtype) for key, array in start.items()})
        trained[:] = [network]
        ones: NDArray[Any] = np.ones(BATCH, dtype)
        has_part = np.ones(N_OUTPUTS, bool)

        def step(index: int) -> object:
            windows, labels = data.batch(index)
            batch = Batch(windows.astype(dtype), labels, ones, has_part)
            return network.step(batch, learning_rate=LEARNING_RATE)

        return step

    return Peer(f"NumPy, {np.dtype(dtype)}", begin, lambda: dict(trained[0].arrays))  # type: ignore[arg-type]


def in_torch(name: str, start: Arrays, data: Data) -> Peer | None:
    """Return the network in PyTorch, one thread; None where it is not installed."""
    try:
        import torch  # noqa: PLC0415 - where it is installed
    except ImportError:
        return None
    torch.set_num_threads(1)
    layers = NETWORKS[name].layers
    arrays: dict[str, Any] = {}

    def forward(values: Any) -> Any:
        for layer in layers:
            kernel, bias = arrays[f"{layer.name}_kernel"], arrays[f"{layer.name}_bias"]
            if isinstance(layer, Convolution):
                # Our kernels are (width x channels, out), theirs (out, channels, width).
                theirs = kernel.reshape(layer.width, -1, layer.n_channels).permute(2, 1, 0)
                values = torch.relu(torch.nn.functional.conv1d(values, theirs, bias, padding="same"))
                values = torch.nn.functional.avg_pool1d(values, layer.pool)
            else:
                values = values.permute(0, 2, 1).flatten(1) if values.dim() == 3 else values
                values = values @ kernel + bias
                values = torch.relu(values) if layer.is_rectified else values
        return values

    def begin() -> Step:
        arrays.update({key: torch.tensor(array, requires_grad=True) for key, array in start.items()})
        optimiser = torch.optim.SGD(list(arrays.values()), lr=LEARNING_RATE)

        def step(index: int) -> object:
            windows, labels = data.batch(index)
            optimiser.zero_grad()
            logits = forward(torch.from_numpy(windows).permute(0, 2, 1))
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
            loss.backward()
            optimiser.step()
            return loss.item()

        return step

    def now() -> Arrays:
        return {key: array.detach().numpy() for key, array in arrays.items()}

    return Peer(f"PyTorch {torch.__version__}", begin, now)


def in_scikit_learn(name: str, data: Data) -> Peer | None:
    """Return scikit-learn's MLP of the same hidden layers; it has no convolutions."""
    if name != "mlp":
        return None
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - heavy

    def begin() -> Step:
        model = MLPClassifier(
            (64, 32), solver="sgd", momentum=0.0, alpha=0.0, learning_rate_init=LEARNING_RATE, random_state=0
        )
        classes = np.arange(N_OUTPUTS)

        def step(index: int) -> object:
            windows, labels = data.batch(index)
            return model.partial_fit(windows.reshape(BATCH, -1), labels, classes=classes)

        return step

    return Peer("scikit-learn, MLPClassifier.partial_fit", begin, None)


def real_movements(path: Path) -> Data:
    """Return everybody's windows, standardised as a federation does, in an order of chance."""
    movements = load_movements((path,), Plan(gestures=()))
    activities = movements.activities()
    specification = cnn(("any", "other"))
    parameters = initial_parameters(specification)
    parameters |= basis(specification, network_family.moments(specification, movements.windows))
    order = np.random.default_rng(0).permutation(len(movements))
    windows = (movements.windows[order] - parameters["mean"]) / parameters["scale"]
    labels = np.array([activities.index(str(label)) for label in movements.labels], np.int64)
    return Data(windows.astype(np.float32), labels[order])


def steps_per_second(step: Step) -> float:
    """Return how many steps a second of this thread's processor time takes."""
    for index in range(20):
        step(index)
    n_steps, start_s = 0, time.process_time()
    while (spent_s := time.process_time() - start_s) < SECONDS:
        step(n_steps)
        n_steps += 1
    return n_steps / spent_s


def compare(name: str, data: Data) -> None:
    """Measure all peers in turns and print a table."""
    start = initial_arrays(NETWORKS[name], 1)
    everybody = [
        tflite(name, start, data),
        tflite_bare(name, start, data),
        in_numpy(name, start, data, np.float32),
        in_numpy(name, start, data, np.float64),
        in_torch(name, start, data),
        in_scikit_learn(name, data),
    ]
    peers = [peer for peer in everybody if peer is not None]
    measured: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for _ in range(N_REPEATS):
        for peer in peers:
            measured[peer.name].append(steps_per_second(peer.begin()))
    arrays = {peer.name: after_steps(peer) for peer in peers if peer.arrays is not None}
    exact = arrays["NumPy, float64"]
    n_parameters = sum(array.size for array in start.values())
    print(f"\n{name}, {n_parameters} parameters, batches of {BATCH}")
    print(f"{'':<42}{'steps/CPU-s':>12}{'from, to':>18}{'furthest array':>16}")
    for peer in peers:
        rates = measured[peer.name]
        spread = f"{min(rates):,.0f}, {max(rates):,.0f}"
        away = ""
        if peer.name in arrays:
            away = f"{max(float(np.abs(arrays[peer.name][key] - exact[key]).max()) for key in exact):.1e}"
        print(f"{peer.name:<42}{statistics.median(rates):>12,.0f}{spread:>18}{away:>16}")


def after_steps(peer: Peer) -> Arrays:
    """Return the arrays after the first steps."""
    step = peer.begin()
    for index in range(N_COMPARED):
        step(index)
    assert peer.arrays is not None
    return {key: np.array(array) for key, array in peer.arrays().items()}


def main() -> None:
    """Measure both networks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=Path, default=Path("../shared/data/utd_mhad_inertial.npz"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # scikit-learn's of a training that goes on
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f} before, one thread each")
    data = real_movements(arguments.people)
    for name in NETWORKS:
        compare(name, data)
    if in_torch("mlp", {}, data) is None:
        print("\npeer: PyTorch is not installed: pip install torch, best in an environment of its own")
    print(f"load average {os.getloadavg()[0]:.2f} after")


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
