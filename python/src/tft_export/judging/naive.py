"""Naive forecasts with quantiles: a model is only useful if it beats them. docs/judging.md defines them.

Each takes the target's past up to the forecast's origin and returns [horizon, quantiles].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

DAYS_OF_ERRORS = 7  # of a machine's own past that a naive forecast's errors are taken from


@dataclass(frozen=True)
class NaiveShape:
    """`encoder`, `horizon` and `day` in steps; forecasts are cut to the target's range."""

    encoder: int
    horizon: int
    day: int
    quantiles: tuple[float, ...]
    minimum: float | None = None
    maximum: float | None = None

    @property
    def past_steps(self) -> int:
        """How many steps of the past, at most, the forecasts read."""
        return max(DAYS_OF_ERRORS * self.day + max(self.horizon, self.day), self.encoder)


NaiveForecast = Callable[[np.ndarray, NaiveShape], np.ndarray]


def last_value(past: np.ndarray, shape: NaiveShape) -> np.ndarray:
    """The last value, with the quantiles of the errors that this forecast made on this machine before."""
    recent = past[-(DAYS_OF_ERRORS * shape.day + shape.horizon) :]
    return past[-1] + _change_quantiles(recent, shape)


def same_time_yesterday(past: np.ndarray, shape: NaiveShape) -> np.ndarray:
    """The value a day before, with the quantiles of its own past errors, the same for every step."""
    day = shape.day
    recent = past[-((DAYS_OF_ERRORS + 1) * day) :]
    spread = _quantiles(recent[day:] - recent[:-day], shape.quantiles)
    at = len(past) - day + np.arange(shape.horizon) % day
    forecast = past[np.maximum(at, 0)][:, None] + spread
    too_early = at < 0
    if too_early.any():
        forecast[too_early] = last_value(past, shape)[too_early]
    return forecast


def window_quantiles(past: np.ndarray, shape: NaiveShape) -> np.ndarray:
    """The quantiles of the encoder window, at every step."""
    return np.tile(np.quantile(past[-shape.encoder :], shape.quantiles), (shape.horizon, 1))


def window_changes(past: np.ndarray, shape: NaiveShape) -> np.ndarray:
    """The last value plus the quantiles of the changes over h steps within the encoder window."""
    return past[-1] + _change_quantiles(past[-shape.encoder :], shape)


NAIVE_FORECASTS: dict[str, NaiveForecast] = {
    "last value": last_value,
    "same time yesterday": same_time_yesterday,
    "window quantiles": window_quantiles,
    "window changes": window_changes,
}


def naive_forecasts(past: np.ndarray, shape: NaiveShape) -> dict[str, np.ndarray]:
    """All of them by name, cut to the target's range, in the past's unit."""
    past = np.asarray(past, np.float64)[-shape.past_steps :]
    low = -np.inf if shape.minimum is None else shape.minimum
    high = np.inf if shape.maximum is None else shape.maximum
    return {name: np.clip(forecast(past, shape), low, high) for name, forecast in NAIVE_FORECASTS.items()}


def _change_quantiles(series: np.ndarray, shape: NaiveShape) -> np.ndarray:
    """[horizon, quantiles]; if the series is shorter than the horizon, its longest changes are used
    instead."""
    if len(series) < 2:
        return np.zeros((shape.horizon, len(shape.quantiles)))
    rows = []
    for step in range(1, min(shape.horizon, len(series) - 1) + 1):
        rows.append(_quantiles(series[step:] - series[:-step], shape.quantiles))
    rows += [rows[-1]] * (shape.horizon - len(rows))
    return np.stack(rows)


def _quantiles(values: np.ndarray, quantiles: tuple[float, ...]) -> np.ndarray:
    return np.quantile(values, quantiles) if len(values) else np.zeros(len(quantiles))
