"""A network in whole numbers as a `.tflite` file, which TensorFlow Lite for Microcontrollers runs.

Written with the flatbuffers library over the schema's generated classes. Both are the extra `export`: this
module is imported where somebody asks for a file, and nothing else imports either.
"""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray
from tflite import ActivationFunctionType, BuiltinOperator, BuiltinOptions, Padding, TensorType

from fedmotion.models.int8_network import PROBABILITY, Int8Layer, Int8Network, Scale
from fedmotion.models.networks import Convolution, Dense
from fedmotion.models.specification import N_AXES

_SCHEMA_VERSION = 3
_FILE_IDENTIFIER = b"TFL3"
_ALIGNMENT_BYTES = 16
"""Of an array in the file: `force_align: 16` of the schema's Buffer.data."""

_VERSIONS = {
    BuiltinOperator.AVERAGE_POOL_2D: 2,
    BuiltinOperator.CONV_2D: 3,
    BuiltinOperator.FULLY_CONNECTED: 4,
    BuiltinOperator.RESHAPE: 1,
    BuiltinOperator.SOFTMAX: 2,
}
"""The first version of each operator that takes 8-bit tensors, by TensorFlow's `op_version.cc`."""


def tflite_file(network: Int8Network, description: str) -> bytes:
    """Return `network` with a softmax behind it as a `.tflite` file.

    Its input is int8, (1, 1, window_length, 6) or, where no convolution comes first, (1, window_length x 6):
    in memory the same, sample by sample. Its output is int8, (1, n_classes), in steps of 1/256 from -128.
    """
    writer = _Writer()
    is_convolved = isinstance(network.layers[0].layer, Convolution)
    flat = (1, network.window_length * N_AXES)
    shape = (1, 1, network.window_length, N_AXES) if is_convolved else flat
    given = last = writer.activation("window", shape, network.input)
    before = network.input
    for each in network.layers:
        if isinstance(each.layer, Convolution):
            last = _add_convolution(writer, each, each.layer, before, last)
        else:
            last = _add_dense(writer, each, each.layer, before, last)
        before = each.output
    output = writer.activation("probabilities", (1, network.n_classes), PROBABILITY)
    writer.operate(BuiltinOperator.SOFTMAX, (last,), output, "SoftmaxOptions", Beta=1.0)
    return writer.finish(given, output, description)


