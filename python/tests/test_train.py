"""Training: it can be interrupted and taken up again, and what it leaves is an ordinary checkpoint."""

import contextlib
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import TemporalFusionTransformer

from tft_export.cli import main
from tft_export.training.finish import calibration, spread, spread_quantiles
from tft_export.training.fleet import load_data, metrics_worth_reading
from tft_export.training.settings import Settings, default_lags
from tft_export.training.simulated_fleet import simulate
from tft_export.training.split import correlations, split_servers, twin_groups, twins_of_training
from tft_export.training.trainer import Trainer, crossing, pinball
from tft_export.windows.history import write_history
from tft_export.windows.metrics import METRIC_NAMES
from tft_export.windows.metrics import QUANTILES as LEVELS

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "lib/cli/main.js"


def guide():
    """The commands of docs/training.md, in its order, each as a list of words."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/training.md").read_text(), re.DOTALL)
    return [words for block in blocks for line in block.splitlines() if (words := shlex.split(line, True))]


def exporter(words):
    """The arguments of a command of the exporter, of which the guide shows the form for a clone."""
    assert words[:4] == ["scripts/uv", "python", "-m", "tft_export"], words
    return words[4:]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The guide's training on a small sample, in a few seconds, interrupted once."""
    folder = tmp_path_factory.mktemp("run")
    history = simulate(servers=15, days=4, seed=4, incidents_per_month=0)
    write_history(history, folder / "history.csv")
    # Those of a stranger: one column has another name, and one metric was not measured.
    strange = pd.read_csv(folder / "history.csv").rename(columns={"cpu_user_pct": "cpu"})
    strange.drop(columns="swap_used_pct").to_csv(folder / "servers.csv", index=False)
    shutil.copy(folder / "servers.csv", folder / "later.csv")
    metrics = {"cpu_user_pct": {"column": "cpu"}, "swap_used_pct": {"constant": 0}}
    (folder / "my-map.json").write_text(json.dumps({"schemaVersion": 1, "name": "mine", "metrics": metrics}))
    command = [*exporter(guide()[0]), "--minutes", "0.04", "--device", "cpu"]
    command += ["--batch", "4", "--hidden", "16", "--continuous", "8", "--simulated-servers", "7"]
    command += ["--simulated-days", "2", "--validation-share", "0.3", "--later-share", "0.4"]
    command += ["--test-share", "0.2"]
    with contextlib.chdir(folder):
        assert main([*command, "--seconds", "0"]) == 0
        interrupted = torch.load("runs/mine/last.pt", weights_only=True)["done"]
        assert main(command) == 0
    return folder / "runs" / "mine", interrupted


def test_an_interrupted_run_is_taken_up_again(run):
    state, interrupted = run
    assert interrupted < 1
    ended = torch.load(state / "last.pt", weights_only=True)
    assert ended["done"] >= 1
    assert ended["step"] > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_in_a_graph_is_the_step(tmp_path):
    write_history(simulate(servers=4, days=4, seed=4), tmp_path / "history.csv")
    settings = Settings(batch=8, dropout=0.0, simulated_servers=2, simulated_days=3, later_share=0.3)
    data = load_data([tmp_path / "history.csv"], None, settings)
    losses = {}
    for device in ("cpu", "cuda"):
        trainer = Trainer(data, settings, torch.device(device), tmp_path / device)
        losses[device] = []
        for step in range(8):
            trainer._advance((step + 1) / 100)
            losses[device].append(float(trainer._loss))
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=0.02)  # products in TF32


def test_the_checkpoint_is_pytorch_forecastings_own(run):
    state, _ = run
    model = TemporalFusionTransformer.load_from_checkpoint(
        state / "checkpoint.ckpt", map_location="cpu", weights_only=False
    )
    assert model.hparams.hidden_size == 16
    assert model.hparams.attention_head_size == 4
    normalizer = model.dataset_parameters["target_normalizer"]
    assert normalizer.max_length == [1, 288]  # a forecast begins at the last value
    assert normalizer.floor == 0.25
    assert list(model.loss.quantiles) == [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]
    assert model.dataset_parameters["target"] == "cpu_user_pct"
    profiles = model.dataset_parameters["categorical_encoders"]["profile"].classes_
    assert profiles["nan"] == 0
    assert profiles["ml_compute"] == 1


