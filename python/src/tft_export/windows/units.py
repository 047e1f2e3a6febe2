"""Units and limits of metrics, for model.json: by name for the default model's, by suffix for others."""

from dataclasses import dataclass

from .metrics import METRICS


@dataclass(frozen=True)
class Unit:
    """What a metric is measured in ('' if unknown) and which values it can have."""

    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None


_BY_NAME = {metric.name: Unit(metric.unit, metric.minimum, metric.maximum) for metric in METRICS}
_BY_SUFFIX = {
    "_pct": Unit("%", 0, 100),
    "_percent": Unit("%", 0, 100),
    "_mb_s": Unit("MB/s", 0),
    "_kb_s": Unit("kB/s", 0),
    "_mb": Unit("MB", 0),
    "_gb": Unit("GB", 0),
    "_ms": Unit("ms", 0),
    "_seconds": Unit("s", 0),
    "_days": Unit("days", 0),
}


def unit_of(metric: str) -> Unit:
    if metric in _BY_NAME:
        return _BY_NAME[metric]
    return next((unit for suffix, unit in _BY_SUFFIX.items() if metric.endswith(suffix)), Unit())
