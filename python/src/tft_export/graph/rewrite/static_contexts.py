"""The four networks that read the static embedding, as one batched network.

The TFT makes four contexts of the same vector with four gated residual networks of the same size: for
variable selection, the LSTM's initial hidden and cell state, and the enrichment after it.

    static [1, B, H] ─────────────────────┐
        │ expand, ELU                     │
    [4, B, H] ─────────┐                  │
        │ value        │ gate, sigmoid    │
    [4, B, H]      [4, B, H]              │
        └── product ───┘                  │
               │                          │
           [4, B, H] ──────── + ──────────┘
                              │ LayerNorm
                          [4, B, H], split into four [1, B, H]
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from .grn import gate_map
from .linear import AffineMap


class StaticContexts(nn.Module):
    """[batch, size] to one [1, batch, size] for each network, in the order given."""

    def __init__(self, networks: list[nn.Module]):
        super().__init__()
        first = [AffineMap.of(grn.fc1) for grn in networks]
        gates = [gate_map(grn).halves() for grn in networks]
        norms = [grn.gate_norm.add_norm.norm for grn in networks]
        self.eps = norms[0].eps
        self.size = networks[0].output_size
        self._stack("expand", [m.weight for m in first])
        self._stack("expand_bias", [m.bias[None] for m in first])
        self._stack("value", [value.weight for value, _ in gates])
        self._stack("value_bias", [value.bias[None] for value, _ in gates])
        self._stack("gate", [gate.weight for _, gate in gates])
        self._stack("gate_bias", [gate.bias[None] for _, gate in gates])
        self._stack("norm_weight", [norm.weight.detach()[None] for norm in norms])
        self._stack("norm_bias", [norm.bias.detach()[None] for norm in norms])

    def _stack(self, name: str, tensors: list[Tensor]) -> None:
        self.register_buffer(name, torch.stack(tensors).float())

    def forward(self, static: Tensor) -> tuple[Tensor, ...]:
        hidden = functional.elu(static @ self.expand + self.expand_bias)
        value = hidden @ self.value + self.value_bias
        gate = hidden @ self.gate + self.gate_bias
        normed = functional.layer_norm(value * torch.sigmoid(gate) + static, (self.size,), eps=self.eps)
        return torch.split(normed * self.norm_weight + self.norm_bias, 1)
