"""The real variables that are prepared one by one: further targets, lagged ones, those of an own scale.

A lagged variable is another one, some steps earlier: encoder_cont holds the further past that it needs, if
it needs any. It is scaled as the other one is, by the same window or group.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..checkpoint.structure import Structure
from .target_scale import Pair, TargetScale


class SingleVariables(nn.Module):
    """Raw inputs to each variable's values by name, time-major: [steps, batch, 1]."""

    def __init__(self, structure: Structure):
        super().__init__()
        self.structure = structure
        read = {*structure.encoder_reals, *structure.decoder_reals}
        own = [*structure.targets[1:], *structure.scalings]
        self.lagged = [name for name in structure.lags if name in read]
        bases = [structure.lags[name].name for name in self.lagged]
        # The first target's scale is made elsewhere; constants need none.
        self.scaled = list(dict.fromkeys([*own, *(name for name in bases if name in structure.normalizers)]))
        self.scaled = [name for name in self.scaled if name != structure.target]
        both = {**structure.normalizers, **structure.scalings}
        self.scales = nn.ModuleList([TargetScale(both[name]) for name in self.scaled])
        self.encoder_names = tuple(
            name for name in structure.encoder_reals if name in self.lagged or name in self.scaled
        )
        self.decoder_names = tuple(
            name
            for name in structure.decoder_reals
            if name in self.lagged or (name in self.scaled and name in structure.known)
        )
        self.static_names = tuple(name for name in structure.static_reals if name in structure.scalings)

    @property
    def needed(self) -> bool:
        return bool(self.lagged or self.scaled)

    def forward(
        self,
        encoder_cont: Tensor,
        decoder_cont: Tensor,
        static_cont: Tensor | None,
        rows: Mapping[tuple[str, ...], Tensor],
        target: tuple[TargetScale, Pair],
        valid: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor], dict[str, tuple[Pair, Pair]]]:
        """Values of the encoder, of the decoder, and static ones; and the pairs of each further target.

        `rows` has the row of each set of group columns; `target` is the first target's scale in this window;
        `valid` marks the encoder's steps that a window has.
        """
        structure = self.structure
        encoder, decoder, static, pairs = {}, {}, {}, {}
        found = {structure.target: target}
        for name, scale in zip(self.scaled, self.scales, strict=True):
            row = rows.get(scale.normalizer.columns) if scale.normalizer.kind == "group" else None
            if name in structure.statics:
                raw = _channel(static_cont, structure.statics.index(name))
                static[name] = scale(raw.transpose(0, 1), row)[0]
                continue
            past = _channel(encoder_cont, structure.metrics.index(name))[:, -structure.encoder_length :]
            encoder[name], pair, back = scale(past.transpose(0, 1), row, valid)
            found[name], pairs[name] = (scale, pair), (pair, back)
            if name in self.decoder_names:
                future = _channel(decoder_cont, structure.known.index(name))
                decoder[name] = scale.apply_pair(future.transpose(0, 1), pair)
        for name in self.lagged:
            lag = structure.lags[name]
            series = _channel(encoder_cont, structure.metrics.index(lag.name))
            if lag.name in structure.known:
                series = torch.cat([series, _channel(decoder_cont, structure.known.index(lag.name))], dim=1)
            first = structure.past - structure.encoder_length - lag.steps
            last = first + structure.encoder_length
            if name in structure.encoder_reals:
                encoder[name] = self._scaled(lag.name, series[:, first:last], found)
            if name in structure.decoder_reals:
                decoder[name] = self._scaled(lag.name, series[:, last : last + structure.horizon], found)
        return encoder, decoder, static, pairs

    def _scaled(self, base: str, values: Tensor, found: Mapping[str, tuple[TargetScale, Pair]]) -> Tensor:
        values = values.transpose(0, 1)
        if base in found:
            scale, pair = found[base]
            return scale.apply_pair(values, pair)
        constants = self.structure.scalers[base]
        return (values - constants.mean) * (1.0 / constants.scale)


def _channel(values: Tensor, channel: int) -> Tensor:
    return values[..., channel : channel + 1]
