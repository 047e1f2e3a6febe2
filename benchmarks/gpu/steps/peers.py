"""The peers, in the same run: the model in PyTorch on the GPU, eager and as a CUDA graph, in FP32 and with
TF32, and the exported graph on the CPU by ONNX Runtime.

PyTorch runs the network alone, on inputs that pytorch-forecasting has scaled and that are on the GPU already;
ours starts from raw values in host memory. As a CUDA graph it is the network as prepared for training, since
the original cannot be captured: the same function, with fewer and faster steps.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tft_export.bundle import check_file
from tft_export.checkpoint.checkpoint_file import Checkpoint, load_checkpoint
from tft_export.checkpoint.structure import Structure, read_structure
from tft_export.description import read_description
from tft_export.training.training_network import FixedLength, prepare_for_training
from tft_export.windows.sample_windows import forecasting_dataset, made_up_windows

WARMUP = 3
# Autocast to FP16 fails: the attention's mask of -1e9 does not fit. TF32 is the next best that it can do.
PRECISIONS = ("fp32", "tf32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"))
    parser.add_argument("--bundle", type=Path, default=Path("models/demo"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each measurement")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32, 128, 512])
    options = parser.parse_args()
    say = _writer(options.out)
    description = read_description(options.bundle)
    checkpoint = load_checkpoint(check_file(options.bundle, description.files.checkpoint))
    structure = read_structure(checkpoint, description.step_minutes, description.servers or None)
    device = torch.device(options.device)
    checkpoint.model.to(device).eval()
    windows = {
        batch: made_up_windows(structure, checkpoint.dataset_parameters, batch) for batch in options.batches
    }
    scaled = {batch: _on_device(checkpoint, windows[batch], device) for batch in options.batches}
    say({"kind": "peer-versions", "torch": torch.__version__, "device": str(device)})
    with torch.inference_mode():
        for precision in PRECISIONS:
            for batch in options.batches:
                run = _eager(checkpoint.model, scaled[batch], precision)
                _measure(say, "pytorch eager", precision, batch, run, device, options.seconds)
        if device.type == "cuda":
            prepare_for_training(checkpoint.model, structure.encoder_length, structure.horizon)
            checkpoint.model.to(device)
            for precision in PRECISIONS:
                for batch in options.batches:
                    try:
                        x = _fixed_lengths(scaled[batch], structure, device)
                        run = _captured(_eager(checkpoint.model, x, precision))
                    except Exception as error:
                        what = {"peer": "pytorch graph", "precision": precision, "batch": batch}
                        say({"kind": "error", "step": "peers", **what, "message": str(error)[:300]})
                        continue
                    _measure(say, "pytorch graph", precision, batch, run, device, options.seconds)
    _onnxruntime(say, options, description, windows)


def _writer(path: Path) -> Callable[[dict], None]:
    def say(record: dict) -> None:
        line = json.dumps(record)
        print(line, flush=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return say


def _on_device(checkpoint: Checkpoint, windows, device: torch.device) -> dict:
    dataset = forecasting_dataset(checkpoint, windows)
    x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=len(windows))))
    return {name: value.to(device) if torch.is_tensor(value) else value for name, value in x.items()}


def _fixed_lengths(x: dict, structure: Structure, device: torch.device) -> dict:
    return {
        **x,
        "encoder_lengths": FixedLength(structure.encoder_length, device),
        "decoder_lengths": FixedLength(structure.horizon, device),
    }


def _eager(model, x: dict, precision: str) -> Callable[[], torch.Tensor]:
    def run() -> torch.Tensor:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        return model(x).prediction

    return run


def _captured(run: Callable[[], torch.Tensor]) -> Callable[[], None]:
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def _measure(say, peer, precision, batch, run, device: torch.device, seconds: float) -> None:
    """One call at a time, each waited for; then as many as fit, waited for at the end."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    try:
        for _ in range(WARMUP):
            run()
        wait()
    except Exception as error:
        say({"kind": "error", "step": "peers", "peer": peer, "batch": batch, "message": str(error)[:300]})
        return
    times = []
    end = time.perf_counter() + seconds / 2
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        run()
        wait()
        times.append((time.perf_counter() - start) * 1e3)
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds / 2:
        for _ in range(4):
            run()
        wait()
        count += 4
    rate = count * batch / (time.perf_counter() - start)
    say(_record(peer, precision, batch, times, rate))


def _record(peer: str, precision: str, batch: int, times: list[float], rate: float) -> dict:
    p50, p95, p99 = np.percentile(times, [50, 95, 99]).round(4).tolist()
    return {
        "kind": "peer",
        "peer": peer,
        "precision": precision,
        "batch": batch,
        "latency": {"p50": p50, "p95": p95, "p99": p99},
        "forecastsPerSecond": round(rate),
    }


def _onnxruntime(say, options, description, windows) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        check_file(options.bundle, description.files.onnx), providers=["CPUExecutionProvider"]
    )
    for batch in [batch for batch in options.batches if batch <= 32]:
        inputs = windows[batch].inputs()
        _measure(
            say,
            "onnxruntime cpu",
            "fp32",
            batch,
            lambda inputs=inputs: session.run(None, inputs),
            torch.device("cpu"),
            options.seconds,
        )


if __name__ == "__main__":
    main()
