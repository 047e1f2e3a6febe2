"""A typical Python service: FastAPI, uvicorn and ONNX Runtime, with their fastest options.

uvicorn runs on uvloop and httptools, orjson reads and writes the JSON, NumPy has the tensors, and the model
runs in another thread than the event loop.

Its threads either share one request at a time or compute one request each; which is faster depends on the
load.

Run in this folder: ./run python fastapi_service.py PORT BUNDLE THREADS together|apart
"""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import orjson
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response

TYPES = {"float32": np.float32, "int32": np.int32}
Tensors = dict[str, np.ndarray]


def make_app(bundle: Path, threads: int, apart: bool) -> FastAPI:
    """The application that serves a bundle's model."""
    model = json.loads((bundle / "model.json").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1 if apart else threads
    session = onnxruntime.InferenceSession(str(bundle / model["files"]["onnx"]["path"]), options)
    specs = [(t["name"], TYPES[t["type"]], tuple(t["shape"][1:])) for t in model["inputs"]]
    server_bytes = sum(np.dtype(kind).itemsize * int(np.prod(shape)) for _, kind, shape in specs)
    names = {"model": model["name"], "quantiles": model["quantiles"]}
    turn = asyncio.Semaphore(threads if apart else 1)

    async def run(inputs: Tensors) -> np.ndarray:
        if any(not np.isfinite(inputs[name]).all() for name, kind, _ in specs if kind is np.float32):
            raise HTTPException(400, "the inputs must be finite")
        async with turn:
            return (await asyncio.to_thread(session.run, ["predictions"], inputs))[0]

    app = FastAPI()

    @app.get("/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        try:
            body = orjson.loads(await request.body())
            inputs = {name: np.asarray(body[name], kind).reshape(-1, *shape) for name, kind, shape in specs}
        except (KeyError, TypeError, ValueError) as error:
            raise HTTPException(400, str(error)) from error
        answer = {**names, "predictions": await run(inputs)}
        return Response(
            orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json"
        )

    @app.post("/predict-binary")
    async def predict_binary(request: Request) -> Response:
        """The four tensors one after another; the predictions' bytes are the answer."""
        body = await request.body()
        batch, rest = divmod(len(body), server_bytes)
        if rest or not batch:
            raise HTTPException(400, f"a server has {server_bytes} bytes")
        inputs: Tensors = {}
        start = 0
        for name, kind, shape in specs:
            count = batch * int(np.prod(shape))
            inputs[name] = np.frombuffer(body, kind, count, start).reshape(batch, *shape)
            start += inputs[name].nbytes
        return Response((await run(inputs)).tobytes(), media_type="application/octet-stream")

    return app


def main() -> None:
    port, bundle, threads, apart = (
        int(sys.argv[1]),
        Path(sys.argv[2]),
        int(sys.argv[3]),
        sys.argv[4] == "apart",
    )
    app = make_app(bundle, threads, apart)
    # The sides of a comparison take turns, so connections are idle for longer than uvicorn's 5 s.
    uvicorn.run(
        app, host="127.0.0.1", port=port, log_level="warning", access_log=False, timeout_keep_alive=120
    )


if __name__ == "__main__":
    main()
