"""The same Triton server without pytriton: its Python backend runs the model that does nothing.

Run in this folder: ./run python triton_direct.py PORT METRICS_PORT GRPC_PORT FOLDER
FOLDER must be empty; the server stores its files there.
"""

import os
import shutil
import sys
from pathlib import Path

from contract import MAX_BATCH, MODEL, QUANTILES, STEPS, triton_folder, use_own_libraries

STUB = "triton_python_backend_stub"
TYPES = {"float32": "TYPE_FP32", "int32": "TYPE_INT32"}
PROGRAM = f"""
import numpy as np
import triton_python_backend_utils as pb_utils

ZEROS = np.zeros(({MAX_BATCH}, {STEPS}, {QUANTILES}), np.float32)


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            batch = pb_utils.get_input_tensor_by_name(request, "encoder_cont").shape()[0]
            tensor = pb_utils.Tensor("predictions", ZEROS[:batch])
            answers.append(pb_utils.InferenceResponse(output_tensors=[tensor]))
        return answers
"""


def tensors(kind: str, side: str) -> str:
    """The tensors of one side of the model in the format of Triton's configuration."""
    return "".join(
        f'{kind} {{ name: "{t["name"]}" data_type: {TYPES[t["type"]]} dims: {t["shape"][1:]} }}\n'
        for t in MODEL[side]
    )


def lay_out(folder: Path) -> None:
    """Writes the model, and the Python backend with its program for this Python's version."""
    (folder / "models/demo/1").mkdir(parents=True)
    (folder / "models/demo/1/model.py").write_text(PROGRAM)
    (folder / "models/demo/config.pbtxt").write_text(
        f'name: "demo"\nbackend: "python"\nmax_batch_size: {MAX_BATCH}\n'
        f"{tensors('input', 'inputs')}{tensors('output', 'outputs')}dynamic_batching {{}}\n"
        "instance_group [{ kind: KIND_CPU count: 1 }]\n"
    )
    triton = triton_folder()
    shutil.copytree(triton / "backends", folder / "backends")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(triton / "python_backend_stubs" / version / STUB, folder / "backends/python" / STUB)


def main() -> None:
    use_own_libraries()
    http, metrics, grpc, folder = sys.argv[1:5]
    lay_out(Path(folder))
    server = str(triton_folder() / "bin/tritonserver")
    options = {
        "model-repository": f"{folder}/models",
        "backend-directory": f"{folder}/backends",
        "http-address": "127.0.0.1",
        "http-port": http,
        "metrics-address": "127.0.0.1",
        "metrics-port": metrics,
        "grpc-address": "127.0.0.1",
        "grpc-port": grpc,
    }
    os.execv(server, [server, *(f"--{name}={value}" for name, value in options.items())])


if __name__ == "__main__":
    main()
