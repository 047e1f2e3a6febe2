# /// script
# requires-python = ">=3.11"
# dependencies = ["fastapi>=0.115", "httpx>=0.27", "uvicorn>=0.32"]
# ///
"""A daemon in Python, in FastAPI, whose forecasts come from `tft serve` over a Unix socket.

    npx tft serve --socket /run/tft.sock
    uv run fastapi_daemon.py /run/tft.sock --port 8100

POST /feed/data takes records of measurements, and GET /predictions/current forecasts the servers that have
enough of them. The daemon keeps the history; the service computes, in another process, and several daemons
may ask the same one.
"""

import argparse
from collections import defaultdict, deque
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

PARSER = argparse.ArgumentParser()
PARSER.add_argument("socket", help="the Unix socket of tft serve")
PARSER.add_argument("--port", type=int, default=8100)
OPTIONS = PARSER.parse_args()

# A day of records every five minutes is what the demo model reads; those that are older are dropped.
RECORDS = 300
history: dict[str, deque[dict]] = defaultdict(lambda: deque(maxlen=RECORDS))


@asynccontextmanager
async def connected(app: FastAPI):
    """Keeps connections to the service open. The host in the URL is only a name."""
    transport = httpx.AsyncHTTPTransport(uds=OPTIONS.socket, retries=1)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=10) as client:
        app.state.service = client
        yield


app = FastAPI(lifespan=connected)


class Feed(BaseModel):
    records: list[dict]


@app.post("/feed/data")
def feed(body: Feed) -> dict:
    for record in body.records:
        history[record["server_name"]].append(record)
    return {"accepted": len(body.records)}


@app.get("/predictions/current")
async def predictions() -> dict:
    rows = [row for records in history.values() for row in records]
    if not rows:
        raise HTTPException(404, "no records yet")
    try:
        answer = await app.state.service.post("/forecast", json={"rows": rows})
    except httpx.TransportError as error:
        raise HTTPException(503, f"tft serve does not answer at {OPTIONS.socket}: {error}") from error
    if answer.is_error:
        # An error of the service has a message, a code and, if it is worth trying again, Retry-After.
        raise HTTPException(answer.status_code, answer.json()["error"])
    found = answer.json()
    return {
        "predictions": {one["server"]: summary(one) for one in found["forecasts"]},
        "refused": found["refused"],
    }


def summary(forecast: dict) -> dict:
    columns = {quantile: column for column, quantile in enumerate(forecast["quantiles"])}
    steps = forecast["values"]
    return {
        "current": forecast["now"],
        "times": forecast["times"],
        "p50": [step[columns[0.5]] for step in steps],
        "p90": [step[columns[0.9]] for step in steps],
    }


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=OPTIONS.port, log_level="warning")
