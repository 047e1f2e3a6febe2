"""How a variable is scaled inside the graph: by its window, by the group of its series, or by constants."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..checkpoint.normalizer import EPSILON, TargetNormalizer

# Greater than what is measured, and a float32 that may be multiplied by 0.
_LARGE = 1e38


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

    def forward(
        self, target: Tensor, row: Tensor | None, valid: Tensor | None = None
    ) -> tuple[Tensor, Pair, Pair]:
        """`row` [1, batch] is the group's row in the tables, for the kind 'group'.

        `valid` [encoder, batch, 1] is 1 for the steps that a window has, and else 0; None if it has all.
        """
        transformed = self.normalizer.transform(target)
        if self.normalizer.kind == "window":
            pair = self._of_window(transformed, valid)
            return (transformed - pair.center) / pair.scale, pair, pair
        pairs = self.table[:, None] if row is None else nn.functional.embedding(row, self.table)
        center, scale, out_center, out_scale = pairs.split(1, dim=-1)
        return (transformed - center) / scale, Pair(center, scale), Pair(out_center, out_scale)

    def apply_pair(self, values: Tensor, pair: Pair) -> Tensor:
        """Other values of the same variable, scaled alike."""
        return (self.normalizer.transform(values) - pair.center) / pair.scale

    def _of_window(self, transformed: Tensor, valid: Tensor | None) -> Pair:
        """EncoderNormalizer's centre and scale: standard deviation with n - 1, plus float32's epsilon."""
        normalizer = self.normalizer
        if normalizer.robust is not None:
            return self._robust(transformed, normalizer.robust, valid)
        if valid is not None:
            return self._of_valid(transformed, valid)
        tail = _tail(transformed, normalizer.scale_length)
        deviation = tail - tail.mean(0, keepdim=True)
        scale = ((deviation * deviation).sum(0, keepdim=True) / (tail.shape[0] - 1)).sqrt() + EPSILON
        scale = self._floored(scale)
        if not normalizer.center:
            return Pair(torch.zeros_like(scale), scale)
        return Pair(_tail(transformed, normalizer.center_length).mean(0, keepdim=True), scale)

    def _of_valid(self, transformed: Tensor, valid: Tensor) -> Pair:
        normalizer = self.normalizer
        counted = _tail(valid, normalizer.scale_length)
        tail = _tail(transformed, normalizer.scale_length)
        count = counted.sum(0, keepdim=True)
        mean = (tail * counted).sum(0, keepdim=True) / count
        deviation = (tail - mean) * counted
        scale = ((deviation * deviation).sum(0, keepdim=True) / (count - 1.0)).sqrt() + EPSILON
        scale = self._floored(scale)
        if not normalizer.center:
            return Pair(torch.zeros_like(scale), scale)
        counted = _tail(valid, normalizer.center_length)
        total = (_tail(transformed, normalizer.center_length) * counted).sum(0, keepdim=True)
        return Pair(total / counted.sum(0, keepdim=True), scale)

    def _floored(self, scale: Tensor) -> Tensor:
        floor = self.normalizer.floor
        return torch.maximum(scale, torch.full_like(scale, floor)) if floor > 0.0 else scale

    def _robust(
        self, transformed: Tensor, quantiles: tuple[float, float, float], valid: Tensor | None
    ) -> Pair:
        lower, middle, upper = quantiles

        def tail(length: int | None) -> _Sorted:
            counted = None if valid is None else _tail(valid, length)
            return _Sorted(_tail(transformed, length), counted)

        values = tail(self.normalizer.scale_length)
        scale = self._floored((values.quantile(upper) - values.quantile(lower)) / 2.0 + EPSILON)
        if not self.normalizer.center:
            return Pair(torch.zeros_like(scale), scale)
        return Pair(tail(self.normalizer.center_length).quantile(middle), scale)


def _tail(values: Tensor, length: int | None) -> Tensor:
    return values if length is None or length >= values.shape[0] else values[-length:]


class _Sorted:
    """Values [steps, batch, 1] in ascending order, of which those count that are `valid`."""

    def __init__(self, values: Tensor, valid: Tensor | None):
        self.count = None
        if valid is not None:
            self.count = valid.sum(0, keepdim=True)
            # Behind all others; finite, so that a weight of 0 leaves nothing of it.
            values = torch.where(valid > 0.5, values, torch.full_like(values, _LARGE))
        self.values = torch.topk(values, values.shape[0], dim=0, largest=False).values

    def quantile(self, quantile: float) -> Tensor:
        """As torch.quantile interpolates: [1, batch, 1]."""
        steps = self.values.shape[0]
        if self.count is not None:
            distance = quantile * (self.count - 1.0) - torch.arange(steps).float()[:, None, None]
            weights = (1.0 - torch.maximum(distance, -distance)).clamp(min=0.0)
            return (self.values * weights).sum(0, keepdim=True)
        place = quantile * (steps - 1)
        below = math.floor(place)
        above = min(below + 1, steps - 1)
        low, high = self.values[below : below + 1], self.values[above : above + 1]
        return low + (high - low) * (place - below)
