"""From the network's outputs to each target's quantiles in its own unit."""

from collections.abc import Sequence
from statistics import NormalDist

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..checkpoint.head import NORMAL, Head
from ..checkpoint.normalizer import REVERSE_OF_DISTRIBUTIONS, TargetNormalizer
from ..checkpoint.structure import Structure
from .target_scale import Pair


class Heads(nn.Module):
    """output [horizon, batch, outputs of all targets] to [batch, horizon, quantiles] for each target.

    `sizes` are the numbers of outputs of each target.
    """

    def __init__(self, structure: Structure, sizes: Sequence[int]):
        super().__init__()
        self.sizes = list(sizes)
        self.normalizers = [structure.normalizers[target] for target in structure.targets]
        self.heads = structure.heads
        for index, head in enumerate(self.heads):
            if head.kind == NORMAL:
                deviations = [NormalDist().inv_cdf(quantile) for quantile in head.quantiles]
                self.register_buffer(f"deviations_{index}", torch.tensor(deviations))

    def forward(self, output: Tensor, back: Sequence[Pair]) -> list[Tensor]:
        parts = output.split(self.sizes, dim=-1) if len(self.sizes) > 1 else [output]
        targets = zip(self.heads, parts, self.normalizers, back, strict=True)
        return [self._restored(index, *target).transpose(0, 1) for index, target in enumerate(targets)]

    def _restored(
        self, index: int, head: Head, output: Tensor, normalizer: TargetNormalizer, back: Pair
    ) -> Tensor:
        if head.kind != NORMAL:
            return normalizer.restore(output * back.scale + back.center)
        mean, scale = output.split(1, dim=-1)
        quantiles = mean + functional.softplus(scale) * self.get_buffer(f"deviations_{index}")
        return REVERSE_OF_DISTRIBUTIONS[normalizer.transformation](quantiles * back.scale + back.center)
