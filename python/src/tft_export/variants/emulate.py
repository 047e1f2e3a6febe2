"""Computes a graph with FP16 inside on a CPU, with the rounding that a GPU would do.

ONNX Runtime's CPU provider has few FP16 kernels: it computes in FP32 and drops the casts in between, so
that x * 60000 / 60000 gives x where FP16 overflows. Here the graph becomes a float32 one in which the
result of every FP16 operator is rounded to FP16 and back, overflow to infinity included; ONNX Runtime never
drops the casts of a float32 graph. Inside one operator sums are FP32, as in a GPU's kernels at their best.
Q/DQ pairs stay as they are. Call the results 'emulated'.
"""

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from .recurrence import rounded_lstm
from .typed_graph import FLOAT, HALF, MOVES, attribute_of, cast, element_types

BATCH = 32
THREADS = 2


def emulated(model: onnx.ModelProto) -> onnx.ModelProto:
    """The float32 graph that computes what `model` does with its FP16 operators rounded."""
    types = element_types(model)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    del graph.node[:]
    del graph.value_info[:]
    for tensor in graph.initializer:
        if tensor.data_type == HALF:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for original in model.graph.node:
        halves = {name for name in original.output if types.get(name) == HALF}
        if original.op_type == "LSTM" and halves:
            graph.node.extend(rounded_lstm(original, graph))
            continue
        node = onnx.NodeProto()
        node.CopyFrom(original)
        _to_float32(node)
        roundings = []
        if original.op_type not in MOVES:
            for index, name in enumerate(original.output):
                if name in halves:
                    exact, rounded = f"{name}.exact", f"{name}.rounded"
                    node.output[index] = exact
                    roundings += [cast(exact, rounded, HALF), cast(rounded, name, FLOAT)]
        graph.node.extend([node, *roundings])
    return result


def _to_float32(node: onnx.NodeProto) -> None:
    to, value = attribute_of(node, "to"), attribute_of(node, "value")
    if node.op_type == "Cast" and to.i == HALF:
        to.i = FLOAT
    if value is not None and value.t.data_type == HALF:
        value.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(value.t).astype(np.float32)))


class Runner:
    """A graph made ready to run on this machine's CPU, with FP16 emulated where it has any."""

    def __init__(self, model: onnx.ModelProto, outputs: list[str] | None = None):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        # Q/DQ pairs are computed as they are written, not fused into integer kernels of this CPU.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        self.session = onnxruntime.InferenceSession(
            emulated(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.outputs = outputs

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """One batch; the outputs asked for, or all."""
        return self.session.run(self.outputs, dict(inputs))

    def forecasts(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The first output for any number of windows."""
        return np.concatenate([self.run(batch)[0] for batch in batches(inputs)])


def batches(inputs: Mapping[str, np.ndarray], size: int = BATCH):
    count = len(next(iter(inputs.values())))
    for start in range(0, count, size):
        yield {name: array[start : start + size] for name, array in inputs.items()}
