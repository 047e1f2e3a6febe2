"""The bundle's tensors: four raw inputs and one output, each with its batch first."""

from dataclasses import dataclass

from .structure import Structure

BATCH = "batch"
INPUT_NAMES = ("encoder_cont", "encoder_cat", "decoder_cont", "decoder_cat")
OUTPUT_NAME = "predictions"


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's name, element type and shape without the batch."""

    name: str
    type: str
    shape: tuple[int, ...]


def input_tensors(structure: Structure) -> tuple[TensorSpec, ...]:
    past, future = structure.encoder_length, structure.horizon
    shapes = (
        ("float32", (past, len(structure.metrics))),
        ("int32", (past, len(structure.categories))),
        ("float32", (future, len(structure.known))),
        ("int32", (future, len(structure.categories))),
    )
    return tuple(TensorSpec(name, *shape) for name, shape in zip(INPUT_NAMES, shapes, strict=True))


def output_tensor(structure: Structure) -> TensorSpec:
    return TensorSpec(OUTPUT_NAME, "float32", (structure.horizon, len(structure.quantiles)))
