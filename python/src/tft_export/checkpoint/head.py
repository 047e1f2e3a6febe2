"""The meaning of the network's outputs, which depends on the loss that it was trained with."""

from dataclasses import dataclass
from typing import Any

# Losses whose one output is the forecast itself; a bundle gives it in the median's place.
POINT_LOSSES = ("MAE", "SMAPE", "MAPE", "RMSE", "MASE")
QUANTILES, POINT, NORMAL = "quantiles", "point", "normal"


@dataclass(frozen=True)
class Head:
    """The outputs for one target.

    'quantiles' gives each quantile, 'point' one value, 'normal' the mean and the scale of a normal
    distribution, whose quantiles the graph computes.
    """

    kind: str
    quantiles: tuple[float, ...]
    loss: str


def loss_names(loss: Any) -> set[str]:
    """The names of a loss's class and of those that it derives from."""
    return {base.__name__ for base in type(loss).__mro__}


def read_head(loss: Any) -> Head | None:
    """The head of a loss; None if none is known for it."""
    names, own = loss_names(loss), type(loss).__name__
    if "QuantileLoss" in names:
        return Head(QUANTILES, tuple(float(q) for q in loss.quantiles), own)
    if "NormalDistributionLoss" in names:
        return Head(NORMAL, tuple(float(q) for q in loss.quantiles), own)
    if names & {*POINT_LOSSES}:
        return Head(POINT, (0.5,), own)
    return None
