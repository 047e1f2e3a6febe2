"""Steps of weeks begin on the weekday of the history, and those of months on the first of a month."""

import numpy as np
import pandas as pd
import pytest

from tft_export.windows.history import on_grid
from tft_export.windows.step_grid import StepGrid

WEEK = 7 * 24 * 60
MONTH = 30.436875 * 24 * 60


@pytest.mark.parametrize("weekday", range(7))
@pytest.mark.parametrize("weeks", [1, 2])
def test_steps_of_weeks_begin_on_the_weekday_of_the_earliest_time(weekday, weeks):
    monday = pd.Timestamp("2025-03-31", tz="UTC")
    times = pd.Series(pd.date_range(monday + pd.Timedelta(days=weekday), periods=30, freq=f"{7 * weeks}D"))
    grid = StepGrid(weeks * WEEK).beginning(times[::-1])
    slots = grid.slots_of(times)
    np.testing.assert_array_equal(np.diff(slots), 1)
    assert list(pd.to_datetime(grid.times_of(slots), utc=True)) == list(times)
    expected = np.stack([times.dt.hour, times.dt.dayofweek, times.dt.month, times.dt.dayofweek >= 5], -1)
    np.testing.assert_array_equal(grid.features(slots), expected)


@pytest.mark.parametrize(("minutes", "months"), [(5, None), (24 * 60, None), (MONTH, 1)])
def test_other_steps_are_counted_from_1970(minutes, months):
    times = pd.Series(pd.to_datetime(["2025-04-02T00:01Z"], utc=True))
    grid = StepGrid(minutes, months)
    assert grid.beginning(times) == grid


def test_a_history_of_months_is_on_the_first_of_each():
    times = pd.date_range("2024-01-01", periods=14, freq="MS", tz="UTC").delete(5)
    frame = pd.DataFrame(
        {"timestamp": times, "server_name": "a", "profile": "web", "status": "ok", "sales": np.arange(13.0)}
    )
    gridded = on_grid(frame, StepGrid(MONTH, 1))
    assert list(gridded["timestamp"]) == list(pd.date_range("2024-01-01", periods=14, freq="MS", tz="UTC"))
    np.testing.assert_array_equal(np.flatnonzero(gridded["filled"]), [5])
