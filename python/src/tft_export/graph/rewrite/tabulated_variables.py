"""Variables that take few whole values, such as an hour: their networks' outputs are rows of one table.

T steps, B batch, N variables, C values of all variables together, H hidden:

    x [T, B, N]                                 weights [T, B, N]
        │ limited, + the variable's first row       │ transposed
    rows [N, T, B]                                  │
        │ look-up in table [C, H]                   │
    [N, T, B, H] ──────────── product ───────── [N, T, B, 1]
                                 │ sum over the variables
                             [T, B, H]

The values are limited to the table, so that no input can read outside it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .linear import AffineMap, SumOverFirst


class TabulatedVariables(nn.Module):
    """x [steps, batch, variables] and their weights, of the same shape, to [steps, batch, hidden].

    Variable i takes the values 0 to counts[i] - 1.
    """

    def __init__(self, networks: Sequence[nn.Module], prescalers: Sequence[AffineMap], counts: Sequence[int]):
        super().__init__()
        outputs = []
        with torch.no_grad():
            for network, prescaler, count in zip(networks, prescalers, counts, strict=True):
                values = torch.arange(count, dtype=torch.float64)[:, None]
                outputs.append(network((values @ prescaler.weight + prescaler.bias).float()))
        self.register_buffer("table", torch.cat(outputs))
        self.sum = SumOverFirst(len(counts))
        limits = torch.tensor(counts)
        self.register_buffer("largest", (limits - 1).float())
        self.register_buffer("first_rows", torch.cumsum(limits, 0) - limits)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        rows = torch.minimum(x.clamp(min=0.0), self.largest).to(torch.int64) + self.first_rows
        outputs = nn.functional.embedding(rows.permute(2, 0, 1), self.table)
        weighted = outputs * weights.permute(2, 0, 1).unsqueeze(-1)
        return self.sum(weighted).reshape(x.shape[0], -1, self.table.shape[1])
