"""Parts that stay in FP32 without a search: they overflow or lose digits, or come near to it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from ..description import KeptPart
from .activations import Activations
from .judge import Judge
from .parts import PREPROCESS, RECURRENT, RECURRENT_INPUTS, RESTORE, STATISTICS, parts_of
from .typed_graph import FLOAT, element_types, initializers_of, key_of

# A value this close to FP16's largest on the calibration set may pass it on other data. The attention's
# mask, -1e4, is farther from it.
_HEADROOM = 4
_FP16_MAX = float(np.finfo(np.float16).max)

_BY_RULE = {
    PREPROCESS: "raw units, counts and squares; the target's scale and transformation",
    RESTORE: "raw units: the way back from the normalised forecast",
    STATISTICS: "squares overflow FP16 256 standard deviations from the mean",
    RECURRENT: "its state is summed up over hundreds of steps; FP16 LSTMs need TensorRT 10.14 (--lstm fp16)",
    RECURRENT_INPUTS: "TensorRT 10.6 does not compile an LSTM in FP32 that reads from casts",
}


@dataclass(frozen=True)
class Rules:
    """A float32 graph in parts: `part_of` each node by `key_of`, and the `reasons` of those ruled to FP32."""

    part_of: dict[str, str]
    reasons: dict[str, str]
    nodes: dict[str, int]

    @staticmethod
    def of(model: onnx.ModelProto, judge: Judge, half_lstm: bool) -> "Rules":
        part_of = parts_of(model)
        reasons = {part: why for part in part_of.values() if (why := _rule(part, half_lstm))}
        reasons |= _near_overflow(model, judge, part_of, reasons)
        floats = _computing(model)
        nodes = {
            part: sum(floats[key] for key, its in part_of.items() if its == part)
            for part in dict.fromkeys(part_of.values())
        }
        return Rules(part_of, reasons, nodes)

    @property
    def free(self) -> list[str]:
        """The parts that no rule holds in FP32."""
        return [part for part in self.nodes if part not in self.reasons]

    def full(self, lowered: Collection[str]) -> frozenset[str]:
        """The nodes that stay in FP32 when `lowered` parts are in FP16."""
        return frozenset(key for key, part in self.part_of.items() if part not in lowered)

    def kept(self, reasons: Mapping[str, str]) -> list[KeptPart]:
        """Of these reasons, those that concern any float, in the graph's order."""
        return [
            KeptPart(part=part, precision="fp32", nodes=count, why=reasons[part])
            for part, count in self.nodes.items()
            if part in reasons and count
        ]


def _rule(part: str, half_lstm: bool) -> str | None:
    if part.endswith(STATISTICS):
        return _BY_RULE[STATISTICS]
    if part in (RECURRENT, RECURRENT_INPUTS) and half_lstm:
        return None
    return _BY_RULE.get(part)


def _computing(model: onnx.ModelProto) -> dict[str, bool]:
    """Which nodes have a float at all: the others (shapes, codes) have no precision to choose."""
    types = element_types(model)
    return {
        key_of(node): any(types.get(name) == FLOAT for name in (*node.input, *node.output))
        for node in model.graph.node
    }


def computed(model: onnx.ModelProto) -> list[str]:
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
    largest |= Activations(model, computed(model)).largest(judge.inputs)
    found: dict[str, float] = {}
    for node in model.graph.node:
        part = parts[key_of(node)]
        top = max((largest.get(name, 0.0) for name in (*node.input, *node.output)), default=0.0)
        if part not in decided and top > _FP16_MAX / _HEADROOM:
            found[part] = max(top, found.get(part, 0.0))
    return {part: f"holds values up to {top:.3g}; FP16 ends at 65504" for part, top in found.items()}
