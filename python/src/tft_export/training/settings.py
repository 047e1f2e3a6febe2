"""The settings of a training run: the defaults of `train`, and what the bundle records of its training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Written into the bundle."""

    steps: int = 6000
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    simulated_servers: int = 56
    simulated_days: int = 70
    simulated_share: float = 0.25
    validation_machines: int = 12
    average: float = 0.998  # decay of the exponential moving average of the weights
    dropout: float = 0.15
    seed: int = 7
