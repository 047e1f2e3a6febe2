# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "onnxruntime==1.32.0", "openvino==2026.4.1"]
# ///
"""Compares the exported graph in ONNX Runtime, the CPU default, with the same graph in OpenVINO.

    uv run benchmarks/graph_vs_openvino.py [BUNDLE]

Both run the bundle's sample windows on one thread in FP32, in turns. OpenVINO's graph has the batch size as a
constant: with a free one it returns no rows. Prints a line `ratio graph_vs_openvino_b<batch> <times>` for
each batch size, above 1 if ONNX Runtime is faster, and writes the medians as JSON.
"""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import in_turns
import numpy as np
import onnxruntime
import openvino
from samples import read_samples

ROOT = Path(__file__).resolve().parent.parent
BATCHES = (1, 8, 32)
SECONDS = 4.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", nargs="?", type=Path, default=ROOT / "models/demo")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/graph-vs-openvino.json")
    options = parser.parse_args()
    description = json.loads((options.bundle / "model.json").read_text())
    graph = options.bundle / description["files"]["onnx"]["path"]
    samples = read_samples(options.bundle, description)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])
    results = {}
    for batch in BATCHES:
        inputs = {name: array[:batch] for name, array in samples.items()}
        request = compiled(graph, batch).create_infer_request()
        contenders = {
            "onnxruntime": lambda inputs=inputs: session.run(None, inputs)[0],
            "openvino": lambda inputs=inputs, request=request: request.infer(inputs)[0],
        }
        expected, actual = (np.asarray(run()) for run in contenders.values())
        difference = float(np.abs(expected - actual).max() / expected.std())
        if expected.shape != actual.shape or not difference < 1e-4:
            raise SystemExit(f"batch {batch}: the forecasts differ by {difference} of the spread")
        medians = in_turns.medians(contenders, SECONDS)
        ratio = medians["openvino"] / medians["onnxruntime"]
        results[f"graph_vs_openvino_b{batch}"] = {
            "ratio": round(ratio, 3),
            **{f"{name}_ms": round(median, 4) for name, median in medians.items()},
            "difference_of_spread": difference,
        }
        print(f"ratio graph_vs_openvino_b{batch} {ratio:.2f}")
    report = {
        "benchmark": "graph-vs-openvino",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": in_turns.processor(), "cores": os.cpu_count(), "threads": 1},
        "versions": {
            "python": platform.python_version(),
            "onnxruntime": onnxruntime.__version__,
            "openvino": openvino.__version__,
        },
        "model": description["name"],
        "results": results,
    }
    options.out.write_text(json.dumps(report, indent=2) + "\n")


def compiled(graph: Path, batch: int, threads: int = 1) -> openvino.CompiledModel:
    core = openvino.Core()
    model = core.read_model(graph)
    model.reshape({i.any_name: [batch, *list(i.partial_shape)[1:]] for i in model.inputs})
    hints = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    return core.compile_model(model, "CPU", hints)


if __name__ == "__main__":
    main()
