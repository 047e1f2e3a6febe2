"""Training: it can be interrupted and taken up again, and what it leaves is an ordinary checkpoint."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_forecasting import TemporalFusionTransformer

from tft_export.cli import main
from tft_export.judging.naive import (
    NAIVE_FORECASTS,
    last_value,
    same_time_yesterday,
    window_changes,
    window_quantiles,
)
from tft_export.training.finish import widen_quantiles, widened
from tft_export.training.simulated_fleet import simulate
from tft_export.training.trainer import pinball
from tft_export.windows.history import write_history

QUANTILES = np.array([0.1, 0.5, 0.9])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of six steps, interrupted once."""
    folder = tmp_path_factory.mktemp("run")
    write_history(simulate(servers=15, days=2, seed=4, incidents_per_month=0), folder / "history.csv")
    command = ["train", str(folder / "history.csv"), "--state", str(folder / "state"), "--device", "cpu"]
    command += ["--steps", "6", "--batch", "4", "--validate-every", "3"]
    command += ["--simulated-servers", "14", "--simulated-days", "2", "--validation-machines", "4"]
    assert main([*command, "--seconds", "0"]) == 0
    interrupted = torch.load(folder / "state" / "last.pt", weights_only=True)["step"]
    assert main(command) == 0
    return folder / "state", interrupted


def test_an_interrupted_run_is_taken_up_again(run):
    state, interrupted = run
    assert interrupted < 6
    assert torch.load(state / "last.pt", weights_only=True)["step"] == 6


def test_the_checkpoint_is_pytorch_forecastings_own(run):
    state, _ = run
    model = TemporalFusionTransformer.load_from_checkpoint(
        state / "checkpoint.ckpt", map_location="cpu", weights_only=False
    )
    assert model.hparams.hidden_size == 32
    assert model.hparams.attention_head_size == 8
    assert list(model.loss.quantiles) == [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]
    assert model.dataset_parameters["target"] == "cpu_user_pct"
    profiles = model.dataset_parameters["categorical_encoders"]["profile"].classes_
    assert profiles["nan"] == 0
    assert profiles["ml_compute"] == 1


def test_the_report_says_how_it_was_made(run):
    report = json.loads((run[0] / "training.json").read_text())
    assert report["settings"]["steps"] == 6
    assert report["history"] == "history.csv"
    # Six steps teach nothing: the bands are as wide as they may become, and hold no less for it.
    coverage = report["validationCoverage80"]
    assert 0 <= coverage["asTrained"] <= coverage["widened"] <= 0.82
    assert report["quantilesWidenedBy"] > 1


def test_widening_keeps_the_median_and_the_order():
    outputs = torch.sort(torch.randn(50, 7)).values
    wide = widened(outputs, 1.5)
    assert torch.equal(wide[:, 3], outputs[:, 3])
    assert (wide.diff(dim=-1) >= 0).all()
    torch.testing.assert_close(wide[:, 6] - wide[:, 0], 1.5 * (outputs[:, 6] - outputs[:, 0]))


def test_widening_in_the_weights_is_widening_of_the_outputs(run):
    model = TemporalFusionTransformer.load_from_checkpoint(
        run[0] / "checkpoint.ckpt", map_location="cpu", weights_only=False
    )
    hidden = torch.randn(5, 32)
    with torch.no_grad():
        expected = widened(model.output_layer(hidden), 1.3)
        widen_quantiles(model, 1.3)
        torch.testing.assert_close(model.output_layer(hidden), expected)


def test_pinball_loss_is_least_at_the_quantile():
    y = torch.linspace(0, 1, 1001)[None]
    quantiles = torch.tensor([0.1, 0.9])
    at = [pinball(torch.full((1, 1001, 2), value), y, quantiles).mean(1)[0] for value in (0.05, 0.1, 0.15)]
    assert at[1][0] < min(at[0][0], at[2][0])


@pytest.mark.parametrize("name", NAIVE_FORECASTS)
def test_naive_forecasts_have_the_horizons_shape_and_order(name):
    past = np.random.default_rng(0).normal(50, 10, 3000)
    forecast = NAIVE_FORECASTS[name](past, 288, 96, QUANTILES)
    assert forecast.shape == (96, 3)
    assert (np.diff(forecast, axis=1) >= 0).all()


def test_naive_forecasts_are_what_they_are_called():
    day = np.sin(np.arange(288) / 288 * 2 * np.pi) * 20 + 40
    past = np.tile(day, 9)
    # A series that repeats itself every day is foretold exactly by the day before, without any spread.
    np.testing.assert_allclose(same_time_yesterday(past, 288, 96, QUANTILES), np.tile(day[:96, None], 3))
    np.testing.assert_allclose(window_quantiles(past, 288, 96, QUANTILES)[0], np.quantile(day, QUANTILES))
    ramp = np.arange(3000.0)
    # On a straight line the last value was always wrong by h: both forecasts continue the line.
    line = np.tile((2999.0 + np.arange(1, 97))[:, None], 3)
    np.testing.assert_allclose(last_value(ramp, 288, 96, QUANTILES), line)
    np.testing.assert_allclose(window_changes(ramp, 288, 96, QUANTILES), line)


def test_the_demo_model_beats_naive_forecasts_on_recorded_machines(tmp_path, capsys):
    data = Path(os.environ.get("TFT_DATA", Path(__file__).parents[3] / "shared" / "data"))
    recording = data / "bitbrains-2013-08-test.csv.gz"
    if not recording.exists():
        pytest.skip(f"the recording is not there: {recording}")
    root = Path(__file__).parents[2]
    table = tmp_path / "table.json"
    command = ["evaluate", str(root / "models" / "demo"), str(recording), "--every", "480"]
    assert main([*command, "--map", str(root / "maps" / "bitbrains.json"), "--json", str(table)]) == 0
    demo = json.loads(table.read_text())["forecasts"]["demo"]
    assert demo["underBestNaive"] > 0.2
    assert 0.74 < demo["coverage80"] < 0.84  # a sample; the whole table is in the bundle
    assert "under best naive" in capsys.readouterr().out
