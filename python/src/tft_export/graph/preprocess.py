"""From the four raw inputs to what the network reads: scaling, time features, category codes.

Works time-major, [steps, batch, features]. Values that no window changes (relative time, the encoder's
length) are not computed here: see `fixed_values`. The scaling of time features and target scales is folded
into the network; a metric's mean is subtracted here, where no digits are lost.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..checkpoint.normalizer import EPSILON, TargetNormalizer
from ..checkpoint.structure import ENCODER_LENGTH, KNOWN_FEATURES, RELATIVE_TIME, Structure
from .past_time_features import PastTimeFeatures, check_recoverable


class Prepared(NamedTuple):
    """The network's inputs; None where a part has no varying real variable.

    Reals are in the orders of `static_order`, `encoder_order` and `decoder_order`; codes in those of the
    structure's categoricals. `center` and `scale` bring the forecast back.
    """

    static: Tensor | None
    static_codes: list[Tensor]
    encoder: Tensor | None
    encoder_codes: list[Tensor]
    decoder: Tensor | None
    decoder_codes: list[Tensor]
    center: Tensor
    scale: Tensor


def fixed_values(
    structure: Structure, names: Sequence[str], first_step: int, steps: int
) -> dict[str, Tensor]:
    """The variables among `names` that are the same for every window, as [steps]."""
    normalizer = structure.normalizer
    relative = torch.arange(first_step, first_step + steps, dtype=torch.float64) / structure.encoder_length
    constants = {ENCODER_LENGTH: 1.0}
    if normalizer.kind == "constant":
        pair = normalizer.input_scale[0]
        for name, value in ((structure.center_name, pair[0]), (structure.scale_name, pair[1])):
            if name in structure.scalers:
                scaler = structure.scalers[name]
                constants[name] = (value - scaler.mean) / scaler.scale
    fixed = {}
    for name in names:
        if name == RELATIVE_TIME:
            fixed[name] = relative
        elif name in constants:
            fixed[name] = torch.full((steps,), constants[name], dtype=torch.float64)
    return fixed


class Preprocess(nn.Module):
    """encoder_cont, encoder_cat, decoder_cont, decoder_cat to Prepared."""

    def __init__(self, structure: Structure):
        super().__init__()
        self.structure = structure
        features = tuple(name for name in structure.encoder_reals if name in KNOWN_FEATURES)
        check_recoverable(
            set(features),
            structure.known,
            structure.step_minutes,
            structure.encoder_length,
            structure.horizon,
        )
        self.past_features = PastTimeFeatures(
            features, structure.known, structure.step_minutes, structure.encoder_length
        )
        self.target_is_input = structure.target in structure.encoder_reals
        self.other_channels = [
            channel
            for channel, name in enumerate(structure.metrics)
            if name in structure.encoder_reals and name != structure.target
        ]
        self.runs = _runs(self.other_channels)
        self.target_piece = (structure.target_channel, structure.target_channel + 1)
        self.pieces = _pieces({self.target_piece, *self.runs}, len(structure.metrics))
        self.piece_sizes = [end - start for start, end in self.pieces]
        metrics = [structure.metrics[channel] for channel in self.other_channels]
        scalers = [structure.scalers[name] for name in metrics]
        self.register_buffer("metric_mean", torch.tensor([s.mean for s in scalers]).float())
        self.register_buffer("metric_factor", torch.tensor([1.0 / s.scale for s in scalers]).float())
        target = (structure.target,) if self.target_is_input else ()
        self.encoder_order = (*target, *metrics, *features)
        self.decoder_order = tuple(name for name in structure.known if name in structure.decoder_reals)
        self.target_scale = TargetScale(structure.normalizer)
        scale_names = (structure.center_name, structure.scale_name)
        varies = structure.normalizer.kind != "constant"
        self.static_order = tuple(name for name in scale_names if varies and name in structure.static_reals)

    def forward(
        self, encoder_cont: Tensor, encoder_cat: Tensor, decoder_cont: Tensor, decoder_cat: Tensor
    ) -> Prepared:
        structure = self.structure
        future = decoder_cont.transpose(0, 1)
        past_codes, future_codes = encoder_cat.transpose(0, 1), decoder_cat.transpose(0, 1)
        server = past_codes[:1, :, 0] if structure.by_server else None
        target, metrics = self._past(encoder_cont)
        scaled_target, entering, center, scale = self.target_scale(target, server)
        encoder = [scaled_target] if self.target_is_input else []
        if metrics is not None:
            encoder.append((metrics - self.metric_mean) * self.metric_factor)
        encoder += self.past_features(future)
        static = [
            dict(zip(("center", "scale"), entering, strict=True))[self._part(n)] for n in self.static_order
        ]
        return Prepared(
            static=_joined(static),
            static_codes=[
                past_codes[:1, :, 0 if name in structure.looked_up else structure.channel(name)]
                for name in structure.static_categoricals
            ],
            encoder=_joined(encoder),
            encoder_codes=[past_codes[..., structure.channel(n)] for n in structure.encoder_categoricals],
            decoder=self._decoder(future),
            decoder_codes=[future_codes[..., structure.channel(n)] for n in structure.decoder_categoricals],
            center=center,
            scale=scale,
        )

    def _past(self, encoder_cont: Tensor) -> tuple[Tensor, Tensor | None]:
        """The target and the other metrics, time-major.

        They are split before they are transposed: with a batch fixed at 1, TensorRT 10.6 gives wrong results
        for a slice of the transposed tensor.
        """
        split = encoder_cont.split(self.piece_sizes, dim=-1) if len(self.pieces) > 1 else [encoder_cont]
        pieces = dict(zip(self.pieces, split, strict=True))
        target = pieces[self.target_piece]
        metrics = _joined([pieces[run] for run in self.runs])
        return target.transpose(0, 1), None if metrics is None else metrics.transpose(0, 1)

    def _part(self, name: str) -> str:
        return "center" if name == self.structure.center_name else "scale"

    def _decoder(self, future: Tensor) -> Tensor | None:
        if self.decoder_order == self.structure.known:
            return future
        channels = [self.structure.known.index(name) for name in self.decoder_order]
        return _joined([future[..., start:end] for start, end in _runs(channels)])


class TargetScale(nn.Module):
    """The encoder's target, scaled, and its centre and scale.

    Returns the scaled target [encoder, batch, 1], the (centre, scale) that the network reads as features,
    and the centre and scale that bring the forecast back; these are [1, batch, 1], or [1, 1, 1] if constant.
    """

    def __init__(self, normalizer: TargetNormalizer):
        super().__init__()
        self.normalizer = normalizer
        if normalizer.kind != "window":
            table = torch.tensor(normalizer.input_scale), torch.tensor(normalizer.output_scale)
            self.register_buffer("table", torch.cat(table, dim=1).float())

    def forward(
        self, target: Tensor, server: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor, Tensor]:
        transformed = self.normalizer.transform(target)
        if self.normalizer.kind == "window":
            center, scale = self._of_window(transformed)
            return (transformed - center) / scale, (center, scale), center, scale
        pairs = self.table[:, None] if server is None else nn.functional.embedding(server, self.table)
        center, scale, out_center, out_scale = pairs.split(1, dim=-1)
        return (transformed - center) / scale, (center, scale), out_center, out_scale

    def _of_window(self, transformed: Tensor) -> tuple[Tensor, Tensor]:
        """EncoderNormalizer's centre and scale: standard deviation with n - 1, plus float32's epsilon,
        floored."""
        normalizer = self.normalizer
        tail = _tail(transformed, normalizer.scale_length)
        deviation = tail - tail.mean(0, keepdim=True)
        scale = ((deviation * deviation).sum(0, keepdim=True) / (tail.shape[0] - 1)).sqrt() + EPSILON
        if normalizer.floor > 0.0:
            scale = torch.maximum(scale, torch.full_like(scale, normalizer.floor))
        if not normalizer.center:
            return torch.zeros_like(scale), scale
        return _tail(transformed, normalizer.center_length).mean(0, keepdim=True), scale


def _tail(values: Tensor, length: int | None) -> Tensor:
    return values if length is None or length >= values.shape[0] else values[-length:]


def _joined(parts: list[Tensor]) -> Tensor | None:
    if len(parts) > 1:
        return torch.cat(parts, dim=-1)
    return parts[0] if parts else None


def _runs(channels: list[int]) -> list[tuple[int, int]]:
    """Neighbouring channels gathered into (start, end) slices, in order."""
    runs: list[tuple[int, int]] = []
    for channel in channels:
        if runs and runs[-1][1] == channel:
            runs[-1] = (runs[-1][0], channel + 1)
        else:
            runs.append((channel, channel + 1))
    return runs


def _pieces(wanted: Collection[tuple[int, int]], channels: int) -> list[tuple[int, int]]:
    """All `channels` as (start, end) slices in order: the `wanted` ones and the gaps between them."""
    borders = sorted({0, channels, *(border for piece in wanted for border in piece)})
    return list(pairwise(borders))
