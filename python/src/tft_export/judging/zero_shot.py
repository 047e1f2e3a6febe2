"""A peer for the table that was pretrained on other series and never trained on these machines: Fracast-0.

PyPI's `fracast` carries its 85,001 weights. It sees the target's past alone. It forecasts 48 steps as
deciles and, for more, reads its own median as the past. Other quantiles are computed from the deciles.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from ..errors import ExportError
from .naive import DAYS_OF_ERRORS

_MIN_VALUES = 8  # measurements that it needs
_BATCH = 16  # larger ones leave the processor's cache


def fracast_forecasts(
    past: np.ndarray, encoder: int, day: int, horizon: int, quantiles: Sequence[float]
) -> dict[str, np.ndarray]:
    """[windows, horizon, quantiles] by the name of the row: from the model's window, and from the days that
    the naive forecasts take their errors from.

    `past` is [windows, steps], NaN where a machine has no value yet; its last `encoder` steps are the window.
    """
    if encoder < _MIN_VALUES:
        raise ExportError(
            "option_conflict", f"--zero-shot fracast needs a window of {_MIN_VALUES} steps or more"
        )
    network = _fracast().FracastModel.from_pretrained(weights="fp32")

    def forecasts(steps: int) -> np.ndarray:
        seen = past[:, -steps:]
        parts = [
            network.forecast_batch(seen[first : first + _BATCH], horizon=horizon)
            for first in range(0, len(seen), _BATCH)
        ]
        return at_quantiles(np.concatenate(parts), network.quantiles, quantiles)

    return {
        "fracast on the window": forecasts(encoder),
        f"fracast on {DAYS_OF_ERRORS} days": forecasts(DAYS_OF_ERRORS * day),
    }


def at_quantiles(forecast: np.ndarray, known: Sequence[float], wanted: Sequence[float]) -> np.ndarray:
    """[..., wanted] from [..., known], in order: linear between neighbours; beyond the outermost, the
    distance from the median grows as a normal distribution's does."""
    ordered = np.sort(np.asarray(forecast, np.float64), axis=-1)
    ends = (known[0], known[-1])
    inner = np.clip(wanted, *ends)
    upper = np.clip(np.searchsorted(known, inner), 1, len(known) - 1)
    below, above = np.take(known, upper - 1), np.take(known, upper)
    share = (inner - below) / (above - below)
    found = ordered[..., upper - 1] * (1 - share) + ordered[..., upper] * share
    median = ordered[..., [list(known).index(0.5)]]
    distance = NormalDist().inv_cdf
    stretch = [
        distance(quantile) / distance(ends[quantile > 0.5]) if quantile != end else 1.0
        for quantile, end in zip(wanted, inner, strict=True)
    ]
    return median + (found - median) * np.array(stretch)


def _fracast():
    try:
        import fracast
    except ImportError as error:
        raise ExportError(
            "peer_not_installed", "--zero-shot fracast needs its package: pip install 'tft-export[zero-shot]'"
        ) from error
    return fracast
