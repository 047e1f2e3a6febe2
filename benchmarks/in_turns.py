"""What the Python benchmarks have in common: contenders that take turns, and the processor's name."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

WARMUP = 3


def medians(contenders: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """The median milliseconds of each; they take turns, so that other load affects all alike."""
    times = {name: [] for name in contenders}
    for _ in range(WARMUP):
        for run in contenders.values():
            run()
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(next(iter(times.values()))) < WARMUP:
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
