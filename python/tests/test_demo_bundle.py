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
    demo = description.training["evaluation"]["forecasts"]["demo"]
    assert demo["underBestNaive"] >= 0.17
    assert 0.77 <= demo["coverage80"] <= 0.83


def test_its_variants_reached_their_goals_where_they_were_judged():
    accuracy = read_description(DEMO).accuracy
    assert [row.precision for row in accuracy.rows] == ["fp32", "fp16", "int8"]
    assert accuracy.windows == 4300
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
