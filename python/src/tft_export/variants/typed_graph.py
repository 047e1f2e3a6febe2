"""A graph with the element type of each of its tensors; the names that nodes go by."""

import onnx
from onnx import TensorProto, helper

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16

# Operators that only move values: their output values are input values, so there is nothing to round.
MOVES = {
    "Concat", "Expand", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose",
    "Unsqueeze",
}  # fmt: skip


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """ONNX's element type of each tensor by name: inputs, initializers and every node's outputs."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*graph.input, *graph.value_info, *graph.output]
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        for name in filter(None, node.output):
            if name not in types:  # an output that nothing reads
                types[name] = types.get(node.input[0], FLOAT)
    return types


def key_of(node: onnx.NodeProto) -> str:
    """A node's name here: its first output, which is unique in a graph."""
    return node.output[0]


def initializers_of(model: onnx.ModelProto) -> dict[str, TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def attribute_of(node: onnx.NodeProto, name: str) -> onnx.AttributeProto | None:
    return next((attribute for attribute in node.attribute if attribute.name == name), None)


def cast(source: str, result: str, to: int, name: str = "") -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [result], name=name, to=to)


def drop_unused_initializers(model: onnx.ModelProto) -> None:
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
