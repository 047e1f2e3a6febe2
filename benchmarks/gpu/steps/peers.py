"""Measures the peers in the same run: the model in PyTorch on the GPU, in FP32 and with TF32, and the
exported graph in ONNX Runtime on the CPU.

PyTorch runs two networks. 'prepared' is the original as prepared for training: the same function in fewer
and faster steps, on inputs that pytorch-forecasting has scaled. 'rewritten' is ours, from raw inputs to raw
forecasts, which is the fastest form in PyTorch. Both have their inputs on the GPU; our engine starts in
host memory.

    peers.py                          the original eagerly, both networks in CUDA graphs, ONNX Runtime
    peers.py --compile default        both networks with torch.compile, each in a CUDA graph
    peers.py --compile max-autotune   the same; takes minutes for each batch size
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tft_export.bundle import check_file
from tft_export.checkpoint.checkpoint_file import Checkpoint, load_checkpoint
from tft_export.checkpoint.read_structure import read_structure
from tft_export.checkpoint.structure import Structure
from tft_export.description import INPUT_NAMES, read_description
from tft_export.graph.network import TemporalFusionNetwork
from tft_export.training.training_network import FixedLength, prepare_for_training
from tft_export.windows.made_up_windows import made_up_windows
from tft_export.windows.pytorch_forecasts import forecasting_dataset

WARMUP = 3
# Autocast to FP16 fails, because the attention's mask of -1e9 overflows. TF32 is the next fastest precision.
PRECISIONS = ("tf32", "fp32")
NETWORKS = ("rewritten", "prepared")
# torch.compile's CUDA graphs copy inputs and outputs at each call; ours replays on the same memory.
MODES = {"default": "default", "max-autotune": "max-autotune-no-cudagraphs"}

Run = Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Network:
    """A network on the device, and its arguments for each batch size."""

    call: Callable[..., torch.Tensor]
    arguments: dict[int, tuple]


class Peers:
    """Measures the networks of one bundle, one after another, and writes records."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.device = torch.device(options.device)
        self.description = read_description(options.bundle)
        self.structure = self._structure(self._checkpoint())
        parameters = self._checkpoint().dataset_parameters
        self.windows = {
            batch: made_up_windows(self.structure, parameters, batch) for batch in options.batches
        }

    def run(self) -> None:
        self.say({"kind": "peer-versions", "torch": torch.__version__, "device": str(self.device)})
        if self.options.compile is None:
            with torch.inference_mode():
                self.original()
        with torch.no_grad():
            for name in self.options.networks:
                self.captured(name)
        if self.options.compile is None:
            self.onnxruntime()

    def original(self) -> None:
        """Measures pytorch-forecasting's unchanged network, called eagerly."""
        checkpoint = self._checkpoint()
        checkpoint.model.to(self.device).eval()
        for batch in self.options.batches:
            x = self._scaled(checkpoint, batch)
            for precision in self.options.precisions:
                run = _under(precision, lambda x=x: checkpoint.model(x).prediction)
                self.measure({"peer": "pytorch eager", "precision": precision, "batch": batch}, run)

    def captured(self, name: str) -> None:
        """Measures a network in a CUDA graph, compiled first if `mode` is given."""
        network = self._rewritten() if name == "rewritten" else self._prepared()
        mode = self.options.compile
        peer = f"pytorch graph, {name}" if mode is None else f"torch.compile {mode}, {name}"
        for precision in self.options.precisions:
            for batch in self.options.batches:
                what = {"peer": peer, "precision": precision, "batch": batch}
                arguments = network.arguments[batch]
                try:
                    plain = _under(precision, lambda call=network.call, a=arguments: call(*a))
                    run = plain
                    if mode is not None:
                        run, what["compileSeconds"] = self.compiled(network, arguments, precision, mode)
                        what["ofSpread"] = _difference(run(), plain())
                    self.measure(what, self.in_graph(run))
                except Exception as error:  # a failing peer is written as a record, and the next one runs
                    self.failed(what, error)

    def compiled(self, network: Network, arguments: tuple, precision: str, mode: str) -> tuple[Run, float]:
        """Compiles a network for these shapes alone; also returns the time of its first call."""
        torch._dynamo.reset()
        call = torch.compile(network.call, mode=MODES[mode], dynamic=False)

        run = _under(precision, lambda: call(*arguments))
        start = time.perf_counter()
        run()
        self.wait()
        return run, round(time.perf_counter() - start, 2)

    def in_graph(self, run: Run) -> Callable[[], object]:
        if self.device.type != "cuda":
            return run
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(WARMUP):
                run()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        return graph.replay

    def onnxruntime(self) -> None:
        import onnxruntime

        path = check_file(self.options.bundle, self.description.files.onnx)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for batch in [batch for batch in self.options.batches if batch <= 32]:
            inputs = self.windows[batch].inputs()
            what = {"peer": "onnxruntime cpu", "precision": "fp32", "batch": batch}
            self.measure(what, lambda inputs=inputs: session.run(None, inputs))

    def measure(self, what: dict, run: Callable[[], object]) -> None:
        """Times one call at a time, each awaited; then as many calls as fit, awaited at the end."""
        seconds = self.options.seconds
        try:
            for _ in range(WARMUP):
                run()
            self.wait()
            times = []
            end = time.perf_counter() + seconds / 2
            while time.perf_counter() < end or len(times) < 5:
                start = time.perf_counter()
                run()
                self.wait()
                times.append((time.perf_counter() - start) * 1e3)
            count, start = 0, time.perf_counter()
            while time.perf_counter() < start + seconds / 2:
                for _ in range(4):
                    run()
                self.wait()
                count += 4
            rate = count * what["batch"] / (time.perf_counter() - start)
        except Exception as error:
            self.failed(what, error)
            return
        p50, p95, p99 = np.percentile(times, [50, 95, 99]).round(4).tolist()
        latency = {"p50": p50, "p95": p95, "p99": p99}
        self.say({"kind": "peer", **what, "latency": latency, "forecastsPerSecond": round(rate)})

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def failed(self, what: dict, error: Exception) -> None:
        self.say({"kind": "error", "step": "peers", **what, "message": str(error)[:300]})

    def say(self, record: dict) -> None:
        line = json.dumps(record)
        print(line, flush=True)
        with self.options.out.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _checkpoint(self) -> Checkpoint:
        """Reads the checkpoint each time, because preparing changes a network in place."""
        return load_checkpoint(check_file(self.options.bundle, self.description.files.checkpoint))

    def _structure(self, checkpoint: Checkpoint) -> Structure:
        return read_structure(checkpoint, self.description.step_minutes, self.description.servers or None)

    def _rewritten(self) -> Network:
        network = TemporalFusionNetwork(self._checkpoint().model, self.structure).to(self.device).eval()
        arguments = {}
        for batch, windows in self.windows.items():
            inputs = windows.inputs()
            arguments[batch] = tuple(torch.from_numpy(inputs[name]).to(self.device) for name in INPUT_NAMES)
        return Network(network, arguments)

    def _prepared(self) -> Network:
        checkpoint = self._checkpoint()
        scaled = {batch: self._scaled(checkpoint, batch) for batch in self.windows}
        past, future = self.structure.encoder_length, self.structure.horizon
        model = prepare_for_training(checkpoint.model, past, future).to(self.device).eval()
        lengths = {
            "encoder_lengths": FixedLength(past, self.device),
            "decoder_lengths": FixedLength(future, self.device),
        }
        return Network(lambda x: model(x).prediction, {b: ({**x, **lengths},) for b, x in scaled.items()})

    def _scaled(self, checkpoint: Checkpoint, batch: int) -> dict:
        dataset = forecasting_dataset(checkpoint, self.windows[batch])
        x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=batch)))
        return {name: value.to(self.device) if torch.is_tensor(value) else value for name, value in x.items()}


def _under(precision: str, run: Run) -> Run:
    def call() -> torch.Tensor:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        return run()

    return call


def _difference(found: torch.Tensor, plain: torch.Tensor) -> float:
    """The largest difference, as a share of the standard deviation of the uncompiled network's output."""
    return float((found - plain).abs().max() / plain.std())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"))
    parser.add_argument("--bundle", type=Path, default=Path("models/demo"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each measurement")
    parser.add_argument("--batches", type=_numbers, default=[1, 32, 512])
    parser.add_argument("--networks", type=_words(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--precisions", type=_words(PRECISIONS), default=list(PRECISIONS))
    parser.add_argument("--compile", choices=MODES)
    Peers(parser.parse_args()).run()


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _words(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        words = text.split(",")
        if unknown := [word for word in words if word not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: expected some of {', '.join(known)}")
        return words

    return read


if __name__ == "__main__":
    main()
