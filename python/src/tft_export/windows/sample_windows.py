"""Windows of real or made-up history: as the four raw inputs, and as pytorch-forecasting's data set.

The expected forecasts always come from `TimeSeriesDataSet` and `model.predict`, never from this package's own
preprocessing.
"""

import gc
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import TimeSeriesDataSet

from ..checkpoint.checkpoint_file import Checkpoint
from ..checkpoint.structure import KNOWN_FEATURES, UNKNOWN, Category, Structure
from ..checkpoint.tensors import INPUT_NAMES
from ..errors import ExportError
from .column_map import ColumnMap
from .history import one_row_a_step, read_history, slots_of, time_features
from .units import unit_of

# Windows of one server are this many windows apart on the data set's time axis, so that none touch.
_APART = 2
_MONTH_TURN_SHARE = 8
# Until it is done, `predict` holds the attention of every window: a megabyte each.
_PREDICTED_AT_ONCE = 512


@dataclass(frozen=True)
class WindowSet:
    """Windows of encoder and horizon, oldest step first.

    metrics [windows, steps, metrics] in raw units; codes [windows, steps, categories], the bundle's;
    slots [windows]: the first step's time, in steps since 1970 (UTC).
    """

    structure: Structure
    metrics: np.ndarray
    codes: np.ndarray
    slots: np.ndarray
    servers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.slots)

    def part(self, start: int, end: int) -> "WindowSet":
        """The windows from `start` up to `end`."""
        chosen = slice(start, end)
        arrays = self.metrics[chosen], self.codes[chosen], self.slots[chosen]
        return WindowSet(self.structure, *arrays, self.servers[chosen])

    @property
    def features(self) -> np.ndarray:
        """hour, day_of_week, month, is_weekend: [windows, steps, 4]."""
        steps = np.arange(self.metrics.shape[1])
        return time_features(self.slots[:, None] + steps, self.structure.step_minutes)

    @property
    def forecast_starts(self) -> list[str]:
        """The time of each horizon's first step."""
        minutes = (self.slots + self.structure.encoder_length) * self.structure.step_minutes
        return [pd.Timestamp(int(minute) * 60, unit="s", tz="UTC").isoformat() for minute in minutes]

    @property
    def truth(self) -> np.ndarray:
        """The target over the horizon: [windows, horizon]."""
        structure = self.structure
        return self.metrics[:, structure.encoder_length :, structure.target_channel]

    def inputs(self) -> dict[str, np.ndarray]:
        structure = self.structure
        future = self.features[:, structure.encoder_length :]
        known = [KNOWN_FEATURES.index(name) for name in structure.known]
        arrays = (
            self.metrics[:, : structure.encoder_length].astype(np.float32),
            self.codes[:, : structure.encoder_length].astype(np.int32),
            future[..., known].astype(np.float32),
            self.codes[:, structure.encoder_length :].astype(np.int32),
        )
        return {name: np.ascontiguousarray(a) for name, a in zip(INPUT_NAMES, arrays, strict=True)}

    def month_turns(self) -> list[int]:
        """Windows whose encoder began in another month than the horizon, for models that read the month."""
        if "month" not in self.structure.encoder_reals:
            return []
        month = self.features[..., KNOWN_FEATURES.index("month")]
        turned = month[:, 0] != month[:, self.structure.encoder_length]
        return np.flatnonzero(turned).tolist()


def windows_of_history(
    path: str | Path, structure: Structure, count: int, column_map: ColumnMap | None = None, seed: int = 0
) -> WindowSet:
    """`count` windows of a history file, spread over its servers and times; some with a month's turn.

    Raises ExportError: history_not_found, history_invalid, history_category, history_short.
    """
    rows = _read_rows(Path(path), structure, column_map)
    length = structure.encoder_length + structure.horizon
    starts = _unbroken_starts(rows, length)
    if not len(starts):
        raise ExportError(
            "history_short",
            f"{path} has no server with {length} steps of {structure.step_minutes} minutes without a gap",
        )
    chosen = _spread_starts(rows, starts, structure, count, np.random.default_rng(seed))
    positions = chosen[:, None] + np.arange(length)
    return WindowSet(
        structure,
        rows[list(structure.metrics)].to_numpy(np.float32)[positions],
        rows[_code_columns(structure)].to_numpy(np.int32)[positions],
        rows["slot"].to_numpy()[chosen],
        tuple(rows["server_name"].to_numpy()[chosen]),
    )


