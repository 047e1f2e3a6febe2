"""A gate, a skip connection and a LayerNorm: the end of the LSTM, the attention and the last network.

Rewrites GateAddNorm, and the pair GatedLinearUnit and AddNorm after the LSTM, for equal sizes. A linear
map that comes right before the gate can be composed into it.

    x [..., K]                     skip [..., H]
        │ map: before, then the gate   │
    [..., 2H]                          │
        │ GLU                          │
    [..., H] ─────────── + ────────────┘
                         │ LayerNorm
                     [..., H]
"""

from torch import Tensor, nn

from .linear import AffineMap, GatedSum, layer_norm_of


class GatedSkip(nn.Module):
    """LayerNorm(GLU(x) + skip)."""

    def __init__(self, glu: nn.Module, add_norm: nn.Module, before: nn.Linear | None = None):
        super().__init__()
        gate = AffineMap.of(glu.fc)
        if before is not None:
            gate = AffineMap.of(before).then(gate)
        self.gated_sum = GatedSum(gate, layer_norm_of(add_norm.norm))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.gated_sum(x, skip)