def _add_convolution(
    writer: "_Writer", weights: Int8Layer, layer: Convolution, before: Scale, given: int
) -> int:
    """Add a convolution along time, as one over images of height 1, and its means; return what comes out."""
    n_steps = writer.shapes[given][2]
    convolved = writer.activation(layer.name, (1, 1, n_steps, layer.n_channels), weights.output)
    writer.operate(
        BuiltinOperator.CONV_2D,
        # Channel, height, width, channel before.
        (given, *writer.weights(layer.name, weights, weights.kernel[:, None], before)),
        convolved,
        "Conv2DOptions",
        Padding=Padding.SAME,
        StrideW=1,
        StrideH=1,
        DilationWFactor=1,
        DilationHFactor=1,
        FusedActivationFunction=ActivationFunctionType.RELU,
    )
    shape = (1, 1, n_steps // layer.pool, layer.n_channels)
    pooled = writer.activation(f"{layer.name}_mean", shape, weights.output)
    writer.operate(
        BuiltinOperator.AVERAGE_POOL_2D,
        (convolved,),
        pooled,
        "Pool2DOptions",
        Padding=Padding.VALID,
        StrideW=layer.pool,
        StrideH=1,
        FilterWidth=layer.pool,
        FilterHeight=1,
    )
    return pooled


def _add_dense(writer: "_Writer", weights: Int8Layer, layer: Dense, before: Scale, given: int) -> int:
    if len(writer.shapes[given]) > 2:
        shape = (1, weights.kernel.shape[1])
        flat = writer.activation("flat", shape, before)
        writer.operate(BuiltinOperator.RESHAPE, (given, writer.constant_shape(shape)), flat, "ReshapeOptions")
        given = flat
    output = writer.activation(layer.name, (1, layer.n_units), weights.output)
    rectified = ActivationFunctionType.RELU if layer.is_rectified else ActivationFunctionType.NONE
    writer.operate(
        BuiltinOperator.FULLY_CONNECTED,
        (given, *writer.weights(layer.name, weights, weights.kernel, before)),
        output,
        "FullyConnectedOptions",
        FusedActivationFunction=rectified,
    )
    return output


class _Writer:
    """Builds a file with one subgraph; tensors are numbered in the order of their coming.

    A flatbuffer is written from its leaves to its root: what is written is named by where it lies.
    """

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self._builder = flatbuffers.Builder(1024)
        # Buffer 0 is empty by the schema's rule: what is computed has it.
        self._buffers = [self._table("Buffer")]
        self._tensors: list[int] = []
        self._codes: list[int] = []
        self._operators: list[int] = []

    def activation(self, name: str, shape: tuple[int, ...], scale: Scale) -> int:
        """Add a tensor that is computed."""
        return self._tensor(name, shape, TensorType.INT8, 0, ([scale.scale], [scale.zero_point]))

    def weights(
        self, name: str, layer: Int8Layer, kernel: NDArray[np.int8], before: Scale
    ) -> tuple[int, int]:
        """Add a kernel, its scales along its first axis, and a bias, in the input's scale times those."""
        scales = layer.kernel_scales.astype(np.float64)
        zeros = [0] * len(scales)
        kernel_data, bias_data = (
            self._buffer(kernel.tobytes()),
            self._buffer(layer.bias.astype("<i4").tobytes()),
        )
        return (
            self._tensor(f"{name}_kernel", kernel.shape, TensorType.INT8, kernel_data, (scales, zeros)),
            self._tensor(
                f"{name}_bias", layer.bias.shape, TensorType.INT32, bias_data, (scales * before.scale, zeros)
            ),
        )

    def constant_shape(self, shape: tuple[int, ...]) -> int:
        """Add a shape, itself a tensor."""
        data = self._buffer(np.array(shape, "<i4").tobytes())
        return self._tensor("flat_shape", (len(shape),), TensorType.INT32, data, None)

    def operate(self, code: int, inputs: Sequence[int], output: int, options: str, **fields: Any) -> None:
        """Add an operator that makes the tensor `output` of others, with a table of `options`."""
        if code not in self._codes:
            self._codes.append(code)
        self._operators.append(
            self._table(
                "Operator",
                OpcodeIndex=self._codes.index(code),
                Inputs=self._integers(inputs),
                Outputs=self._integers([output]),
                BuiltinOptionsType=getattr(BuiltinOptions, options),
                BuiltinOptions=self._table(options, **fields),
            )
        )

    def finish(self, given: int, output: int, description: str) -> bytes:
        """Return the file, of which one tensor is given and another comes out."""
        codes = [
            # The deprecated field is what interpreters of before 2021 read.
            self._table("OperatorCode", DeprecatedBuiltinCode=code, BuiltinCode=code, Version=_VERSIONS[code])
            for code in self._codes
        ]
        subgraph = self._table(
            "SubGraph",
            Tensors=self._offsets(self._tensors),
            Inputs=self._integers([given]),
            Outputs=self._integers([output]),
            Operators=self._offsets(self._operators),
            Name=self._builder.CreateString("main"),
        )
        model = self._table(
            "Model",
            Version=_SCHEMA_VERSION,
            OperatorCodes=self._offsets(codes),
            Subgraphs=self._offsets([subgraph]),
            Description=self._builder.CreateString(description),
            Buffers=self._offsets(self._buffers),
        )
        self._builder.Finish(model, file_identifier=_FILE_IDENTIFIER)
        return bytes(self._builder.Output())

    def _tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: int,
        buffer: int,
        quantisation: tuple[Sequence[float] | NDArray[np.float64], Sequence[int]] | None,
    ) -> int:
        fields = {}
        if quantisation is not None:
            scales, zero_points = quantisation
            fields["Quantization"] = self._table(
                "QuantizationParameters",
                Scale=self._builder.CreateNumpyVector(np.array(scales, "<f4")),
                ZeroPoint=self._builder.CreateNumpyVector(np.array(zero_points, "<i8")),
                QuantizedDimension=0,
            )
        self._tensors.append(
            self._table(
                "Tensor",
                Shape=self._integers(shape),
                Type=dtype,
                Buffer=buffer,
                Name=self._builder.CreateString(name),
                **fields,
            )
        )
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def _buffer(self, data: bytes) -> int:
        builder = self._builder
        builder.StartVector(1, len(data), _ALIGNMENT_BYTES)
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        self._buffers.append(self._table("Buffer", Data=builder.EndVector()))
        return len(self._buffers) - 1

    def _integers(self, values: Sequence[int]) -> int:
        return int(self._builder.CreateNumpyVector(np.array(values, "<i4")))

    def _offsets(self, offsets: Sequence[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def _table(self, name: str, **fields: Any) -> int:
        """Write a table of the schema by its generated functions; fields that lie elsewhere are written."""
        getattr(tflite, f"{name}Start")(self._builder)
        for field, value in fields.items():
            getattr(tflite, f"{name}Add{field}")(self._builder, value)
        return int(getattr(tflite, f"{name}End")(self._builder))
