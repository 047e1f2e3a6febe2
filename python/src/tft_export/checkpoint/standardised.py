"""How a variable was scaled for training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Standardised:
    """How a raw variable becomes what the network was trained on: (x - mean) / scale."""

    mean: float = 0.0
    scale: float = 1.0
