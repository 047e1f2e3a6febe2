"""`accuracy`: the table of precisions against PyTorch, and what is made of forecasts from elsewhere."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from tft_export.bundle import file_entry
from tft_export.cli import main
from tft_export.description import Variant, Variants, read_description, write_description
from tft_export.goals import GOALS
from tft_export.judging.precision_table import missed_by, row_of
from tft_export.judging.score import Score, score_of

COLUMNS = ("cpu_user_pct", "mem_used_pct", "net_in_mb_s")


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Two servers over a month's turn; one has a gap that is filled, and one that is not."""
    rng = np.random.default_rng(5)
    parts = []
    for server, steps in (("alpha", 200), ("beta", 180)):
        times = pd.date_range("2026-03-31 18:00", periods=steps, freq="5min", tz="UTC")
        metrics = {name: rng.uniform(0, 90, steps).round(3) for name in COLUMNS}
        parts.append(pd.DataFrame({"timestamp": times, "server_name": server, **metrics}))
    frame = pd.concat(parts, ignore_index=True).drop([20, 21, *range(90, 110)])
    frame["timestamp"] = frame["timestamp"].map(lambda time: time.isoformat())
    path = tmp_path_factory.mktemp("history") / "history.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def bundle(tiny_bundle, tmp_path):
    """With the graph itself in the place of its FP16 variant."""
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    shutil.copy(folder / "model.onnx", folder / "model.fp16.onnx")
    description = read_description(folder)
    description.variants = Variants(fp16=Variant(file=file_entry(folder, "model.fp16.onnx")))
    write_description(folder, description)
    return folder


def judge(bundle, history, *options):
    return main(["accuracy", str(bundle), "--data", str(history), "--every", "4", *map(str, options)])


def accuracy_of(bundle):
    return json.loads((Path(bundle) / "model.json").read_text())["accuracy"]


def test_the_table_is_printed_and_written(bundle, history, capsys):
    assert judge(bundle, history) == 0
    printed = capsys.readouterr().out
    assert "PyTorch" in printed
    assert "fp16, emulated" in printed
    assert "a month turns" in printed
    accuracy = accuracy_of(bundle)
    assert accuracy["source"] == "history.csv"
    assert accuracy["emulated"] is True
    assert accuracy["windows"] > 20
    fp32, fp16 = accuracy["rows"]
    assert (fp32["precision"], fp32["emulated"], fp32["pinballChange"]) == ("fp32", False, 0)
    assert (fp16["precision"], fp16["emulated"]) == ("fp16", True)
    assert fp32["within1"] == fp32["within05"] == 1
    assert fp32["largest"] < 1e-3 * accuracy["spread"]
    assert 10 < accuracy["spread"] < 40


def test_forecasts_made_elsewhere_are_judged_by_the_same_table(bundle, history, tmp_path, capsys):
    windows = tmp_path / "windows"
    assert judge(bundle, history, "--limit", 12, "--write-windows", windows) == 0
    names = [entry.name for entry in read_description(bundle).inputs]
    entries = {
        entry["name"]: entry for entry in json.loads((windows / "calibration.json").read_text())["inputs"]
    }
    inputs = {
        name: np.fromfile(windows / f"{name}.bin", entries[name]["type"]).reshape(
            12, *entries[name]["shape"][1:]
        )
        for name in names
    }
    made = onnxruntime.InferenceSession(bundle / "model.onnx").run(None, inputs)[0]
    made.astype("<f4").tofile(tmp_path / "good.bin")
    assert judge(bundle, history, "--limit", 12, "--outputs", f"int8={tmp_path / 'good.bin'}") == 0
    (row,) = accuracy_of(bundle)["rows"]
    assert (row["precision"], row["emulated"], row["within1"]) == ("int8", False, 1)
    assert accuracy_of(bundle)["emulated"] is False
    (made + 5).astype("<f4").tofile(tmp_path / "bad.bin")
    capsys.readouterr()
    assert judge(bundle, history, "--limit", 12, "--outputs", f"fp16={tmp_path / 'bad.bin'}") == 1
    assert "goal 99.99%" in capsys.readouterr().out
    assert [row["precision"] for row in accuracy_of(bundle)["rows"]] == ["fp16", "int8"]


