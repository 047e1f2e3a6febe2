"""The demo bundle that ships with the project: verified, and the same when it is exported again."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tft_export.bundle import read_description, read_samples
from tft_export.cli import main

DEMO = Path(__file__).parents[2] / "models" / "demo"


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


@pytest.mark.parametrize("file", ["model.onnx", "samples/expected.bin"])
def test_a_changed_file_is_noticed(file, tmp_path, capsys):
    copy = tmp_path / "demo"
    shutil.copytree(DEMO, copy)
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    assert main(["verify", str(copy)]) == 2
    assert file in capsys.readouterr().err
