"""From the raw inputs to what the network reads: scaling, time features, category codes.

Works time-major, [steps, batch, features]. Values that no window changes (relative time, a fixed encoder's
length) are not computed here: see `fixed_values`. The scaling of time features and target scales is folded
into the network; a metric's mean is subtracted here, where no digits are lost. Scales of groups that differ
by little of their size are looked up as the network reads them, for the same reason.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..checkpoint.structure import ENCODER_LENGTH, RELATIVE_TIME, Structure
from ..checkpoint.tensors import input_tensors
from ..description import INPUT_NAMES, LENGTHS_INPUT, STATIC_INPUT
from .past_time_features import PastTimeFeatures
from .single_variables import SingleVariables
from .target_scale import Pair, TargetScale

# Float32 has seven digits; of scales that are this many of their own spreads, too few are left.
_MOST_SPREADS = 100.0


class Prepared(NamedTuple):
    """The network's inputs; None where a part has no varying real variable.

    Reals are in the orders of `static_order`, `encoder_order` and `decoder_order`; codes in those of
    `code_columns`. `back` brings each target's forecast back. `valid` [encoder, batch, 1] is 1 for the steps
    that a window has, and else 0; None where all windows are whole.
    """

    static: Tensor | None
    static_codes: list[Tensor]
    encoder: Tensor | None
    encoder_codes: list[Tensor]
    decoder: Tensor | None
    decoder_codes: list[Tensor]
    back: list[Pair]
    valid: Tensor | None = None

    @property
    def center(self) -> Tensor:
        return self.back[0].center

    @property
    def scale(self) -> Tensor:
        return self.back[0].scale


def fixed_values(
    structure: Structure, names: Sequence[str], first_step: int, steps: int
) -> dict[str, Tensor]:
    """The variables among `names` that are the same for every window, as [steps]."""
    relative = torch.arange(first_step, first_step + steps, dtype=torch.float64) / structure.encoder_length
    constants = {} if structure.varies_in_length else {ENCODER_LENGTH: 1.0}
    for target, normalizer in structure.normalizers.items():
        if normalizer.kind == "constant":
            for part, value in zip(("center", "scale"), normalizer.input_scale[0], strict=True):
                name = f"{target}_{part}"
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


def code_columns(structure: Structure, variables: Sequence[str]) -> list[str]:
    """The columns of categorical variables: those of one column first, then the members of the others."""
    plain = [name for name in variables if name not in structure.bags]
    return [*plain, *(m for name in variables if name in structure.bags for m in structure.members(name))]


class Preprocess(nn.Module):
    """encoder_cont, encoder_cat, decoder_cont, decoder_cat and what further inputs there are, to Prepared."""

    def __init__(self, structure: Structure):
        super().__init__()
        self.structure = structure
        self.further = [tensor.name for tensor in input_tensors(structure)[len(INPUT_NAMES) :]]
        if structure.varies_in_length:
            back = torch.arange(structure.past, 0, -1, dtype=torch.float32)[None, :, None]
            self.register_buffer("back", back)
        features = tuple(name for name in structure.encoder_reals if name in structure.counted)
        self.past_features = PastTimeFeatures(
            features, structure.known, structure.step_minutes, structure.encoder_length
        )
        self.singles = SingleVariables(structure)
        self.target_is_input = structure.target in structure.encoder_reals
        self.other_channels = [
            channel
            for channel, name in enumerate(structure.metrics)
            if name in structure.encoder_reals and name not in structure.targets and name in structure.scalers
        ]
        self.runs = _runs(self.other_channels)
        self.target_piece = (structure.target_channel, structure.target_channel + 1)
        self.pieces = _pieces({self.target_piece, *self.runs}, len(structure.metrics))
        self.piece_sizes = [end - start for start, end in self.pieces]
        metrics = [structure.metrics[channel] for channel in self.other_channels]
        self._standardise("metric", metrics)
        target = (structure.target,) if self.target_is_input else ()
        # The counted features last: a variable selection has them in tables of their own.
        self.encoder_order = (*target, *metrics, *self.singles.encoder_names, *features)
        read = [name for name in structure.known if name in structure.decoder_reals]
        plain = [name for name in read if name not in structure.ahead]
        given = [name for name in read if name in structure.ahead and name in structure.scalers]
        self._standardise("known", given)
        self.reads_all_known = tuple(plain) == structure.known
        self.plain_runs = _runs([structure.known.index(name) for name in plain])
        self.given_runs = _runs([structure.known.index(name) for name in given])
        self.decoder_order = (*plain, *given, *self.singles.decoder_names)
        self.target_scale = TargetScale(structure.normalizer)
        own = [name for name in structure.statics if name in structure.scalers]
        self._standardise("static", own)
        self.static_runs = _runs([structure.statics.index(name) for name in own])
        features = [
            f"{target}_{part}"
            for target in structure.targets
            if structure.normalizers[target].kind != "constant"
            for part in ("center", "scale")
        ]
        self.scale_features = tuple(name for name in features if name in structure.static_reals)
        # By target, the names of its centre and scale, where they are looked up as the network reads them.
        self.scaled_features = {
            target: names for target in structure.targets if (names := self._look_up_features(target))
        }
        self.length = tuple(
            name
            for name in (ENCODER_LENGTH,)
            if structure.varies_in_length and name in structure.static_reals
        )
        self.static_order = (*self.scale_features, *own, *self.length, *self.singles.static_names)

    def _look_up_features(self, target: str) -> tuple[str, str] | None:
        names = f"{target}_center", f"{target}_scale"
        normalizer, scalers = self.structure.normalizers[target], self.structure.scalers
        if normalizer.kind != "group" or not {*names} <= {*self.scale_features}:
            return None
        if all(abs(scalers[name].mean) <= _MOST_SPREADS * scalers[name].scale for name in names):
            return None
        parts = [
            (normalizer.input_scale[:, part] - scalers[name].mean) / scalers[name].scale
            for part, name in enumerate(names)
        ]
        table = torch.tensor(np.stack(parts, axis=1)).float()
        self.register_buffer(f"features_{self.structure.targets.index(target)}", table)
        return names

    def _standardise(self, kind: str, names: Sequence[str]) -> None:
        scalers = [self.structure.scalers[name] for name in names]
        self.register_buffer(f"{kind}_mean", torch.tensor([s.mean for s in scalers]).float())
        self.register_buffer(f"{kind}_factor", torch.tensor([1.0 / s.scale for s in scalers]).float())

    def forward(
        self,
        encoder_cont: Tensor,
        encoder_cat: Tensor,
        decoder_cont: Tensor,
        decoder_cat: Tensor,
        *further: Tensor,
    ) -> Prepared:
        structure = self.structure
        given = dict(zip(self.further, further, strict=True))
        static_cont = given.get(STATIC_INPUT)
        valid = length = None
        if structure.varies_in_length:
            encoder_cont, encoder_cat, valid, length = self._of_length(
                encoder_cont, encoder_cat, given[LENGTHS_INPUT]
            )
        whole = encoder_cont
        if structure.past > structure.encoder_length:
            halves = [structure.past - structure.encoder_length, structure.encoder_length]
            encoder_cont = encoder_cont.split(halves, dim=1)[1]
            encoder_cat = encoder_cat.split(halves, dim=1)[1]
        future = decoder_cont.transpose(0, 1)
        past_codes, future_codes = encoder_cat.transpose(0, 1), decoder_cat.transpose(0, 1)
        rows = self._rows(past_codes)
        target, metrics = self._past(encoder_cont)
        row = rows.get(structure.normalizer.columns) if structure.normalizer.kind == "group" else None
        scaled_target, entering, back = self.target_scale(target, row, valid)
        encoder = [scaled_target] if self.target_is_input else []
        if metrics is not None:
            encoder.append((metrics - self.metric_mean) * self.metric_factor)
        decoder = self._decoder(decoder_cont, future)
        pairs = {structure.target: (entering, back)}
        static = self._static(static_cont)
        static += [length] if self.length else []
        if self.singles.needed:
            own_scale = (self.target_scale, entering)
            past, ahead, own, others = self.singles(whole, decoder_cont, static_cont, rows, own_scale, valid)
            encoder += [past[name] for name in self.singles.encoder_names]
            decoder += [ahead[name] for name in self.singles.decoder_names]
            static += [own[name] for name in self.singles.static_names]
            pairs |= others
        encoder += self.past_features(future)
        features = {
            f"{target}_{part}": value
            for target in structure.targets
            for part, value in zip(("center", "scale"), pairs[target][0], strict=True)
        }
        for target, names in self.scaled_features.items():
            row = rows[structure.normalizers[target].columns]
            table = getattr(self, f"features_{structure.targets.index(target)}")
            looked_up = nn.functional.embedding(row, table).split(1, dim=-1)
            features |= dict(zip(names, looked_up, strict=True))
        return Prepared(
            static=_joined([*(features[name] for name in self.scale_features), *static]),
            static_codes=[
                past_codes[:1, :, 0 if name in structure.looked_up else structure.channel(name)]
                for name in code_columns(structure, structure.static_categoricals)
            ],
            encoder=_joined(encoder),
            encoder_codes=self._codes(past_codes, structure.encoder_categoricals),
            decoder=_joined(decoder),
            decoder_codes=self._codes(future_codes, structure.decoder_categoricals),
            back=[pairs[target][1] for target in structure.targets],
            valid=valid,
        )

    def _of_length(
        self, encoder_cont: Tensor, encoder_cat: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The encoder's inputs with their last step in place of those that a window does not have.

        With them `valid`, and the encoder's length as the network reads it, [1, batch, 1].
        """
        structure = self.structure
        length = lengths.float()
        is_valid = (length + 1.0 - self.back).clamp(0.0, 1.0)
        is_given = is_valid > 0.5
        cont = torch.where(is_given, encoder_cont, encoder_cont[:, -1:])
        cat = torch.where(is_given, encoder_cat, encoder_cat[:, -1:])
        further = structure.past - structure.encoder_length
        # A lagged value's own steps come before those that the network sees.
        own = (length - further + 1.0 - self.back[:, further:]).clamp(0.0, 1.0) if further else is_valid
        share = (length - further) * (2.0 / structure.encoder_length) - 1.0
        return cont, cat, own.transpose(0, 1), share.transpose(0, 1)

    def _codes(self, codes: Tensor, variables: Sequence[str]) -> list[Tensor]:
        columns = code_columns(self.structure, variables)
        return [codes[..., self.structure.channel(column)] for column in columns]

    def _rows(self, past_codes: Tensor) -> Mapping[tuple[str, ...], Tensor]:
        """For each set of columns that scales are looked up by, the row of each window: [1, batch]."""
        structure, rows = self.structure, {}
        for normalizer in (*structure.normalizers.values(), *structure.scalings.values()):
            if normalizer.kind != "group" or normalizer.columns in rows:
                continue
            row = None
            for column, size in zip(normalizer.columns, normalizer.sizes, strict=True):
                code = past_codes[:1, :, structure.channel(column)]
                row = code if row is None else row * size + code
            rows[normalizer.columns] = row
        return rows

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

    def _decoder(self, decoder_cont: Tensor, future: Tensor) -> list[Tensor]:
        if self.reads_all_known:
            return [future]
        parts = [decoder_cont[..., start:end].transpose(0, 1) for start, end in self.plain_runs]
        given = _joined([decoder_cont[..., start:end] for start, end in self.given_runs])
        if given is not None:
            parts.append((given.transpose(0, 1) - self.known_mean) * self.known_factor)
        return parts

    def _static(self, static_cont: Tensor | None) -> list[Tensor]:
        if not self.static_runs:
            return []
        own = _joined([static_cont[..., start:end] for start, end in self.static_runs])
        return [(own.transpose(0, 1) - self.static_mean) * self.static_factor]


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
