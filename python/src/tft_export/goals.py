"""What each precision has to reach, and how far from it a set of differences is.

The exporter writes the goals into model.json. `variants`, `accuracy` and `tft verify` read them there.
"""

import numpy as np

from .description import Description, Goal, ShareGoal

GOALS = {
    "fp32": Goal(shares=[ShareGoal(share=0.9999, within=0.005)], pinball_change=0.0001),
    "fp16": Goal(
        shares=[ShareGoal(share=0.9999, within=0.01), ShareGoal(share=0.999, within=0.005)],
        pinball_change=0.0001,
    ),
    "int8": Goal(shares=[ShareGoal(share=0.95, within=0.01)], pinball_change=0.003),
}


def goals_of(description: Description) -> dict[str, Goal]:
    """A bundle's own goals; the usual ones if its model.json has none."""
    accuracy = description.accuracy
    return GOALS if accuracy is None or accuracy.goals is None else accuracy.goals


def distance(goal: Goal, differences: np.ndarray) -> float:
    """`differences` as shares of the target's standard deviation: at most 1 if the goal is reached.

    The largest of the differences' quantiles, each divided by what it may be.
    """
    sizes = np.abs(differences).ravel()
    if not np.isfinite(sizes).all():
        return float("inf")
    return max(float(np.quantile(sizes, asked.share)) / asked.within for asked in goal.shares)


def smallest_share(goal: Goal) -> ShareGoal:
    """Of the goal's shares, the one that lets most outputs differ by more."""
    return min(goal.shares, key=lambda asked: asked.share)


def harm(goal: Goal, differences: np.ndarray) -> float:
    """One number to rank by: the size that only the goal's smallest share of outputs may exceed."""
    return float(np.quantile(np.abs(differences), smallest_share(goal).share))


def in_words(goal: Goal, precision: str, found: float) -> str:
    """Why a part is not in a precision: its own `harm`, and the limit for all parts together."""
    asked = smallest_share(goal)
    return (
        f"alone in {precision} it moves one output in {1 / (1 - asked.share):,.0f} by {found:.2%} of the "
        f"spread; all parts together may move it by {asked.within * 100:g} %"
    )
