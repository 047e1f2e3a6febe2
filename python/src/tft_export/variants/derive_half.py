"""Derives the FP16 graph: decides which parts stay in FP32, by rule or by measurement."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from ..bundle import KeptPart
from .activations import Activations
from .goals import FP16_GOAL
from .half import with_half
from .judge import Judge
from .parts import PREPROCESS, RECURRENT, RESTORE, STATISTICS, parts_of
from .sensitivity import Finding, Log, search
from .typed_graph import FLOAT, element_types, initializers_of, key_of

MARGIN = 0.9
# A value this close to FP16's largest on the calibration set may pass it on other data. The attention's
# mask, -1e4, is farther from it.
_HEADROOM = 4
_LARGEST = float(np.finfo(np.float16).max)

_BY_RULE = {
    PREPROCESS: "raw units, counts and squares; the target's scale and the inverse of softplus",
    RESTORE: "raw units: the way back from the normalised forecast, and softplus",
    STATISTICS: "squares overflow FP16 256 standard deviations from the mean",
    RECURRENT: "its state is summed up over hundreds of steps; FP16 LSTMs need TensorRT 10.14 (--lstm fp16)",
}


@dataclass(frozen=True)
class HalfPlan:
    """Which nodes of the float32 graph stay in FP32 (`full`, by `key_of`), and why."""

    parts: dict[str, str]
    full: frozenset[str]
    kept: list[KeptPart]
    finding: Finding

    @property
    def reached(self) -> bool:
        return self.finding.distance <= 1


def plan_half(model: onnx.ModelProto, judge: Judge, half_lstm: bool, log: Log) -> HalfPlan:
    parts = parts_of(model)
    floats = _computing(model)
    reasons = {part: why for part in parts.values() if (why := _rule(part, half_lstm))}
    reasons |= _near_overflow(model, judge, parts, reasons)
    candidates = [part for part in dict.fromkeys(parts.values()) if part not in reasons]

    def full(lowered: Collection[str]) -> frozenset[str]:
        return frozenset(key for key, part in parts.items() if part not in lowered)

    def distance(lowered: Collection[str]) -> float:
        return judge.distance(with_half(model, full(lowered)), FP16_GOAL)

    def harm(part: str) -> float:
        return judge.harm(with_half(model, full([part])), exact, FP16_GOAL)

    exact = judge.forecasts_of_few(model)
    # Outside the matrix units a GPU's time goes into moving values: what a part writes is its work.
    shapes = Activations(model, _computed(model)).shapes(judge.few)
    sizes = {name: float(np.prod(shape)) for name, shape in shapes.items()}
    work = {part: sum(sizes.get(key, 0.0) for key in parts if parts[key] == part) for part in candidates}
    finding = search({part: size for part, size in work.items() if size}, harm, distance, MARGIN, log)
    for part in finding.kept:
        reasons[part] = (
            f"alone in FP16 it moves one output in 1,000 by {finding.alone[part]:.2%} of the spread; "
            "FP16 may move it by 0.5 % in all"
        )
    counts = {part: sum(floats[key] for key in parts if parts[key] == part) for part in reasons}
    kept = [
        KeptPart(part=part, precision="fp32", nodes=counts[part], why=reasons[part])
        for part in dict.fromkeys(parts.values())
        if part in reasons and counts[part]
    ]
    return HalfPlan(parts, full(finding.lowered), kept, finding)


def _rule(part: str, half_lstm: bool) -> str | None:
    if part.endswith(STATISTICS):
        return _BY_RULE[STATISTICS]
    if part == RECURRENT and half_lstm:
        return None
    return _BY_RULE.get(part)


def _computing(model: onnx.ModelProto) -> dict[str, bool]:
    """Which nodes have a float at all: the others (shapes, codes) have no precision to choose."""
    types = element_types(model)
    return {
        key_of(node): any(types.get(name) == FLOAT for name in (*node.input, *node.output))
        for node in model.graph.node
    }


def _computed(model: onnx.ModelProto) -> list[str]:
    """The float tensors that nodes compute."""
    types = element_types(model)
    return [name for node in model.graph.node for name in node.output if types.get(name) == FLOAT]


def _near_overflow(
    model: onnx.ModelProto, judge: Judge, parts: Mapping[str, str], decided: Mapping[str, str]
) -> dict[str, str]:
    """The parts that would hold a value near or over FP16's largest, with that value."""
    weights = initializers_of(model)
    largest = {
        name: float(np.abs(numpy_helper.to_array(tensor)).max(initial=0.0))
        for name, tensor in weights.items()
        if tensor.data_type == FLOAT
    }
    largest |= Activations(model, _computed(model)).largest(judge.inputs)
    found: dict[str, float] = {}
    for node in model.graph.node:
        part = parts[key_of(node)]
        top = max((largest.get(name, 0.0) for name in (*node.input, *node.output)), default=0.0)
        if part not in decided and top > _LARGEST / _HEADROOM:
            found[part] = max(top, found.get(part, 0.0))
    return {part: f"holds values up to {top:.3g}; FP16 ends at 65504" for part, top in found.items()}
