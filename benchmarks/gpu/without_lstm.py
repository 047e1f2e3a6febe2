"""Writes a bundle's graphs without their LSTMs, for `run.mjs --also`: the difference in time is the LSTMs'.

    uv run --project python benchmarks/gpu/without_lstm.py BUNDLE FOLDER

Each LSTM is replaced by its own input, which has the shape of its output where the model's embedding is as
wide as its state. The numbers that come out mean nothing. Writes nolstm-fp32.onnx, and nolstm-fp16.onnx if
the bundle has the variant.
"""

import argparse
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from tft_export.description import read_description


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    read_description(options.bundle)
    for precision, name in (("fp32", "model.onnx"), ("fp16", "model.fp16.onnx")):
        if (options.bundle / name).exists():
            graph = _without_lstm(onnx.load(options.bundle / name))
            onnx.save(graph, options.folder / f"nolstm-{precision}.onnx")


def _without_lstm(model: onnx.ModelProto) -> onnx.ModelProto:
    graph = model.graph
    steps = helper.make_tensor("nolstm_first", TensorProto.INT64, [1], [0])
    ends = helper.make_tensor("nolstm_second", TensorProto.INT64, [1], [1])
    graph.initializer.extend([steps, ends])
    nodes = []
    for node in graph.node:
        if node.op_type != "LSTM":
            nodes.append(node)
            continue
        # Y [steps, 1, batch, hidden], Y_h and Y_c [1, batch, hidden]; the input is [steps, batch, hidden].
        sequence = node.input[0]
        for position, output in enumerate(node.output):
            if not output:
                continue
            if position == 0:
                nodes.append(helper.make_node("Unsqueeze", [sequence, "nolstm_second"], [output]))
            else:
                nodes.append(
                    helper.make_node(
                        "Slice", [sequence, "nolstm_first", "nolstm_second", "nolstm_first"], [output]
                    )
                )
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    main()