def test_a_precision_is_judged_by_the_bundles_own_goals(bundle, history, capsys):
    description = read_description(bundle)
    goal = description.accuracy.goals["fp16"]
    assert [(asked.share, asked.within) for asked in goal.shares] == [(0.9999, 0.01), (0.999, 0.005)]
    # FP16 is a copy of FP32 here: its pinball loss does not change, and that is not under nothing.
    goal.pinball_change = 0.0
    write_description(bundle, description)
    assert judge(bundle, history, "--limit", 12) == 1
    assert "pinball changes by +0.000%, goal under 0.00%" in capsys.readouterr().out
    assert accuracy_of(bundle)["goals"]["fp16"]["pinballChange"] == 0


def test_a_bundle_older_than_goals_is_judged_by_the_usual_ones(bundle, history):
    content = json.loads((bundle / "model.json").read_text())
    del content["accuracy"]
    (bundle / "model.json").write_text(json.dumps(content))
    assert judge(bundle, history, "--limit", 12) == 0
    assert accuracy_of(bundle)["goals"]["int8"] == {
        "shares": [{"share": 0.95, "within": 0.01}],
        "pinballChange": 0.003,
    }


@pytest.mark.parametrize(("content", "code"), [(None, "outputs_invalid"), (b"1234", "outputs_invalid")])
def test_outputs_of_another_size_are_refused(bundle, history, tmp_path, content, code, capsys):
    path = tmp_path / "outputs.bin"
    if content is not None:
        path.write_bytes(content)
    assert judge(bundle, history, "--outputs", f"fp16={path}") == 2
    assert capsys.readouterr().err.endswith(f"[{code}]\n")


def test_a_changed_variant_is_noticed(bundle, history, capsys):
    content = bytearray((bundle / "model.fp16.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "model.fp16.onnx").write_bytes(content)
    assert judge(bundle, history) == 2
    assert "[bundle_changed]" in capsys.readouterr().err


def test_windows_are_not_written_over_what_is_there(bundle, history, tmp_path, capsys):
    assert judge(bundle, history, "--write-windows", tmp_path) == 2
    assert "[calibration_exists]" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--outputs", "fp8=x"], ["--outputs", "fp16"], ["--limit", "0"]])
def test_a_wrong_option_is_refused(options):
    with pytest.raises(SystemExit) as caught:
        main(["accuracy", "bundle", "--data", "history.csv", *options])
    assert caught.value.code == 2


def test_a_forecast_that_is_not_finite_is_the_largest_difference():
    base = Score(1.0, 0.8, 0.0)
    row = row_of("fp16", np.array([0.0, np.nan, np.inf, 0.001]), 1.0, base, base, True)
    assert row.within1 == 0.5
    assert row.largest > 1e38
    assert missed_by(row, GOALS["fp16"])


def test_a_change_of_pinball_loss_misses_the_goal_though_all_outputs_are_close():
    base, worse = Score(1.0, 0.8, 0.0), Score(1.0002, 0.8, 0.0)
    row = row_of("fp16", np.zeros(8), 1.0, worse, base, True)
    assert "pinball" in missed_by(row, GOALS["fp16"])[0]
    row = row_of("int8", np.zeros(8), 1.0, worse, base, True)
    assert not missed_by(row, GOALS["int8"])


def test_pinball_loss_weighs_by_the_quantile():
    prediction = np.array([[[1.0, 2.0, 4.0]]])
    found = score_of(prediction, np.array([[3.0]]), np.array([[True]]), (0.1, 0.5, 0.9))
    assert found.pinball == pytest.approx((0.1 * 2 + 0.5 * 1 + 0.1 * 1) / 3)
    assert found.coverage80 == 1
