"""What a forecast rests on, as further outputs of the graph: the weights of the variables, and the attention.

Variable weights are those of Lim et al. (2021), "Temporal Fusion Transformers for Interpretable Multi-horizon
Time Series Forecasting", section 4.2, attention that of section 4.4; section 7 reads both as here. The
weights are those of pytorch-forecasting's `interpret_output`, whose names the outputs have; that gives the
attention of one forecast step. B batch, V variables, T encoder steps, P parts of the horizon:

    static_variables [B, 1, V]     the weights themselves
    encoder_variables [B, 1, V]    their mean over the encoder's steps that a window has
    decoder_variables [B, 1, V]    their mean over the forecast's steps
    attention [B, P, T]            the mean over the heads, and over each part's forecast steps, of the
                                   attention to each encoder step; 0 for steps that a window does not have

Weights of one selection sum to 1. A row of the attention sums to less: the rest goes to earlier forecast
steps. A selection of one variable has no output: its weight is 1.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..checkpoint.structure import Structure
from ..checkpoint.tensors import TensorSpec

ATTENTION = "attention"
# In the order of the outputs.
SELECTIONS = ("static", "encoder", "decoder")


class Selection(NamedTuple):
    """The variables of one selection in the order of its weights; `output` is None if it has one variable."""

    kind: str
    variables: tuple[str, ...]
    output: str | None


def attention_parts(horizon: int) -> list[tuple[int, int]]:
    """The horizon in up to three parts, which end at an eighth, at half and at the whole of it.

    Each is [first step, step after the last].
    """
    ends = sorted({max(1, round(horizon * share)) for share in (1 / 8, 1 / 2, 1)})
    return list(zip([0, *ends], ends, strict=False))


class Explanation(nn.Module):
    """Weights [steps, batch, variables] of each selection and attention [batch, forecast steps, all steps] to
    the outputs, in order. `variables` are those of each selection that the model has, in its weights' order.
    """

    def __init__(self, structure: Structure, variables: Mapping[str, tuple[str, ...]]):
        super().__init__()
        self.selections = [
            Selection(kind, variables[kind], f"{kind}_variables" if len(variables[kind]) > 1 else None)
            for kind in SELECTIONS
            if kind in variables
        ]
        self.parts = attention_parts(structure.horizon)
        self.past, self.horizon = structure.encoder_length, structure.horizon
        mean = torch.zeros(len(self.parts), self.horizon)
        for row, (first, end) in enumerate(self.parts):
            mean[row, first:end] = 1.0 / (end - first)
        self.register_buffer("mean", mean)

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        weights = [
            TensorSpec(selection.output, "float32", (1, len(selection.variables)))
            for selection in self.selections
            if selection.output is not None
        ]
        return (*weights, TensorSpec(ATTENTION, "float32", (len(self.parts), self.past)))

    def forward(
        self, weights: Mapping[str, Tensor], attention: Tensor, valid: Tensor | None, batch: int
    ) -> list[Tensor]:
        """`valid` [encoder, batch, 1] is 1 for the steps that a window has; None if it has all."""
        outputs = []
        for kind, _, output in self.selections:
            if output is None:
                continue
            of_steps = weights[kind]
            if kind == "encoder" and valid is not None:
                mean = (of_steps * valid).sum(dim=0, keepdim=True) / valid.sum(dim=0, keepdim=True)
            else:
                mean = of_steps.mean(dim=0, keepdim=True)
            outputs.append(mean.transpose(0, 1).expand(batch, -1, -1))
        of_parts = self.mean @ attention
        return [*outputs, of_parts.split([self.past, self.horizon], dim=-1)[0]]
