"""What the door to the TFLite runtime refuses: each would end the process or spoil a model unseen."""

import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedmotion.models import tflite_door
from fedmotion.models.family import RuntimeMissingError
from fedmotion.models.networks import NETWORKS, initial_arrays
from fedmotion.models.tflite_door import Graph, artefact, graph, open_graph

ARRAYS = initial_arrays(NETWORKS["cnn"], 1)
N = 5


@pytest.fixture(scope="module")
def opened() -> Graph:
    return open_graph("cnn", artefact("cnn"))


def batch(**changes: NDArray[Any]) -> dict[str, Any]:
    good: dict[str, NDArray[Any]] = {
        "windows": np.random.default_rng(1).normal(size=(N, 96, 6)).astype(np.float32),
        "labels": np.arange(N, dtype=np.int32) % 3,
        "weights": np.ones(N, np.float32),
        "class_mask": np.array([1, 1, 1] + [0] * 29, np.float32),
    }
    return good | changes


def test_a_gradient_is_shortened_to_more_than_nothing(opened: Graph) -> None:
    opened.begin(ARRAYS)
    with pytest.raises(ValueError, match="clip_norm is above 0, got 0"):
        opened.step(**batch(), learning_rate=0.1, clip_norm=0)


def spoiled(array: NDArray[np.float32], what: float) -> NDArray[np.float32]:
    array = array.copy()
    array[(0,) * array.ndim] = what
    return array


GOOD = batch()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"windows": GOOD["windows"][:, :95]}, r"windows: of shape \(5, 96, 6\), got \(5, 95, 6\)"),
        ({"windows": GOOD["windows"][0]}, r"windows: of shape \(96, 96, 6\), got \(96, 6\)"),
        ({"windows": np.float32(3)}, "windows: of float32, got float32|windows: of shape"),
        ({"windows": GOOD["windows"][:0]}, "windows are one or more, got none"),
        ({"windows": GOOD["windows"].astype(np.float64)}, "windows: of float32, got float64"),
        ({"windows": GOOD["windows"].astype(np.int16)}, "windows: of float32, got int16"),
        ({"windows": GOOD["windows"].astype(">f4")}, "windows: of float32, got >f4"),
        ({"windows": spoiled(GOOD["windows"], np.nan)}, "windows: finite, got NaN or infinity"),
        ({"windows": spoiled(GOOD["windows"], np.inf)}, "windows: finite, got NaN or infinity"),
        ({"labels": GOOD["labels"][:4]}, r"labels: of shape \(5,\), got \(4,\)"),
        ({"labels": GOOD["labels"].astype(np.int64)}, "labels: of int32, got int64"),
        ({"labels": GOOD["labels"] + np.int32(30)}, "labels are 0 to 31, got 30 to 32"),
        ({"labels": GOOD["labels"] - np.int32(1)}, "labels are 0 to 31, got -1 to 1"),
        ({"labels": GOOD["labels"] + np.int32(1)}, "got one that class_mask leaves out"),
        ({"weights": GOOD["weights"][:, None]}, r"weights: of shape \(5,\), got \(5, 1\)"),
        ({"weights": spoiled(GOOD["weights"], np.nan)}, "weights: finite, got NaN or infinity"),
        ({"class_mask": GOOD["class_mask"][:31]}, r"class_mask: of shape \(32,\), got \(31,\)"),
    ],
)
def test_a_batch_that_is_none_is_refused_before_the_runtime_sees_it(
    opened: Graph, changes: dict[str, Any], sentence: str
) -> None:
    opened.begin(ARRAYS)
    with pytest.raises(ValueError, match=sentence):
        opened.step(**batch(**changes), learning_rate=0.1)
    after = opened.arrays()
    assert all(after[name].tobytes() == ARRAYS[name].tobytes() for name in ARRAYS)


