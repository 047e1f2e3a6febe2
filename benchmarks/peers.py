"""The protocol between a benchmark and its peers in Python: a line of JSON for each turn."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


def serve(
    bundle: Path,
    versions: Mapping[str, str],
    contender: Callable[[str, int], Callable[[], np.ndarray]],
    compiling: Mapping[tuple[str, int], float] | None = None,
) -> None:
    """Answers requests on stdin until it ends.

    `contender` makes what a turn runs; `compiling` has the seconds that making it took.
    """
    description = json.loads((bundle / "model.json").read_text())
    shape = description["outputs"][0]["shape"][1:]
    expected = np.fromfile(bundle / "samples/expected.bin", np.float32).reshape(-1, *shape)
    made: dict[tuple[str, int], tuple[Callable[[], np.ndarray], float]] = {}
    answer(versions)
    for line in sys.stdin:
        request = json.loads(line)
        key = request["side"], request["batch"]
        if key not in made:
            run = contender(*key)
            forecasts = np.asarray(run())
            wanted = np.resize(expected, forecasts.shape)
            made[key] = run, float(np.abs(forecasts - wanted).max() / description["samples"]["spread"])
        run, difference = made[key]
        answer(
            {
                "times": times_of(run, request["ms"]),
                "ofSpread": difference,
                "compiled": (compiling or {}).get(key),
            }
        )


def times_of(run: Callable[[], object], milliseconds: float) -> list[float]:
    """The milliseconds of each run, for as long, and at least of one."""
    times = []
    deadline = time.perf_counter() + milliseconds / 1e3
    while not times or time.perf_counter() < deadline:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def answer(value: object) -> None:
    print(json.dumps(value), flush=True)
