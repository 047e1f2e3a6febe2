"""Models of the structures that tutorials and competitions publish, on made-up data of their columns.

Each is written as it is published, with fewer series, shorter lengths and smaller networks. The weights are
random and perturbed: what is tested is the structure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import TemporalFusionTransformer, TimeSeriesDataSet
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer
from pytorch_forecasting.metrics import MAE, RMSE, SMAPE, QuantileLoss

from tiny_models import perturb, quiet, save_checkpoint

SIZES = {"hidden_size": 8, "attention_head_size": 2, "hidden_continuous_size": 4, "dropout": 0.1}


@dataclass(frozen=True)
class Published:
    """A data set and a model of it; `frame` has `timestamp` beside the data set's columns."""

    frame: pd.DataFrame
    dataset: TimeSeriesDataSet
    model: TemporalFusionTransformer
    step: str

    def save(self, path: Path) -> Path:
        return save_checkpoint(self.model, path)

    def write_history(self, path: Path, rows: pd.DataFrame | None = None) -> Path:
        """The rows as a CSV file for readers of histories."""
        rows = self.frame if rows is None else rows
        rows.assign(timestamp=rows["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(path, index=False)
        return path


def publish(frame: pd.DataFrame, step: str, model: dict | None = None, **dataset) -> Published:
    with quiet():
        data = TimeSeriesDataSet(frame.drop(columns="timestamp"), time_idx="time_idx", **dataset)
        torch.manual_seed(0)
        options = {"loss": QuantileLoss(), **SIZES, **(model or {})}
        network = TemporalFusionTransformer.from_dataset(data, **options).eval()
    return Published(frame, data, perturb(network).requires_grad_(False), step)


def series(
    start: str, step: str, steps: int, groups: list[dict[str, str]], columns: Callable
) -> pd.DataFrame:
    """One series for each of `groups`; `columns(rng, times, index)` gives the other columns."""
    parts = []
    for index, group in enumerate(groups):
        times = pd.date_range(start, periods=steps, freq=step, tz="UTC")
        made = columns(np.random.default_rng(index), times, index)
        parts.append(pd.DataFrame({"timestamp": times, "time_idx": np.arange(steps), **group, **made}))
    return pd.concat(parts, ignore_index=True)


SPECIAL_DAYS = ["easter_day", "good_friday", "new_year", "christmas", "labor_day", "beer_capital"]


def stallion() -> Published:
    """pytorch-forecasting's tutorial: demand of beverages by agency and product, monthly."""

    def columns(rng, times, index):
        steps = len(times)
        volume = (50.0 * (index + 1)) * np.exp(rng.normal(0, 0.3, steps))
        days = {name: np.where(rng.random(steps) < 0.2, name, "-") for name in SPECIAL_DAYS}
        return {
            "volume": volume,
            "log_volume": np.log(volume + 1e-8),
            "industry_volume": rng.normal(5e8, 5e7, steps),
            "soda_volume": rng.normal(8e8, 5e7, steps),
            "avg_max_temp": rng.normal(28, 4, steps),
            "price_regular": rng.normal(1500, 200, steps),
            "discount_in_percent": rng.uniform(0, 20, steps),
            "avg_population_2017": 1e5 * (1 + index // 3),
            "avg_yearly_household_income_2017": 1e5 + 3e4 * (index // 3),
            "month": times.month.astype(str),
            **days,
        }

    groups = [{"agency": f"Agency_{a:02}", "sku": f"SKU_{s:02}"} for a in range(4) for s in range(3)]
    frame = series("2013-01-01", "MS", 60, groups, columns)
    frame["avg_volume_by_sku"] = frame.groupby(["time_idx", "sku"]).volume.transform("mean")
    frame["avg_volume_by_agency"] = frame.groupby(["time_idx", "agency"]).volume.transform("mean")
    return publish(
        frame,
        "1month",
        {"logging_metrics": torch.nn.ModuleList([SMAPE(), MAE(), RMSE()]), "reduce_on_plateau_patience": 4},
        target="volume",
        group_ids=["agency", "sku"],
        min_encoder_length=12,
        max_encoder_length=24,
        min_prediction_length=1,
        max_prediction_length=6,
        static_categoricals=["agency", "sku"],
        static_reals=["avg_population_2017", "avg_yearly_household_income_2017"],
        time_varying_known_categoricals=["special_days", "month"],
        variable_groups={"special_days": SPECIAL_DAYS},
        time_varying_known_reals=["time_idx", "price_regular", "discount_in_percent"],
        time_varying_unknown_reals=[
            "volume", "log_volume", "industry_volume", "soda_volume", "avg_max_temp", "avg_volume_by_agency",
            "avg_volume_by_sku",
        ],
        target_normalizer=GroupNormalizer(groups=["agency", "sku"], transformation="softplus"),
        add_relative_time_idx=True,
        add_target_scales=True,
        add_encoder_length=True,
    )  # fmt: skip


def electricity() -> Published:
    """The electricity model of the Temporal Fusion Transformer's paper: hourly use of many consumers."""

    def columns(rng, times, index):
        return {
            "power_usage": 20.0 * (index + 1)
            + 10 * np.sin(times.hour / 24 * 6.28)
            + rng.normal(0, 2, len(times)),
            "hours_from_start": np.arange(len(times)) + 26_000.0,
            "hour": times.hour.astype(float),
            "day_of_week": times.dayofweek.astype(float),
        }

    groups = [{"consumer": f"MT_{index:03}"} for index in range(5)]
    return publish(
        series("2014-05-01", "h", 200, groups, columns),
        "60",
        {"loss": QuantileLoss([0.1, 0.5, 0.9])},
        target="power_usage",
        group_ids=["consumer"],
        min_encoder_length=48,
        max_encoder_length=48,
        min_prediction_length=24,
        max_prediction_length=24,
        static_categoricals=["consumer"],
        time_varying_known_reals=["hours_from_start", "hour", "day_of_week"],
        time_varying_unknown_reals=["power_usage"],
        target_normalizer=GroupNormalizer(groups=["consumer"]),
        add_relative_time_idx=True,
    )


def m5() -> Published:
    """As models of the M5 competition are: daily sales by item and store, with lags, prices and events."""

    def columns(rng, times, index):
        steps = len(times)
        return {
            "dept_id": f"dept_{index % 2}",
            "cat_id": f"cat_{index % 2}",
            "state_id": ["CA", "TX"][index // 3],
            "sales": rng.poisson(3.0 * (index + 1), steps).astype(float),
            "sell_price": 5 + index + rng.normal(0, 0.3, steps).round(2),
            "event": rng.choice(["none", "SuperBowl", "Easter"], steps, p=[0.9, 0.05, 0.05]),
            "snap": np.where(times.day <= 10, "yes", "no"),
            "weekday": times.dayofweek.astype(str),
            "month": times.month.astype(str),
        }

    groups = [{"item_id": f"item_{i}", "store_id": f"store_{s}"} for s in range(2) for i in range(3)]
    return publish(
        series("2015-03-01", "D", 140, groups, columns),
        "1440",
        target="sales",
        group_ids=["item_id", "store_id"],
        min_encoder_length=28,
        max_encoder_length=28,
        min_prediction_length=14,
        max_prediction_length=14,
        static_categoricals=["item_id", "dept_id", "cat_id", "store_id", "state_id"],
        time_varying_known_categoricals=["event", "snap", "weekday", "month"],
        time_varying_known_reals=["time_idx", "sell_price"],
        time_varying_unknown_reals=["sales"],
        lags={"sales": [7, 28]},
        target_normalizer=GroupNormalizer(groups=["item_id", "store_id"], transformation="softplus"),
        add_relative_time_idx=True,
        add_target_scales=True,
    )


def retail() -> Published:
    """As models of the Rossmann competition are: daily sales of stores, with much that is known ahead."""

    def columns(rng, times, index):
        steps = len(times)
        return {
            "store_type": "abc"[index % 3],
            "assortment": ["basic", "extended"][index % 2],
            "sales": 3000.0 * (index + 1) * np.exp(rng.normal(0, 0.2, steps)),
            "customers": rng.poisson(500, steps).astype(float),
            "promo": (rng.random(steps) < 0.4).astype(float),
            "open": (times.dayofweek < 6).astype(float),
            "school_holiday": (rng.random(steps) < 0.2).astype(float),
            "price_index": 100 + rng.normal(0, 2, steps),
            "month": times.month.astype(float),
            "day_of_week": times.dayofweek.astype(float),
            "competition_distance": 200.0 + 1500 * index,
        }

    groups = [{"store": str(index + 1)} for index in range(5)]
    return publish(
        series("2014-01-01", "D", 150, groups, columns),
        "1440",
        target="sales",
        group_ids=["store"],
        min_encoder_length=42,
        max_encoder_length=42,
        min_prediction_length=14,
        max_prediction_length=14,
        static_categoricals=["store_type", "assortment"],
        static_reals=["competition_distance"],
        time_varying_known_reals=["promo", "open", "school_holiday", "price_index", "month", "day_of_week"],
        time_varying_unknown_reals=["sales", "customers"],
        target_normalizer=EncoderNormalizer(transformation="log1p"),
        add_relative_time_idx=True,
        add_target_scales=True,
        add_encoder_length=True,
    )


def monitoring() -> Published:
    """A stranger's first model of servers: the library's defaults, and the time as they found it."""

    def columns(rng, times, index):
        load = 30 + 10 * index + 15 * np.sin(times.hour / 24 * 6.28) + rng.normal(0, 3, len(times))
        return {
            "load": load,
            "memory": 50 + rng.normal(0, 5, len(times)),
            "minute_of_day": (times.hour * 60 + times.minute).astype(float),
            "weekday": times.day_name(),
        }

    groups = [{"host": f"web-{index}"} for index in range(4)]
    return publish(
        series("2026-03-02", "15min", 240, groups, columns),
        "15",
        target="load",
        group_ids=["host"],
        max_encoder_length=48,
        max_prediction_length=12,
        time_varying_known_categoricals=["weekday"],
        time_varying_known_reals=["time_idx", "minute_of_day"],
        time_varying_unknown_reals=["load", "memory"],
    )


PUBLISHED: dict[str, Callable[[], Published]] = {
    "stallion": stallion,
    "electricity": electricity,
    "m5": m5,
    "retail": retail,
    "monitoring": monitoring,
}