@pytest.mark.parametrize("name", ["learning_rate", "momentum", "clip_norm", "proximal_mu", "body_rate"])
@pytest.mark.parametrize("number", [-0.1, float("nan"), float("inf")])
def test_settings_are_finite_and_not_negative(opened: Graph, name: str, number: float) -> None:
    opened.begin(ARRAYS)
    settings: dict[str, Any] = {"learning_rate": 0.1, name: number}
    with pytest.raises(ValueError, match=f"{name} is finite and not negative, got {number}"):
        opened.step(**batch(), **settings)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: {k: v for k, v in a.items() if k != "head_bias"}, "the arrays of cnn are conv1_kernel"),
        (lambda a: {**a, "more": a["head_bias"]}, "got .*more"),
        (
            lambda a: {**a, "head_bias": a["head_bias"][:31]},
            r"array 'head_bias': of shape \(32,\), got \(31,\)",
        ),
        (lambda a: {**a, "head_bias": np.zeros(64, np.float32)}, r"of shape \(32,\), got \(64,\)"),
        (lambda a: {**a, "head_bias": a["head_bias"].astype(np.float64)}, "of float32, got float64"),
        (lambda a: {**a, "head_bias": spoiled(a["head_bias"], np.nan)}, "array 'head_bias': finite"),
        (lambda a: {**a, "head_bias": [0.0] * 32}, "of float32, got list"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_as_a_start_and_as_an_offset(
    opened: Graph, change: Callable[[dict[str, Any]], dict[str, Any]], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        opened.begin(change(ARRAYS))
    with pytest.raises(ValueError, match=sentence):
        opened.begin(ARRAYS, change(ARRAYS))


def in_a_thread(work: Callable[[], Any]) -> Any:
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(work())
        except ValueError as error:
            answers.put(error)

    thread = threading.Thread(target=run, name="another")
    thread.start()
    thread.join(30)
    return answers.get(timeout=1)


def test_a_call_from_another_thread_is_refused_whatever_it_is(opened: Graph) -> None:
    opened.begin(ARRAYS)
    calls: list[Callable[[], Any]] = [
        lambda: opened.begin(ARRAYS),
        lambda: opened.step(**batch(), learning_rate=0.1),
        opened.arrays,
        lambda: opened.logits(GOOD["windows"]),
    ]
    for call in calls:
        error = in_a_thread(call)
        assert str(error) == (
            "a graph of cnn is used by the thread that opened it, got a call from 'another': "
            "open one there with graph('cnn')"
        )
    assert opened.arrays().keys() == ARRAYS.keys()


def trained(n_steps: int = 60) -> dict[str, NDArray[np.float32]]:
    mine = graph("cnn")
    mine.begin(ARRAYS)
    for _ in range(n_steps):
        mine.step(**batch(), learning_rate=0.05, momentum=0.9)
    return mine.arrays()


def test_threads_have_graphs_of_their_own_that_train_at_once_to_the_same_bits() -> None:
    alone = trained()
    answers: queue.SimpleQueue[dict[str, NDArray[np.float32]]] = queue.SimpleQueue()
    threads = [threading.Thread(target=lambda: answers.put(trained())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for _ in threads:
        together = answers.get(timeout=1)
        assert all(together[name].tobytes() == alone[name].tobytes() for name in alone)
    assert graph("cnn") is graph("cnn")
    assert in_a_thread(lambda: graph("cnn")) is not graph("cnn")


def test_a_network_that_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match="a network is one of mlp, cnn, got 'rnn'"):
        graph("rnn")


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of artefacts that the test may spoil."""
    folder = tmp_path / "artifacts"
    folder.mkdir()
    for path in (Path(tflite_door.__file__).parent / "artifacts").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr("fedmotion.models.tflite_door.resources.files", lambda _: tmp_path)
    return folder


def test_a_graph_whose_hash_is_wrong_is_not_opened(copied: Path) -> None:
    data = bytearray((copied / "cnn.tflite").read_bytes())
    data[5000] ^= 1
    (copied / "cnn.tflite").write_bytes(data)
    with pytest.raises(
        RuntimeMissingError, match=r"cnn.tflite is not the one that was built.*: install fedmotion again"
    ):
        artefact("cnn")


@pytest.mark.parametrize("missing", ["cnn.tflite", "cnn.sha256"])
def test_a_graph_that_is_missing_is_named(copied: Path, missing: str) -> None:
    (copied / missing).unlink()
    with pytest.raises(
        RuntimeMissingError,
        match=r"^the graph cnn.tflite cannot be read \(No such file or directory\): install fedmotion again$",
    ):
        artefact("cnn")
    (copied / missing).write_bytes(b"")
    with pytest.raises(RuntimeMissingError, match="install fedmotion again"):
        artefact("cnn")


LOUD = """
import os
from fedmotion.models import tflite_door
with tflite_door._unannounced():
    os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\nanother thread's line\\n")
tflite_door.graph("cnn")
tflite_door.graph("mlp")
"""


def test_the_runtime_announces_nothing_on_stderr_and_other_lines_stay() -> None:
    done = subprocess.run([sys.executable, "-c", LOUD], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "another thread's line\n")


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def test_without_a_runtime_the_command_that_installs_one_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "ai_edge_litert", "ai_edge_litert.interpreter", "tflite_runtime")
    with pytest.raises(RuntimeMissingError, match=r"pip install 'fedmotion\[tflite\]'"):
        open_graph("cnn", artefact("cnn"))


def test_the_old_runtime_with_a_new_numpy_is_refused_before_it_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch, "ai_edge_litert", "ai_edge_litert.interpreter", "tflite_runtime.interpreter")
    monkeypatch.setitem(sys.modules, "tflite_runtime", ModuleType("tflite_runtime"))
    monkeypatch.setattr(np, "__version__", "2.4.6")
    with pytest.raises(
        RuntimeMissingError,
        match=r"tflite-runtime goes with numpy below 2, here is 2.4.6: pip install 'numpy<2'",
    ):
        open_graph("cnn", artefact("cnn"))


@pytest.mark.parametrize("error", [ImportError, AttributeError, RuntimeError, SystemError])
def test_a_runtime_that_fails_to_open_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def broken(**_: object) -> None:
        raise error("_ARRAY_API not found")

    module = ModuleType("ai_edge_litert.interpreter")
    module.Interpreter = broken  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ai_edge_litert", ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    with pytest.raises(RuntimeMissingError, match=r"_ARRAY_API not found.*pip install --upgrade"):
        open_graph("cnn", artefact("cnn"))
