"""The network of one variable that is given as a vector: the sum of several categories' embeddings.

A category of its own is a table of outputs; sums of several have too many values for one.

    x [T, B, size] ── resampled to [T, B, H] ── LayerNorm                  (a ResampleNorm)
    x [T, B, size] ── fc1, ELU, fc2, gate ── + resampled x ── LayerNorm    (a gated residual network)
"""

from torch import Tensor, nn
from torch.nn import functional

from .grn import gate_map
from .interpolation import resample_matrix
from .linear import Affine, AffineMap, GatedSum, layer_norm_of


class EmbeddedVariable(nn.Module):
    """[..., size] to [..., hidden]."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.gated = hasattr(network, "fc1")
        resample = getattr(network, "resample_norm", None) if self.gated else network
        self.norm = None
        if resample is not None:
            self.register_buffer("matrix", resample_matrix(resample).float())
            self.norm = layer_norm_of(resample.norm)
        if self.gated:
            self.expand = Affine(AffineMap.of(network.fc1))
            self.gated_sum = GatedSum(gate_map(network), layer_norm_of(network.gate_norm.add_norm.norm))

    def forward(self, x: Tensor) -> Tensor:
        resampled = x if self.norm is None else self.norm(x @ self.matrix)
        if not self.gated:
            return resampled
        return self.gated_sum(functional.elu(self.expand(x)), resampled)
