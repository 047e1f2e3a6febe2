"""Windows of made-up measurements: random walks around the training data's means."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from ..checkpoint.calendar import KNOWN_FEATURES
from ..checkpoint.normalizer import TargetNormalizer
from ..checkpoint.obstacles import target_names, target_normalizers
from ..checkpoint.structure import CALENDAR, COUNT, Structure
from .units import unit_of
from .window_set import WindowSet

# Every eighth window holds a month's turn.
_MONTH_TURN_SHARE = 8
_MOST_SPREADS = 2.0
# Of the windows of a model that reads shorter ones, one of so many is whole.
_WHOLE = 3


def made_up_windows(structure: Structure, parameters: Mapping, count: int, seed: int = 0) -> WindowSet:
    """Random walks around the training data's means; every eighth window holds a month's turn."""
    rng = np.random.default_rng(seed)
    length = structure.past + structure.horizon
    codes = _codes(structure, count, length, rng)
    walks = _walks(rng, (count, length, len(structure.metrics)))
    metrics = np.empty_like(walks, dtype=np.float32)
    for channel, name in enumerate(structure.metrics):
        metrics[..., channel] = _metric(structure, parameters, name, walks[..., channel], codes)
    windows = WindowSet(
        structure,
        metrics,
        codes,
        _slots(structure, count, rng),
        _server_names(structure, codes),
        _statics(structure, parameters, codes, rng),
        drawn_lengths(structure, count, rng),
    )
    return _with_calendar(windows)


def drawn_lengths(structure: Structure, count: int, rng: np.random.Generator) -> np.ndarray | None:
    """How many of the encoder's steps each window has, the shortest among them; None if all have all."""
    if not structure.varies_in_length:
        return None
    lengths = rng.integers(structure.shortest, structure.past + 1, count).astype(np.int32)
    lengths[::_WHOLE] = structure.past
    lengths[1::_WHOLE][:1] = structure.shortest
    return lengths


def _codes(structure: Structure, count: int, length: int, rng: np.random.Generator) -> np.ndarray:
    codes = np.zeros((count, length, len(structure.categories)), dtype=np.int32)
    for channel, category in enumerate(structure.categories):
        if len(category.codes) > 1:
            static = category.role == "static"
            drawn = rng.integers(1, len(category.codes), (count, 1 if static else -(-length // 12)))
            codes[..., channel] = np.repeat(drawn, length if static else 12, axis=1)[:, :length]
    return codes


def _metric(
    structure: Structure, parameters: Mapping, name: str, walk: np.ndarray, codes: np.ndarray
) -> np.ndarray:
    scaling = structure.normalizers.get(name) or structure.scalings.get(name)
    if scaling is not None:
        return _in_its_own_space(structure, parameters, name, scaling, walk, codes)
    scaler, unit = structure.scalers[name], unit_of(name)
    if structure.ahead.get(name) == COUNT:
        first = np.round(scaler.mean + scaler.scale * walk[:, :1])
        return np.maximum(first, 0.0) + np.arange(walk.shape[1])
    values = scaler.mean + scaler.scale * walk
    return np.clip(values, unit.minimum, unit.maximum)


def _statics(
    structure: Structure, parameters: Mapping, codes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    statics = np.empty((len(codes), len(structure.statics)), dtype=np.float32)
    for channel, name in enumerate(structure.statics):
        walk = rng.standard_normal((len(codes), 1))
        scaling = structure.scalings.get(name)
        if scaling is None:
            scaler = structure.scalers[name]
            values = scaler.mean + scaler.scale * walk
        else:
            values = _in_its_own_space(structure, parameters, name, scaling, walk, codes[:, :1])
        statics[:, channel] = values[:, 0]
    return statics


def _in_its_own_space(
    structure: Structure,
    parameters: Mapping,
    name: str,
    scaling: TargetNormalizer,
    walk: np.ndarray,
    codes: np.ndarray,
) -> np.ndarray:
    """Walks in a normaliser's own space, brought back: values that its transformation takes."""
    if scaling.kind == "window":
        center, scale = _fitted(structure, parameters, name)
    elif scaling.kind == "group":
        by_column = {c.column: codes[..., channel] for channel, c in enumerate(structure.categories)}
        rows = scaling.rows({column: by_column[column] for column in scaling.columns})
        center, scale = scaling.input_scale[rows, 0], scaling.input_scale[rows, 1]
    else:
        center, scale = scaling.input_scale[0]
    # What never varied in a group of the training data has no scale.
    center, scale = np.nan_to_num(center), np.nan_to_num(scale)
    # Further out, an exponential would make values that no measurement has.
    walk = np.clip(walk, -_MOST_SPREADS, _MOST_SPREADS) if scaling.transformation else walk
    values = torch.from_numpy(np.asarray(center + scale * walk, dtype=np.float32))
    return scaling.restore(values).numpy()


def _fitted(structure: Structure, parameters: Mapping, name: str) -> tuple[float, float]:
    """The overall location of a variable that is scaled by its windows."""
    scalers = structure.scalers
    if name in structure.targets:
        if f"{name}_center" in scalers and f"{name}_scale" in scalers:
            return scalers[f"{name}_center"].mean, scalers[f"{name}_scale"].mean
        fitted = target_normalizers(parameters)[target_names(parameters).index(name)]
    else:
        fitted = parameters["scalers"][name]
    center, scale = (
        np.asarray(getattr(fitted, part, default)).reshape(-1)[0]
        for part, default in (("center_", 0.0), ("scale_", 1.0))
    )
    return float(center), float(scale)


def _walks(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """First-order autoregressions of unit variance along the second axis."""
    persistence = 0.95
    noise = rng.standard_normal(shape)
    walk = np.empty(shape)
    walk[:, 0] = noise[:, 0]
    for step in range(1, shape[1]):
        walk[:, step] = persistence * walk[:, step - 1] + np.sqrt(1 - persistence**2) * noise[:, step]
    return walk


def _with_calendar(windows: WindowSet) -> WindowSet:
    """Features of the calendar that are given like metrics say what the windows' times are."""
    structure = windows.structure
    metrics = windows.metrics.copy()
    for name, how in structure.ahead.items():
        if how == CALENDAR:
            values = windows.features[..., KNOWN_FEATURES.index(name)]
            metrics[..., structure.metrics.index(name)] = values
    return replace(windows, metrics=metrics)


def _slots(structure: Structure, count: int, rng: np.random.Generator) -> np.ndarray:
    minutes_per_day = 24 * 60
    day = np.datetime64("2026-01-01", "D").astype(np.int64)
    minutes = day * minutes_per_day + rng.integers(0, 365 * minutes_per_day, count)
    slots = (minutes // structure.step_minutes).astype(np.int64)
    for window in range(0, count, _MONTH_TURN_SHARE):
        month = np.datetime64("2026-02", "M") + int(rng.integers(0, 12))
        turn = int(month.astype("datetime64[D]").astype(np.int64) * minutes_per_day // structure.step_minutes)
        slots[window] = turn - int(rng.integers(1, max(structure.past, 2)))
    return slots


def _server_names(structure: Structure, codes: np.ndarray) -> tuple[str, ...]:
    if structure.by_server:
        names = list(structure.categories[0].codes)
        return tuple(names[code] for code in codes[:, 0, 0])
    return tuple(f"made-up-{window}" for window in range(len(codes)))
