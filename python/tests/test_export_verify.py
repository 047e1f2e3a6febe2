"""`verify`: what passes, what does not, and what it says of both."""

import json
import shutil

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import numpy_helper
from pytorch_forecasting.data import EncoderNormalizer

from exported_structure import BEYOND, outcome_of, run
from made_up_frame import made_up_frame
from public_structures import publish
from tft_export.bundle import file_entry
from tft_export.cli import main
from tft_export.description import read_description, write_description


@pytest.fixture(scope="module")
def bundle(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    checkpoint = tiny().save(folder / "model.ckpt")
    arguments = ["export", checkpoint, folder / "demo", "--exporter", "legacy", "--samples", "10"]
    assert main([str(argument) for argument in arguments]) == 0
    return folder / "demo"


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "copy")


def reseal(folder):
    """Writes the hashes of the folder's files into model.json."""
    description = read_description(folder)
    description.files.onnx = file_entry(folder, "model.onnx")
    description.samples.files["expected"] = file_entry(folder, "samples/expected.bin")
    write_description(folder, description)


def change_weights(folder, factor):
    graph = onnx.load(folder / "model.onnx")
    for tensor in graph.graph.initializer:
        if tensor.name == "output.weight":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * factor, tensor.name))
    onnx.save(graph, folder / "model.onnx")


def report_of(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_good_bundle_passes_and_shows_each_quantile(bundle, capsys):
    assert main(["verify", str(bundle)]) == 0
    text = capsys.readouterr().out
    assert "onnx.checker passed" in text
    assert "against the checkpoint: 8 windows" in text
    assert "apart from 2 windows in which a month turns" in text
    assert text.rstrip().endswith("passed")
    assert main(["verify", str(bundle), "--json"]) == 0
    report = report_of(capsys)
    assert report["passed"]
    for comparison in report["comparisons"]:
        assert [entry["quantile"] for entry in comparison["quantiles"]] == [0.1, 0.5, 0.9]
        assert comparison["maximum"] <= comparison["limit"] == pytest.approx(1e-4 * comparison["spread"])
        assert comparison["month_turn_windows"] == 2
        for entry in comparison["quantiles"]:
            assert 0 < entry["mean"] <= entry["maximum"]
            assert entry["maximum_of_spread"] == pytest.approx(entry["maximum"] / comparison["spread"])


def test_a_graph_with_other_weights_fails_with_exit_code_1(copy, capsys):
    change_weights(copy, 1.01)
    reseal(copy)
    assert main(["verify", str(copy), "--json"]) == 1
    report = report_of(capsys)
    assert not report["passed"]
    of_checkpoint = report["comparisons"][1]
    assert 0 < of_checkpoint["rounding"] < of_checkpoint["limit"]
    assert not of_checkpoint["is_beyond_float32"]
    assert main(["verify", str(copy)]) == 1
    said = capsys.readouterr().out
    assert "OVER THE LIMIT" in said
    assert "float64" not in said


def test_a_model_that_float32_is_too_coarse_for_fails_and_is_told_apart(tmp_path):
    def around_a_million():
        frame = made_up_frame(steps=60, target=lambda load, _: load + 1e6)
        lengths = {"max_encoder_length": 12, "max_prediction_length": 4}
        reals = {"target": "load", "time_varying_unknown_reals": ["load"]}
        scale = {"target_normalizer": EncoderNormalizer(), "add_target_scales": True}
        return publish(frame, "1h", group_ids=["host"], **lengths, **reals, **scale)

    outcome = outcome_of(around_a_million, tmp_path, ("--exporter", "legacy"))
    assert outcome.kind == BEYOND, outcome.detail
    code, said, _ = run("verify", tmp_path / "bundle")
    assert code == 1
    assert "PyTorch's own forecasts are up to" in said


def test_stored_forecasts_that_are_not_pytorchs_fail(copy, capsys):
    path = copy / "samples" / "expected.bin"
    stored = np.fromfile(path, dtype="<f4")
    stored[-1] += 1
    stored.tofile(path)
    reseal(copy)
    assert main(["verify", str(copy), "--json"]) == 1
    stored, live = report_of(capsys)["comparisons"]
    assert (stored["passed"], live["passed"]) == (False, True)


def test_a_file_that_changed_since_the_export_is_named(copy, capsys):
    change_weights(copy, 1.01)
    assert main(["verify", str(copy)]) == 2
    error = capsys.readouterr().err
    assert "model.onnx" in error
    assert "[bundle_changed]" in error


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda folder: (folder / "model.json").unlink(), "bundle_not_found"),
        (lambda folder: (folder / "model.json").write_text("{"), "bundle_invalid"),
        (lambda folder: (folder / "model.json").write_text('{"schemaVersion": 2}'), "bundle_invalid"),
        (lambda folder: (folder / "model.onnx").unlink(), "bundle_invalid"),
        (lambda folder: (folder / "samples" / "decoder_cat.bin").unlink(), "bundle_invalid"),
        (lambda folder: ((folder / "model.onnx").write_bytes(b"no graph"), reseal(folder)), "graph_invalid"),
    ],
    ids=["no-description", "half-a-description", "later-schema", "no-graph", "no-sample", "not-a-graph"],
)
def test_a_damaged_bundle_is_refused_with_a_code(copy, capsys, damage, code):
    damage(copy)
    assert main(["verify", str(copy)]) == 2
    error = capsys.readouterr().err
    assert f"[{code}]" in error
    assert "Traceback" not in error


def test_a_graph_whose_tensors_are_not_the_described_ones_is_refused(copy, capsys):
    graph = onnx.load(copy / "model.onnx")
    graph.graph.output[0].type.tensor_type.shape.dim[0].Clear()
    graph.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 3
    onnx.save(graph, copy / "model.onnx")
    reseal(copy)
    assert main(["verify", str(copy)]) == 2
    assert "[graph_invalid]" in capsys.readouterr().err


def test_windows_of_a_given_history_are_compared_too(bundle, tmp_path, capsys):
    rng = np.random.default_rng(5)
    times = pd.date_range("2026-01-31 20:00", periods=200, freq="5min", tz="UTC")
    frame = pd.DataFrame({"timestamp": times.map(lambda time: time.isoformat()), "server_name": "s"})
    for metric in ("cpu_user_pct", "mem_used_pct", "net_in_mb_s"):
        frame[metric] = rng.uniform(0, 90, len(frame))
    frame.to_csv(tmp_path / "history.csv", index=False)
    arguments = ["verify", bundle, "--data", tmp_path / "history.csv", "--windows", "20", "--json"]
    assert main([str(argument) for argument in arguments]) == 0
    comparison = report_of(capsys)["comparisons"][-1]
    assert comparison["source"] == "history history.csv"
    assert comparison["windows"] + comparison["month_turn_windows"] == 20
    assert comparison["month_turn_windows"] > 0


def test_a_bundle_without_its_checkpoint_is_compared_with_the_stored_forecasts(copy, capsys):
    description = read_description(copy)
    (copy / "checkpoint.ckpt").unlink()
    description.files.checkpoint = None
    write_description(copy, description)
    assert main(["verify", str(copy)]) == 0
    assert "no checkpoint in the bundle" in capsys.readouterr().out
