"""Windows of a gridded history, encoded on their device as pytorch-forecasting's TimeSeriesDataSet would.

Training draws millions of windows; TimeSeriesDataSet encodes them one at a time on the CPU. Here the rows
are copied to the device once, and a batch is a gather and a few products. The scalers, the order of the
columns and the formula of the target's scale are the data set's own; a test compares the two.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import TimeSeriesDataSet

from ..checkpoint.calendar import DAY, HOUR, MONTH, WEEKEND
from ..errors import ExportError
from ..windows.metrics import METRIC_NAMES, STEP_MINUTES, STEPS_PER_DAY
from .training_network import FixedLength

_EPSILON = torch.finfo(torch.float32).eps
_LAST_DAY = 60_000  # days since 1970: the year 2134


class Batch(NamedTuple):
    """The network's input, and the target over the horizon with its weight (0 where it was not recorded)."""

    x: dict[str, torch.Tensor]
    y: torch.Tensor
    weight: torch.Tensor


class Windows:
    """All windows of a gridded history (see `on_grid`) for the data set that a model was made from.

    `starts` holds the first row of every window within one segment.
    """

    def __init__(
        self,
        gridded: pd.DataFrame,
        dataset: TimeSeriesDataSet,
        device: torch.device | str = "cpu",
        read: Sequence[str] = METRIC_NAMES,
    ):
        self.encoder_length = dataset.max_encoder_length
        self.horizon = dataset.max_prediction_length
        self.length = self.encoder_length + self.horizon
        self.target_name = dataset.target
        self._reals = list(dataset.reals)
        self._flat_categoricals = list(dataset.flat_categoricals)
        normalizer = dataset.target_normalizer
        self._center_length, self._scale_length = normalizer.max_length
        self._floor = normalizer.floor
        self._device = torch.device(device)
        # The decoder reads no other variable than the target at a lag, and all of it is in the window.
        self._lags = {
            f"{dataset.target}_lagged_by_{steps}": steps for steps in dataset._lags.get(dataset.target, [])
        }
        beyond = [s for s in self._lags.values() if not self.horizon <= s <= self.encoder_length]
        if beyond:
            raise ExportError(
                "unsupported_option",
                f"a lag of {beyond[0]} steps: {self.horizon} to {self.encoder_length} lie within the window",
            )
        self._scales = {
            name: (float(scaler.mean_[0]), float(scaler.scale_[0]))
            for name, scaler in dataset._scalers.items()
        }

        def on_device(values: np.ndarray) -> torch.Tensor:
            return torch.tensor(values).to(self._device)

        self.target = on_device(gridded[self.target_name].to_numpy(np.float32))
        self._metrics = {
            name: on_device(
                (gridded[name].to_numpy(np.float64) - mean).astype(np.float32) / np.float32(scale)
            )
            for name in read
            if name != self.target_name
            for mean, scale in [self._scales[name]]
        }
        self._slots = on_device(gridded["slot"].to_numpy(np.int64))
        self._recorded = on_device((~gridded["filled"].to_numpy(bool)).astype(np.float32))
        self._categories = on_device(
            np.stack(
                [
                    dataset._categorical_encoders[name].transform(gridded[name]).astype(np.int64)
                    for name in dataset.flat_categoricals
                ],
                axis=-1,
            )
        )
        months = (
            np.arange(_LAST_DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
        )
        self._month_of_day = on_device(months.astype(np.float32))
        segment = gridded["segment"].to_numpy()
        rows = np.arange(max(len(gridded) - self.length + 1, 0))
        self.starts = on_device(rows[segment[rows] == segment[rows + self.length - 1]])
        self._offsets = torch.arange(self.length, device=self._device)
        self._relative = (self._offsets - self.encoder_length).float() / self.encoder_length

    def batch(
        self,
        starts: torch.Tensor,
        slot_shift: torch.Tensor | None = None,
        missing: Mapping[str, torch.Tensor] | None = None,
        codes: torch.Tensor | None = None,
    ) -> Batch:
        """Encodes the windows that start at these rows.

        When asked to: with the calendar moved by `slot_shift` steps; with the metrics that `missing` names
        at 0 where its entry [batch] is true; with these category `codes` [batch, categories] over the whole
        window.
        """
        rows = starts[:, None] + self._offsets
        target = self.target[rows]
        center, scale = self.target_scale(target[:, : self.encoder_length])
        slots = self._slots[rows]
        if slot_shift is not None:
            slots = slots + slot_shift[:, None]
        zero = torch.zeros_like(target)
        # The future of the target must not reach the network, which reads only its past.
        past = ((target - center) / scale)[:, : self.encoder_length]
        columns = {
            "encoder_length": torch.ones_like(target),
            "relative_time_idx": self._relative.expand_as(target),
            f"{self.target_name}_center": self._scaled(f"{self.target_name}_center", center).expand_as(
                target
            ),
            f"{self.target_name}_scale": self._scaled(f"{self.target_name}_scale", scale).expand_as(target),
            self.target_name: torch.nn.functional.pad(past, (0, self.horizon)),
        }
        columns |= {
            name: torch.nn.functional.pad(
                past[:, self.encoder_length - steps :][:, : self.horizon],
                (self.encoder_length, 0),
            )
            for name, steps in self._lags.items()
        }
        columns |= {name: self._scaled(name, value) for name, value in self._time(slots).items()}
        columns |= {name: values[rows] for name, values in self._metrics.items()}
        for name, gone in (missing or {}).items():
            nothing = self._scaled(name, torch.zeros((), device=self._device))
            columns[name] = torch.where(gone[:, None], nothing, columns[name])
        # A metric that the network does not read still has its place in the data set's order.
        cont = torch.stack([columns.get(name, zero) for name in self._reals], dim=-1)
        cat = self._categories[rows] if codes is None else codes[:, None].expand(-1, self.length, -1)
        split = self.encoder_length
        # pytorch-forecasting's names; ours in checkpoint/tensors.py happen to be among them.
        x = {
            "encoder_cont": cont[:, :split],
            "decoder_cont": cont[:, split:],
            "encoder_cat": cat[:, :split],
            "decoder_cat": cat[:, split:],
            "encoder_lengths": FixedLength(split, self._device),
            "decoder_lengths": FixedLength(self.horizon, self._device),
            "target_scale": torch.cat([center, scale], dim=1),
        }
        return Batch(x, target[:, split:], self._recorded[rows][:, split:])

    def target_scale(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """FlooredEncoderNormalizer: the mean of the last values, and the deviation (ddof 1) with its
        floor."""
        center = y[:, -self._center_length :].mean(dim=1, keepdim=True)
        scale = y[:, -self._scale_length :].std(dim=1, keepdim=True) + _EPSILON
        return center, scale.clamp(min=self._floor)

    def _scaled(self, name: str, value: torch.Tensor) -> torch.Tensor:
        mean, scale = self._scales[name]
        return (value - mean) / scale

    def _time(self, slots: torch.Tensor) -> dict[str, torch.Tensor]:
        days = slots // STEPS_PER_DAY
        weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
        return {
            HOUR: (slots * STEP_MINUTES // 60 % 24).float(),
            DAY: weekday.float(),
            MONTH: self._month_of_day[days],
            WEEKEND: (weekday >= 5).float(),
        }
