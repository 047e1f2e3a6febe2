"""The original network, prepared for training: the same function and parameters, in fewer and faster steps.

Three layers of pytorch-forecasting are replaced in place. Sequences of equal length need neither packing nor
masks built from length tensors. The stretching of features is a product with a constant matrix (the resize
kernel runs on as many threads as there are outputs). The attention's scale is a number, not a tensor sent to
the device. After that nothing in a step waits for the device, and a step can be a CUDA graph.
"""

import math
from dataclasses import dataclass

import torch
from pytorch_forecasting import TemporalFusionTransformer
from pytorch_forecasting.models.temporal_fusion_transformer.sub_modules import (
    AddNorm,
    ResampleNorm,
    ScaledDotProductAttention,
)
from torch import Tensor, nn

from ..graph.rewrite.interpolation import interpolation_matrix


@dataclass(frozen=True)
class FixedLength:
    """A batch's sequence lengths where all are equal: what the network reads of them, without a tensor."""

    length: int
    device: torch.device

    def max(self) -> int:
        return self.length


def prepare_for_training(
    model: TemporalFusionTransformer, encoder_length: int, horizon: int
) -> TemporalFusionTransformer:
    """Prepares `model` in place for windows of exactly this size, their lengths given as `FixedLength`."""
    for recurrent in (model.lstm_encoder, model.lstm_decoder):
        recurrent.forward = _without_packing(recurrent)
    model.get_attention_mask = _constant_mask(encoder_length, horizon)
    # Without the cut at 0, which would leave a quantile under it with no gradient to come back by.
    model.transform_output = _back_to_units
    for layer in model.modules():
        if isinstance(layer, ResampleNorm) and layer.input_size != layer.output_size:
            layer.resample = _Stretch(layer.input_size, layer.output_size)
        elif isinstance(layer, AddNorm) and layer.input_size != layer.skip_size:
            layer.resample = _Stretch(layer.skip_size, layer.input_size)
        elif isinstance(layer, ScaledDotProductAttention):
            layer.forward = _attention(layer)
    return model


class _Stretch(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.register_buffer("matrix", interpolation_matrix(inputs, outputs).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix


def _back_to_units(prediction: Tensor, target_scale: Tensor, loss: object = None) -> Tensor:
    """[batch, horizon, quantiles] in the target's unit; `target_scale` is [batch, 2]."""
    center, scale = target_scale[:, None].split(1, dim=-1)
    return prediction * scale + center


def _without_packing(recurrent: nn.LSTM):
    def forward(x, hx=None, lengths=None, enforce_sorted=True):
        return nn.LSTM.forward(recurrent, x, hx)

    return forward


def _constant_mask(encoder_length: int, horizon: int):
    steps = torch.arange(horizon)
    future = steps[None, :] >= steps[:, None]
    mask = torch.cat([torch.zeros(horizon, encoder_length, dtype=torch.bool), future], dim=1)[None]
    on_device: dict[torch.device, Tensor] = {}

    def attention_mask(encoder_lengths, decoder_lengths):
        device = decoder_lengths.device
        if device not in on_device:
            on_device[device] = mask.to(device)
        return on_device[device]

    return attention_mask


def _attention(layer: ScaledDotProductAttention):
    def forward(q, k, v, mask=None):
        weights = torch.bmm(q, k.permute(0, 2, 1))
        if layer.scale:
            weights = weights / math.sqrt(k.size(-1))
        if mask is not None:
            weights = weights.masked_fill(mask, layer.mask_bias)
        weights = layer.softmax(weights)
        if layer.dropout is not None:
            weights = layer.dropout(weights)
        return torch.bmm(weights, v), weights

    return forward
