"""How good quantile forecasts are, given the measurements that followed: docs/judging.md has the
definitions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ExportError

LOW, HIGH = 0.1, 0.9
_SMALL_CHANGES = 0.01
_LARGEST_OF_RANGE = 0.001


@dataclass(frozen=True)
class Score:
    """Pinball loss in the target's unit; share of measurements within the 10-90 % band; crossed quantiles."""

    pinball: float
    coverage80: float
    crossed: float


@dataclass(frozen=True)
class Disorder:
    """What is wrong with forecasts in themselves: shares of neighbouring quantiles, of windows, of values."""

    crossed: float
    crossed_windows: float
    out_of_range: float


def check_band(quantiles: Sequence[float]) -> None:
    """Raises ExportError unsupported_option for a model without the quantiles of the 80 % band."""
    missing = {LOW, HIGH} - set(quantiles)
    if missing:
        raise ExportError(
            "unsupported_option", f"the 80 % band needs the quantiles 0.1 and 0.9; the model has no {missing}"
        )


def pinball_losses(forecast: np.ndarray, truth: np.ndarray, quantiles: Sequence[float]) -> np.ndarray:
    """Of each step, the mean over the quantiles: `forecast` [..., quantiles], `truth` and the answer without.

    Koenker and Bassett (1978): max(q·e, (q - 1)·e), e = truth - forecast.
    """
    levels = np.asarray(quantiles, np.float64)
    error = np.asarray(truth, np.float64)[..., None] - forecast
    return np.maximum(levels * error, (levels - 1) * error).mean(axis=-1)


def held(low: np.ndarray, high: np.ndarray, truth: np.ndarray, resolution: float) -> np.ndarray:
    """Whether a reading is inside a band. A reading represents all values within one step of the
    resolution."""
    return (truth >= low - resolution) & (truth <= high + resolution)


def resolution_of(changes: np.ndarray, minimum: float | None = None, maximum: float | None = None) -> float:
    """A recording's resolution from the changes between neighbouring measurements; 0 where nothing
    changes."""
    sizes = np.abs(np.asarray(changes, np.float64))
    sizes = np.sort(sizes[sizes > 0])
    if not len(sizes):
        return 0.0
    found = float(sizes[int(_SMALL_CHANGES * (len(sizes) - 1))])
    if minimum is None or maximum is None:
        return found
    return min(found, _LARGEST_OF_RANGE * (maximum - minimum))


def disorder_of(forecast: np.ndarray, minimum: float | None, maximum: float | None) -> Disorder:
    """`forecast` is [windows, horizon, quantiles]."""
    crossed = np.diff(forecast, axis=-1) < 0
    low = -np.inf if minimum is None else minimum
    high = np.inf if maximum is None else maximum
    outside = (forecast < low) | (forecast > high)
    windows = crossed.reshape(len(forecast), -1).any(axis=1)
    return Disorder(float(crossed.mean()), float(windows.mean()), float(outside.mean()))


def score_of(
    prediction: np.ndarray,
    truth: np.ndarray,
    recorded: np.ndarray,
    quantiles: Sequence[float],
    resolution: float = 0.0,
) -> Score:
    """`prediction` [windows, horizon, quantiles]; `truth` and `recorded` (was it measured) without the
    last."""
    low, high = (list(quantiles).index(quantile) for quantile in (LOW, HIGH))
    within = held(prediction[..., low], prediction[..., high], truth, resolution)
    return Score(
        float(pinball_losses(prediction, truth, quantiles)[recorded].mean()),
        float(within[recorded].mean()),
        disorder_of(prediction, None, None).crossed,
    )
