"""The pretrained peer of an evaluation: its deciles become the model's quantiles; it sees the past alone."""

import sys
from statistics import NormalDist

import numpy as np
import pytest

from tft_export.errors import ExportError
from tft_export.judging.zero_shot import at_quantiles, fracast_forecasts

DECILES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
WANTED = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]


def test_quantiles_between_deciles_are_linear_and_beyond_them_normal():
    normal = NormalDist(10, 2)
    deciles = np.array([normal.inv_cdf(level) for level in DECILES])
    found = at_quantiles(deciles, DECILES, WANTED)
    exact = [normal.inv_cdf(level) for level in WANTED]
    np.testing.assert_allclose(found[[0, 1, 3, 5, 6]], np.take(exact, [0, 1, 3, 5, 6]), atol=1e-9)
    np.testing.assert_allclose(found[[2, 4]], [deciles[1:3].mean(), deciles[6:8].mean()], atol=1e-12)


def test_each_side_has_its_own_width_and_deciles_out_of_order_are_put_in_order():
    skewed = np.array([9.0, 9.2, 9.4, 9.6, 10.0, 11.0, 12.0, 13.0, 14.0])
    found = at_quantiles(skewed[::-1], DECILES, WANTED)
    ratio = NormalDist().inv_cdf(0.98) / NormalDist().inv_cdf(0.9)
    np.testing.assert_allclose(found, [10 - ratio, 9.0, 9.3, 10.0, 12.5, 14.0, 10 + 4 * ratio], atol=1e-9)


def test_it_repeats_a_rhythm_of_a_day_where_it_sees_more_than_one():
    pytest.importorskip("fracast")
    series = 50 + 20 * np.sin(np.arange(2304 + 96) / 288 * 2 * np.pi)
    past, future = series[None, :2304], series[2304:]
    found = fracast_forecasts(past, 288, 288, 96, WANTED)
    week, window = found["fracast on 7 days"], found["fracast on the window"]
    assert week.shape == window.shape == (1, 96, 7)
    assert np.abs(week[0, :, 3] - future).mean() < 1.5
    assert np.abs(window[0, :, 3] - future).mean() > 1.5


def test_a_row_sees_its_own_past_and_no_more():
    pytest.importorskip("fracast")
    past = np.random.default_rng(2).normal(50, 10, (2, 2304))
    whole = fracast_forecasts(past, 288, 288, 12, WANTED)
    older = past.copy()
    older[0, : 2304 - 2016] = 0  # before the week
    older[1, : 2304 - 288] = np.nan  # a machine that is a day old
    found = fracast_forecasts(older, 288, 288, 12, WANTED)
    np.testing.assert_array_equal(found["fracast on the window"], whole["fracast on the window"])
    np.testing.assert_array_equal(found["fracast on 7 days"][0], whole["fracast on 7 days"][0])
    # Its week is then its day.
    np.testing.assert_allclose(
        found["fracast on 7 days"][1], whole["fracast on the window"][1], rtol=0, atol=1e-3
    )


def test_a_package_that_is_missing_and_a_window_that_is_too_short_are_named(monkeypatch):
    past = np.full((1, 96), 5.0)
    with pytest.raises(ExportError, match="8 steps or more") as short:
        fracast_forecasts(past, 7, 96, 4, WANTED)
    assert short.value.code == "option_conflict"
    monkeypatch.setitem(sys.modules, "fracast", None)
    with pytest.raises(ExportError, match="zero-shot") as missing:
        fracast_forecasts(past, 8, 96, 4, WANTED)
    assert missing.value.code == "peer_not_installed"
