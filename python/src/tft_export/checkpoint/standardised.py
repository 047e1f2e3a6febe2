"""How a variable was scaled for training by constants."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Standardised:
    """The scaling of a raw variable for the network: (x - mean) / scale."""

    mean: float = 0.0
    scale: float = 1.0


def read_affine(scaler: Any) -> Standardised:
    """One of scikit-learn's scalers that are (x - mean) / scale."""
    match type(scaler).__name__:
        case "RobustScaler":
            center = scaler.center_ if scaler.with_centering else None
            return Standardised(
                _first(center, 0.0), _first(scaler.scale_ if scaler.with_scaling else None, 1.0)
            )
        case "MinMaxScaler":
            # It computes x * scale_ + min_.
            factor = _first(scaler.scale_, 1.0)
            return Standardised(-_first(scaler.min_, 0.0) / factor, 1.0 / factor)
        case "MaxAbsScaler":
            return Standardised(0.0, _first(scaler.scale_, 1.0))
        case _:
            mean = scaler.mean_ if scaler.with_mean else None
            return Standardised(_first(mean, 0.0), _first(scaler.scale_ if scaler.with_std else None, 1.0))


def _first(values: np.ndarray | None, default: float) -> float:
    return default if values is None else float(values[0])
