"""Derives the FP16 graph: measures which parts have to stay in FP32, in addition to those that rules keep."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx

from ..description import Goal, KeptPart
from ..goals import in_words
from .activations import Activations
from .half import with_half
from .judge import Judge
from .rules import Rules, computed
from .sensitivity import Finding, Log, search

# The goal is about one output in 10,000, and those come from few, sharp windows: other windows may have more.
# On the demo model, parts chosen with 0.9 kept 99.965 % of unseen machines' outputs within 1 %, not 99.99 %.
MARGIN = 0.5


@dataclass(frozen=True)
class HalfPlan:
    model: onnx.ModelProto
    kept: list[KeptPart]
    finding: Finding

    @property
    def reached(self) -> bool:
        return self.finding.distance <= 1


def plan_half(model: onnx.ModelProto, rules: Rules, judge: Judge, goal: Goal, log: Log) -> HalfPlan:
    """`model` is the float32 graph."""

    def lowered(parts: Collection[str]) -> onnx.ModelProto:
        return with_half(model, rules.full(parts))

    def distance(parts: Collection[str]) -> float:
        return judge.distance(lowered(parts), goal)

    def harm(part: str) -> float:
        return judge.harm(lowered([part]), exact, goal)

    exact = judge.forecasts_of_few(model)
    finding = search(_work(model, rules, judge), harm, distance, MARGIN, log)
    searched = {part: in_words(goal, "FP16", finding.alone[part]) for part in finding.kept}
    return HalfPlan(lowered(finding.lowered), rules.kept(rules.reasons | searched), finding)


def _work(model: onnx.ModelProto, rules: Rules, judge: Judge) -> dict[str, float]:
    """How many values each part writes for one window: outside the matrix units that is a GPU's time."""
    shapes = Activations(model, computed(model)).shapes(judge.few)
    work = dict.fromkeys(rules.free, 0.0)
    for key, part in rules.part_of.items():
        if part in work:
            work[part] += float(np.prod(shapes.get(key, (0,))))
    return {part: size for part, size in work.items() if size}
