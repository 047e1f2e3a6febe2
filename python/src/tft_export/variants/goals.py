"""What a variant must reach, and how far from it a set of differences is."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Goal:
    """`within`: (share of the outputs, largest difference as a share of the target's standard deviation).

    `pinball` is the largest change of pinball loss, as a fraction, that `accuracy` lets pass.
    """

    within: tuple[tuple[float, float], ...]
    pinball: float

    def distance(self, differences: np.ndarray) -> float:
        """`differences` as shares of the target's standard deviation: at most 1 if the goal is reached.

        The largest of the differences' quantiles by what each may be.
        """
        sizes = np.abs(differences).ravel()
        if not np.isfinite(sizes).all():
            return float("inf")
        return max(float(np.quantile(sizes, share)) / limit for share, limit in self.within)

    def harm(self, differences: np.ndarray) -> float:
        """One number to rank by: the size that only the goal's smallest share of outputs may exceed."""
        return float(np.quantile(np.abs(differences), min(share for share, _ in self.within)))


FP32_GOAL = Goal(within=((0.9999, 0.005),), pinball=0.0001)
FP16_GOAL = Goal(within=((0.9999, 0.01), (0.999, 0.005)), pinball=0.0001)
INT8_GOAL = Goal(within=((0.95, 0.01),), pinball=0.003)
GOALS = {"fp32": FP32_GOAL, "fp16": FP16_GOAL, "int8": INT8_GOAL}
