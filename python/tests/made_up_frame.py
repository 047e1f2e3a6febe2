"""A data frame of a few made-up series, with columns of every kind that a data set can take."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from public_structures import series

REALS_AHEAD = ("time_idx", "price", "promo", "hour", "day_of_week", "month", "is_weekend")
CATEGORIES_AHEAD = ("shift", "weekday", "hour_name", "sale", "fair")
STATIC_CATEGORIES, STATIC_REALS = ("role", "zone"), ("cores", "rent")
MEASURED, MEASURED_CATEGORIES = ("load", "memory", "errors", "share"), ("status",)

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def made_up_frame(
    step: str = "h",
    steps: int = 120,
    count: int = 4,
    start: str = "2026-03-02",
    target: Change = lambda load, _: load,
) -> pd.DataFrame:
    """`count` series at two sites; `target` changes the column `load` of each, which is above 1 before."""

    def columns(rng, times, index):
        size = len(times)
        daily = np.sin(np.arange(size) / 24 * 2 * np.pi)
        load = np.clip(20.0 * (index + 1) + 8 * daily + rng.normal(0, 3, size), 2.0, None)
        return {
            "load": target(load, rng),
            "memory": 40 + 5 * index + rng.normal(0, 4, size),
            "errors": rng.uniform(0.5, 9, size),
            "share": rng.uniform(0.05, 0.95, size),
            "price": 3 + rng.random(size),
            "promo": (rng.random(size) < 0.3).astype(float),
            "hour": times.hour.astype(float),
            "day_of_week": times.dayofweek.astype(float),
            "month": times.month.astype(float),
            "is_weekend": (times.dayofweek >= 5).astype(float),
            "weight": 1 + rng.random(size),
            "cores": float(2**index),
            "rent": 10.0 + index,
            "role": ["web", "db", "queue"][index % 3],
            "zone": ["north", "south"][index // 2 % 2],
            "status": rng.choice(["ok", "busy", "down"], size),
            "shift": rng.choice(["early", "late"], size),
            "weekday": times.day_name(),
            "hour_name": times.hour.astype(str),
            "sale": rng.choice(["sale", "-"], size),
            "fair": rng.choice(["fair", "-"], size),
        }

    groups = [{"site": f"site-{index % 2}", "host": f"host-{index}"} for index in range(count)]
    return series(start, step, steps, groups, columns)
