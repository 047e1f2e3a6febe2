"""The table of a bundle's precisions against PyTorch, and whether each reaches its goal."""

from dataclasses import dataclass

import numpy as np

from ..description import Accuracy, AccuracyRow, Goal
from .score import Score


@dataclass(frozen=True)
class Table:
    """`reference` is PyTorch's own score; `month_turns` counts the windows left out for that."""

    accuracy: Accuracy
    reference: Score
    month_turns: int

    @property
    def reached(self) -> bool:
        return not any(self.missed(row) for row in self.accuracy.rows)

    def missed(self, row: AccuracyRow) -> list[str]:
        """What a precision does not reach of its goal, in words."""
        return missed_by(row, self.accuracy.goals[row.precision])

    def as_text(self) -> str:
        accuracy = self.accuracy
        lines = [
            f"{accuracy.windows} windows of {accuracy.source} against PyTorch, spread {accuracy.spread:.4g}",
            f"{'precision':<16} {'within 1 %':>10} {'within 0.5 %':>12} {'largest':>9} {'pinball':>9} "
            f"{'change':>9} {'80 % band':>9} {'crossed':>8}  goal",
            _line("PyTorch", None, self.reference, ""),
        ]
        for row in accuracy.rows:
            name = f"{row.precision}{', emulated' if row.emulated else ''}"
            score = Score(row.pinball, row.coverage80, row.crossed)
            lines.append(_line(name, row, score, "; ".join(self.missed(row)) or "reached"))
        if self.month_turns:
            lines.append(
                f"apart from {self.month_turns} windows in which a month turns: "
                "their past month cannot be known"
            )
        return "\n".join(lines)


def _line(name: str, row: AccuracyRow | None, score: Score, goal: str) -> str:
    compared = (
        f"{'':>10} {'':>12} {'':>9}"
        if row is None
        else f"{row.within1:10.4%} {row.within05:12.4%} {row.largest:9.4g}"
    )
    change = "" if row is None else f"{row.pinball_change:+.4%}"
    return (
        f"{name:<16} {compared} {score.pinball:9.5f} {change:>9} {score.coverage80:9.2%} "
        f"{score.crossed:8.3%}  {goal}"
    ).rstrip()


def row_of(
    precision: str, difference: np.ndarray, spread: float, found: Score, base: Score, emulated: bool
) -> AccuracyRow:
    """`difference` from PyTorch in the target's unit; `base` is FP32's score."""
    sizes = np.abs(difference)
    sizes[~np.isfinite(sizes)] = np.finfo(np.float32).max
    return AccuracyRow(
        precision=precision,
        within1=float((sizes <= 0.01 * spread).mean()),
        within05=float((sizes <= 0.005 * spread).mean()),
        largest=float(f"{sizes.max():.4g}"),
        pinball=round(found.pinball, 5),
        pinball_change=round(found.pinball / base.pinball - 1, 7),
        coverage80=round(found.coverage80, 4),
        crossed=round(found.crossed, 5),
        emulated=emulated,
    )


def missed_by(row: AccuracyRow, goal: Goal) -> list[str]:
    """What a precision does not reach of its goal, in words."""
    shares = {0.01: row.within1, 0.005: row.within05}
    missed = [
        f"{shares[asked.within]:.3%} within {asked.within:.1%}, goal {asked.share:.2%}"
        for asked in goal.shares
        if shares[asked.within] < asked.share
    ]
    if not abs(row.pinball_change) < goal.pinball_change:
        missed.append(f"pinball changes by {row.pinball_change:+.3%}, goal under {goal.pinball_change:.2%}")
    return missed
