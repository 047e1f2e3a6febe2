"""A graph with FP16 inside: chosen nodes compute in FP16, with casts at every border.

The graph is strongly typed, as TensorRT 10.12 and newer expect: a node computes in the type of its inputs,
and a builder chooses nothing. Inputs and outputs of the graph keep their types. Weights of FP16 nodes are
stored in FP16. LayerNormalization computes its statistics in FP32 (`stash_type`) either way.
"""

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .typed_graph import FLOAT, HALF, attribute_of, cast, drop_unused_initializers, element_types, key_of

_SUFFIX = {FLOAT: "fp32", HALF: "fp16"}


def with_half(model: onnx.ModelProto, full: Collection[str]) -> onnx.ModelProto:
    """A copy of a float32 graph in which every node but those in `full` (by `key_of`) computes in FP16."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:]
    del result.graph.value_info[:]
    # The regions of the float32 graph: their tensors differ here.
    del result.metadata_props[:]
    types = _Types(result, element_types(model))
    for original in model.graph.node:
        node = onnx.NodeProto()
        node.CopyFrom(original)
        floats = any(types.is_float(name) for name in (*node.input, *node.output))
        wanted = HALF if floats and key_of(node) not in full else FLOAT
        if node.op_type != "Shape":  # reads no value
            for index, name in enumerate(node.input):
                node.input[index] = types.as_type(name, wanted)
        if wanted == HALF:
            _make_half(node)
        for name in node.output:
            if types.is_float(name):
                types.now[name] = wanted
        result.graph.node.append(node)
    _restore_outputs(result, types)
    drop_unused_initializers(result)
    return onnx.shape_inference.infer_shapes(result, strict_mode=True)


class _Types:
    """Gives a tensor in the type that a node wants, with one cast for each tensor and type."""

    def __init__(self, model: onnx.ModelProto, types: dict[str, int]):
        self.graph = model.graph
        self.original = types
        self.now = {name: element for name, element in types.items() if element == FLOAT}
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self.made: dict[tuple[str, int], str] = {}

    def is_float(self, name: str) -> bool:
        return self.original.get(name) == FLOAT

    def as_type(self, name: str, wanted: int) -> str:
        if not self.is_float(name) or self.now[name] == wanted:
            return name
        if (name, wanted) not in self.made:
            made = f"{name}.{_SUFFIX[wanted]}"
            self.made[name, wanted] = made
            if name in self.weights:
                self.graph.initializer.append(half_tensor(self.weights[name], made))
            else:
                self.graph.node.append(cast(name, made, wanted, made))
        return self.made[name, wanted]


def half_tensor(tensor: TensorProto, name: str) -> TensorProto:
    """A float32 tensor in FP16. A value over FP16's largest becomes infinite, as it would on a device."""
    with np.errstate(over="ignore"):
        return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name)


def _make_half(node: onnx.NodeProto) -> None:
    """Attributes that name or hold a float32."""
    if node.op_type == "Cast" and attribute_of(node, "to").i == FLOAT:
        attribute_of(node, "to").i = HALF
    value = attribute_of(node, "value")
    if node.op_type in ("Constant", "ConstantOfShape"):
        if value is None:
            value = helper.make_attribute("value", helper.make_tensor("zero", FLOAT, [1], [0.0]))
            node.attribute.append(value)
            value = node.attribute[-1]
        value.t.CopyFrom(half_tensor(value.t, value.t.name))
    if node.op_type == "LayerNormalization" and attribute_of(node, "stash_type") is None:
        node.attribute.append(helper.make_attribute("stash_type", FLOAT))


def _restore_outputs(model: onnx.ModelProto, types: _Types) -> None:
    """Outputs keep their names and stay float32."""
    for output in model.graph.output:
        if types.now.get(output.name) == HALF:
            inner = f"{output.name}.{_SUFFIX[HALF]}"
            for node in model.graph.node:
                for names in (node.input, node.output):
                    for index, name in enumerate(names):
                        if name == output.name:
                            names[index] = inner
            model.graph.node.append(cast(inner, output.name, FLOAT, inner))
