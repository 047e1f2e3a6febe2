"""Makes a random-weight TFT of any structure, its data frame, and its windows as the four raw inputs."""

import copy
import logging
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch import Trainer
from pytorch_forecasting import TemporalFusionTransformer, TimeSeriesDataSet
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer, NaNLabelEncoder
from pytorch_forecasting.metrics import QuantileLoss

from tft_export.checkpoint.checkpoint_file import Checkpoint
from tft_export.checkpoint.read_structure import read_structure
from tft_export.checkpoint.structure import Structure
from tft_export.description import INPUT_NAMES

PROFILES = ("web", "database", "batch")
STATUSES = ("healthy", "idle", "busy", "down")
QUANTILES = (0.1, 0.5, 0.9)
KNOWN = ("hour", "day_of_week", "month", "is_weekend")


@dataclass(frozen=True)
class Recipe:
    """A model's structure; the defaults are small and fast."""

    metrics: tuple[str, ...] = ("cpu_user_pct", "mem_used_pct", "net_in_mb_s")
    target: str = "cpu_user_pct"
    known: tuple[str, ...] = KNOWN
    statics: tuple[str, ...] = ("profile",)
    varying: tuple[str, ...] = ("status",)
    known_categories: tuple[str, ...] = ()
    encoder_length: int = 24
    horizon: int = 12
    step_minutes: int = 5
    quantiles: tuple[float, ...] = QUANTILES
    normalizer: Any = field(default_factory=lambda: EncoderNormalizer(transformation="softplus"))
    scalers: Any = None
    add_nan: bool = True
    flags: tuple[bool, bool, bool] = (True, True, True)
    start: str = "2026-03-30 21:35"
    servers: int = 4
    steps: int = 60
    low: float = 1.0
    high: float = 99.0
    hidden_size: int = 8
    heads: int = 2
    lstm_layers: int = 1
    hidden_continuous_size: int = 4
    hidden_continuous_sizes: Any = None
    model_options: Any = None


DEFAULT_STRUCTURE = {
    "metrics": (
        "cpu_user_pct", "cpu_sys_pct", "cpu_iowait_pct", "cpu_idle_pct", "java_cpu_pct", "mem_used_pct",
        "swap_used_pct", "disk_usage_pct", "net_in_mb_s", "net_out_mb_s", "back_close_wait",
        "front_close_wait", "load_average", "uptime_days",
    ),
    "encoder_length": 288,
    "horizon": 96,
    "quantiles": (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98),
    "hidden_size": 32,
    "heads": 8,
    "hidden_continuous_size": 16,
    "steps": 420,
    "servers": 6,
}  # fmt: skip


@dataclass(frozen=True)
class Tiny:
    """A random model, the frame it was made from, and the data set of all its windows."""

    recipe: Recipe
    frame: pd.DataFrame
    dataset: TimeSeriesDataSet
    model: TemporalFusionTransformer

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.model, self.dataset.get_parameters(), Path("none.ckpt"))

    def structure(self, **options: Any) -> Structure:
        return read_structure(self.checkpoint, self.recipe.step_minutes, **options)

    def windows(self, structure: Structure, count: int = 8) -> dict[str, torch.Tensor]:
        """`count` windows spread over the frame, as the four raw inputs."""
        rows = self.frame.sort_values([*self.dataset.group_ids, "time_idx"])
        start = self.dataset.index.iloc[self.chosen(count)].index_start.to_numpy()
        past = np.arange(structure.encoder_length - structure.past, structure.encoder_length)
        future = structure.encoder_length + np.arange(structure.horizon)
        metrics = rows[list(structure.metrics)].to_numpy(np.float32)
        known = rows[list(structure.known)].to_numpy(np.float32)
        codes = np.stack(
            [
                rows[c.column].map(lambda value, c=c: c.codes.get(value, 0))
                if c.column
                else np.zeros(len(rows))
                for c in structure.categories
            ],
            axis=1,
        ).astype(np.int32)
        arrays = (
            metrics[start[:, None] + past],
            codes[start[:, None] + past],
            known[start[:, None] + future],
            codes[start[:, None] + future],
        )
        return {name: torch.from_numpy(array) for name, array in zip(INPUT_NAMES, arrays, strict=True)}

    def expected(self, count: int = 8) -> torch.Tensor:
        """What pytorch-forecasting predicts for the same windows."""
        return predict(self.model, self.subset(count))

    def spread(self, count: int = 8) -> float:
        with quiet():
            horizon = [y for _, (y, _) in (self.subset(count)[i] for i in range(count))]
        return float(torch.stack(horizon).std())

    def subset(self, count: int) -> TimeSeriesDataSet:
        subset = copy.copy(self.dataset)
        subset.index = self.dataset.index.iloc[self.chosen(count)].reset_index(drop=True)
        return subset

    def chosen(self, count: int) -> np.ndarray:
        return np.linspace(0, len(self.dataset.index) - 1, count).round().astype(int)

    def save(self, path: Path) -> Path:
        return save_checkpoint(self.model, path)


