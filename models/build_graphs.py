"""Writes the training graphs of `fedmotion.models.networks` as .tflite files with cards: `make graphs`.

TensorFlow is needed here alone, in an environment of its own; what it writes is committed and the same to the
bit each time. Gradients are written out, as a tape's need operators that the runtime does not have.

    python models/build_graphs.py models/fedmotion/models/artifacts
"""

import hashlib
import json
import math
import os
import sys
import tempfile
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

from fedmotion.models.networks import N_OUTPUTS, NETWORKS, Convolution, Dense, Layer, Network

_MASKED = -1e30
"""A logit that has no part: below all others, and far from float32's end."""


class TrainingGraph(tf.Module):
    """One network's arrays and what is done with them; each method becomes a signature.

    Beside each array stand its velocity (Polyak 1964), the anchor that FedProx pulls towards and the offset
    that is added to its gradient.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network
        self._shapes = network.shapes()
        self._values = self._variables("value")
        self._velocities = self._variables("velocity")
        self._anchors = self._variables("anchor")
        self._offsets = self._variables("offset")

    def _variables(self, role: str) -> dict[str, tf.Variable]:
        return {
            name: tf.Variable(tf.zeros(shape), name=f"{name}_{role}") for name, shape in self._shapes.items()
        }

    def signatures(self) -> dict[str, object]:
        """Return the functions that the file offers by name."""
        windows = tf.TensorSpec([None, self._network.window_length, 6], tf.float32, "windows")
        # One axis of length 1: a tensor without axes ends the process on some machines.
        numbers = {
            name: tf.TensorSpec([1], tf.float32, name)
            for name in ("learning_rate", "momentum", "clip_norm", "proximal_mu", "body_rate")
        }
        arrays = {
            # Of any shape: the runtime would take another one than declared and write beyond its memory.
            name: tf.TensorSpec([None] * len(shape), tf.float32, name)
            for name, shape in self._shapes.items()
        }
        batch = {
            "windows": windows,
            "labels": tf.TensorSpec([None], tf.int32, "labels"),
            "weights": tf.TensorSpec([None], tf.float32, "weights"),
            "class_mask": tf.TensorSpec([N_OUTPUTS], tf.float32, "class_mask"),
        }
        free = {name: numbers[name] for name in ("learning_rate", "momentum", "clip_norm")}
        return {
            "train": tf.function(self.train).get_concrete_function(**batch, **numbers),
            "train_free": tf.function(self.train_free).get_concrete_function(**batch, **free),
            "infer": tf.function(self.infer).get_concrete_function(windows=windows),
            "get": tf.function(self.get).get_concrete_function(),
            "set": tf.function(self.set_values).get_concrete_function(**arrays),
            "set_anchor": tf.function(self.set_anchors).get_concrete_function(**arrays),
            "set_gradient_offset": tf.function(self.set_offsets).get_concrete_function(**arrays),
        }

    def train(
        self,
        windows: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        class_mask: tf.Tensor,
        learning_rate: tf.Tensor,
        momentum: tf.Tensor,
        clip_norm: tf.Tensor,
        proximal_mu: tf.Tensor,
        body_rate: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Take one step of stochastic gradient descent and return the loss before it, shape (1,)."""
        loss, gradients = self._slopes(windows, labels, weights, class_mask, clip_norm)
        share = tf.minimum(learning_rate * proximal_mu, 1.0)
        head = self._network.layers[-1].name
        for name, gradient in gradients.items():
            value, velocity = self._values[name], self._velocities[name]
            moved = momentum * velocity + gradient + self._offsets[name]
            velocity.assign(moved)
            rate = learning_rate if name.startswith(head) else learning_rate * body_rate
            stepped = value - rate * moved
            value.assign(stepped - share * (stepped - self._anchors[name]))
        return {"loss": loss}

    def train_free(
        self,
        windows: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        class_mask: tf.Tensor,
        learning_rate: tf.Tensor,
        momentum: tf.Tensor,
        clip_norm: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Take the same step without pull and offset, to the same bits in less time."""
        loss, gradients = self._slopes(windows, labels, weights, class_mask, clip_norm)
        for name, gradient in gradients.items():
            value, velocity = self._values[name], self._velocities[name]
            moved = momentum * velocity + gradient
            velocity.assign(moved)
            value.assign(value - learning_rate * moved)
        return {"loss": loss}

    def _slopes(
        self,
        windows: tf.Tensor,
        labels: tf.Tensor,
        weights: tf.Tensor,
        class_mask: tf.Tensor,
        clip_norm: tf.Tensor,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Return the weighted mean cross entropy, shape (1,), and its gradient by array, shortened."""
        passed, logits = self._forward(windows)
        masked = logits * class_mask + (1 - class_mask) * _MASKED
        log_shares = tf.nn.log_softmax(masked)
        truth = tf.one_hot(labels, N_OUTPUTS)
        each = weights / tf.cast(tf.shape(weights)[0], tf.float32)
        # A masked output's logarithm is as good as infinite, and its truth 0.
        loss = -tf.reduce_sum(tf.reduce_sum(truth * class_mask * log_shares, axis=1) * each, keepdims=True)
        gradients = self._backward(passed, (tf.exp(log_shares) - truth) * each[:, None])
        squares = [tf.reduce_sum(gradient * gradient) for gradient in gradients.values()]
        norm = tf.sqrt(tf.reshape(tf.add_n(squares), [1]))
        # Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1.
        share = clip_norm / tf.maximum(norm, clip_norm)
        return loss, {name: gradient * share for name, gradient in gradients.items()}

    def infer(self, windows: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the logits, shape (n_windows, N_OUTPUTS)."""
        return {"logits": self._forward(windows)[1]}

    def get(self) -> dict[str, tf.Tensor]:
        """Return the arrays."""
        return {name: tf.identity(value) for name, value in self._values.items()}

    def set_values(self, **arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        """Begin training at `arrays`: they are also the anchor, and nothing moves yet."""
        for name, array in arrays.items():
            value = tf.reshape(array, self._shapes[name])
            self._values[name].assign(value)
            self._velocities[name].assign(tf.zeros(self._shapes[name]))
        return {"done": tf.ones([1])}

    def set_anchors(self, **arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        """Pull towards `arrays` from now on."""
        for name, array in arrays.items():
            self._anchors[name].assign(tf.reshape(array, self._shapes[name]))
        return {"done": tf.ones([1])}

    def set_offsets(self, **arrays: tf.Tensor) -> dict[str, tf.Tensor]:
        """Add `arrays` to the gradients from now on."""
        for name, array in arrays.items():
            self._offsets[name].assign(tf.reshape(array, self._shapes[name]))
        return {"done": tf.ones([1])}

    def _forward(self, windows: tf.Tensor) -> tuple[list[tuple[tf.Tensor, tf.Tensor]], tf.Tensor]:
        """Return what each layer multiplied and gave, as matrices, and the last one's output."""
        passed = []
        n_steps, n_channels = self._network.window_length, 6
        values = windows
        for layer in self._network.layers:
            kernel, bias = self._values[f"{layer.name}_kernel"], self._values[f"{layer.name}_bias"]
            if isinstance(layer, Convolution):
                columns = tf.reshape(_columns(values, layer.width, n_steps), [-1, layer.width * n_channels])
                given = tf.nn.relu(tf.matmul(columns, kernel) + bias)
                passed.append((columns, given))
                n_steps, n_channels = n_steps // layer.pool, layer.n_channels
                values = tf.reduce_mean(tf.reshape(given, [-1, layer.pool, n_channels]), axis=1)
                values = tf.reshape(values, [-1, n_steps, n_channels])
            else:
                rows = tf.reshape(values, [-1, n_steps * n_channels])
                given = tf.matmul(rows, kernel) + bias
                values = tf.nn.relu(given) if layer.is_rectified else given
                passed.append((rows, values))
                n_steps, n_channels = 1, layer.n_units
        return passed, values

    def _backward(self, passed: list[tuple[tf.Tensor, tf.Tensor]], slope: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the gradient of each array, given that of the output."""
        gradients = {}
        inputs = self._inputs()
        for index in reversed(range(len(self._network.layers))):
            layer = self._network.layers[index]
            rows, given = passed[index]
            n_steps, n_channels = inputs[index]
            if isinstance(layer, Convolution):
                pooled = tf.reshape(slope, [-1, 1, layer.n_channels]) * tf.fill(
                    [1, layer.pool, 1], 1 / layer.pool
                )
                slope = tf.reshape(pooled, [-1, layer.n_channels])
            if _is_rectified(layer):
                slope *= tf.cast(given > 0, tf.float32)
            gradients[f"{layer.name}_kernel"] = tf.matmul(rows, slope, transpose_a=True)
            gradients[f"{layer.name}_bias"] = tf.reduce_sum(slope, axis=0)
            if index:
                slope = tf.matmul(slope, self._values[f"{layer.name}_kernel"], transpose_b=True)
                if isinstance(layer, Convolution):
                    slope = _spread(slope, layer.width, n_steps, n_channels)
        return gradients

    def _inputs(self) -> list[tuple[int, int]]:
        """Return steps and channels of what each layer is given."""
        sizes = [(self._network.window_length, 6)]
        for layer in self._network.layers:
            n_steps, _ = sizes[-1]
            if isinstance(layer, Convolution):
                sizes.append((n_steps // layer.pool, layer.n_channels))
            else:
                sizes.append((1, layer.n_units))
        return sizes


def _is_rectified(layer: Layer) -> bool:
    return layer.is_rectified if isinstance(layer, Dense) else True


def _columns(values: tf.Tensor, width: int, n_steps: int) -> tf.Tensor:
    """Return the `width` steps around each step, side by side."""
    before = (width - 1) // 2
    padded = tf.pad(values, [[0, 0], [before, width - 1 - before], [0, 0]])
    return tf.concat([padded[:, first : first + n_steps] for first in range(width)], axis=2)


def _spread(slope: tf.Tensor, width: int, n_steps: int, n_channels: int) -> tf.Tensor:
    """Return what `_columns` gathered, summed back to where it came from."""
    before = (width - 1) // 2
    slope = tf.reshape(slope, [-1, n_steps, width * n_channels])
    total = None
    for first in range(width):
        part = slope[:, :, first * n_channels : (first + 1) * n_channels]
        # Step t of the columns holds step t + first - before.
        shift = first - before
        part = tf.pad(
            part[:, max(-shift, 0) : n_steps - max(shift, 0)],
            [[0, 0], [max(shift, 0), max(-shift, 0)], [0, 0]],
        )
        total = part if total is None else total + part
    return total


def build(network: Network) -> bytes:
    """Return the graph of `network` as a .tflite file."""
    graph = TrainingGraph(network)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(graph, folder, signatures=graph.signatures())
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.experimental_enable_resource_variables = True
        return bytes(converter.convert())


_CARD = """\
# {name}.tflite

A training graph of fedmotion: {what}.
`models/build_graphs.py` wrote it with TensorFlow {tensorflow}; the runtime needs builtin operators only.
It holds no motion and has learned nothing: all arrays are zeros until `set`.

| | |
|---|---|
| SHA-256 | `{digest}` |
| size | {n_bytes:,} bytes |
| parameters | {n_parameters:,} |
| window | {window_length} samples of ax ay az gx gy gz, less the axes' mean and over their scale |
| outputs | {n_outputs} logits, of which a specification's activities are the first |
| licence | Apache-2.0 |

| array, float32 | shape |
|---|---|
{arrays}

| signature | inputs | what it does |
|---|---|---|
| `train` | windows, labels (int32), weights, class_mask, learning_rate, momentum, clip_norm, \
proximal_mu, body_rate | one step of gradient descent with momentum on the weighted cross entropy of the \
softmax over the outputs whose mask is 1; a longer gradient is shortened to clip_norm; then the pull of \
FedProx towards the anchor; body_rate is a factor on all layers but the last; gives the loss before it |
| `train_free` | windows, labels, weights, class_mask, learning_rate, momentum, clip_norm | the same without \
pull and offset |
| `infer` | windows | logits |
| `get` | | the arrays |
| `set`, `set_anchor`, `set_gradient_offset` | the arrays | `set` also forgets the momentum |

Numbers have shape (1,), the batch any size. Beware: labels out of range and NaN are not refused by the
graph, and two threads must not use one interpreter at once; fedmotion's `models.tflite_door` sees to all.
"""

_WHAT = {
    "mlp": "dense layers over a whole window",
    "cnn": "convolutions along time with means between them, then one dense layer",
}


def card(name: str, network: Network, data: bytes) -> str:
    """Return what the file is, for people."""
    shapes = network.shapes()
    return _CARD.format(
        name=name,
        what=_WHAT[name],
        tensorflow=tf.__version__,
        digest=hashlib.sha256(data).hexdigest(),
        n_bytes=len(data),
        n_parameters=sum(math.prod(shape) for shape in shapes.values()),
        window_length=network.window_length,
        n_outputs=N_OUTPUTS,
        arrays="\n".join(f"| `{array}` | {json.dumps(shape)} |" for array, shape in shapes.items()),
    )


def main() -> None:
    """Write a graph for each network, its hash and its card into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in NETWORKS.items():
        data = build(network)
        line = f"{hashlib.sha256(data).hexdigest()}  {name}.tflite\n"
        (folder / f"{name}.tflite").write_bytes(data)
        (folder / f"{name}.sha256").write_text(line, "ascii")
        (folder / f"{name}.md").write_text(card(name, network, data), "utf-8")
        print(line, end="")


if __name__ == "__main__":
    main()
