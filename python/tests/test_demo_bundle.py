"""The demo bundle that ships with the project: verified, and the same when it is exported again."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tft_export.bundle import check_file, read_samples
from tft_export.cli import main
from tft_export.description import read_description
from tft_export.judging.precision_table import missed_by
from tft_export.variants.emulate import Runner

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "demo"
RECORDING = ROOT.parent / "shared" / "data" / "bitbrains-2013-08-test.csv.gz"


def test_its_graph_is_pytorchs(capsys):
    assert main(["verify", str(DEMO), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_exporting_its_checkpoint_again_gives_the_same_forecasts(tmp_path):
    again = tmp_path / "again"
    assert main(["export", str(DEMO / "checkpoint.ckpt"), str(again), "--samples", "2"]) == 0
    description = read_description(DEMO)
    samples = read_samples(DEMO, description)
    inputs = {tensor.name: samples[tensor.name][:8] for tensor in description.inputs}

    def forecasts(folder):
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        return session.run(None, inputs)[0]

    difference = np.abs(forecasts(again) - forecasts(DEMO)).max()
    assert difference <= description.samples.tolerance * description.samples.spread


def test_it_is_small_and_its_table_is_the_one_that_was_measured():
    size = sum(file.stat().st_size for file in DEMO.rglob("*") if file.is_file())
    assert size < 5_000_000
    description = read_description(DEMO)
    assert description.network.nodes <= 450
    sets = description.training["evaluation"]["sets"]
    assert [judged["name"] for judged in sets] == [
        judged["name"] for judged in json.loads((ROOT / "models" / "demo-sets.json").read_text())["sets"]
    ]
    for judged in sets:
        names = [row["name"] for row in judged["forecasts"]]
        assert names[:2] == ["demo", "first demo model"]
        assert "LightGBM on lags" in names


def test_no_machine_that_judges_it_was_trained_on():
    split = read_description(DEMO).training["split"]
    seen = {*split["training"], *split["validation"]}
    judges = (ROOT / "models" / "demo-test-servers.txt").read_text().split()
    assert seen.isdisjoint(judges)
    for judged in json.loads((ROOT / "models" / "demo-sets.json").read_text())["sets"]:
        assert set(judged["servers"]) <= set(judges)


def test_neither_the_calendar_nor_a_label_nor_an_unread_metric_moves_its_forecasts():
    description = read_description(DEMO)
    samples = read_samples(DEMO, description)
    inputs = {tensor.name: samples[tensor.name].copy() for tensor in description.inputs}
    session = onnxruntime.InferenceSession(DEMO / "model.onnx", providers=["CPUExecutionProvider"])
    forecast = session.run(None, inputs)[0]
    read = description.training["metricsRead"]
    for channel, metric in enumerate(description.metrics):
        if metric.name not in read:
            inputs["encoder_cont"][..., channel] = 50
    assert (session.run(None, inputs)[0] == forecast).all()
    # What nothing true was to be learnt from: a few hundredths of the forecast's own width at most.
    width = (forecast[..., -2] - forecast[..., 1]).mean()
    inputs["encoder_cat"][..., 0], inputs["encoder_cat"][..., 1] = 1, 1  # ml_compute, critical_issue
    assert np.abs(session.run(None, inputs)[0] - forecast).mean() < 0.05 * width
    inputs["decoder_cont"][..., 0] = (inputs["decoder_cont"][..., 0] + 11) % 24
    assert np.abs(session.run(None, inputs)[0] - forecast).mean() < 0.05 * width


def test_a_constant_day_is_not_a_certain_forecast():
    description = read_description(DEMO)
    samples = read_samples(DEMO, description)
    inputs = {tensor.name: samples[tensor.name][:1].copy() for tensor in description.inputs}
    session = onnxruntime.InferenceSession(DEMO / "model.onnx", providers=["CPUExecutionProvider"])
    inputs["encoder_cont"][..., 0] = 37
    forecast = session.run(None, inputs)[0]
    assert (forecast[..., -1] - forecast[..., 0]).min() > 0.01
    assert np.abs(forecast[0, 0] - 37).max() < 2


def test_its_variants_reached_their_goals_where_they_were_judged():
    accuracy = read_description(DEMO).accuracy
    assert [row.precision for row in accuracy.rows] == ["fp32", "fp16", "int8"]
    assert accuracy.windows == 2151
    for row in accuracy.rows:
        assert not missed_by(row, accuracy.goals[row.precision])


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_its_variants_are_close_to_pytorch_on_the_sample_windows(precision):
    description = read_description(DEMO)
    arrays = read_samples(DEMO, description)
    expected = arrays.pop("expected")
    variant = getattr(description.variants, precision)
    model = onnx.load(check_file(DEMO, variant.file))
    onnx.checker.check_model(model, full_check=True)
    assert variant.file.bytes < description.files.onnx.bytes
    differences = np.abs(Runner(model).forecasts(arrays) - expected) / description.samples.spread
    turned = description.samples.month_turn
    share = (np.delete(differences, turned, axis=0) <= 0.01).mean()
    assert share >= {"fp16": 0.9999, "int8": 0.9}[precision]
    # What its users' CPUs run need not be emulated, but it must run.
    session = onnxruntime.InferenceSession(DEMO / variant.file.path, providers=["CPUExecutionProvider"])
    assert session.run(None, arrays)[0].shape == expected.shape


@pytest.mark.skipif(not RECORDING.is_file(), reason=f"the recording is not here ({RECORDING})")
def test_its_precisions_are_judged_on_recorded_machines(tmp_path, capsys):
    copy = shutil.copytree(DEMO, tmp_path / "demo")
    command = [
        "accuracy",
        str(copy),
        "--data",
        str(RECORDING),
        "--map",
        str(ROOT / "maps" / "bitbrains.json"),
    ]
    assert main([*command, "--limit", "32"]) in (0, 1)  # so few windows may miss a goal by one
    fp32, fp16, int8 = read_description(copy).accuracy.rows
    assert fp32.within05 == 1
    assert fp16.within1 >= 0.999
    assert int8.within1 >= 0.9
    assert "int8, emulated" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["model.onnx", "samples/expected.bin"])
def test_a_changed_file_is_noticed(file, tmp_path, capsys):
    copy = tmp_path / "demo"
    shutil.copytree(DEMO, copy)
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    assert main(["verify", str(copy)]) == 2
    assert file in capsys.readouterr().err
