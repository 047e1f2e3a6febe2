"""The encoder's time features, recovered from the horizon, against the calendar."""

import numpy as np
import pytest
import torch

from tft_export.checkpoint.calendar import countable
from tft_export.graph.past_time_features import PastTimeFeatures
from tft_export.windows.step_grid import StepGrid

KNOWN = ("hour", "day_of_week", "month", "is_weekend")
MINUTES_PER_DAY = 24 * 60


def recovered(starts, needed, known, step_minutes, past, future):
    """[encoder, windows, needed]: what the module makes of the horizons that start at these slots."""
    horizon = StepGrid(step_minutes).features(starts[None, :] + np.arange(future)[:, None])
    horizon = torch.from_numpy(horizon[..., [KNOWN.index(name) for name in known]])
    return torch.cat(PastTimeFeatures(needed, known, step_minutes, past)(horizon), dim=-1).numpy()


@pytest.mark.parametrize(
    ("step_minutes", "past", "future"),
    [
        (5, 288, 12),
        (5, 2500, 96),
        (1, 90, 60),
        (10, 40, 6),
        (12, 50, 5),
        (15, 400, 4),
        (20, 50, 3),
        (30, 60, 2),
        (60, 200, 1),
        (120, 50, 3),
    ],
)
def test_hour_day_and_weekend_are_the_calendars_at_every_phase(step_minutes, past, future):
    first = 20_000 * MINUTES_PER_DAY // step_minutes
    week = 7 * MINUTES_PER_DAY // step_minutes
    starts = first + np.unique(np.linspace(0, week, 400).astype(np.int64))
    needed = ("hour", "day_of_week", "is_weekend")
    actual = recovered(starts, needed, KNOWN, step_minutes, past, future)
    expected = StepGrid(step_minutes).features(starts[None, :] + np.arange(-past, 0)[:, None])
    np.testing.assert_array_equal(actual, expected[..., [0, 1, 3]])


def test_the_order_of_the_features_is_free():
    starts = np.arange(1000) * 7 + 5_000_000
    known, needed = ("is_weekend", "hour", "day_of_week"), ("day_of_week", "is_weekend", "hour")
    actual = recovered(starts, needed, known, 5, 300, 24)
    expected = StepGrid(5).features(starts[None, :] + np.arange(-300, 0)[:, None])
    np.testing.assert_array_equal(actual, expected[..., [1, 3, 0]])


def test_no_few_steps_are_summed_by_a_reduction_or_a_product():
    # With a batch fixed at 1, TensorRT 10.6 sums the steps of an hour wrongly so.
    horizon = torch.from_numpy(StepGrid(5).features(np.arange(12)[:, None] + np.arange(3) + 5_000_000))
    captured = torch.export.export(
        PastTimeFeatures(KNOWN, KNOWN, 5, 24), (horizon,), dynamic_shapes=[{1: torch.export.Dim("batch")}]
    )
    operators = {
        str(node.target).split(".")[1] for node in captured.graph.nodes if node.op == "call_function"
    }
    assert "floor" in operators
    assert not operators & {"sum", "mean", "matmul", "mm", "bmm", "linear", "einsum", "cumsum"}


def test_month_is_the_month_in_which_the_horizon_starts():
    turn = np.datetime64("2026-04-01", "m").astype(np.int64) // 5
    starts = np.array([turn - 100, turn, turn + 100, turn + 288])
    actual = recovered(starts, ("month",), KNOWN, 5, 288, 96)[..., 0]
    assert actual.shape == (288, 4)
    np.testing.assert_array_equal(actual[0], [3, 4, 4, 4])
    true_month = StepGrid(5).features(starts[None, :] + np.arange(-288, 0)[:, None])[..., 2]
    # Right wherever no month turned within the encoder.
    np.testing.assert_array_equal((actual == true_month).all(0), [True, False, False, True])


@pytest.mark.parametrize(
    ("needed", "known", "step_minutes", "past", "future", "counted"),
    [
        (KNOWN, KNOWN, 5, 288, 96, {*KNOWN}),
        # A horizon under an hour does not show where in an hour it starts.
        ({"hour"}, KNOWN, 5, 24, 11, set()),
        ({"hour"}, KNOWN, 7, 24, 96, set()),
        ({"day_of_week"}, ("day_of_week",), 5, 24, 96, set()),
        ({"hour", "is_weekend"}, ("hour", "is_weekend"), 5, 24, 96, {"hour"}),
        # A month turns in every encoder of 28 days.
        ({"month"}, KNOWN, 60, 28 * 24, 24, set()),
        ({"month"}, ("month",), 7, 24, 1, {"month"}),
    ],
)
def test_what_cannot_be_counted_back_is_left_to_be_given(needed, known, step_minutes, past, future, counted):
    assert countable(needed, known, step_minutes, past, future) == counted
