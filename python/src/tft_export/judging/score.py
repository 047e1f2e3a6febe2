"""How good quantile forecasts are, given the measurements that followed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ExportError

LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True)
class Score:
    """Pinball loss in the target's unit; share of measurements within the 10-90 % band; crossed quantiles."""

    pinball: float
    coverage80: float
    crossed: float


def check_band(quantiles: Sequence[float]) -> None:
    """Raises ExportError unsupported_option for a model without the quantiles of the 80 % band."""
    missing = {LOW, HIGH} - set(quantiles)
    if missing:
        raise ExportError(
            "unsupported_option", f"the 80 % band needs the quantiles 0.1 and 0.9; the model has no {missing}"
        )


def score_of(
    prediction: np.ndarray, truth: np.ndarray, recorded: np.ndarray, quantiles: Sequence[float]
) -> Score:
    """`prediction` [windows, horizon, quantiles]; `truth` and `recorded` (was it measured) without the last.

    Pinball loss as Koenker and Bassett (1978) define it, the mean over steps and quantiles.
    """
    levels = np.array(quantiles)
    error = truth[..., None] - prediction
    loss = np.maximum(levels * error, (levels - 1) * error).mean(axis=-1)
    low, high = (list(quantiles).index(quantile) for quantile in (LOW, HIGH))
    held = (truth >= prediction[..., low]) & (truth <= prediction[..., high])
    crossed = (np.diff(prediction, axis=-1) < 0).mean()
    return Score(float(loss[recorded].mean()), float(held[recorded].mean()), float(crossed))