def made_up_windows(structure: Structure, parameters: Mapping, count: int, seed: int = 0) -> WindowSet:
    """Random walks around the training data's means; every eighth window holds a month's turn."""
    rng = np.random.default_rng(seed)
    length = structure.encoder_length + structure.horizon
    codes = np.zeros((count, length, len(structure.categories)), dtype=np.int32)
    for channel, category in enumerate(structure.categories):
        if len(category.codes) > 1:
            static = category.role == "static"
            drawn = rng.integers(1, len(category.codes), (count, 1 if static else -(-length // 12)))
            codes[..., channel] = np.repeat(drawn, length if static else 12, axis=1)[:, :length]
    walks = _walks(rng, (count, length, len(structure.metrics)))
    metrics = np.empty_like(walks, dtype=np.float32)
    for channel, name in enumerate(structure.metrics):
        if name == structure.target:
            metrics[..., channel] = _made_up_target(structure, parameters, walks[..., channel], codes)
        else:
            scaler, unit = structure.scalers[name], unit_of(name)
            values = scaler.mean + scaler.scale * walks[..., channel]
            metrics[..., channel] = np.clip(values, unit.minimum, unit.maximum)
    return WindowSet(
        structure, metrics, codes, _made_up_slots(structure, count, rng), _server_names(structure, codes)
    )


def expected_predictions(checkpoint: Checkpoint, windows: WindowSet) -> np.ndarray:
    """What pytorch-forecasting predicts: [windows, horizon, quantiles], raw units."""
    starts = range(0, len(windows), _PREDICTED_AT_ONCE)
    parts = [windows.part(start, start + _PREDICTED_AT_ONCE) for start in starts]
    predictions = []
    for part in parts:
        predictions.append(_predicted(checkpoint, part))
        # Trainer, model and data set refer to one another; left to itself, Python lets them pile up.
        gc.collect()
    return np.concatenate(predictions)


def _predicted(checkpoint: Checkpoint, windows: WindowSet) -> np.ndarray:
    dataset = forecasting_dataset(checkpoint, windows)
    with _quiet():
        predictions = checkpoint.model.predict(
            dataset,
            mode="quantiles",
            batch_size=64,
            trainer_kwargs={
                "accelerator": "cpu",
                "logger": False,
                "enable_checkpointing": False,
                "enable_model_summary": False,
            },
        )
    return predictions.cpu().numpy().astype(np.float32)


def forecasting_dataset(checkpoint: Checkpoint, windows: WindowSet) -> TimeSeriesDataSet:
    """The windows as the data set that pytorch-forecasting would make of them, in the same order."""
    structure = windows.structure
    steps = windows.metrics.shape[1]
    frame = pd.DataFrame(
        {name: windows.metrics[..., channel].reshape(-1) for channel, name in enumerate(structure.metrics)}
    )
    features = windows.features.astype(np.float64)
    for index, name in enumerate(KNOWN_FEATURES):
        if name not in frame:
            frame[name] = features[..., index].reshape(-1)
    for column, values in _category_columns(windows).items():
        frame[column] = values
    servers = np.repeat(np.array(windows.servers, dtype=object), steps)
    for group in structure.group_ids:
        if group not in frame:
            frame[group] = _known_names(servers, checkpoint.dataset_parameters, group)
    window = np.repeat(np.arange(len(windows)), steps)
    frame[structure.time_idx] = window * steps * _APART + np.tile(np.arange(steps), len(windows))
    order = frame.sort_values([*structure.group_ids, structure.time_idx]).index.to_numpy()
    # Where each window's first row is after the data set has sorted the rows.
    first_rows = np.empty(len(frame), dtype=np.int64)
    first_rows[order] = np.arange(len(frame))
    first_rows = first_rows[::steps]
    with _quiet():
        dataset = TimeSeriesDataSet.from_parameters(
            checkpoint.dataset_parameters,
            frame,
            stop_randomization=True,
            min_encoder_length=structure.encoder_length,
            min_prediction_length=structure.horizon,
            min_prediction_idx=0,
            allow_missing_timesteps=True,
            predict_mode=False,
            weight=None,
        )
    index = dataset.index
    whole = index[index.index_end - index.index_start == steps - 1].drop_duplicates("index_start")
    dataset.index = whole.set_index("index_start", drop=False).loc[first_rows].reset_index(drop=True)
    return dataset


def _known_names(names: np.ndarray, parameters: Mapping, group: str) -> np.ndarray:
    """Names of groups that the data set takes.

    With any GroupNormalizer, also one without groups, it encodes the columns of the groups by an encoder that
    refuses names it was not trained with. They are of no consequence where the model does not read them:
    windows are told apart by their times, so that one known name does for all others.
    """
    encoder = (parameters.get("categorical_encoders") or {}).get(group)
    classes = getattr(encoder, "classes_", None)
    if not classes or getattr(encoder, "add_nan", False):
        return names
    known = next(iter(classes))
    return np.array([name if name in classes else known for name in names], dtype=object)


def _category_columns(windows: WindowSet) -> dict[str, np.ndarray]:
    """Each category's values under the data set's own name for its column."""
    structure = windows.structure
    columns = {}
    for channel, category in enumerate(structure.categories):
        if category.column:
            columns[category.column] = _class_names(category)[windows.codes[..., channel].reshape(-1)]
    for category in structure.looked_up_categories:
        by_server = np.array(structure.looked_up[category.column])
        columns[category.column] = _class_names(category)[by_server[windows.codes[..., 0].reshape(-1)]]
    return columns


def _class_names(category: Category) -> np.ndarray:
    names = list(category.codes)
    names[0] = category.unknown_class or names[0]
    return np.array(names, dtype=object)


def _read_rows(path: Path, structure: Structure, column_map: ColumnMap | None) -> pd.DataFrame:
    """The history on the model's grid, sorted by server and time, with one code column per category."""
    names = [category.name for category in structure.categories]
    rows = read_history(path, column_map, structure.metrics, names)
    rows["slot"] = slots_of(rows["timestamp"], structure.step_minutes)
    for category, column in zip(structure.categories, _code_columns(structure), strict=True):
        if category.column in structure.group_ids:
            values = rows["server_name"]
        elif category.name in rows:
            values = rows[category.name].astype(str)
        else:
            values = pd.Series(UNKNOWN, index=rows.index)
        rows[column] = values.map(category.codes).fillna(0).astype(np.int32)
        if category.column and category.unknown_class is None and (rows[column] == 0).any():
            foreign = values[rows[column] == 0].unique()
            raise ExportError(
                "history_category",
                f"{path}: {category.name} '{foreign[0]}' was not in the training data, and the model has no "
                "code for unknown values (train with NaNLabelEncoder(add_nan=True)); leave those rows out",
            )
    rows = one_row_a_step(rows, structure.metrics)
    return rows.sort_values(["server_name", "slot"]).reset_index(drop=True)


def _code_columns(structure: Structure) -> list[str]:
    return [f"code:{category.name}" for category in structure.categories]


def _unbroken_starts(rows: pd.DataFrame, length: int) -> np.ndarray:
    """Rows with which `length` consecutive steps of one server begin."""
    if len(rows) < length:
        return np.array([], dtype=np.int64)
    slot, server = rows["slot"].to_numpy(), rows["server_name"].to_numpy()
    first, last = np.arange(len(rows) - length + 1), np.arange(length - 1, len(rows))
    return first[(server[first] == server[last]) & (slot[last] - slot[first] == length - 1)]


def _spread_starts(
    rows: pd.DataFrame, starts: np.ndarray, structure: Structure, count: int, rng: np.random.Generator
) -> np.ndarray:
    slot = rows["slot"].to_numpy()[starts]

    def month(slots: np.ndarray) -> np.ndarray:
        return time_features(slots, structure.step_minutes)[..., KNOWN_FEATURES.index("month")]

    turning = month(slot) != month(slot + structure.encoder_length)
    if "month" not in structure.encoder_reals:
        turning[:] = False
    wanted = min(-(-count // _MONTH_TURN_SHARE), int(turning.sum()))
    plain = starts[~turning] if (~turning).any() else starts
    chosen = [
        _one_of_each_stratum(starts[turning], wanted, rng),
        _one_of_each_stratum(plain, count - wanted, rng),
    ]
    return np.sort(np.concatenate(chosen))


def _one_of_each_stratum(candidates: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    count = min(count, len(candidates))
    if count == 0:
        return candidates[:0]
    return np.array([rng.choice(stratum) for stratum in np.array_split(candidates, count)])


def _walks(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """First-order autoregressions of unit variance along the second axis."""
    persistence = 0.95
    noise = rng.standard_normal(shape)
    walk = np.empty(shape)
    walk[:, 0] = noise[:, 0]
    for step in range(1, shape[1]):
        walk[:, step] = persistence * walk[:, step - 1] + np.sqrt(1 - persistence**2) * noise[:, step]
    return walk


def _made_up_target(
    structure: Structure, parameters: Mapping, walk: np.ndarray, codes: np.ndarray
) -> np.ndarray:
    """Walks in the normaliser's own space, brought back: values that its transformation takes."""
    normalizer = structure.normalizer
    if normalizer.kind == "window":
        fitted = parameters["target_normalizer"]
        center, scale = float(fitted.center_), float(fitted.scale_)
        scalers = structure.scalers
        if structure.center_name in scalers and structure.scale_name in scalers:
            center, scale = scalers[structure.center_name].mean, scalers[structure.scale_name].mean
    else:
        rows = codes[:, :, 0] if normalizer.kind == "group" else np.zeros_like(codes[:, :, 0])
        center, scale = normalizer.input_scale[rows, 0], normalizer.input_scale[rows, 1]
    values = torch.from_numpy(np.asarray(center + scale * walk, dtype=np.float32))
    return normalizer.restore(values).numpy()


def _made_up_slots(structure: Structure, count: int, rng: np.random.Generator) -> np.ndarray:
    minutes_per_day = 24 * 60
    day = np.datetime64("2026-01-01", "D").astype(np.int64)
    slots = (day * minutes_per_day + rng.integers(0, 365 * minutes_per_day, count)) // structure.step_minutes
    for window in range(0, count, _MONTH_TURN_SHARE):
        month = np.datetime64("2026-02", "M") + int(rng.integers(0, 12))
        turn = month.astype("datetime64[D]").astype(np.int64) * minutes_per_day // structure.step_minutes
        slots[window] = turn - int(rng.integers(1, structure.encoder_length))
    return slots


def _server_names(structure: Structure, codes: np.ndarray) -> tuple[str, ...]:
    if structure.by_server:
        names = list(structure.categories[0].codes)
        return tuple(names[code] for code in codes[:, 0, 0])
    return tuple(f"made-up-{window}" for window in range(len(codes)))


class _quiet(warnings.catch_warnings):  # noqa: N801
    """pytorch-forecasting and Lightning warn about every window; the user cannot act on any of it."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("ignore")
        self._disabled = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *details):
        logging.disable(self._disabled)
        super().__exit__(*details)
