"""The bundle's tensors: raw inputs and outputs, each with its batch first."""

from dataclasses import dataclass

from ..description import INPUT_NAMES, LENGTHS_INPUT, STATIC_INPUT
from .structure import Structure

BATCH = "batch"
# Every model has this output; it comes first.
OUTPUT_NAME = "predictions"


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's name, element type and shape without the batch."""

    name: str
    type: str
    shape: tuple[int, ...]


def input_tensors(structure: Structure) -> tuple[TensorSpec, ...]:
    """In the order in which the graph takes them."""
    past, future = structure.past, structure.horizon
    shapes = (
        ("float32", (past, len(structure.metrics))),
        ("int32", (past, len(structure.categories))),
        ("float32", (future, len(structure.known))),
        ("int32", (future, len(structure.categories))),
    )
    tensors = [TensorSpec(name, *shape) for name, shape in zip(INPUT_NAMES, shapes, strict=True)]
    if structure.statics:
        tensors.append(TensorSpec(STATIC_INPUT, "float32", (1, len(structure.statics))))
    if structure.varies_in_length:
        tensors.append(TensorSpec(LENGTHS_INPUT, "int32", (1, 1)))
    return tuple(tensors)


def output_tensors(structure: Structure) -> tuple[TensorSpec, ...]:
    """The first target's forecast, then one for each further target."""
    return tuple(
        TensorSpec(output_name(structure, target), "float32", (structure.horizon, len(head.quantiles)))
        for target, head in zip(structure.targets, structure.heads, strict=True)
    )


def output_name(structure: Structure, target: str) -> str:
    return OUTPUT_NAME if target == structure.target else f"{OUTPUT_NAME}_{target}"
