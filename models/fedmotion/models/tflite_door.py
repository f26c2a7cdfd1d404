"""The only door to the TFLite runtime: networks as training graphs, one interpreter a thread and network.

The runtime believes what it is given and ends the process, or spoils its memory, where that is wrong; so all
is checked here before it is called. Nothing else imports it, and it is imported when a graph is opened.
"""

import hashlib
import math
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedmotion.models.family import RuntimeMissingError
from fedmotion.models.networks import N_OUTPUTS, NETWORKS, Network

Floats = NDArray[np.float32]

_MISSING = (
    "a network is trained by the TFLite runtime, which is not installed: pip install 'fedmotion[tflite]', or "
    "where there are no wheels of it, 'fedmotion[tflite-old]' on Python 3.11"
)


class _Runner(Protocol):
    def __call__(self, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]: ...


class Graph:
    """One network's arrays in the runtime, and steps of training on them.

    It belongs to the thread that opened it: a call from another one is refused, as two at once would end the
    process. `step` goes on from what `begin` was given.
    """

    def __init__(self, name: str, network: Network, interpreter: Any) -> None:
        self._name = name
        self._network = network
        self._shapes = network.shapes()
        self._thread = threading.get_ident()
        self._interpreter = interpreter  # its runners do not keep it alive
        self._run: dict[str, _Runner] = {
            signature: interpreter.get_signature_runner(signature)
            for signature in interpreter.get_signature_list()
        }
        self._zeros = {array: np.zeros(shape, np.float32) for array, shape in self._shapes.items()}
        self._is_shifted = False
        with _unannounced():
            self._run["get"]()

    def begin(
        self, arrays: Mapping[str, Floats], gradient_offset: Mapping[str, Floats] | None = None
    ) -> None:
        """Train from `arrays` on, with nothing moving yet; they are also what FedProx pulls towards.

        Raises
        ------
        ValueError
            If an array is missing, foreign, of another shape or dtype, or not finite, or the thread is
            another one than that which opened the graph.
        """
        self._check_thread()
        for given in (arrays, gradient_offset or self._zeros):
            self._check_arrays(given)
        self._run["set"](**arrays)
        self._run["set_anchor"](**arrays)
        self._run["set_gradient_offset"](**(gradient_offset or self._zeros))
        self._is_shifted = gradient_offset is not None

    def step(
        self,
        windows: Floats,
        labels: NDArray[np.int32],
        weights: Floats,
        class_mask: Floats,
        *,
        learning_rate: float,
        momentum: float = 0.0,
        clip_norm: float = 1e6,
        proximal_mu: float = 0.0,
        body_rate: float = 1.0,
    ) -> float:
        """Take one step on a batch and return its loss before it.

        Parameters
        ----------
        windows
            Standardised, float32, shape (n_windows, window_length, 6).
        labels
            int32, shape (n_windows,), indices of outputs that have a part.
        weights
            float32, shape (n_windows,): how much each window counts.
        class_mask
            float32, shape (N_OUTPUTS,): 1 for the outputs that have a part, 0 for the others.
        clip_norm
            A gradient that is longer, over all arrays, is shortened to this.
        body_rate
            Factor on the learning rate of all layers but the last; 0 trains the last one only.

        Raises
        ------
        ValueError
            If any of them is of another shape or dtype, not finite or out of its range.
        """
        self._check_thread()
        self._check_batch(windows, labels, weights, class_mask)
        numbers = {
            "learning_rate": learning_rate,
            "momentum": momentum,
            "clip_norm": clip_norm,
            "proximal_mu": proximal_mu,
            "body_rate": body_rate,
        }
        for name, number in numbers.items():
            if not 0 <= number < math.inf:
                raise ValueError(f"{name} is finite and not negative, got {number}")
        if clip_norm == 0:  # which would divide by nothing
            raise ValueError("clip_norm is above 0, got 0")
        is_free = not self._is_shifted and not proximal_mu and body_rate == 1
        if is_free:
            del numbers["proximal_mu"], numbers["body_rate"]
        given = self._run["train_free" if is_free else "train"](
            windows=windows,
            labels=labels,
            weights=weights,
            class_mask=class_mask,
            **{name: np.array([number], np.float32) for name, number in numbers.items()},
        )
        return float(given["loss"][0])

    def arrays(self) -> dict[str, Floats]:
        """Return the arrays as they are now, copied."""
        self._check_thread()
        given = self._run["get"]()
        # No zero is a negative one: an average would give it back as another number.
        return {name: given[name] + np.float32(0) for name in self._shapes}

    def logits(self, windows: Floats) -> Floats:
        """Return the outputs for standardised windows, shape (n_windows, N_OUTPUTS)."""
        self._check_thread()
        self._check_windows(windows)
        return np.array(self._run["infer"](windows=windows)["logits"], np.float32)

    def _check_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise ValueError(
                f"a graph of {self._name} is used by the thread that opened it, got a call from "
                f"{threading.current_thread().name!r}: open one there with graph({self._name!r})"
            )

    def _check_arrays(self, arrays: Mapping[str, Floats]) -> None:
        if set(arrays) != set(self._shapes):
            raise ValueError(
                f"the arrays of {self._name} are {', '.join(self._shapes)}, got {', '.join(arrays)[:200]}"
            )
        for name, shape in self._shapes.items():
            _check_array(f"array {name!r}", arrays[name], shape, np.float32)

    def _check_windows(self, windows: Floats) -> None:
        shape = (len(windows) if windows.ndim else 0, self._network.window_length, 6)
        _check_array("windows", windows, shape, np.float32)
        if not len(windows):
            raise ValueError("windows are one or more, got none")

    def _check_batch(
        self, windows: Floats, labels: NDArray[np.int32], weights: Floats, class_mask: Floats
    ) -> None:
        self._check_windows(windows)
        _check_array("class_mask", class_mask, (N_OUTPUTS,), np.float32)
        _check_array("weights", weights, (len(windows),), np.float32)
        _check_array("labels", labels, (len(windows),), np.int32)
        if not 0 <= labels.min() <= labels.max() < N_OUTPUTS:
            raise ValueError(f"labels are 0 to {N_OUTPUTS - 1}, got {labels.min()} to {labels.max()}")
        if not (class_mask[labels] == 1).all():
            raise ValueError("labels are of classes that have a part, got one that class_mask leaves out")


