"""EncoderNormalizer whose scale never falls under a floor, so that a flat window is not a certain
forecast."""

from typing import Any

import numpy as np
import torch
from pytorch_forecasting.data import EncoderNormalizer


class FlooredEncoderNormalizer(EncoderNormalizer):
    """Centre and scale of each encoder window; the scale is at least `floor`, in the transformed unit.

    A window of equal values has no deviation: its quantiles would coincide, however often such a machine
    wakes.
    """

    def __init__(
        self,
        method: str = "standard",
        center: bool = True,
        max_length: int | list[int] | None = None,
        transformation: Any = None,
        method_kwargs: dict[str, Any] | None = None,
        floor: float = 0.0,
    ):
        super().__init__(
            method=method,
            center=center,
            max_length=max_length,
            transformation=transformation,
            method_kwargs=method_kwargs,
        )
        self.floor = floor

    def _set_parameters(self, y_center: Any, y_scale: Any) -> None:
        super()._set_parameters(y_center, y_scale)
        if isinstance(self.scale_, torch.Tensor):
            self.scale_ = self.scale_.clamp(min=self.floor)
        else:
            self.scale_ = np.maximum(self.scale_, np.asarray(self.floor, np.asarray(self.scale_).dtype))
