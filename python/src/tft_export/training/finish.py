"""The end of a training run: the best averaged weights, their bands recalibrated, as a checkpoint.

Trained quantiles are too narrow for machines outside the training data. So their spread around the median
is widened by one factor, chosen so that the 10-90 % band holds 80 % of the validation machines'
measurements. One linear layer computes the quantiles: the factor goes into its weights, and the checkpoint
stays an ordinary one.
"""

import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from pytorch_forecasting import TemporalFusionTransformer
from torch import Tensor

from ..windows.metrics import QUANTILES
from .settings import Settings
from .trainer import Data, make_model, pinball
from .training_network import prepare_for_training
from .training_windows import Windows

MEDIAN, LOW, HIGH = (QUANTILES.index(quantile) for quantile in (0.5, 0.1, 0.9))


def finish(run: Path, data: Data, settings: Settings, stride: int = 48) -> dict[str, Any]:
    """Writes RUN/checkpoint.ckpt and returns its part of the training report."""
    state = torch.load(run / "best.pt", map_location="cpu", weights_only=True)
    model = make_model(data.dataset, settings)
    model.load_state_dict(state["model"])
    parameters = [p for p in model.parameters() if p.requires_grad]
    with torch.no_grad():
        for parameter, averaged in zip(parameters, state["averaged"], strict=True):
            parameter.copy_(averaged)
    windows = Windows(data.validation, data.dataset)
    normalized, scale, y, weight = _validation_outputs(data, settings, model, windows, stride)

    def outcome(factor: float) -> tuple[float, float]:
        prediction = model.transform_output(widened(normalized, factor), target_scale=scale)
        loss = pinball(prediction, y, torch.tensor(QUANTILES)).mean(-1)
        held = (y >= prediction[..., LOW]) & (y <= prediction[..., HIGH])
        return float((loss * weight).sum() / weight.sum()), float((held * weight).sum() / weight.sum())

    low, high = 0.5, 4.0  # the band holds more the wider it is: bisection
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if outcome(middle)[1] < 0.8 else (low, middle)
    factor = (low + high) / 2
    widen_quantiles(model, factor)
    write_checkpoint(model, run / "checkpoint.ckpt")
    before, after = outcome(1.0), outcome(factor)
    return {
        "bestStep": state["step"],
        "quantilesWidenedBy": round(factor, 4),
        "validationPinball": {"asTrained": round(before[0], 4), "widened": round(after[0], 4)},
        "validationCoverage80": {"asTrained": round(before[1], 4), "widened": round(after[1], 4)},
    }


def widened(outputs: Tensor, factor: float) -> Tensor:
    """Quantiles [..., quantiles] moved away from their median; their order stays."""
    median = outputs[..., MEDIAN : MEDIAN + 1]
    return median + factor * (outputs - median)


def widen_quantiles(model: TemporalFusionTransformer, factor: float) -> None:
    """The same as `widened`, in the weights of the layer that the quantiles come out of."""
    layer = model.output_layer
    with torch.no_grad():
        layer.weight.copy_(widened(layer.weight.T, factor).T)
        layer.bias.copy_(widened(layer.bias, factor))


def write_checkpoint(model: TemporalFusionTransformer, path: Path) -> None:
    """Saves a Lightning checkpoint with the data set's parameters, as `Trainer.save_checkpoint` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            logger=False, enable_checkpointing=False, accelerator="cpu", enable_model_summary=False
        )
        trainer.strategy.connect(model)
        trainer.save_checkpoint(path, weights_only=True)


def _validation_outputs(
    data: Data, settings: Settings, model: TemporalFusionTransformer, windows: Windows, stride: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normalised outputs, target scale, truth and weight of every stride-th validation window."""
    prepared = make_model(data.dataset, settings).eval()
    prepared.load_state_dict(model.state_dict())
    prepare_for_training(prepared, windows.encoder_length, windows.horizon)
    collected = []
    prepared.output_layer.register_forward_hook(lambda layer, inputs, output: collected.append(output))
    rest = []
    with torch.inference_mode():
        for starts in windows.starts[::stride].split(64):
            batch = windows.batch(starts)
            prepared(batch.x)
            rest.append((batch.x["target_scale"], batch.y, batch.weight))
    return torch.cat(collected), *(torch.cat(parts) for parts in zip(*rest, strict=True))