def build(recipe: Recipe) -> Tiny:
    with quiet():
        frame = make_frame(recipe)
        dataset = make_dataset(recipe, frame)
        torch.manual_seed(0)
        model = TemporalFusionTransformer.from_dataset(
            dataset,
            hidden_size=recipe.hidden_size,
            attention_head_size=recipe.heads,
            lstm_layers=recipe.lstm_layers,
            dropout=0.15,
            hidden_continuous_size=recipe.hidden_continuous_size,
            hidden_continuous_sizes=recipe.hidden_continuous_sizes or {},
            **{"loss": QuantileLoss(list(recipe.quantiles)), **(recipe.model_options or {})},
        ).eval()
    perturb(model)
    return Tiny(recipe, frame, dataset, model.requires_grad_(False))


def perturb(module: torch.nn.Module, seed: int = 1) -> torch.nn.Module:
    """Moves every bias, norm and mask off the zeros and ones that it starts with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return module


def make_frame(recipe: Recipe) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    parts = []
    for server in range(recipe.servers):
        start = pd.Timestamp(recipe.start) + pd.Timedelta(minutes=recipe.step_minutes * 7 * server)
        times = pd.date_range(start, periods=recipe.steps, freq=f"{recipe.step_minutes}min")
        columns: dict[str, Any] = {
            name: rng.uniform(recipe.low, recipe.high, recipe.steps).astype(np.float32)
            for name in recipe.metrics
        }
        if recipe.target not in columns:
            columns[recipe.target] = rng.uniform(recipe.low, recipe.high, recipe.steps).astype(np.float32)
        columns["hour"] = times.hour.astype(float)
        columns["day_of_week"] = times.dayofweek.astype(float)
        columns["month"] = times.month.astype(float)
        columns["is_weekend"] = (times.dayofweek >= 5).astype(float)
        columns["time_idx"] = np.arange(recipe.steps)
        columns["server_id"] = f"server-{server}"
        for category in recipe.statics:
            if category != "server_id":
                columns[category] = PROFILES[server % len(PROFILES)]
        for index, category in enumerate((*recipe.varying, *recipe.known_categories)):
            columns[category] = [STATUSES[(step // (5 + index)) % 4] for step in range(recipe.steps)]
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def make_dataset(recipe: Recipe, frame: pd.DataFrame) -> TimeSeriesDataSet:
    relative, scales, length = recipe.flags
    categories = {"server_id", *recipe.statics, *recipe.varying, *recipe.known_categories}
    return TimeSeriesDataSet(
        frame,
        time_idx="time_idx",
        target=recipe.target,
        group_ids=["server_id"],
        min_encoder_length=recipe.encoder_length,
        max_encoder_length=recipe.encoder_length,
        min_prediction_length=recipe.horizon,
        max_prediction_length=recipe.horizon,
        static_categoricals=list(recipe.statics),
        time_varying_known_reals=list(recipe.known),
        time_varying_known_categoricals=list(recipe.known_categories),
        time_varying_unknown_reals=list(recipe.metrics),
        time_varying_unknown_categoricals=list(recipe.varying),
        categorical_encoders={name: NaNLabelEncoder(add_nan=recipe.add_nan) for name in sorted(categories)},
        scalers=recipe.scalers or {},
        target_normalizer=copy.deepcopy(recipe.normalizer),
        add_relative_time_idx=relative,
        add_target_scales=scales,
        add_encoder_length=length,
    )


def predict(model: TemporalFusionTransformer, dataset: TimeSeriesDataSet) -> torch.Tensor:
    with quiet():
        return model.predict(
            dataset,
            mode="quantiles",
            trainer_kwargs={"accelerator": "cpu", "logger": False, "enable_checkpointing": False},
        )


class quiet(warnings.catch_warnings):  # noqa: N801
    """No warnings or logging from the libraries."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)

    def __exit__(self, *details):
        logging.disable(logging.NOTSET)
        super().__exit__(*details)


def save_checkpoint(model: TemporalFusionTransformer, path: Path) -> Path:
    """The model as Lightning's trainer saves it."""
    with quiet():
        trainer = Trainer(
            logger=False, enable_checkpointing=False, accelerator="cpu", enable_model_summary=False
        )
        trainer.strategy.connect(model)
        trainer.save_checkpoint(path)
    return path


__all__ = ["DEFAULT_STRUCTURE", "GroupNormalizer", "Recipe", "Tiny", "build", "perturb", "replace"]
