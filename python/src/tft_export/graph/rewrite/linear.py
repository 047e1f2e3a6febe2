"""Affine maps: read out of nn.Linear, composed in float64, applied in float32.

Affine       x [..., K] ── product with [K, M], + bias [M] ── [..., M]
GatedSum     x [..., K] ── Affine ── [..., 2H] ── GLU ── [..., H] + residual ── LayerNorm ── [..., H]
SumOverFirst x [N, ...] ── ones [1, N] times x [N, elements] ── [elements]
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class AffineMap:
    """x @ weight + bias in float64; weight is [inputs, outputs]."""

    weight: Tensor
    bias: Tensor

    @staticmethod
    def of(linear: nn.Linear) -> "AffineMap":
        weight = linear.weight.detach().double().T
        bias = weight.new_zeros(weight.shape[1]) if linear.bias is None else linear.bias.detach().double()
        return AffineMap(weight, bias)

    def then(self, following: "AffineMap") -> "AffineMap":
        """The one map that equals this one followed by another."""
        return AffineMap(self.weight @ following.weight, self.bias @ following.weight + following.bias)

    def halves(self) -> tuple["AffineMap", "AffineMap"]:
        """Splits the outputs in two: the value and the gate of a gated linear unit."""
        value_weight, gate_weight = self.weight.chunk(2, dim=1)
        value_bias, gate_bias = self.bias.chunk(2)
        return AffineMap(value_weight, value_bias), AffineMap(gate_weight, gate_bias)


class Affine(nn.Module):
    """An AffineMap in the graph: one product and, unless it has no bias, one addition."""

    def __init__(self, affine: AffineMap, biased: bool = True):
        super().__init__()
        self.register_buffer("weight", affine.weight.float().contiguous())
        self.register_buffer("bias", affine.bias.float().contiguous() if biased else None)

    def forward(self, x: Tensor) -> Tensor:
        product = x @ self.weight
        return product if self.bias is None else product + self.bias


class GatedSum(nn.Module):
    """LayerNorm(GLU(x @ weight + bias) + residual): the end of every gated part of the network.

    The gate's value is negated in its weights and then subtracted. ONNX Runtime would fuse an addition and
    the LayerNorm after it into one CPU kernel that takes four times as long as the two operators.
    """

    def __init__(self, affine: AffineMap, norm: nn.LayerNorm):
        super().__init__()
        value, gate = affine.halves()
        weight = torch.cat([-value.weight, gate.weight], dim=1)
        self.map = Affine(AffineMap(weight, torch.cat([-value.bias, gate.bias])))
        self.norm = norm

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.norm(residual - nn.functional.glu(self.map(x), dim=-1))


class SumOverFirst(nn.Module):
    """[count, ...] summed over its first axis, as a product with a row of ones.

    On a CPU, ONNX Runtime's reduction of a first axis takes up to ten times as long as the product.
    """

    def __init__(self, count: int):
        super().__init__()
        self.register_buffer("ones", torch.ones(1, count))

    def forward(self, x: Tensor) -> Tensor:
        """Flattened: [elements of one]."""
        return (self.ones @ x.reshape(self.ones.shape[1], -1)).reshape(-1)


def layer_norm_of(norm: nn.LayerNorm) -> nn.LayerNorm:
    """A copy of a LayerNorm that owns its parameters, so that rewriting leaves the model untouched."""
    copy = nn.LayerNorm(norm.normalized_shape, eps=norm.eps)
    with torch.no_grad():
        copy.weight.copy_(norm.weight)
        copy.bias.copy_(norm.bias)
    return copy.requires_grad_(False)
