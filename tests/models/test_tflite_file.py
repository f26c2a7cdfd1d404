"""The .tflite file, read back by the schema's own classes."""

import numpy as np
import tflite

from fedmotion.models.int8_network import Int8Network, quantise
from fedmotion.models.networks import NETWORKS, initial_arrays
from fedmotion.models.tflite_file import tflite_file


def quantised(name: str) -> Int8Network:
    windows = np.random.default_rng(0).normal(size=(12, 96, 6)).astype(np.float32)
    return quantise(NETWORKS[name], initial_arrays(NETWORKS[name], seed=1), 4, windows)


def operators(model: tflite.Model) -> list[str]:
    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(graph.Operators(i).OpcodeIndex()) for i in range(graph.OperatorsLength())]
    return [tflite.utils.opcode2name(code.BuiltinCode()) for code in codes]


def test_a_cnn_is_made_of_operators_that_microcontrollers_have() -> None:
    data = tflite_file(quantised("cnn"), "home, round 3")
    assert data[4:8] == b"TFL3"
    model = tflite.Model.GetRootAsModel(data, 0)
    assert (model.Version(), model.Description()) == (3, b"home, round 3")
    convolution = ["CONV_2D", "AVERAGE_POOL_2D"]
    assert operators(model) == [*convolution, *convolution, "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]


def test_an_mlp_takes_the_flat_window() -> None:
    model = tflite.Model.GetRootAsModel(tflite_file(quantised("mlp"), ""), 0)
    assert operators(model) == ["FULLY_CONNECTED"] * 3 + ["SOFTMAX"]


def test_input_and_output_are_bytes_with_their_scales() -> None:
    for name, shape in (("mlp", [1, 576]), ("cnn", [1, 1, 96, 6])):
        network = quantised(name)
        graph = tflite.Model.GetRootAsModel(tflite_file(network, ""), 0).Subgraphs(0)
        given, said = graph.Tensors(graph.Inputs(0)), graph.Tensors(graph.Outputs(0))
        assert given.ShapeAsNumpy().tolist() == shape
        assert said.ShapeAsNumpy().tolist() == [1, 4]
        assert given.Type() == said.Type() == tflite.TensorType.INT8
        assert given.Quantization().Scale(0) == network.input.scale
        assert given.Quantization().ZeroPoint(0) == network.input.zero_point
        assert (said.Quantization().Scale(0), said.Quantization().ZeroPoint(0)) == (1 / 256, -128)


def test_a_convolution_has_one_scale_a_channel_and_the_bias_their_products() -> None:
    network = quantised("cnn")
    graph = tflite.Model.GetRootAsModel(tflite_file(network, ""), 0).Subgraphs(0)
    tensors = {graph.Tensors(i).Name(): graph.Tensors(i) for i in range(graph.TensorsLength())}
    kernel, bias = tensors[b"conv1_kernel"], tensors[b"conv1_bias"]
    assert kernel.ShapeAsNumpy().tolist() == [16, 1, 7, 6]
    scales = kernel.Quantization().ScaleAsNumpy()
    assert scales.tolist() == network.layers[0].kernel_scales.tolist()
    assert np.allclose(bias.Quantization().ScaleAsNumpy(), scales * network.input.scale, rtol=1e-6)
    assert (bias.Type(), bias.ShapeAsNumpy().tolist()) == (tflite.TensorType.INT32, [16])
    assert kernel.Quantization().QuantizedDimension() == 0


def test_arrays_lie_at_multiples_of_16_bytes_and_the_first_buffer_is_empty() -> None:
    data = tflite_file(quantised("cnn"), "x" * 7)
    model = tflite.Model.GetRootAsModel(data, 0)
    assert model.Buffers(0).DataLength() == 0
    for index in range(1, model.BuffersLength()):
        # The vector of bytes of the table's first field, where it begins in the file.
        table = model.Buffers(index)._tab
        assert table.Vector(table.Offset(4)) % 16 == 0


def test_the_same_network_gives_the_same_bytes() -> None:
    assert tflite_file(quantised("mlp"), "a") == tflite_file(quantised("mlp"), "a")
