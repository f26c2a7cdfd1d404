"""The shipped graphs: what they compute against NumPy in float64, and what the runtime does with them."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from numpy_network import Batch, NumpyNetwork

from fedmotion.models import tflite_door
from fedmotion.models.networks import N_OUTPUTS, NETWORKS, initial_arrays, logits
from fedmotion.models.tflite_door import Graph, artefact, open_graph

ARTIFACTS = Path(tflite_door.__file__).parent / "artifacts"
NAMES = tuple(NETWORKS)
MASK = np.array([1, 0, 1, 1, 1] + [0] * 27, np.float32)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(name: str) -> Graph:
    return open_graph(name, artefact(name))


def some_arrays(name: str, seed: int = 3) -> dict[str, NDArray[np.float32]]:
    """Initial arrays with a last layer that is not zero, so that every gradient is there from the start."""
    arrays = initial_arrays(NETWORKS[name], seed)
    rng = np.random.default_rng(seed)
    for part in ("head_kernel", "head_bias"):
        arrays[part] = rng.normal(scale=0.1, size=arrays[part].shape).astype(np.float32)
    return arrays


def batches(n: int, sizes: tuple[int, ...] = (16,), seed: int = 1) -> list[Batch]:
    rng = np.random.default_rng(seed)
    made = []
    for index in range(n):
        size = sizes[index % len(sizes)]
        windows = rng.normal(size=(size, 96, 6)).astype(np.float32).astype(np.float64)
        labels = rng.choice([0, 2, 3, 4], size)
        weights = rng.uniform(0.5, 1.5, size).astype(np.float32).astype(np.float64)
        made.append(Batch(windows, labels, weights, MASK > 0))
    return made


def step(graph: Graph, batch: Batch, **settings: float) -> float:
    return graph.step(
        batch.windows.astype(np.float32),
        batch.labels.astype(np.int32),
        batch.weights.astype(np.float32),
        MASK,
        **{"learning_rate": 0.05, **settings},
    )


def doubled(arrays: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float64]]:
    return {part: array.astype(np.float64) for part, array in arrays.items()}


def largest_difference(a: dict[str, Any], b: dict[str, Any]) -> float:
    return max(float(np.abs(a[part] - b[part]).max()) for part in a)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"momentum": 0.9, "learning_rate": 0.003},
        {"proximal_mu": 2.0},
        {"clip_norm": 0.3},
        {"proximal_mu": 2.0, "momentum": 0.5, "body_rate": 0.25, "clip_norm": 0.3},
    ],
    ids=str,
)
def test_fifty_steps_are_those_of_numpy_in_float64(name: str, settings: dict[str, float]) -> None:
    graph, arrays = opened(name), some_arrays(name)
    ours = NumpyNetwork(NETWORKS[name], doubled(arrays))
    graph.begin(arrays)
    for batch in batches(50, sizes=(16, 7, 1)):
        loss = step(graph, batch, **settings)
        alike: dict[str, Any] = {"learning_rate": 0.05, **settings}
        assert loss == pytest.approx(ours.step(batch, **alike), abs=1e-4)
    assert largest_difference(graph.arrays(), ours.arrays) < 3e-5


def test_an_offset_is_added_to_each_gradient_and_gone_with_the_next_start(name: str) -> None:
    graph, arrays = opened(name), some_arrays(name)
    rng = np.random.default_rng(2)
    offset = {
        part: rng.normal(scale=0.01, size=array.shape).astype(np.float32) for part, array in arrays.items()
    }
    ours = NumpyNetwork(NETWORKS[name], doubled(arrays))
    graph.begin(arrays, offset)
    for batch in batches(10):
        step(graph, batch)
        ours.step(batch, learning_rate=0.05, offset=doubled(offset))
    assert largest_difference(graph.arrays(), ours.arrays) < 1e-5
    graph.begin(arrays)
    plain = NumpyNetwork(NETWORKS[name], doubled(arrays))
    step(graph, batches(1)[0])
    plain.step(batches(1)[0], learning_rate=0.05)
    assert largest_difference(graph.arrays(), plain.arrays) < 1e-5


def test_nothing_moves_on_from_before_a_start(name: str) -> None:
    graph, arrays = opened(name), some_arrays(name)
    runs = []
    for _ in range(2):
        graph.begin(arrays)
        for batch in batches(3):
            step(graph, batch, momentum=0.9)
        runs.append(graph.arrays())
    assert all(runs[0][part].tobytes() == runs[1][part].tobytes() for part in arrays)


def test_a_step_without_pull_and_offset_has_the_bits_of_one_with_none_of_them(name: str) -> None:
    graph, arrays = opened(name), some_arrays(name)
    graph.begin(arrays)
    for batch in batches(20):
        step(graph, batch, momentum=0.9)
    free = graph.arrays()
    graph.begin(arrays, {part: np.zeros_like(array) for part, array in arrays.items()})
    for batch in batches(20):
        step(graph, batch, momentum=0.9)
    assert all(graph.arrays()[part].tobytes() == free[part].tobytes() for part in arrays)


def test_a_body_rate_of_zero_trains_the_last_layer_alone(name: str) -> None:
    graph, arrays = opened(name), some_arrays(name)
    graph.begin(arrays)
    for batch in batches(5):
        step(graph, batch, momentum=0.9, body_rate=0.0)
    after = graph.arrays()
    moved = {part for part in arrays if after[part].tobytes() != arrays[part].tobytes()}
    assert moved == {"head_kernel", "head_bias"}


def test_outputs_without_a_part_neither_move_nor_count(name: str) -> None:
    graph, arrays = opened(name), some_arrays(name)
    graph.begin(arrays)
    loud = {**arrays, "head_bias": np.where(MASK > 0, arrays["head_bias"], np.float32(1000))}
    losses = []
    for start in (arrays, loud):
        graph.begin(start)
        losses.append([step(graph, batch) for batch in batches(3)])
        after = graph.arrays()
        assert (after["head_bias"][MASK == 0] == start["head_bias"][MASK == 0]).all()
        assert (after["head_kernel"][:, MASK == 0] == start["head_kernel"][:, MASK == 0]).all()
    assert losses[0] == losses[1]


def test_what_the_runtime_infers_numpy_computes(name: str) -> None:
    graph, arrays = opened(name), some_arrays(name)
    graph.begin(arrays)
    for n_windows in (1, 5, 64):
        windows = np.random.default_rng(n_windows).normal(size=(n_windows, 96, 6)).astype(np.float32)
        inferred = graph.logits(windows)
        assert (inferred.shape, inferred.dtype.name) == ((n_windows, N_OUTPUTS), "float32")
        ours = logits(NETWORKS[name], doubled(arrays), windows.astype(np.float64))
        np.testing.assert_allclose(inferred, ours, atol=1e-5)


def test_a_set_before_anything_else_is_kept(name: str) -> None:
    # A runtime runs the initialisation once, at its first call: it must not undo what that call sets.
    graph, arrays = opened(name), some_arrays(name)
    graph.begin(arrays)
    assert largest_difference(graph.arrays(), arrays) == 0.0


def test_no_input_or_output_lacks_an_axis(name: str) -> None:
    # A tensor without axes ends the process in the runtime for 64-bit ARM.
    runners = opened(name)._run
    assert set(runners) == {
        "train", "train_free", "infer", "get", "set", "set_anchor", "set_gradient_offset"
    }  # fmt: skip
    for runner in runners.values():
        details: Any = runner
        for tensors in (details.get_input_details(), details.get_output_details()):
            for tensor in tensors.values():
                assert len(tensor["shape_signature"]) >= 1
    train: Any = runners["train"]
    inputs = {part: tensor["shape_signature"].tolist() for part, tensor in train.get_input_details().items()}
    assert inputs == {
        "windows": [-1, 96, 6],
        "labels": [-1],
        "weights": [-1],
        "class_mask": [32],
        "learning_rate": [1],
        "momentum": [1],
        "clip_norm": [1],
        "proximal_mu": [1],
        "body_rate": [1],
    }


# Run in a process of its own, as what it tries would spoil the memory of this one.
WRONG_SIZES = """
import sys
import numpy as np
from fedmotion.models.networks import NETWORKS, initial_arrays
from fedmotion.models.tflite_door import artefact, open_graph
name, signature = sys.argv[1:]
graph = open_graph(name, artefact(name))
arrays = initial_arrays(NETWORKS[name], 1)
graph.begin(arrays)
for part, array in arrays.items():
    for shape in [tuple(2 * n for n in array.shape), tuple(n - 1 for n in array.shape)]:
        try:
            graph._run[signature](**{**arrays, part: np.zeros(shape, np.float32)})
        except (RuntimeError, ValueError):
            continue
        print("taken:", part, shape)
