"""How a variable is scaled inside the graph: by its window, by the group of its series, or by constants."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..checkpoint.normalizer import EPSILON, TargetNormalizer


class Pair(NamedTuple):
    """Centre and scale, [1, batch, 1], or [1, 1, 1] if constant."""

    center: Tensor
    scale: Tensor


class TargetScale(nn.Module):
    """The encoder's target, scaled, and its centre and scale.

    Returns the scaled target [encoder, batch, 1], the pair that scaled it, which the network reads as
    features, and the pair that brings the forecast back.
    """

    def __init__(self, normalizer: TargetNormalizer):
        super().__init__()
        self.normalizer = normalizer
        if normalizer.kind != "window":
            table = torch.tensor(normalizer.input_scale), torch.tensor(normalizer.output_scale)
            self.register_buffer("table", torch.cat(table, dim=1).float())

    def forward(self, target: Tensor, row: Tensor | None) -> tuple[Tensor, Pair, Pair]:
        """`row` [1, batch] is the group's row in the tables, for the kind 'group'."""
        transformed = self.normalizer.transform(target)
        if self.normalizer.kind == "window":
            pair = self._of_window(transformed)
            return (transformed - pair.center) / pair.scale, pair, pair
        pairs = self.table[:, None] if row is None else nn.functional.embedding(row, self.table)
        center, scale, out_center, out_scale = pairs.split(1, dim=-1)
        return (transformed - center) / scale, Pair(center, scale), Pair(out_center, out_scale)

    def apply_pair(self, values: Tensor, pair: Pair) -> Tensor:
        """Other values of the same variable, scaled alike."""
        return (self.normalizer.transform(values) - pair.center) / pair.scale

    def _of_window(self, transformed: Tensor) -> Pair:
        """EncoderNormalizer's centre and scale: standard deviation with n - 1, plus float32's epsilon."""
        normalizer = self.normalizer
        if normalizer.robust is not None:
            return self._robust(transformed, normalizer.robust)
        tail = _tail(transformed, normalizer.scale_length)
        deviation = tail - tail.mean(0, keepdim=True)
        scale = ((deviation * deviation).sum(0, keepdim=True) / (tail.shape[0] - 1)).sqrt() + EPSILON
        scale = self._floored(scale)
        if not normalizer.center:
            return Pair(torch.zeros_like(scale), scale)
        return Pair(_tail(transformed, normalizer.center_length).mean(0, keepdim=True), scale)

    def _floored(self, scale: Tensor) -> Tensor:
        floor = self.normalizer.floor
        return torch.maximum(scale, torch.full_like(scale, floor)) if floor > 0.0 else scale

    def _robust(self, transformed: Tensor, quantiles: tuple[float, float, float]) -> Pair:
        lower, middle, upper = quantiles
        tail = _ascending(_tail(transformed, self.normalizer.scale_length))
        scale = self._floored((_quantile(tail, upper) - _quantile(tail, lower)) / 2.0 + EPSILON)
        if not self.normalizer.center:
            return Pair(torch.zeros_like(scale), scale)
        return Pair(_quantile(_ascending(_tail(transformed, self.normalizer.center_length)), middle), scale)


def _tail(values: Tensor, length: int | None) -> Tensor:
    return values if length is None or length >= values.shape[0] else values[-length:]


def _ascending(values: Tensor) -> Tensor:
    return torch.topk(values, values.shape[0], dim=0, largest=False).values


def _quantile(ascending: Tensor, quantile: float) -> Tensor:
    """As torch.quantile interpolates."""
    place = quantile * (ascending.shape[0] - 1)
    below = math.floor(place)
    above = min(below + 1, ascending.shape[0] - 1)
    low, high = ascending[below : below + 1], ascending[above : above + 1]
    return low + (high - low) * (place - below)
