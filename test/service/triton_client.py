"""NVIDIA's own client against the service: URL and key as arguments, tensors of 5 servers of `tiny` on stdin.

Prints, as JSON, the predictions that each way of asking gave.
"""

import json
import sys

import numpy as np
import tritonclient.http as triton

url, key = sys.argv[1:]
SHAPES = {
    "encoder_cont": (5, 6, 3),
    "encoder_cat": (5, 6, 2),
    "decoder_cont": (5, 4, 2),
    "decoder_cat": (5, 4, 2),
}

raw = sys.stdin.buffer.read()
arrays: dict[str, np.ndarray] = {}
at = 0
for name, shape in SHAPES.items():
    count = int(np.prod(shape))
    dtype = np.int32 if name.endswith("cat") else np.float32
    arrays[name] = np.frombuffer(raw, dtype, count, at).reshape(shape)
    at += count * 4

client = triton.InferenceServerClient(url, concurrency=4)
headers = {"X-API-Key": key}
assert client.is_server_live(headers)
assert client.is_server_ready(headers)
assert client.is_model_ready("tiny", headers=headers)
assert client.is_model_ready("tiny", "1", headers=headers)
assert not client.is_model_ready("other", headers=headers)
assert client.get_server_metadata(headers)["name"] == "tft-tensorrt"
metadata = client.get_model_metadata("tiny", headers=headers)
assert [tensor["name"] for tensor in metadata["inputs"]] == list(SHAPES)
assert client.get_model_config("tiny", headers=headers)["max_batch_size"] > 0
assert client.get_model_repository_index(headers)[0]["state"] == "READY"
assert client.get_inference_statistics("tiny", headers=headers)["model_stats"][0]["name"] == "tiny"


def inputs(binary: bool) -> list[triton.InferInput]:
    made = []
    for tensor in metadata["inputs"]:
        array = arrays[tensor["name"]]
        one = triton.InferInput(tensor["name"], array.shape, tensor["datatype"])
        one.set_data_from_numpy(array, binary_data=binary)
        made.append(one)
    return made


def wanted(binary: bool) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput("predictions", binary_data=binary)]


def ask(binary_in: bool, binary_out: bool | None, **more: object) -> list[float]:
    outputs = None if binary_out is None else wanted(binary_out)
    # A copy: the client writes into the headers that it is given.
    result = client.infer("tiny", inputs(binary_in), outputs=outputs, headers=dict(headers), **more)
    return result.as_numpy("predictions").ravel().tolist()


found = {
    "binary": ask(True, True),
    "binary in": ask(True, False),
    "binary out": ask(False, True),
    "JSON": ask(False, False),
    "all outputs": ask(True, None, request_id="7", timeout=5_000_000),
    "version": ask(True, True, model_version="1"),
    "gzip": ask(True, True, request_compression_algorithm="gzip", response_compression_algorithm="gzip"),
    "deflate": ask(
        False, False, request_compression_algorithm="deflate", response_compression_algorithm="deflate"
    ),
    "async": client.async_infer("tiny", inputs(True), outputs=wanted(True), headers=dict(headers))
    .get_result()
    .as_numpy("predictions")
    .ravel()
    .tolist(),
}


def refusal(count: int, given: dict[str, str]) -> triton.InferenceServerException:
    try:
        client.infer("tiny", inputs(True)[:count], headers=given)
    except triton.InferenceServerException as error:
        return error
    raise AssertionError("this must be refused")


missing = refusal(3, dict(headers))
assert missing.status() == "400"
assert "decoder_cat" in missing.message()
assert refusal(4, {}).status() == "401"

client.close()
print(json.dumps(found))