def test_the_report_says_how_it_was_made(run):
    report = json.loads((run[0] / "training.json").read_text())
    assert report["settings"]["minutes"] == 0.04
    assert report["histories"] == ["servers.csv"]
    assert report["columnMap"] == "my-map.json"
    assert "swap_used_pct" not in report["metricsRead"]
    assert report["metricsRead"][0] == "cpu_user_pct"
    assert len(report["quantilesSpreadBy"]) == 7
    assert report["quantilesSpreadBy"][3] == 1.0
    assert 0 <= report["validation"]["calibrated"]["coverage80"] <= 1


def test_no_server_is_on_two_sides(run):
    split = json.loads((run[0] / "split.json").read_text())
    names = [*split["training"], *split["validation"], *split["test"]]
    assert len(names) == len(set(names)) == 15
    assert len(split["validation"]) in (3, 4, 5)
    assert len(split["test"]) in (2, 3)


def test_machines_in_step_are_one_group_and_later_time_is_kept_from_training():
    rng = np.random.default_rng(0)
    slots = np.arange(1000)
    rhythm = rng.normal(0, 10, 1000)
    rows = [
        pd.DataFrame(
            {
                "server_name": name,
                "slot": slots,
                "cpu_user_pct": 50 + shared * rhythm + rng.normal(0, 5, 1000),
            }
        )
        for name, shared in (("a", 1.0), ("b", 1.0), ("c", 0.0), ("d", 0.0))
    ]
    gridded = pd.concat(rows, ignore_index=True).assign(filled=False)
    groups = twin_groups(correlations(gridded))
    assert groups["a"] == groups["b"]
    assert len(set(groups.values())) == 3
    split = split_servers(gridded, frozenset({"b"}), 0.3, 0.0, 0.25, 1)
    assert split.test == ("b",)
    assert twins_of_training(correlations(gridded), split) == (["b"] if "a" in split.training else [])
    assert set(split.cuts.values()) == {999 - round(999 * 0.25)}


def test_a_metric_that_was_not_measured_is_not_read():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: np.zeros(600) for name in METRIC_NAMES})
    frame["server_name"] = np.repeat(["a", "b"], 300)
    frame["cpu_user_pct"] = rng.uniform(0, 100, 600)
    frame["cpu_idle_pct"] = 100 - frame["cpu_user_pct"]
    frame["mem_used_pct"] = rng.uniform(0, 100, 600)
    assert metrics_worth_reading(frame) == ("cpu_user_pct", "mem_used_pct")


def test_a_history_of_one_server_chooses_by_its_own_later_span(tmp_path):
    write_history(simulate(servers=1, days=5, seed=4), tmp_path / "one.csv")
    data = load_data(
        [tmp_path / "one.csv"], None, Settings(simulated_servers=1, simulated_days=2, later_share=0.3)
    )
    assert data.split.validation == ()
    assert data.validation["server_name"].unique().tolist() == list(data.split.training)
    later = data.validation["slot"].iloc[288]
    assert data.training.loc[~data.training["segment"].isin(data.simulated), "slot"].max() < later


def test_a_history_that_is_too_short_to_train_on_is_refused(tmp_path, capsys):
    write_history(simulate(servers=2, days=1.5, seed=4), tmp_path / "short.csv")
    assert main(["train", str(tmp_path / "short.csv"), "--state", str(tmp_path / "state")]) == 2
    assert "history_short" in capsys.readouterr().err


def test_lags_take_the_rows_before_a_window(tmp_path, capsys):
    # Of 60 hours the first 48 train: more than a window of 32, less than one with a day before it.
    write_history(simulate(servers=2, days=2.5, seed=4), tmp_path / "short.csv")
    command = ["train", str(tmp_path / "short.csv"), "--state", str(tmp_path / "state")]
    command += ["--later-share", "0.2", "--validation-share", "0"]
    assert main(command) == 2
    assert "a window takes 672 (56 hours)" in capsys.readouterr().err
    data = load_data(
        [tmp_path / "short.csv"],
        None,
        Settings(lags=(), simulated_servers=1, simulated_days=3, later_share=0.2, validation_share=0),
    )
    assert "cpu_user_pct_lagged_by_288" not in data.dataset.reals


