"""Compares one forecast by the exported graph on the CPU with PyTorch eager.

    uv run --project python benchmarks/graph_vs_eager.py [BUNDLE]

Both run the same windows with the same number of threads, in one process and in turns. PyTorch runs only
the network, on inputs that pytorch-forecasting has scaled; the graph starts from raw values. Prints a line
`ratio graph_vs_eager_b<batch> <times faster>` for each batch and writes the medians as JSON.
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
import torch

from tft_export.bundle import check_file
from tft_export.checkpoint.checkpoint_file import load_checkpoint
from tft_export.checkpoint.read_structure import read_structure
from tft_export.description import read_description
from tft_export.windows.made_up_windows import made_up_windows
from tft_export.windows.pytorch_forecasts import forecasting_dataset

ROOT = Path(__file__).resolve().parent.parent
GOALS = {1: 5.0, 8: None, 32: 3.0}


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    description = read_description(options.bundle)
    checkpoint = load_checkpoint(check_file(options.bundle, description.files.checkpoint))
    structure = read_structure(checkpoint, description.step_minutes, description.servers or None)
    session = _session(check_file(options.bundle, description.files.onnx), options.threads)
    results = {}
    for batch, goal in GOALS.items():
        windows = made_up_windows(structure, checkpoint.dataset_parameters, batch)
        dataset = forecasting_dataset(checkpoint, windows)
        scaled, _ = next(iter(dataset.to_dataloader(train=False, batch_size=batch)))
        raw = windows.inputs()
        contenders = {
            "eager": lambda scaled=scaled: checkpoint.model(scaled).prediction,
            "graph": lambda raw=raw: session.run(None, raw)[0],
        }
        difference = np.abs(contenders["eager"]().numpy() - contenders["graph"]()).max((1, 2))
        with torch.inference_mode():
            medians = in_turns.medians(contenders, options.seconds)
        ratio = medians["eager"] / medians["graph"]
        results[f"graph_vs_eager_b{batch}"] = {
            "ratio": round(ratio, 3),
            "goal": goal,
            "eager_ms": round(medians["eager"], 4),
            "graph_ms": round(medians["graph"], 4),
            "median_difference": float(np.median(difference)),
        }
        print(f"batch {batch}: eager {medians['eager']:.2f} ms, graph {medians['graph']:.2f} ms")
        print(f"ratio graph_vs_eager_b{batch} {ratio:.2f}")
    report = {
        "benchmark": "graph-vs-eager",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "name": options.machine or platform.node(),
            "processor": in_turns.processor(),
            "cores": os.cpu_count(),
            "threads": options.threads,
            # A load above the number of cores means that other programs ran, and that the ratios are less
            # certain.
            "load_average": round(os.getloadavg()[0], 2),
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "model": {"name": description.name, "nodes": description.network.nodes},
        "results": results,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path, default=ROOT / "models" / "demo")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "graph-vs-eager.json")
    parser.add_argument("--threads", type=int, default=min(os.cpu_count() or 1, 2))
    parser.add_argument("--seconds", type=float, default=15.0, help="time for each batch size")
    parser.add_argument("--machine", help="the machine's name in the results")
    return parser.parse_args()


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