print("done")
"""


@pytest.mark.parametrize("signature", ["set", "set_anchor", "set_gradient_offset"])
def test_the_graph_itself_refuses_arrays_of_another_size(name: str, signature: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRONG_SIZES, name, signature], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


LONG = """
import sys
import numpy as np
from pathlib import Path
from fedmotion.models.networks import NETWORKS, initial_arrays
from fedmotion.models.tflite_door import graph
def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
name, n_steps = sys.argv[1], int(sys.argv[2])
opened = graph(name)
rng = np.random.default_rng(1)
mask = np.ones(32, np.float32)
def train(n):
    for index in range(n):
        size = (16, 5)[index % 2]
        opened.step(rng.normal(size=(size, 96, 6)).astype(np.float32), np.zeros(size, np.int32),
                    np.ones(size, np.float32), mask, learning_rate=0.01, momentum=0.9)
opened.begin(initial_arrays(NETWORKS[name], 1))
train(200)
before = resident_bytes()
train(n_steps)
print((resident_bytes() - before) // 1024, before // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(("name", "n_steps"), [("mlp", 4_000), ("cnn", 1_500)])
def test_memory_stays_flat_and_small_however_long_it_trains(name: str, n_steps: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LONG, name, str(n_steps)], capture_output=True, text=True, check=True
    )
    growth_kib, resident_kib = map(int, done.stdout.split())
    assert growth_kib < 1024
    assert resident_kib < 64 * 1024


def test_each_graph_has_its_hash_and_a_card_that_says_what_it_is(name: str) -> None:
    data = artefact(name)
    digest = hashlib.sha256(data).hexdigest()
    assert (ARTIFACTS / f"{name}.sha256").read_text("ascii") == f"{digest}  {name}.tflite\n"
    card = (ARTIFACTS / f"{name}.md").read_text("utf-8")
    n_parameters = sum(int(np.prod(shape)) for shape in NETWORKS[name].shapes().values())
    assert f"| SHA-256 | `{digest}` |" in card
    assert f"| size | {len(data):,} bytes |" in card
    assert f"| parameters | {n_parameters:,} |" in card
    for part, shape in NETWORKS[name].shapes().items():
        assert f"| `{part}` | {json.dumps(shape)} |" in card
