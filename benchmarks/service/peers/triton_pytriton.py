"""A real Triton server, started by nvidia-pytriton, with a model that does nothing.

Run in this folder: ./run python triton_pytriton.py PORT METRICS_PORT GRPC_PORT
"""

import sys

import numpy as np
from contract import MAX_BATCH, MODEL, QUANTILES, STEPS, use_own_libraries
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

TYPES = {"float32": np.float32, "int32": np.int32}
ZEROS = np.zeros((MAX_BATCH, STEPS, QUANTILES), np.float32)


def tensors(side: str) -> list[Tensor]:
    """The tensors of one side of the model, without the batch."""
    return [Tensor(name=t["name"], dtype=TYPES[t["type"]], shape=tuple(t["shape"][1:])) for t in MODEL[side]]


@batch
def forecast(**inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Zeros for each series of the request."""
    return {"predictions": ZEROS[: len(inputs["encoder_cont"])]}


def main() -> None:
    use_own_libraries()
    http, metrics, grpc = (int(port) for port in sys.argv[1:4])
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=http,
        metrics_port=metrics,
        grpc_address="127.0.0.1",
        grpc_port=grpc,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="demo",
            infer_func=forecast,
            inputs=tensors("inputs"),
            outputs=tensors("outputs"),
            config=ModelConfig(max_batch_size=MAX_BATCH, batcher=DynamicBatcher()),
        )
        triton.serve()


if __name__ == "__main__":
    main()
