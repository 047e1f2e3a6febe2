"""How far the exporter's TorchScript module is from PyTorch's forecasts on the CPU, by LibTorch's settings.

    libtorch_settings.py MODULE BUNDLE [--device cuda] [--out libtorch.jsonl]

benchmarks/libtorch_peer.py writes the module. Each record has the largest differences of four calls, as
shares of the spread of the expected forecasts, and the milliseconds of a call, inputs on the device. TF32 is
off throughout.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

BATCHES = (1, 3, 8, 32, 128, 512)
CALLS = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("module", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path("libtorch.jsonl"))
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    compare = _comparison(options)

    def frozen() -> torch.jit.ScriptModule:
        return torch.jit.freeze(torch.jit.load(str(options.module), map_location=options.device).eval())

    compare("frozen", frozen)
    compare("unfrozen", lambda: torch.jit.load(str(options.module), map_location=options.device).eval())
    torch._C._jit_set_texpr_fuser_enabled(False)
    compare("frozen, no fuser", frozen)
    torch.backends.cudnn.enabled = False
    compare("frozen, no fuser, no cudnn", frozen)
    torch.backends.cudnn.enabled = True
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    torch.backends.cudnn.fp32_precision = "ieee"
    compare("frozen, no fuser, ieee", frozen)


def _comparison(options: argparse.Namespace) -> Callable[[str, Callable], None]:
    model = json.loads((options.bundle / "model.json").read_text())
    count = model["samples"]["count"]

    def read(name: str, kind: str, shape: list[int]) -> np.ndarray:
        array = np.fromfile(options.bundle / "samples" / f"{name}.bin", np.dtype(kind))
        return array.reshape(count, *shape)

    inputs = [read(tensor["name"], tensor["type"], tensor["shape"][1:]) for tensor in model["inputs"]]
    expected = read("expected", "float32", model["outputs"][0]["shape"][1:])

    def compare(what: str, load: Callable) -> None:
        network = load()
        for batch in BATCHES:
            windows = np.arange(batch) % count
            given = [torch.from_numpy(array[windows]).to(options.device) for array in inputs]
            with torch.inference_mode():
                differences = []
                # The first calls of a shape are profiled, and run differently from the later ones.
                for _ in range(4):
                    found = network(*given).cpu().numpy()
                    differences.append(float(np.abs(found - expected[windows]).max() / expected.std()))
                begin = time.perf_counter()
                for _ in range(CALLS):
                    last = network(*given)
                last.cpu()
                ms = (time.perf_counter() - begin) / CALLS * 1e3
            line = json.dumps({"what": what, "batch": batch, "ofSpread": differences, "ms": ms})
            print(line, flush=True)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    return compare


if __name__ == "__main__":
    main()
