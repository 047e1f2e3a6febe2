"""Quantize and dequantize pairs around products: signed INT8, symmetric, zero point 0.

A quantized product reads its activation through QuantizeLinear and DequantizeLinear, one scale for the
tensor, and its weight as an INT8 initializer through DequantizeLinear, one scale for each output channel;
TensorRT fuses these into an INT8 product. Scales are FP16, as the values on both sides of a pair are: a
strongly typed network then has no cast in between. ONNX allows FP16 scales from opset 19 on.
"""

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

from .typed_graph import HALF, drop_unused_initializers, element_types, initializers_of, key_of

OPSET, IR_VERSION = 19, 9
MAX_INT8 = 127
# FP16's smallest normal number: a finer scale would lose its own digits.
_SMALLEST_SCALE = float(np.finfo(np.float16).smallest_normal)
_ZERO = "int8.zero"


def raised(model: onnx.ModelProto) -> onnx.ModelProto:
    """A float32 graph in the opset that allows FP16 scales."""
    converted = version_converter.convert_version(model, OPSET)
    converted.ir_version = IR_VERSION
    return converted


def products(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The products that compute in FP16: those that may be quantized."""
    types = element_types(model)
    return [
        node
        for node in model.graph.node
        if node.op_type in ("MatMul", "Gemm") and types[node.output[0]] == HALF
    ]


def activations_of(node: onnx.NodeProto, weights: Collection[str]) -> list[str]:
    """The inputs of a product that are not weights."""
    return [name for name in node.input[:2] if name not in weights]


def with_quantized(
    model: onnx.ModelProto, chosen: Collection[str], thresholds: Mapping[str, float]
) -> onnx.ModelProto:
    """A copy of a graph from `half.with_half`, opset 19, in which the `chosen` products are quantized.

    `chosen` by `key_of`; `thresholds` has the value that 127 represents, for each activation by name.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:]
    del result.graph.value_info[:]
    pairs = _Pairs(result, thresholds)
    for original in model.graph.node:
        node = onnx.NodeProto()
        node.CopyFrom(original)
        if key_of(node) in chosen:
            for index in range(2):
                node.input[index] = pairs.through(node, index)
        result.graph.node.append(node)
    drop_unused_initializers(result)
    return onnx.shape_inference.infer_shapes(result, strict_mode=True)


class _Pairs:
    """Adds the pairs, one for each tensor."""

    def __init__(self, model: onnx.ModelProto, thresholds: Mapping[str, float]):
        self.graph = model.graph
        self.weights = initializers_of(model)
        self.thresholds = thresholds
        self.made: dict[tuple[str, int], str] = {}

    def through(self, node: onnx.NodeProto, index: int) -> str:
        name = node.input[index]
        if name in self.weights:
            axis = _channel_axis(node, index, len(self.weights[name].dims))
            return self._once(name, axis, self._weight)
        return self._once(name, -1, self._activation)

    def _once(self, name: str, axis: int, make) -> str:
        if (name, axis) not in self.made:
            self.made[name, axis] = make(name, axis)
        return self.made[name, axis]

    def _activation(self, name: str, _: int) -> str:
        scale, zero = f"{name}.scale", self._zero(())
        self._add(scale, scales(np.array(self.thresholds[name])))
        self._node("QuantizeLinear", [name, scale, zero], f"{name}.int8")
        self._node("DequantizeLinear", [f"{name}.int8", scale, zero], f"{name}.dequantized")
        return f"{name}.dequantized"

    def _weight(self, name: str, axis: int) -> str:
        values = numpy_helper.to_array(self.weights[name]).astype(np.float64)
        others = tuple(i for i in range(values.ndim) if i != axis)
        scale = scales(np.abs(values).max(axis=others))
        shape = [-1 if i == axis else 1 for i in range(values.ndim)]
        integers = np.rint(values / scale.astype(np.float64).reshape(shape))
        base = f"{name}.axis{axis}"
        self._add(f"{base}.int8", np.clip(integers, -MAX_INT8, MAX_INT8).astype(np.int8))
        self._add(f"{base}.scale", scale)
        inputs = [f"{base}.int8", f"{base}.scale", self._zero(scale.shape)]
        self._node("DequantizeLinear", inputs, f"{base}.dequantized", axis=axis)
        return f"{base}.dequantized"

    def _zero(self, shape: tuple[int, ...]) -> str:
        name = ".".join([_ZERO, *map(str, shape)])
        return self._once(name, -1, lambda *_: self._add(name, np.zeros(shape, np.int8)))

    def _add(self, name: str, values: np.ndarray) -> str:
        self.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes) -> None:
        self.graph.node.append(helper.make_node(operator, inputs, [output], name=output, **attributes))


def scales(largest: np.ndarray) -> np.ndarray:
    """FP16 scales with which 127 represents `largest`."""
    return np.maximum(largest / MAX_INT8, _SMALLEST_SCALE).astype(np.float16)


def _channel_axis(node: onnx.NodeProto, index: int, rank: int) -> int:
    """The axis of a weight that becomes one of the output's."""
    transposed = node.op_type == "Gemm" and any(
        attribute.name == ("transA", "transB")[index] and attribute.i for attribute in node.attribute
    )
    last = (index == 1) != transposed
    return max(rank - 1, 0) if last else max(rank - 2, 0)
