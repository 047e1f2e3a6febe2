"""The windows of a training step: drawn by machine, without the parts that the model must not learn from.

The calendar is moved, so that no month's habits are learnt; metrics are missing now and then; labels that no
recording had are drawn at random, so that none of them moves a forecast.
"""

from typing import NamedTuple

import torch

from ..windows.metrics import PROFILES, STATUSES, STEPS_PER_DAY
from .fleet import Data
from .settings import Settings
from .training_windows import Windows

_TOGETHER = {"net_in_mb_s": "net", "net_out_mb_s": "net"}  # metrics of one exporter are missing together


class Drawn(NamedTuple):
    """What was drawn for a step, on its device: see `Windows.batch`."""

    starts: torch.Tensor
    slot_shift: torch.Tensor
    missing: dict[str, torch.Tensor]
    codes: torch.Tensor | None

    def clone(self) -> "Drawn":
        missing = {name: chosen.clone() for name, chosen in self.missing.items()}
        codes = None if self.codes is None else self.codes.clone()
        return Drawn(self.starts.clone(), self.slot_shift.clone(), missing, codes)

    def copy_(self, other: "Drawn") -> None:
        """Takes over another step's draws without new memory."""
        self.starts.copy_(other.starts)
        self.slot_shift.copy_(other.slot_shift)
        for name, chosen in self.missing.items():
            chosen.copy_(other.missing[name])
        if self.codes is not None and other.codes is not None:
            self.codes.copy_(other.codes)


class Draws:
    def __init__(self, data: Data, windows: Windows, settings: Settings, device: torch.device):
        self._windows = windows
        self._settings = settings
        self._device = device
        self._labels = data.labels
        segments = torch.tensor(data.training["segment"].to_numpy())[windows.starts.cpu()]
        found, counts = segments.unique_consecutive(return_counts=True)
        self._first = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)[:-1]])
        self._counts = counts
        self._weights = torch.tensor([data.weights[number] for number in found.tolist()], dtype=torch.float64)
        self._missing = [name for name in data.read if name != windows.target_name]
        self._cardinality = {"profile": len(PROFILES) + 1, "status": len(STATUSES) + 1}
        self._names = list(data.dataset.flat_categoricals)
        self._draws = torch.Generator()

    def draw(self, step: int, rank: int = 0) -> Drawn:
        """What this step takes: the same again for the same step, seed and process."""
        settings, size, draws = self._settings, self._settings.batch, self._draws
        draws.manual_seed((settings.network_seed * 1_000_003 + step) * 64 + rank)
        chosen = torch.multinomial(self._weights, size, replacement=True, generator=draws)
        within = (torch.rand(size, generator=draws, dtype=torch.float64) * self._counts[chosen]).long()
        starts = self._windows.starts[(self._first[chosen] + within).to(self._device)]
        if settings.calendar == "shuffled":
            shift = torch.randint(365 * STEPS_PER_DAY, (size,), generator=draws)
        else:
            shift = torch.randint(52, (size,), generator=draws) * 7 * STEPS_PER_DAY
        missing: dict[str, torch.Tensor] = {}
        by_group: dict[str, torch.Tensor] = {}
        for name in self._missing:
            group = _TOGETHER.get(name, name)
            if group not in by_group:
                by_group[group] = torch.rand(size, generator=draws) < settings.dropped_metrics
            missing[name] = by_group[group].to(self._device)
        codes = self._codes(size) if not self._labels else None
        return Drawn(starts, shift.to(self._device), missing, codes)

    def _codes(self, size: int) -> torch.Tensor:
        """[batch, categories]: unknown half of the time, else any."""
        columns = []
        for name in self._names:
            codes = torch.randint(self._cardinality.get(name, 1), (size,), generator=self._draws)
            known = torch.rand(size, generator=self._draws) < 0.5
            columns.append(torch.where(known, codes, torch.zeros_like(codes)))
        return torch.stack(columns, dim=-1).to(self._device)
