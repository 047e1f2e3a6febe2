"""The gated residual network, with fc2 composed into the linear half of the gate that follows it.

Rewrites pytorch_forecasting's GatedResidualNetwork for equal input and output sizes:
LayerNorm(GLU(gate(fc2(ELU(fc1(x) + context)))) + x). fc2 and the gate's linear map have nothing between
them (dropout is off), so they are one product.

    x [..., H] ────────────────────┐
        │ expand: fc1              │
    [..., H]                       │
        │ + context [..., H], ELU  │
    [..., H]                       │
        │ map: fc2, then the gate  │
    [..., 2H]                      │
        │ GLU                      │
    [..., H] ──────── + ───────────┘
                      │ LayerNorm
                  [..., H]
"""

from torch import Tensor, nn
from torch.nn import functional

from .linear import Affine, AffineMap, GatedSum, layer_norm_of


def gate_map(grn: nn.Module) -> AffineMap:
    """From after the ELU to before the gate's sigmoid: fc2, then the gate's linear map."""
    return AffineMap.of(grn.fc2).then(AffineMap.of(grn.gate_norm.glu.fc))


class GatedResidual(nn.Module):
    """[..., size] to [..., size]; `context`, already mapped by `context_map`, is added before the ELU."""

    def __init__(self, grn: nn.Module):
        super().__init__()
        if grn.input_size != grn.output_size:
            raise ValueError(f"expected equal sizes, found {grn.input_size} and {grn.output_size}")
        self.expand = Affine(AffineMap.of(grn.fc1))
        self.gated_sum = GatedSum(gate_map(grn), layer_norm_of(grn.gate_norm.add_norm.norm))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        hidden = self.expand(x)
        if context is not None:
            hidden = hidden + context
        return self.gated_sum(functional.elu(hidden), x)
