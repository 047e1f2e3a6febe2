"""Regions: parts of the exported graph that an engine may replace, whole, by a kernel of its own.

The graph stays a flat ONNX graph of standard operators. Beside it, `ModelProto.metadata_props` names the
tensors at each region's border, one entry a region, in the graph's order:

    tft.region.0   op TftVariableSelection        the operator that the region amounts to
                   name static_selection          the module that it was made from
                   attribute reals 2              an integer, or a float with a point or an exponent
                   input x cat                    role and tensor; the order is the operator's
                   output selected add_16

To replace a region, take the nodes between its inputs and its outputs: the outputs depend on the inputs and
on constants only. Tensors have the names of the finished graph; weights are initializers.

While torch exports a network, `Regions.add` adds a marker for each region: an operator that reads the
region's tensors and whose result no other operator reads. After the export, `take_regions` reads the
tensors' names from the markers and removes these. The rest of the graph is the same as without markers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
import torch
from torch import Tensor

from .rewrite.exporting import is_exporting

PREFIX = "tft.region."
_DOMAIN, _MARKER = "tft", "Region"


class Regions:
    """The markers of one forward pass; outside of torch.export there are none."""

    def __init__(self):
        self.markers: list[Tensor] = []

    def add(
        self,
        op: str,
        name: str,
        attributes: Mapping[str, int | float],
        inputs: Mapping[str, Tensor],
        outputs: Mapping[str, Tensor],
    ) -> None:
        """Marks the region between `inputs` (data, then weights) and `outputs`, each by its role."""
        if not is_exporting():
            return
        facts = [f"attribute {key} {value!r}" for key, value in attributes.items()]
        (marker,) = torch.onnx.ops.symbolic_multi_out(
            f"{_DOMAIN}::{_MARKER}",
            (*inputs.values(), *outputs.values()),
            {
                "head": "\n".join([f"op {op}", f"name {name}", *facts]),
                "roles": [
                    *(f"input {role}" for role in inputs),
                    *(f"output {role}" for role in outputs),
                ],
            },
            dtypes=[torch.float32],
            shapes=[(1,)],
            version=1,
        )
        self.markers.append(marker)

    def outputs(self, *forecasts: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The network's outputs: the forecasts, followed by the markers under torch.export."""
        outputs = (*forecasts, *self.markers)
        return outputs if len(outputs) > 1 else outputs[0]


@dataclass(frozen=True)
class _Region:
    head: str
    tensors: list[tuple[str, str]]

    def named(self, kind: str) -> list[str]:
        return [tensor for role, tensor in self.tensors if role.startswith(f"{kind} ")]

    @property
    def text(self) -> str:
        return "\n".join([self.head, *(f"{role} {tensor}" for role, tensor in self.tensors)])


def take_regions(model: onnx.ModelProto) -> list[str]:
    """Removes the markers from an exported graph; returns each region's text, in the graph's order.

    A region is left out if the exporter has dissolved its border, for example by folding constants.
    """
    markers = [node for node in model.graph.node if node.domain == _DOMAIN]
    for node in markers:
        model.graph.node.remove(node)
    position = {name: index for index, node in enumerate(model.graph.node) for name in node.output}
    regions = [region for region in map(_read, markers) if _can_be_cut(region, model)]
    regions.sort(key=lambda region: max(position[name] for name in region.named("output")))
    return [region.text for region in regions]


def record_regions(model: onnx.ModelProto, texts: list[str]) -> None:
    for index, text in enumerate(texts):
        model.metadata_props.add(key=f"{PREFIX}{index}", value=text)


def _read(marker: onnx.NodeProto) -> _Region:
    attributes = {attribute.name: attribute for attribute in marker.attribute}
    roles = [role.decode() for role in attributes["roles"].strings]
    return _Region(attributes["head"].s.decode(), list(zip(roles, marker.input, strict=True)))


def _can_be_cut(region: _Region, model: onnx.ModelProto) -> bool:
    """Whether the outputs, all of them different, depend on all of the inputs, and otherwise on constants."""
    inputs, outputs = set(region.named("input")), region.named("output")
    if len(set(outputs)) < len(outputs):
        return False
    producer = {name: node for node in model.graph.node for name in node.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    reached: set[str] = set()
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        if not name or name in reached:
            continue
        reached.add(name)
        if name in inputs:
            continue
        if name in producer:
            waiting += producer[name].input
        elif name not in constants:
            return False
    return inputs <= reached and inputs.isdisjoint(outputs) and all(name in producer for name in outputs)
