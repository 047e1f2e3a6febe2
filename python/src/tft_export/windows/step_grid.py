"""A model's steps in time: which step a time belongs to, when a step begins, and its calendar features."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

_DAY = 24 * 60
_WEEK = 7 * _DAY


@dataclass(frozen=True)
class StepGrid:
    """The steps of a model, counted from 1970 (UTC).

    A step has `minutes`; one of `months` has those of an average month. `shift`: how many minutes after
    1970 the steps begin, which is not 0 for steps of whole weeks alone.
    """

    minutes: float
    months: int | None = None
    shift: int = 0

    def beginning(self, timestamps: pd.Series) -> "StepGrid":
        """The same; steps of whole weeks begin on the weekday of the earliest of these times."""
        if self.months is not None or self.minutes % _WEEK != 0 or timestamps.empty:
            return self
        days = round(int(_seconds(timestamps).min()) / (60 * _DAY))
        return StepGrid(self.minutes, shift=days * _DAY % int(self.minutes))

    def slots_of(self, timestamps: pd.Series) -> np.ndarray:
        """The step nearest to each time, half a step rounded up.

        It is right for steps of months too, by an average month's minutes: no month begins as far as half a
        month from where an average one would.
        """
        seconds = _seconds(timestamps) - 60 * self.shift
        return np.floor(seconds / (60 * self.minutes) + 0.5).astype(np.int64)

    def times_of(self, slots: np.ndarray) -> np.ndarray:
        """When steps begin, in UTC."""
        slots = np.asarray(slots, dtype=np.int64)
        if self.months is not None:
            return (slots * self.months).astype("datetime64[M]").astype("datetime64[s]")
        return (slots * round(60 * self.minutes) + 60 * self.shift).astype("datetime64[s]")

    def features(self, slots: np.ndarray) -> np.ndarray:
        """hour, day of week (Monday = 0), month and is-weekend of each step, in UTC, as float32 [..., 4]."""
        minutes = self.times_of(slots).astype(np.int64) // 60
        days = minutes // _DAY
        weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
        month = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
        hour = minutes // 60 % 24
        return np.stack([hour, weekday, month, weekday >= 5], axis=-1).astype(np.float32)


def _seconds(timestamps: pd.Series) -> np.ndarray:
    times = timestamps.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[s]")
    return times.to_numpy().astype(np.int64)
