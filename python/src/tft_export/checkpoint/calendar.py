"""The features of the calendar, and which of them the graph can count back from the horizon."""

import re
from collections.abc import Collection
from dataclasses import dataclass

HOUR, DAY, MONTH, WEEKEND = "hour", "day_of_week", "month", "is_weekend"
KNOWN_FEATURES = (HOUR, DAY, MONTH, WEEKEND)
# How many whole values each has, counted from 0 (no month is 0).
CALENDAR_VALUES = {HOUR: 24, DAY: 7, MONTH: 13, WEEKEND: 2}
_SHORTEST_MONTH_MINUTES = 28 * 24 * 60


_UNITS = {
    ("s", "second", "seconds"): 1 / 60,
    ("", "min", "minute", "minutes"): 1,
    ("h", "hour", "hours"): 60,
    ("d", "day", "days"): 24 * 60,
    ("w", "week", "weeks"): 7 * 24 * 60,
}
_MINUTES = {name: minutes for names, minutes in _UNITS.items() for name in names}
_MONTHS = ("month", "months")
_AVERAGE_MONTH_MINUTES = 43830


@dataclass(frozen=True)
class Step:
    """The time from one row of a series to the next. A month has the `minutes` of an average one."""

    minutes: float
    months: int | None = None

    @staticmethod
    def parse(text: str) -> "Step":
        """Of '30s', '15min' or '15', '1h', '1d', '1w' or '1month'. Raises ValueError."""
        match = re.fullmatch(r"([1-9]\d*) *([a-z]*)", text.strip().lower())
        if match is None or match[2] not in (*_MINUTES, *_MONTHS):
            raise ValueError(f"'{text}' is no length of time such as 15min, 1h, 1d or 1month")
        count = int(match[1])
        if match[2] in _MONTHS:
            return Step(count * _AVERAGE_MONTH_MINUTES, count)
        minutes = count * _MINUTES[match[2]]
        return Step(int(minutes) if minutes == int(minutes) else minutes)


def countable(
    needed: Collection[str], known: Collection[str], step_minutes: float, encoder_length: int, horizon: int
) -> set[str]:
    """Those of the encoder's `needed` features that follow from the `known` features of the horizon.

    The others must be inputs: the month if every encoder window contains the end of a month, the hour if
    steps neither divide an hour nor make whole hours or if a short horizon does not contain a change of the
    hour, and days without the hour.
    """
    counted = set()
    if MONTH in needed and encoder_length * step_minutes < _SHORTEST_MONTH_MINUTES:
        counted.add(MONTH)
    by_hours = (60 % step_minutes == 0 or step_minutes % 60 == 0) and horizon * step_minutes >= 60
    if by_hours:
        requirements = {HOUR: (), DAY: (HOUR,), WEEKEND: (HOUR, DAY)}
        counted |= {name for name, others in requirements.items() if name in needed and {*others} <= {*known}}
    return counted
