"""Naive forecasts with quantiles: a model has to beat them to be worth running.

Each takes the target's past up to the forecast's origin and returns [horizon, quantiles].
"""

from collections.abc import Callable

import numpy as np

from ..windows.metrics import STEPS_PER_DAY

PAST_ERRORS = 7 * STEPS_PER_DAY  # steps of its own past that a forecast's errors are taken from

NaiveForecast = Callable[[np.ndarray, int, int, np.ndarray], np.ndarray]


def last_value(past: np.ndarray, encoder: int, horizon: int, quantiles: np.ndarray) -> np.ndarray:
    """The last value, with the quantiles of the errors that this forecast made on this machine before."""
    recent = past[-(PAST_ERRORS + horizon) :]
    return past[-1] + _error_quantiles(recent, np.arange(1, horizon + 1), quantiles)


def same_time_yesterday(past: np.ndarray, encoder: int, horizon: int, quantiles: np.ndarray) -> np.ndarray:
    """The value a day before, with the quantiles of its own past errors, the same for every step."""
    recent = past[-(PAST_ERRORS + STEPS_PER_DAY) :]
    errors = recent[STEPS_PER_DAY:] - recent[:-STEPS_PER_DAY]
    yesterday = past[len(past) - STEPS_PER_DAY :][:horizon]
    spread = np.quantile(errors, quantiles) if len(errors) else np.zeros(len(quantiles))
    return yesterday[:, None] + spread


def window_quantiles(past: np.ndarray, encoder: int, horizon: int, quantiles: np.ndarray) -> np.ndarray:
    """The quantiles of the encoder window, at every step."""
    return np.tile(np.quantile(past[-encoder:], quantiles), (horizon, 1))


def window_changes(past: np.ndarray, encoder: int, horizon: int, quantiles: np.ndarray) -> np.ndarray:
    """The last value plus the quantiles of the changes over h steps within the encoder window."""
    return past[-1] + _error_quantiles(past[-encoder:], np.arange(1, horizon + 1), quantiles)


NAIVE_FORECASTS: dict[str, NaiveForecast] = {
    "last value": last_value,
    "same time yesterday": same_time_yesterday,
    "window quantiles": window_quantiles,
    "window changes": window_changes,
}


def _error_quantiles(series: np.ndarray, steps: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    return np.stack([np.quantile(series[step:] - series[:-step], quantiles) for step in steps])
