"""Windows of encoder and horizon, and the raw inputs that they are to a bundle's graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..checkpoint.calendar import KNOWN_FEATURES, MONTH
from ..checkpoint.structure import Structure
from ..checkpoint.tensors import input_tensors
from ..description import INPUT_NAMES, LENGTHS_INPUT, STATIC_INPUT
from .step_grid import StepGrid


@dataclass(frozen=True)
class WindowSet:
    """Windows of encoder and horizon, oldest step first.

    metrics [windows, steps, metrics] in raw units; codes [windows, steps, categories], the bundle's;
    slots [windows]: the first step, of the structure's grid with this `shift`; statics [windows, statics].
    `lengths` [windows] says how many of the encoder's last steps a window has; None where each has all.
    """

    structure: Structure
    metrics: np.ndarray
    codes: np.ndarray
    slots: np.ndarray
    servers: tuple[str, ...]
    statics: np.ndarray
    lengths: np.ndarray | None = None
    shift: int = 0

    @staticmethod
    def of_inputs(
        structure: Structure,
        inputs: Mapping[str, np.ndarray],
        slots: np.ndarray,
        servers: Sequence[str],
        shift: int = 0,
    ) -> "WindowSet":
        """The windows that raw inputs were made of; of the horizon, metrics not known ahead are made up."""
        cont, future = inputs["encoder_cont"], inputs["decoder_cont"]
        ahead = np.repeat(cont[:, -1:], structure.horizon, axis=1)
        for name in structure.ahead:
            ahead[..., structure.metrics.index(name)] = future[..., structure.known.index(name)]
        return WindowSet(
            structure,
            np.concatenate([cont, ahead], axis=1),
            np.concatenate([inputs["encoder_cat"], inputs["decoder_cat"]], axis=1),
            slots,
            tuple(servers),
            inputs[STATIC_INPUT][:, 0] if structure.statics else np.empty((len(cont), 0), np.float32),
            inputs[LENGTHS_INPUT][:, 0, 0] if structure.varies_in_length else None,
            shift,
        )

    def __len__(self) -> int:
        return len(self.slots)

    def part(self, start: int, end: int) -> "WindowSet":
        """The windows from `start` up to `end`."""
        return self.chosen(np.arange(start, min(end, len(self))))

    def chosen(self, windows: np.ndarray) -> "WindowSet":
        """These of the windows, in this order."""
        return WindowSet(
            self.structure,
            self.metrics[windows],
            self.codes[windows],
            self.slots[windows],
            tuple(self.servers[window] for window in windows),
            self.statics[windows],
            None if self.lengths is None else self.lengths[windows],
            self.shift,
        )

    @property
    def given(self) -> np.ndarray:
        """How many of the encoder's steps each window has: [windows]."""
        return np.full(len(self), self.structure.past) if self.lengths is None else self.lengths

    @property
    def features(self) -> np.ndarray:
        """hour, day_of_week, month, is_weekend: [windows, steps, 4]."""
        steps = np.arange(self.metrics.shape[1])
        return self.grid.features(self.slots[:, None] + steps)

    @property
    def grid(self) -> StepGrid:
        step = self.structure.step
        return StepGrid(step.minutes, step.months, self.shift)

    @property
    def forecast_starts(self) -> list[str]:
        """The time of each horizon's first step."""
        starts = self.grid.times_of(self.slots + self.structure.past)
        return [pd.Timestamp(start, tz="UTC").isoformat() for start in starts]

    @property
    def truth(self) -> np.ndarray:
        """The first target over the horizon: [windows, horizon]."""
        return self.metrics[:, self.structure.past :, self.structure.target_channel]

    def inputs(self) -> dict[str, np.ndarray]:
        """By the names of the graph's inputs; zeros in place of steps that a window does not have."""
        structure = self.structure
        absent = np.arange(structure.past, 0, -1) > self.given[:, None]
        common = (
            np.where(absent[..., None], 0, self.metrics[:, : structure.past]),
            np.where(absent[..., None], 0, self.codes[:, : structure.past]),
            self._known(),
            self.codes[:, structure.past :],
        )
        further = {STATIC_INPUT: self.statics[:, None], LENGTHS_INPUT: self.given[:, None, None]}
        arrays = dict(zip(INPUT_NAMES, common, strict=True)) | further
        return {
            tensor.name: np.ascontiguousarray(arrays[tensor.name], dtype=tensor.type)
            for tensor in input_tensors(structure)
        }

    def month_turns(self) -> list[int]:
        """Windows whose encoder began in another month than the horizon, where the graph counts the month."""
        structure = self.structure
        if MONTH not in structure.encoder_reals or MONTH not in structure.counted:
            return []
        month = self.features[..., KNOWN_FEATURES.index(MONTH)]
        first = structure.past - np.minimum(self.given, structure.encoder_length)
        began = np.take_along_axis(month, first[:, None], axis=1)[:, 0]
        return np.flatnonzero(began != month[:, structure.past]).tolist()

    def _known(self) -> np.ndarray:
        structure, features = self.structure, self.features
        channels = [
            self.metrics[..., structure.metrics.index(name)]
            if name in structure.ahead
            else features[..., KNOWN_FEATURES.index(name)]
            for name in structure.known
        ]
        return np.stack(channels, axis=-1)[:, structure.past :]
