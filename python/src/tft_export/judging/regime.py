"""The kind of machine that a window belongs to, from its target's past 7 days. docs/judging.md defines the
regimes."""

import numpy as np

REGIMES = ("idle", "saturated", "periodic", "bursty")

_DAYS = 7
_IDLE = 0.02  # of the range
_UPPER = 0.9
_SHARE_ABOVE = 0.1
_REPEATS = 0.5


def regime_of(past: np.ndarray, day: int, minimum: float | None, maximum: float | None) -> str:
    """`past` up to the forecast's origin; `day` in steps."""
    values = np.asarray(past, np.float64)[-_DAYS * day :]
    low = 0.0 if minimum is None else minimum
    width = (float(values.max()) if maximum is None else maximum) - low
    deviation = values.std()
    if deviation == 0 or deviation < _IDLE * width:
        return "idle"
    if (values >= low + _UPPER * width).mean() >= _SHARE_ABOVE:
        return "saturated"
    if len(values) >= 2 * day:
        before, after = values[:-day], values[day:]
        if before.std() > 0 and after.std() > 0 and np.corrcoef(before, after)[0, 1] >= _REPEATS:
            return "periodic"
    return "bursty"
