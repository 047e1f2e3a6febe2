"""Derives the INT8 graph from an FP16 one: how to clip, and which products stay as they are."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx

from ..description import Calibration, Goal, KeptPart
from ..goals import in_words
from .activations import Activations
from .calibration_set import CalibrationSet
from .half import with_half
from .judge import Judge
from .parts import PRODUCTS
from .quantize import activations_of, products, raised, with_quantized
from .rules import Rules
from .sensitivity import Finding, Log, search
from .thresholds import METHODS, Method
from .typed_graph import initializers_of, key_of

MARGIN = 0.85


@dataclass(frozen=True)
class Int8Plan:
    model: onnx.ModelProto
    kept: list[KeptPart]
    calibration: Calibration
    finding: Finding
    products: int

    @property
    def reached(self) -> bool:
        return self.finding.distance <= 1


def plan_int8(
    model: onnx.ModelProto, rules: Rules, judge: Judge, goal: Goal, windows: CalibrationSet, log: Log
) -> Int8Plan:
    """`model` is the float32 graph.

    Around the products everything that no rule holds in FP32 is FP16: the search for the FP16 graph keeps
    more, but for a goal that is much finer than INT8's.
    """
    base = with_half(raised(model), rules.full(rules.free))
    weights = initializers_of(base)
    names = {}  # by the name that model.json gives it
    for node in products(base):
        names[_name_of(node, weights, rules.part_of, names)] = node
    thresholds = _thresholds(model, base, names.values(), judge)
    method = _best_method(base, [key_of(node) for node in names.values()], thresholds, judge, goal, log)

    def lowered(chosen: Collection[str]) -> onnx.ModelProto:
        return with_quantized(base, {key_of(names[name]) for name in chosen}, thresholds[method])

    def distance(chosen: Collection[str]) -> float:
        return judge.distance(lowered(chosen), goal)

    def harm(name: str) -> float:
        return judge.harm(lowered([name]), unquantized, goal)

    unquantized = judge.forecasts_of_few(base)
    finding = search(_work(model, names, weights, judge), harm, distance, MARGIN, log)
    kept = [
        KeptPart(
            part=name,
            precision="fp16",
            nodes=1,
            why=in_words(goal, "INT8", finding.alone[name]),
        )
        for name in finding.kept
    ]
    calibration = Calibration(
        method=method.name, percentile=method.percentile, windows=len(windows), source=windows.source
    )
    return Int8Plan(
        lowered(finding.lowered), [*rules.kept(rules.reasons), *kept], calibration, finding, len(names)
    )


def _name_of(node: onnx.NodeProto, weights: dict, parts: dict[str, str], taken: Collection[str]) -> str:
    """A product is named after its weight, or after its part and its operands."""
    own = [name for name in node.input[:2] if name in weights and "." in name and not name.startswith("/")]
    name = (
        _plain(own[0]).removesuffix(".weight")
        if own
        else f"{parts[key_of(node)].removesuffix(PRODUCTS)} product"
    )
    if name not in taken:
        return name
    number = 2
    while f"{name} {number}" in taken:
        number += 1
    return f"{name} {number}"


def _work(
    model: onnx.ModelProto, names: dict[str, onnx.NodeProto], weights: dict, judge: Judge
) -> dict[str, float]:
    """Multiply-adds of each product for one window: each output sums over the left input's last axis."""
    watched = {_plain(name) for node in names.values() for name in (node.input[0], node.output[0])}
    shapes = Activations(model, sorted(watched - set(map(_plain, weights)))).shapes(judge.few)
    shapes |= {_plain(name): tuple(tensor.dims) for name, tensor in weights.items()}
    return {
        name: float(np.prod(shapes[node.output[0]])) * shapes[_plain(node.input[0])][-1]
        for name, node in names.items()
    }


def _plain(name: str) -> str:
    """A tensor's name in the float32 graph."""
    return name.removesuffix(".fp16")


def _thresholds(
    model: onnx.ModelProto, base: onnx.ModelProto, nodes: Collection[onnx.NodeProto], judge: Judge
) -> dict[Method, dict[str, float]]:
    """For each method the threshold of each activation, by its name in `base`."""
    weights = initializers_of(base)
    activations = sorted({name for node in nodes for name in activations_of(node, weights)})
    source = {name: _plain(name) for name in activations}
    watched = Activations(model, sorted(set(source.values())))
    largest = watched.largest(judge.inputs)
    histograms = watched.histograms(judge.inputs, largest)
    return {
        method: {
            name: method.threshold(histograms[source[name]], largest[source[name]]) for name in activations
        }
        for method in METHODS
    }


def _best_method(
    base: onnx.ModelProto,
    keys: list[str],
    thresholds: dict[Method, dict[str, float]],
    judge: Judge,
    goal: Goal,
    log: Log,
) -> Method:
    """The method with which all products together do the least damage."""
    distances = {}
    for method in METHODS:
        distances[method] = judge.distance(with_quantized(base, keys, thresholds[method]), goal)
        log(f"  {distances[method]:8.3f}  every product, {method}")
    return min(METHODS, key=lambda method: distances[method])
