"""Writes model.onnx next to this file: the demo model's inputs and outputs around a single copying node.

A run of it costs only the runtime's overhead.

Run: uv run --project python python benchmarks/noop/make_noop.py
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
KINDS = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}


def main() -> None:
    model = json.loads((HERE / "../../models/demo/model.json").read_text())

    def tensors(side: str) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(t["name"], KINDS[t["type"]], t["shape"]) for t in model[side]]

    _, steps, quantiles = model["outputs"][0]["shape"]
    constants = {"starts": [0, 0], "ends": [steps, quantiles], "axes": [1, 2]}
    graph = helper.make_graph(
        [helper.make_node("Slice", ["encoder_cont", *constants], ["predictions"])],
        "noop",
        tensors("inputs"),
        tensors("outputs"),
        [numpy_helper.from_array(np.array(value, np.int64), key) for key, value in constants.items()],
    )
    noop = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(noop, full_check=True)
    (HERE / "model.onnx").write_bytes(noop.SerializeToString())


if __name__ == "__main__":
    main()
