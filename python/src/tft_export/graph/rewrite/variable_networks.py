"""The networks of all real variables of a variable selection, as one batched product.

pytorch-forecasting runs a small gated residual network for each variable. Here they are stacked along a
variable axis, those with fewer hidden units padded with zeros. T steps, B batch, R variables, W the widest
network's hidden units and a one, H outputs, M = T * B:

    x [T, B, R]
        │ transposed
    column x [R, M, 1] ────────────────────────────┐
        │ [x, 1]                                   │ [x / d, 1 / d, 1]
    [R, M, 2]                                  [R, M, 3]
        │ inner, ELU                               │
    [R, M, W] ───────┐                             │ residual
        │ value      │ gate, sigmoid               │
    [R, M, H]    [R, M, H]                         │
        └─ product ──┘                             │
              └─────────────── + ──────────── [R, M, H]
                               │ LayerNorm
                           [R, M, H]           weights [T, B, R]
                               └──── product ──────┘
                                        │ sum over the variables
                                    [T, B, H]

- The prescaler (1 to n values) is folded into what follows: everything linear in the prescaled variable is
  linear in the variable itself.
- Biases ride in the products: a column of ones is appended to the input, and ELU(1) = 1 carries it on.
- A variable's residual is LayerNorm(x u + v) for two constant vectors u and v. The mean is taken out of
  both; the variance is a quadratic in x, written as d^2 = a (x - x0)^2 + c, which does not cancel.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .grn import gate_map
from .interpolation import resample_matrix
from .linear import AffineMap, SumOverFirst


class VariableNetworks(nn.Module):
    """x [steps, batch, variables] and their weights, of the same shape, to [steps, batch, hidden]."""

    def __init__(self, networks: Sequence[nn.Module], prescalers: Sequence[AffineMap], hidden: int):
        super().__init__()
        self.count, self.hidden = len(networks), hidden
        self.sum = SumOverFirst(self.count)
        width = max(network.hidden_size for network in networks) + 1
        inner = torch.zeros(self.count, 2, width, dtype=torch.float64)
        value = torch.zeros(self.count, width, hidden, dtype=torch.float64)
        gate = torch.zeros_like(value)
        residual = torch.zeros(self.count, 3, hidden, dtype=torch.float64)
        variance = torch.zeros(3, self.count, 1, 1, dtype=torch.float64)
        for index, (network, prescaler) in enumerate(zip(networks, prescalers, strict=True)):
            size = network.hidden_size
            first = prescaler.then(AffineMap.of(network.fc1))
            inner[index, 0, :size], inner[index, 1, :size] = first.weight[0], first.bias
            inner[index, 1, -1] = 1.0
            value_map, gate_half = gate_map(network).halves()
            # Negated and later subtracted, for the reason that GatedSum gives.
            for stack, half, sign in ((value, value_map, -1.0), (gate, gate_half, 1.0)):
                stack[index, :size], stack[index, -1] = sign * half.weight, sign * half.bias
            residual[index], variance[:, index, 0, 0] = _residual(network, prescaler)
        norms = [network.gate_norm.add_norm.norm for network in networks]
        self.eps = norms[0].eps
        for name, tensor in {
            "inner": inner,
            "value": value,
            "gate": gate,
            "residual": residual,
            "curvature": variance[0],
            "vertex": variance[1],
            "floor": variance[2],
            "norm_weight": torch.stack([norm.weight.detach() for norm in norms])[:, None],
            "norm_bias": torch.stack([norm.bias.detach() for norm in norms]),
        }.items():
            self.register_buffer(name, tensor.float().contiguous())

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """The weighted sum of the networks' outputs."""
        by_variable = weights.permute(2, 0, 1).reshape(self.count, -1, 1)
        mixed = self.sum(self._normed(x) * (by_variable * self.norm_weight))
        return mixed.reshape(x.shape[0], -1, self.hidden) + weights @ self.norm_bias

    def only(self, x: Tensor) -> Tensor:
        """The output where there is one variable only, which is not weighed."""
        output = self._normed(x) * self.norm_weight + self.norm_bias[:, None]
        return output.reshape(x.shape[0], -1, self.hidden)

    def _normed(self, x: Tensor) -> Tensor:
        """Every network up to the affine part of its last LayerNorm: [variables, steps * batch, hidden]."""
        column = x.permute(2, 0, 1).reshape(self.count, -1, 1)
        one = torch.ones_like(column)
        hidden = functional.elu(torch.cat([column, one], dim=-1) @ self.inner)
        from_vertex = column - self.vertex
        inverse = torch.rsqrt(from_vertex * from_vertex * self.curvature + self.floor)
        residual = torch.cat([column * inverse, inverse, one], dim=-1) @ self.residual
        negative = (hidden @ self.value) * torch.sigmoid(hidden @ self.gate)
        return functional.layer_norm(residual - negative, (self.hidden,), eps=self.eps)


def _residual(network: nn.Module, prescaler: AffineMap) -> tuple[Tensor, Tensor]:
    """The residual of one variable: what x / d, 1 / d and 1 are multiplied with, and d^2 = a (x - x0)^2 + c.

    Without a LayerNorm on the residual (input and output of one size) d is 1.
    """
    slope, offset = prescaler.weight[0], prescaler.bias
    if network.input_size == network.output_size:
        return torch.stack([slope, offset, torch.zeros_like(slope)]), torch.tensor([0.0, 0.0, 1.0])
    norm = network.resample_norm.norm
    matrix = resample_matrix(network.resample_norm)
    slope, offset = _centred(slope @ matrix), _centred(offset @ matrix)
    weight, bias = norm.weight.detach().double(), norm.bias.detach().double()
    return torch.stack([slope * weight, offset * weight, bias]), _variance(slope, offset, norm.eps)


def _centred(vector: Tensor) -> Tensor:
    return vector - vector.mean()


def _variance(slope: Tensor, offset: Tensor, eps: float) -> Tensor:
    """a, x0 and c with mean((x * slope + offset)^2) + eps = a (x - x0)^2 + c."""
    square, cross, constant = (slope * slope).mean(), (slope * offset).mean(), (offset * offset).mean()
    if square == 0.0:
        return torch.stack([square, cross * 0.0, constant + eps])
    floor = (constant - cross * cross / square).clamp(min=0.0)
    return torch.stack([square, -cross / square, floor + eps])
