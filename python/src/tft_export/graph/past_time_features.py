"""The encoder's time features, recovered by counting steps back from the horizon.

Callers give the time features of the horizon only. The number of its first steps that have the same hour
gives the step of the hour at which the horizon starts; earlier steps follow by counting. The month is an
exception: the horizon does not show whether a month turned within the encoder, so the whole encoder gets
the month in which the horizon starts.
"""

import torch
from torch import Tensor, nn

from ..checkpoint.calendar import DAY, HOUR, MONTH, WEEKEND

_HOURS_PER_DAY = 24


class PastTimeFeatures(nn.Module):
    """known [horizon, batch, features] to the encoder's `needed` features, [encoder, batch, needed]."""

    def __init__(
        self, needed: tuple[str, ...], known: tuple[str, ...], step_minutes: float, encoder_length: int
    ):
        super().__init__()
        self.needed = needed
        self.known = known
        self.steps_per_hour = max(int(60 // step_minutes), 1)
        self.hours_per_step = max(int(step_minutes // 60), 1)
        back = torch.arange(encoder_length, 0, -1, dtype=torch.float32)[:, None, None]
        self.register_buffer("back", back * self.hours_per_step)
        self.register_buffer("zeros", torch.zeros_like(back))

    def forward(self, known: Tensor) -> list[Tensor]:
        """One [encoder, batch, 1] for each needed feature, in their order."""
        features = {}
        if HOUR in self.needed or DAY in self.needed or WEEKEND in self.needed:
            hour, day_offset = self._hours(self._channel(known, HOUR))
            features[HOUR] = hour
            if DAY in self.needed or WEEKEND in self.needed:
                features[DAY] = _wrapped(self._channel(known, DAY)[:1] + day_offset, 7)
            if WEEKEND in self.needed:
                features[WEEKEND] = _at_least_one(features[DAY] - 4)
        if MONTH in self.needed:
            features[MONTH] = self._channel(known, MONTH)[:1] + self.zeros
        return [features[name] for name in self.needed]

    def _channel(self, known: Tensor, name: str) -> Tensor:
        index = self.known.index(name)
        return known[..., index : index + 1]

    def _hours(self, hours: Tensor) -> tuple[Tensor, Tensor]:
        """The hour of each encoder step, and its day as an offset (0, -1, …) from the horizon's first."""
        first = hours[:1]
        if self.steps_per_hour > 1:
            distance = hours[: self.steps_per_hour] - first
            # How many steps of the horizon's first hour precede the horizon.
            gone = _sum_of_steps(_at_least_one(distance * distance))
            slot = first * self.steps_per_hour + gone
            count = torch.floor((slot - self.back + 0.5) / self.steps_per_hour)
        else:
            count = first - self.back
        day = torch.floor((count + 0.5) / _HOURS_PER_DAY)
        return count - day * _HOURS_PER_DAY, day


def _at_least_one(value: Tensor) -> Tensor:
    """1 where a whole number is 1 or more, else 0.

    Computed without a comparison: with a batch fixed at 1, TensorRT 10.6 sums comparisons wrongly.
    """
    return value.clamp(0.0, 1.0)


def _sum_of_steps(values: Tensor) -> Tensor:
    """[steps, batch, n] to [1, batch, n], as additions of halves.

    Not a reduction and no product with ones: with a batch fixed at 1, TensorRT 10.6 sums these few steps
    wrongly, and forecasts were 2.7 % of the spread off on an H200. Added so, they are right to 1.7e-6.
    """
    odd = []
    while (half := values.shape[0] // 2) > 0:
        if values.shape[0] % 2:
            odd.append(values[2 * half :])
        values = values[:half] + values[half : 2 * half]
    for value in odd:
        values = values + value
    return values


def _wrapped(value: Tensor, modulus: int) -> Tensor:
    return value - torch.floor((value + 0.5) / modulus) * modulus
