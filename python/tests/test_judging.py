"""Judging: the figures of docs/judging.md, against answers that NumPy worked out from the definitions."""

import json
from pathlib import Path

import numpy as np
import pytest

from tft_export.judging.bootstrap import gain_interval
from tft_export.judging.choice import chosen
from tft_export.judging.judge import JudgedWindows, judge
from tft_export.judging.naive import NAIVE_FORECASTS, NaiveShape, naive_forecasts
from tft_export.judging.regime import regime_of
from tft_export.judging.score import disorder_of, held, pinball_losses, resolution_of

VECTORS = Path(__file__).parents[2] / "test" / "fixtures" / "judging"


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


@pytest.mark.parametrize("case", vectors("pinball"))
def test_pinball_loss(case):
    found = pinball_losses(np.array(case["forecast"], float), case["measured"], case["quantiles"])
    assert found == pytest.approx(case["expected"], abs=1e-12)


@pytest.mark.parametrize("case", vectors("held"))
def test_a_reading_counts_as_held_within_the_recordings_resolution(case):
    assert held(case["low"], case["high"], case["measured"], case["resolution"]) == case["expected"]


@pytest.mark.parametrize("case", vectors("resolution"))
def test_the_recordings_resolution(case):
    found = resolution_of(np.diff(case["series"]), case.get("minimum"), case.get("maximum"))
    assert found == pytest.approx(case["expected"], abs=1e-12)


@pytest.mark.parametrize("case", vectors("disorder"))
def test_crossed_quantiles_and_values_out_of_range(case):
    found = disorder_of(np.array([case["forecast"]], float), case["minimum"], case["maximum"])
    expected = case["expected"]
    assert found.crossed == pytest.approx(expected["crossed"] / expected["pairs"])
    assert found.out_of_range == pytest.approx(expected["outside"] / expected["values"])
    assert found.crossed_windows == 1.0


@pytest.mark.parametrize("case", vectors("naive"), ids=lambda case: f"past-{len(case['past'])}")
def test_naive_forecasts(case):
    shape = NaiveShape(
        case["encoder"],
        case["horizon"],
        case["day"],
        tuple(case["quantiles"]),
        case["minimum"],
        case["maximum"],
    )
    found = naive_forecasts(np.array(case["past"], float), shape)
    for name in NAIVE_FORECASTS:
        np.testing.assert_allclose(found[name], case["expected"][name], atol=1e-9, err_msg=name)


@pytest.mark.parametrize("case", vectors("regime"), ids=lambda case: case["name"])
def test_regimes(case):
    assert regime_of(case["past"], case["day"], case.get("minimum"), case.get("maximum")) == case["expected"]


@pytest.mark.parametrize("case", vectors("bootstrap"), ids=lambda case: f"{len(case['losses'])}-machines")
def test_intervals_by_bootstrap_over_machines(case):
    losses, naive = np.array(case["losses"]).T
    assert 1 - losses.sum() / naive.sum() == pytest.approx(case["gain"], abs=1e-12)
    found = gain_interval(losses, naive, case["seed"], case["rounds"])
    assert found == (None if case["interval"] is None else pytest.approx(case["interval"], abs=1e-9))


@pytest.mark.parametrize("case", vectors("choice"), ids=lambda case: f"horizon-{case['horizon']}")
def test_the_choice_by_machine_sees_only_windows_that_have_ended(case):
    origins = np.array([window["origin"] for window in case["windows"]])
    losses = np.array([window["losses"] for window in case["windows"]])
    found = chosen(origins, losses, case["horizon"], case["day"], case["ask"])
    assert found.tolist() == case["expected"]


def test_the_table():
    case = vectors("judge")
    shape, windows = case["shape"], case["windows"]
    forecasts = {"model": np.array([w["model"] for w in windows], float)}
    forecasts |= {
        name: np.array([w["naive"][number] for w in windows], float)
        for number, name in enumerate(NAIVE_FORECASTS)
    }
    found = judge(
        JudgedWindows(
            np.array([w["machine"] for w in windows]),
            np.array([w["origin"] for w in windows]),
            np.array([w["regime"] for w in windows]),
            np.array([w["measured"] for w in windows], float),
            forecasts,
            tuple(shape["quantiles"]),
            shape["stepMinutes"],
            0.0,
            100.0,
            shape["resolution"],
        ),
        day=shape["day"],
    )
    same(found, case["expected"])


def same(found, expected, at="table"):
    """Everything that is expected is found; floats within 1e-9."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            same(found[key], value, f"{at}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), at
        for index, value in enumerate(expected):
            same(found[index], value, f"{at}[{index}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-9), at
    else:
        assert found == expected, at
