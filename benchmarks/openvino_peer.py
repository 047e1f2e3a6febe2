# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "onnxruntime==1.32.0", "openvino==2026.4.1"]
# ///
"""OpenVINO and ONNX Runtime in Python, for benchmarks/cpu.ts: times runs of a bundle's graph.

    uv run benchmarks/openvino_peer.py BUNDLE THREADS

A line on stdin, {"side": "openvino", "batch": 8, "ms": 250}, is answered by a line with the milliseconds of
each run and the largest difference from the bundle's expected forecasts, of the spread. OpenVINO's graph has
the batch size as a constant: with a free one it returns no rows.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
from graph_vs_openvino import compiled
from peers import serve
from samples import read_samples


def main() -> None:
    bundle, threads = Path(sys.argv[1]), int(sys.argv[2])
    description = json.loads((bundle / "model.json").read_text())
    graph = bundle / description["files"]["onnx"]["path"]
    samples = read_samples(bundle, description)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])

    def contender(side: str, batch: int):
        inputs = {name: np.resize(array, (batch, *array.shape[1:])) for name, array in samples.items()}
        if side == "onnxruntime":
            return lambda: session.run(None, inputs)[0]
        request = compiled(graph, batch, threads).create_infer_request()
        return lambda: np.asarray(request.infer(inputs)[0])

    versions = {"onnxruntime": onnxruntime.__version__, "openvino": openvino.__version__}
    serve(bundle, versions, contender)


if __name__ == "__main__":
    main()
