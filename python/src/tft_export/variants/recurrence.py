"""An LSTM whose state is rounded to FP16 at every step, as TensorRT's loop over the steps does.

ONNX's LSTM keeps its state inside one operator; rounding only its results would hide the error that builds
up over hundreds of steps. Here it is a Scan over the steps, and each operator of a step is rounded.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .typed_graph import FLOAT, HALF, attribute_of, cast


def rounded_lstm(node: onnx.NodeProto, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Nodes that replace a one-layer, forward LSTM with initial states; adds their weights to `graph`.

    x [steps, batch, inputs], states [1, batch, size]; outputs as ONNX's LSTM has them.
    """
    prefix = node.output[0] + ".scan"
    x, weight, recurrence, bias = node.input[:4]
    hidden, cell = node.input[5:7]
    outputs = [*node.output, "", ""][:3]
    size = attribute_of(node, "hidden_size").i
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    values = {
        "w": weights[weight][0].T,
        "r": weights[recurrence][0].T,
        "b": weights[bias][0].reshape(2, -1).sum(0).astype(np.float16).astype(np.float32),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
    }
    for name, value in values.items():
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), f"{prefix}.{name}"))

    def rounded(operator: str, inputs: list[str], result: str, **attributes) -> list[onnx.NodeProto]:
        exact, half = f"{result}.exact", f"{result}.rounded"
        made = helper.make_node(operator, inputs, [exact], **attributes)
        return [made, cast(exact, half, HALF), cast(half, result, FLOAT)]

    step = f"{prefix}.step."
    gate = [f"{step}{name}" for name in ("i", "o", "f", "c")]
    body = [
        *rounded("MatMul", [f"{step}h", f"{prefix}.r"], f"{step}hr"),
        *rounded("Add", [f"{step}x", f"{step}hr"], f"{step}gates"),
        helper.make_node("Split", [f"{step}gates", f"{prefix}.sizes"], gate, axis=1),
        *rounded("Sigmoid", [gate[0]], f"{step}si"),
        *rounded("Sigmoid", [gate[1]], f"{step}so"),
        *rounded("Sigmoid", [gate[2]], f"{step}sf"),
        *rounded("Tanh", [gate[3]], f"{step}tc"),
        *rounded("Mul", [f"{step}sf", f"{step}c_in"], f"{step}old"),
        *rounded("Mul", [f"{step}si", f"{step}tc"], f"{step}new"),
        *rounded("Add", [f"{step}old", f"{step}new"], f"{step}c_out"),
        *rounded("Tanh", [f"{step}c_out"], f"{step}t"),
        *rounded("Mul", [f"{step}so", f"{step}t"], f"{step}h_out"),
        helper.make_node("Identity", [f"{step}h_out"], [f"{step}y"]),
    ]
    sizes = np.array([size] * 4, np.int64)
    graph.initializer.append(numpy_helper.from_array(sizes, f"{prefix}.sizes"))

    def values_of(*names: str) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(f"{step}{name}", FLOAT, None) for name in names]

    scanned = helper.make_graph(body, prefix, values_of("h", "c_in", "x"), values_of("h_out", "c_out", "y"))
    return [
        *rounded("MatMul", [x, f"{prefix}.w"], f"{prefix}.xw"),
        *rounded("Add", [f"{prefix}.xw", f"{prefix}.b"], f"{prefix}.x"),
        helper.make_node("Squeeze", [hidden, f"{prefix}.zero"], [f"{prefix}.h0"]),
        helper.make_node("Squeeze", [cell, f"{prefix}.zero"], [f"{prefix}.c0"]),
        helper.make_node(
            "Scan",
            [f"{prefix}.h0", f"{prefix}.c0", f"{prefix}.x"],
            [f"{prefix}.h", f"{prefix}.c", f"{prefix}.y"],
            body=scanned,
            num_scan_inputs=1,
        ),
        *(
            helper.make_node("Unsqueeze", [f"{prefix}.{name}", f"{prefix}.{axis}"], [output])
            for name, axis, output in zip("yhc", ("one", "zero", "zero"), outputs, strict=True)
            if output
        ),
    ]