def test_by_default_the_lags_are_those_that_the_window_holds():
    assert default_lags() == Settings().lags == (288, 276, 144, 96)
    assert default_lags(encoder=287) == (276, 144, 96)
    assert default_lags(encoder=288, horizon=145) == (288, 276, 145)
    assert default_lags(encoder=96, horizon=24, step_minutes=60) == (24,)
    assert default_lags(encoder=48, horizon=12, step_minutes=60) == (24, 23, 12)
    assert default_lags(encoder=90, horizon=96) == ()
    # Steps of which no whole number makes an hour: only the day, and what divides it.
    assert default_lags(encoder=40, horizon=8, step_minutes=45) == (32, 16, 8)


def test_a_model_is_given_the_target_at_its_lags(run):
    model = TemporalFusionTransformer.load_from_checkpoint(
        run[0] / "checkpoint.ckpt", map_location="cpu", weights_only=False
    )
    lagged = [f"cpu_user_pct_lagged_by_{steps}" for steps in (288, 276, 144, 96)]
    assert set(lagged) <= set(model.decoder_variables)
    assert not set(lagged) & set(model.encoder_variables)


def test_calibration_makes_each_quantile_hold_what_its_name_says():
    rng = torch.Generator().manual_seed(3)
    y = 50 + 5 * torch.randn(20_000, generator=rng)
    too_narrow = 50 + 2.5 * torch.erfinv(2 * torch.tensor(LEVELS) - 1) * 2**0.5
    prediction = too_narrow.expand(len(y), -1)
    factors = calibration(prediction, y)
    assert factors[3] == 1.0
    assert all(abs(factor - 2) < 0.1 for index, factor in enumerate(factors) if index != 3)
    calibrated = spread(prediction, factors)
    for index, level in enumerate(LEVELS):
        assert (y < calibrated[:, index]).float().mean() == pytest.approx(level, abs=0.01)


def test_the_factors_in_the_weights_move_the_outputs(run):
    model = TemporalFusionTransformer.load_from_checkpoint(
        run[0] / "checkpoint.ckpt", map_location="cpu", weights_only=False
    )
    hidden = torch.randn(5, 16)
    factors = [1.3, 1.2, 1.1, 1.0, 0.9, 1.4, 2.0]
    with torch.no_grad():
        expected = spread(model.output_layer(hidden), factors)
        spread_quantiles(model, factors)
        torch.testing.assert_close(model.output_layer(hidden), expected)


def test_pinball_loss_is_least_at_the_quantile():
    y = torch.linspace(0, 1, 1001)[None]
    quantiles = torch.tensor([0.1, 0.9])
    at = [pinball(torch.full((1, 1001, 2), value), y, quantiles).mean(1)[0] for value in (0.05, 0.1, 0.15)]
    assert at[1][0] < min(at[0][0], at[2][0])


def test_crossing_is_what_neighbouring_quantiles_are_out_of_order_by():
    assert crossing(torch.tensor([[1.0, 3.0, 2.5, 2.0]])).tolist() == [1.0]
    assert crossing(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).tolist() == [0.0]


def test_a_run_ends_with_a_bundle_and_its_table(run):
    bundle = run[0] / "bundle"
    table = json.loads((bundle / "model.json").read_text())["training"]["evaluation"]
    (judged,) = table["sets"]
    assert judged["name"].startswith("test servers from 2026-01-")
    assert [row["name"] for row in judged["forecasts"]][:2] == ["model", "last value"]
    assert [part["minutes"] for part in judged["horizons"]] == [5, 60, 240, 480]
    assert main(["verify", str(bundle)]) == 0


