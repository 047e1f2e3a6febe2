"""torch.compile on the CPU, for benchmarks/cpu.ts: times runs of the exporter's rewritten network.

    scripts/uv python benchmarks/compile_peer.py BUNDLE THREADS

A line on stdin, {"side": "compiled", "batch": 8, "ms": 250}, is answered as by openvino_peer.py, with the
seconds that compiling took.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from peers import serve
from samples import read_samples

from tft_export.bundle import check_file
from tft_export.checkpoint.checkpoint_file import load_checkpoint
from tft_export.checkpoint.read_structure import read_structure
from tft_export.description import read_description
from tft_export.graph.network import TemporalFusionNetwork


def main() -> None:
    bundle, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    description = read_description(bundle)
    checkpoint = load_checkpoint(check_file(bundle, description.files.checkpoint))
    structure = read_structure(checkpoint, description.step_minutes, description.servers or None)
    network = TemporalFusionNetwork(checkpoint.model, structure).eval()
    samples = read_samples(bundle, json.loads((bundle / "model.json").read_text()))
    seconds = {}

    def contender(side: str, batch: int):
        inputs = [torch.from_numpy(np.resize(array, (batch, *array.shape[1:]))) for array in samples.values()]
        run = torch.compile(network, dynamic=False)
        start = time.perf_counter()
        with torch.inference_mode():
            run(*inputs)
        seconds[side, batch] = time.perf_counter() - start

        def once():
            with torch.inference_mode():
                return run(*inputs).numpy()

        return once

    serve(bundle, {"torch": torch.__version__}, contender, seconds)


if __name__ == "__main__":
    main()
