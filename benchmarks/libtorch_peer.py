"""PyTorch in Python, for benchmarks/libtorch.ts: writes the bundle's TorchScript module, then times runs.

    scripts/uv python benchmarks/libtorch_peer.py BUNDLE MODULE

A line on stdin, {"side": "eager", "batch": 8, "ms": 250}, is answered by a line with the milliseconds of each
run and of processor time for each. "eager" is the network of pytorch-forecasting on inputs that are scaled
already; "module" is the module, on raw inputs. Each run has one thread.
"""

import json
import sys
import time
from pathlib import Path

import torch
from peers import answer, times_of

from tft_export.bundle import check_file
from tft_export.checkpoint.checkpoint_file import load_checkpoint
from tft_export.checkpoint.read_structure import read_structure
from tft_export.description import read_description
from tft_export.graph.network import TemporalFusionNetwork
from tft_export.graph.onnx_graph import write_torchscript
from tft_export.windows.made_up_windows import made_up_windows
from tft_export.windows.pytorch_forecasts import forecasting_dataset


def main() -> None:
    torch.set_num_threads(1)
    bundle, module_file = Path(sys.argv[1]), Path(sys.argv[2])
    description = read_description(bundle)
    checkpoint = load_checkpoint(check_file(bundle, description.files.checkpoint))
    structure = read_structure(checkpoint, description.step_minutes, description.servers or None)
    write_torchscript(TemporalFusionNetwork(checkpoint.model, structure).eval(), structure, module_file)
    module = torch.jit.freeze(torch.jit.load(str(module_file)).eval())
    contenders = {}

    def contender(side: str, batch: int):
        windows = made_up_windows(structure, checkpoint.dataset_parameters, batch)
        if side == "module":
            raw = [torch.from_numpy(array) for array in windows.inputs().values()]
            return lambda: module(*raw)
        dataset = forecasting_dataset(checkpoint, windows)
        scaled, _ = next(iter(dataset.to_dataloader(train=False, batch_size=batch)))
        return lambda: checkpoint.model(scaled).prediction

    answer({"torch": torch.__version__})
    with torch.inference_mode():
        for line in sys.stdin:
            request = json.loads(line)
            key = request["side"], request["batch"]
            if key not in contenders:
                contenders[key] = contender(*key)
            answer(_times(contenders[key], request["ms"]))


def _times(run, milliseconds: float) -> dict[str, object]:
    used = time.process_time()
    times = times_of(run, milliseconds)
    return {"times": times, "processor": (time.process_time() - used) * 1e3 / len(times)}


if __name__ == "__main__":
    main()
