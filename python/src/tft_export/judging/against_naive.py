"""A bundle's forecasts against naive ones, on machines that it was not trained on.

The bundle runs as in use: ONNX Runtime and the four raw inputs, which hold nothing of the future but the
calendar. So nothing can leak from the horizon into the forecast.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd

from ..bundle import check_file
from ..description import Description, read_description
from ..windows.recording import Recording
from .naive import NAIVE_FORECASTS
from .score import Score, check_band, score_of

_BATCH = 64


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
    check_band(description.quantiles)
    recording = Recording.read(history, column_map, description, every)
    rows, origins = recording.rows, recording.origins
    quantiles = np.array(description.quantiles)

    def score(prediction: np.ndarray) -> Score:
        return score_of(prediction, recording.truth, recording.recorded, description.quantiles)

    scores = {}
    session = onnxruntime.InferenceSession(check_file(folder, description.files.onnx))
    for weeks in week_shifts:
        name = description.name if weeks == 0 else f"{description.name}, {weeks} weeks later"
        scores[name] = score(_predict(session, recording.inputs(weeks)))
    for name, forecast in NAIVE_FORECASTS.items():
        scores[name] = score(_naive(forecast, description, rows, origins, quantiles))
    return Evaluation(len(origins), rows["server_name"].iloc[origins].nunique(), scores)


def _predict(session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]) -> np.ndarray:
    count = len(next(iter(inputs.values())))
    return np.concatenate(
        [
            session.run(None, {name: array[first : first + _BATCH] for name, array in inputs.items()})[0]
            for first in range(0, count, _BATCH)
        ]
    )


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