def test_a_bundle_is_judged_on_other_rows_beside_another_bundle(run, tmp_path, capsys):
    bundle = str(run[0] / "bundle")
    write_history(simulate(servers=3, days=2, seed=9), tmp_path / "later.csv")
    command = ["evaluate", bundle, str(tmp_path / "later.csv"), "--every", "60", "--also", f"again={bundle}"]
    command += ["--hours", "83", "--json", str(tmp_path / "table.json"), "--plot", str(tmp_path / "plot.svg")]
    assert main(command) == 0
    (judged,) = json.loads((tmp_path / "table.json").read_text())["sets"]
    rows = {row["name"]: row for row in judged["forecasts"]}
    assert judged["machines"] == 3
    assert rows["again"]["pinball"] == rows["model"]["pinball"] > 0
    assert rows[judged["bestNaive"]]["gain"] == 0
    assert "model, calendar 83 h later" in rows
    assert "under best naive" in capsys.readouterr().out
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")


def test_a_pretrained_network_is_judged_in_the_same_table(run, tmp_path, capsys):
    pytest.importorskip("fracast")
    write_history(simulate(servers=3, days=2, seed=9), tmp_path / "later.csv")
    command = ["evaluate", str(run[0] / "bundle"), str(tmp_path / "later.csv"), "--every", "60"]
    assert main([*command, "--zero-shot", "fracast", "--json", str(tmp_path / "table.json")]) == 0
    (judged,) = json.loads((tmp_path / "table.json").read_text())["sets"]
    rows = {row["name"]: row["pinball"] for row in judged["forecasts"]}
    assert list(rows)[1:3] == ["fracast on the window", "fracast on 7 days"]
    assert rows["fracast on 7 days"] != rows["fracast on the window"]
    assert rows["fracast on the window"] < 3 * rows["window quantiles"]  # in the target's unit


def test_the_guides_way_from_the_bundle_to_forecasts_can_be_gone(run):
    """Each further command of docs/training.md, as it is there; `tft predict` and `tft serve` give one
    forecast."""
    if shutil.which("node") is None or not PROGRAM.exists():
        pytest.skip("needs Node and `npm run build`")
    folder = run[0].parents[1]
    done = []
    for words in guide()[1:]:
        done.append(words[1] if words[0] == "tft" else exporter(words)[0])
        if words[0] != "tft":
            with contextlib.chdir(folder):
                assert main(exporter(words)) == 0, words
        elif words[1] == "serve":
            served = forecasts_of_service(words[2:], folder)
        else:
            result = tft(words[1:], folder)
            assert result.returncode == 0, result.stderr
            if words[1] == "inspect":
                assert "under best naive" in result.stdout
            if words[1] == "predict":
                predicted = json.loads(tft([*words[1:], "--json"], folder).stdout)["forecasts"]
    assert done == ["evaluate", "verify", "inspect", "predict", "serve", "export"]
    assert len(predicted) == 15
    assert served == predicted
    again = json.loads((folder / "models/mine/model.json").read_text())
    assert again["target"] == "cpu_user_pct"


def tft(words, folder):
    return subprocess.run(["node", str(PROGRAM), *words], cwd=folder, capture_output=True, text=True)


def forecasts_of_service(words, folder):
    """What `tft serve` answers to the rows that the map makes of the stranger's."""
    command = ["node", str(PROGRAM), "serve", *words, "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as service:
        try:
            lines = (json.loads(line) for line in service.stdout)
            log = []
            while not log or log[-1]["msg"] != "ready":
                log.append(next(lines))
            address = next(entry["address"] for entry in log if entry["msg"] == "listening")
            rows = pd.read_csv(folder / "history.csv").assign(swap_used_pct=0.0)
            request = Request(
                f"{address}/forecast", rows.to_csv(index=False).encode(), {"content-type": "text/csv"}
            )
            with urlopen(request, timeout=60) as response:
                return json.load(response)["forecasts"]
        finally:
            service.terminate()


def test_sets_that_cannot_be_read_are_refused(run, tmp_path, capsys):
    (tmp_path / "sets.json").write_text('{"sets": [{"histories": []}]}')
    assert main(["evaluate", str(run[0] / "bundle"), "--sets", str(tmp_path / "sets.json")]) == 2
    assert "sets_invalid" in capsys.readouterr().err
    assert main(["evaluate", str(run[0] / "bundle")]) == 2
    assert "option_conflict" in capsys.readouterr().err
