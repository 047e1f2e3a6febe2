"""A bundle's forecasts against naive ones, on machines that it was not trained on.

The bundle is run as its users run it: ONNX Runtime, the four raw inputs, nothing of the future but the
calendar. So nothing can leak from the horizon into the forecast.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd

from .bundle import Description, check_file, read_description
from .errors import ExportError
from .history import on_grid, read_history, time_features
from .mapping import ColumnMap
from .metrics import KNOWN
from .naive import NAIVE_FORECASTS

_BATCH = 64
_MINUTES_PER_WEEK = 7 * 24 * 60


@dataclass(frozen=True)
class Score:
    """Pinball loss in the target's unit; share of measurements within the 10-90 % band; crossed quantiles."""

    pinball: float
    coverage80: float
    crossed: float


@dataclass(frozen=True)
class Evaluation:
    windows: int
    servers: int
    scores: dict[str, Score]

    @property
    def best_naive(self) -> str:
        return min(NAIVE_FORECASTS, key=lambda name: self.scores[name].pinball)

    def gain(self, name: str) -> float:
        """The share of the best naive forecast's pinball loss that `name` saves."""
        return 1 - self.scores[name].pinball / self.scores[self.best_naive].pinball

    def as_json(self) -> dict:
        return {
            "windows": self.windows,
            "servers": self.servers,
            "bestNaive": self.best_naive,
            "forecasts": {
                name: {
                    "pinball": round(score.pinball, 4),
                    "underBestNaive": round(self.gain(name), 4),
                    "coverage80": round(score.coverage80, 4),
                    "crossed": round(score.crossed, 5),
                }
                for name, score in self.scores.items()
            },
        }

    def as_text(self) -> str:
        lines = [
            f"{self.windows} windows of {self.servers} servers",
            f"{'forecast':<34} {'pinball':>8} {'under best naive':>17} "
            f"{'80 % band holds':>16} {'crossed':>8}",
        ]
        lines += [
            f"{name:<34} {score.pinball:8.4f} {self.gain(name):17.1%} "
            f"{score.coverage80:16.1%} {score.crossed:8.2%}"
            for name, score in self.scores.items()
        ]
        return "\n".join(lines)


def evaluate_bundle(
    folder: Path, history: Path, column_map: Path | None, every: int, week_shifts: tuple[int, ...] = (0,)
) -> Evaluation:
    """Forecasts from every `every`-th step of each server's history that leaves a whole window around it.

    `week_shifts` moves the calendar by whole weeks: a model that learnt one month's habits shows it here.
    """
    description = read_description(folder)
    missing = {0.1, 0.9} - set(description.quantiles)
    if missing:
        raise ExportError(
            "unsupported_option", f"the 80 % band needs the quantiles 0.1 and 0.9; the model lacks {missing}"
        )
    metrics = [metric.name for metric in description.metrics]
    recording = read_history(history, ColumnMap.read(column_map) if column_map else None, metrics)
    rows = on_grid(recording, description.step_minutes)
    origins = _origins(rows, description, every)
    horizon = np.arange(description.horizon)
    y = rows[description.target].to_numpy(np.float64)[origins[:, None] + horizon]
    recorded = ~rows["filled"].to_numpy(bool)[origins[:, None] + horizon]
    quantiles = np.array(description.quantiles)

    def score(prediction: np.ndarray) -> Score:
        error = y[..., None] - prediction
        loss = np.maximum(quantiles * error, (quantiles - 1) * error).mean(axis=-1)
        low, high = (description.quantiles.index(quantile) for quantile in (0.1, 0.9))
        held = (y >= prediction[..., low]) & (y <= prediction[..., high])
        crossed = (np.diff(prediction, axis=-1) < 0).mean()
        return Score(float(loss[recorded].mean()), float(held[recorded].mean()), float(crossed))

    scores = {}
    session = onnxruntime.InferenceSession(check_file(folder, description.files.onnx))
    for weeks in week_shifts:
        name = description.name if weeks == 0 else f"{description.name}, {weeks} weeks later"
        scores[name] = score(_predict(session, description, rows, origins, weeks))
    for name, forecast in NAIVE_FORECASTS.items():
        scores[name] = score(_naive(forecast, description, rows, origins, quantiles))
    return Evaluation(len(origins), rows["server_name"].iloc[origins].nunique(), scores)


def _origins(rows: pd.DataFrame, description: Description, every: int) -> np.ndarray:
    """The rows that forecasts begin at."""
    segment = rows["segment"].to_numpy()
    candidates = np.arange(description.encoder_length, len(rows) - description.horizon + 1)
    first = segment[candidates - description.encoder_length]
    whole = candidates[first == segment[candidates + description.horizon - 1]][::every]
    if not len(whole):
        raise ExportError("history_short", "no server of the history has a whole window without a long gap")
    return whole


def _predict(
    session: onnxruntime.InferenceSession,
    description: Description,
    rows: pd.DataFrame,
    origins: np.ndarray,
    weeks: int,
) -> np.ndarray:
    metrics = rows[[metric.name for metric in description.metrics]].to_numpy(np.float32)
    codes = np.stack(
        [rows[c.name].map(c.codes).fillna(0).to_numpy(np.int32) for c in description.categories], axis=-1
    )
    slots = rows["slot"].to_numpy() + weeks * _MINUTES_PER_WEEK // description.step_minutes
    known = time_features(slots, description.step_minutes)[
        :, [KNOWN.index(name) for name in description.known]
    ]
    past, future = np.arange(-description.encoder_length, 0), np.arange(description.horizon)
    outputs = []
    for first in range(0, len(origins), _BATCH):
        at = origins[first : first + _BATCH, None]
        last_status = np.repeat(codes[at - 1], description.horizon, axis=1)
        inputs = (metrics[at + past], codes[at + past], known[at + future], last_status)
        names = [tensor.name for tensor in description.inputs]
        outputs.append(session.run(None, dict(zip(names, inputs, strict=True)))[0])
    return np.concatenate(outputs)


def _naive(
    forecast, description: Description, rows: pd.DataFrame, origins: np.ndarray, quantiles: np.ndarray
) -> np.ndarray:
    target = rows[description.target].to_numpy(np.float64)
    server = rows["server_name"].to_numpy()
    first_row = {name: row for row, name in reversed(list(enumerate(server)))}
    return np.stack(
        [
            forecast(
                target[first_row[server[origin]] : origin],
                description.encoder_length,
                description.horizon,
                quantiles,
            )
            for origin in origins
        ]
    )