def graph(name: str) -> Graph:
    """Return the calling thread's graph of the network called `name`, opened once a thread.

    Raises
    ------
    RuntimeMissingError
        If there is no runtime, it does not go with the numpy that is installed, or the graph is not the one
        that was built.
    ValueError
        If there is no such network.
    """
    if name not in NETWORKS:
        raise ValueError(f"a network is one of {', '.join(NETWORKS)}, got {name!r}")
    graphs: dict[str, Graph] = _of_thread.__dict__.setdefault("graphs", {})
    if name not in graphs:
        graphs[name] = open_graph(name, artefact(name))
    return graphs[name]


def artefact(name: str) -> bytes:
    """Return the shipped graph of the network called `name`.

    Raises
    ------
    RuntimeMissingError
        If it is missing, or not the one whose hash is shipped beside it.
    """
    folder = resources.files("fedmotion.models") / "artifacts"
    try:
        data = (folder / f"{name}.tflite").read_bytes()
        expected = (folder / f"{name}.sha256").read_text("ascii").split()[0]
    except (OSError, IndexError, UnicodeDecodeError) as error:
        raise RuntimeMissingError(
            f"the graph {name}.tflite cannot be read ({_reason(error)}): install fedmotion again"
        ) from None
    if (found := hashlib.sha256(data).hexdigest()) != expected:
        raise RuntimeMissingError(
            f"the graph {name}.tflite is not the one that was built, its SHA-256 begins {found[:12]} and not "
            f"{expected[:12]}: install fedmotion again"
        )
    return data


def _reason(error: Exception) -> str:
    """Without the path, which is of one host: a round that is declined for it says so to the federation."""
    return str(error.strerror) if isinstance(error, OSError) else "its hash is damaged"


def open_graph(name: str, data: bytes) -> Graph:
    """Return the graph in `data`, the bytes of a .tflite file that can be trusted; raises as `graph`."""
    kind, runtime = _interpreter_class()
    try:
        # One thread: more gave no speed at these sizes, and sums in another order.
        return Graph(name, NETWORKS[name], runtime(model_content=data, num_threads=1))
    except (ImportError, AttributeError, RuntimeError, SystemError) as error:
        raise RuntimeMissingError(
            f"{kind} cannot open the graph of {name} with numpy {np.__version__} ({error}): "
            "pip install --upgrade 'fedmotion[tflite]'"
        ) from error


_of_thread = threading.local()
_announcing = threading.Lock()
_ANNOUNCEMENT = b"Created TensorFlow Lite XNNPACK delegate"
_STDERR = 2


@contextmanager
def _unannounced() -> Iterator[None]:
    """Keep off stderr the line by which the runtime's first call says what it computes with.

    It is written past Python, into whatever a person is looking at. All else that is written meanwhile comes
    out afterwards.
    """
    with _announcing, tempfile.TemporaryFile() as aside:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # a program without one
            yield
            return
        os.dup2(aside.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
            aside.seek(0)
            rest = b"".join(line for line in aside if _ANNOUNCEMENT not in line)
            if rest:
                os.write(_STDERR, rest)


def _interpreter_class() -> tuple[str, Any]:
    """Return the runtime's name and its class of interpreters, the newer runtime first."""
    try:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - 10 MB that who trains needs
    except ImportError:
        return "tflite-runtime", _older_interpreter_class()
    return "ai-edge-litert", Interpreter


def _older_interpreter_class() -> Any:
    try:
        import tflite_runtime  # noqa: F401, PLC0415 - whether it is there, before what numpy 2 breaks
    except ImportError:
        raise RuntimeMissingError(_MISSING) from None
    if int(np.__version__.split(".")[0]) >= 2:
        raise RuntimeMissingError(
            f"tflite-runtime goes with numpy below 2, here is {np.__version__}: pip install 'numpy<2', or "
            "pip install 'fedmotion[tflite]' for the newer runtime"
        )
    from tflite_runtime.interpreter import Interpreter as OldInterpreter  # noqa: PLC0415 - as above

    return OldInterpreter


def _check_array(what: str, array: NDArray[Any], shape: tuple[int, ...], dtype: type) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != np.dtype(dtype):
        raise ValueError(f"{what}: of {np.dtype(dtype)}, got {getattr(array, 'dtype', type(array).__name__)}")
    if array.shape != shape:
        raise ValueError(f"{what}: of shape {shape}, got {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{what}: finite, got NaN or infinity")
