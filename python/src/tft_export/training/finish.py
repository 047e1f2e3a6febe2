"""The end of a training run: the best averaged weights, calibrated quantile by quantile, as a checkpoint.

Each quantile's distance from the median is multiplied by one factor, chosen so that on other machines, later
than the training, the share of measurements beyond it is the one that its name says. One linear layer
computes the quantiles: the factors go into its weights, and the checkpoint stays an ordinary one.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from pytorch_forecasting import TemporalFusionTransformer
from torch import Tensor

from ..windows.metrics import QUANTILES
from .fleet import Data
from .settings import Settings
from .trainer import TARGET_RANGE, Trainer, make_model, pinball

MEDIAN = QUANTILES.index(0.5)
RESOLUTION = 0.01  # a reading represents all values this near to it, in the target's unit
_NARROWEST, _WIDEST = 0.25, 4.0


def finish(run: Path, data: Data, settings: Settings, windows: int = 4000) -> dict[str, Any]:
    """Writes RUN/checkpoint.ckpt and returns its part of the training report."""
    trainer = Trainer(data, settings, torch.device("cpu"), run)
    trainer.restore("best.pt")
    forecasts, truth, recorded, scale = trainer.validation_forecasts(windows)
    # Readings of a machine at rest repeat: they are within any band, and contain no information about its
    # width.
    moving = (recorded > 0) & (scale > 2 * settings.scale_floor)
    factors = calibration(forecasts[moving], truth[moving])
    known = recorded > 0
    prediction, y = forecasts[known], truth[known]

    def outcome(forecast: Tensor) -> dict[str, float]:
        tidy = forecast.clamp(*TARGET_RANGE).sort(dim=-1).values
        low, high = tidy[:, QUANTILES.index(0.1)], tidy[:, QUANTILES.index(0.9)]
        held = (y >= low - RESOLUTION) & (y <= high + RESOLUTION)
        loss = pinball(tidy, y, torch.tensor(QUANTILES)).mean()
        return {"pinball": round(float(loss), 4), "coverage80": round(float(held.float().mean()), 4)}

    model = make_model(data.dataset, settings, data.read)
    model.load_state_dict(trainer.averaged_state())
    spread_quantiles(model, factors)
    write_checkpoint(model, run / "checkpoint.ckpt")
    return {
        "bestStep": trainer.step,
        "quantilesSpreadBy": [round(factor, 4) for factor in factors],
        "validation": {
            "asTrained": outcome(prediction),
            "calibrated": outcome(spread(prediction, factors)),
        },
    }


def calibration(prediction: Tensor, y: Tensor) -> list[float]:
    """A factor for each quantile of `prediction` [measurements, quantiles], given what was measured: by
    bisection."""
    factors = []
    for index, quantile in enumerate(QUANTILES):
        if index == MEDIAN:
            factors.append(1.0)
            continue
        low, high = _NARROWEST, _WIDEST
        for _ in range(16):
            middle = (low + high) / 2
            moved = spread(prediction, [middle] * len(QUANTILES))[:, index].clamp(*TARGET_RANGE)
            if quantile < 0.5:
                beyond, wanted = (y < moved - RESOLUTION).float().mean(), quantile
            else:
                beyond, wanted = (y > moved + RESOLUTION).float().mean(), 1 - quantile
            low, high = (middle, high) if beyond > wanted else (low, middle)
        factors.append((low + high) / 2)
    return factors


def spread(outputs: Tensor, factors: Sequence[float]) -> Tensor:
    """Quantiles [..., quantiles], each moved away from the median by its factor."""
    median = outputs[..., MEDIAN : MEDIAN + 1]
    return median + torch.tensor(factors, dtype=outputs.dtype) * (outputs - median)


def spread_quantiles(model: TemporalFusionTransformer, factors: Sequence[float]) -> None:
    """The same as `spread`, in the weights of the layer that the quantiles come out of."""
    layer = model.output_layer
    with torch.no_grad():
        layer.weight.copy_(spread(layer.weight.T, factors).T)
        layer.bias.copy_(spread(layer.bias, factors))


def write_checkpoint(model: TemporalFusionTransformer, path: Path) -> None:
    """Saves a Lightning checkpoint with the data set's parameters, as `Trainer.save_checkpoint` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            logger=False, enable_checkpointing=False, accelerator="cpu", enable_model_summary=False
        )
        trainer.strategy.connect(model)
        trainer.save_checkpoint(path, weights_only=True)
