"""`variants`: what it adds to a bundle, and how close the variants come."""

import json
import shutil

import numpy as np
import onnx
import pytest

from tft_export.bundle import changed_bundle, read_samples
from tft_export.cli import main
from tft_export.description import read_description
from tft_export.goals import GOALS, distance
from tft_export.variants.emulate import Runner
from tft_export.variants.sensitivity import search


def derive(bundle, calibration, *options):
    return main(["variants", str(bundle), "--calibration", str(calibration), *options])


def forecasts(bundle, file):
    description = read_description(bundle)
    samples = read_samples(bundle, description)
    inputs = {entry.name: samples[entry.name] for entry in description.inputs}
    return Runner(onnx.load(bundle / file)).forecasts(inputs)


def test_model_json_lists_the_variants_with_what_was_kept_and_why(derived):
    variants = json.loads((derived / "model.json").read_text())["variants"]
    assert list(variants) == ["fp16", "int8"]
    for precision, variant in variants.items():
        content = (derived / variant["file"]["path"]).read_bytes()
        assert variant["file"]["path"] == f"model.{precision}.onnx"
        assert variant["file"]["bytes"] == len(content)
        assert variant["lstm"] == "fp32"
        parts = {part["part"]: part for part in variant["kept"]}
        assert {"preprocess", "restore", "recurrent"} <= set(parts)
        assert all(part["why"] and part["nodes"] > 0 for part in parts.values())
    assert "calibration" not in variants["fp16"]
    assert variants["int8"]["calibration"]["method"] in ("minmax", "percentile", "entropy")
    assert variants["int8"]["calibration"]["windows"] == 24
    assert variants["int8"]["calibration"]["source"] == "calibration set samples"


def test_the_goals_are_reached_on_what_was_searched_on(derived):
    exact = forecasts(derived, "model.onnx")
    spread = 25.0
    half = np.abs(forecasts(derived, "model.fp16.onnx") - exact) / spread
    assert (half <= 0.01).mean() >= 0.9999
    assert (half <= 0.005).mean() >= 0.999
    assert half.max() > 1e-5, "computed in FP32"
    int8 = np.abs(forecasts(derived, "model.int8.onnx") - exact) / spread
    assert (int8 <= 0.012).mean() >= 0.95
    assert int8.mean() > half.mean()


def test_int8_quantizes_most_products_and_names_the_others(derived):
    graph = onnx.load(derived / "model.int8.onnx").graph
    products = [node for node in graph.node if node.op_type == "MatMul"]
    quantized = [node for node in products if all(name.endswith(".dequantized") for name in node.input)]
    kept = [part for part in read_description(derived).variants.int8.kept if part.precision == "fp16"]
    assert len(quantized) + len(kept) == len(products)
    assert len(quantized) > len(products) / 2


def test_the_same_bundle_gives_the_same_bytes(derived, tiny_bundle, calibration, tmp_path):
    again = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    assert derive(again, calibration) == 0
    for file in ("model.fp16.onnx", "model.int8.onnx", "model.json"):
        assert (again / file).read_bytes() == (derived / file).read_bytes()


def test_one_precision_alone_leaves_the_other_as_it_was(derived, calibration, tmp_path):
    bundle = shutil.copytree(derived, tmp_path / "bundle")
    assert derive(bundle, calibration, "--precision", "fp16", "--lstm", "fp16") == 0
    variants = read_description(bundle).variants
    assert variants.fp16.lstm == "fp16"
    assert "recurrent" not in {part.part for part in variants.fp16.kept}
    assert variants.int8 == read_description(derived).variants.int8
    recurrent = [node for node in onnx.load(bundle / "model.fp16.onnx").graph.node if node.op_type == "LSTM"]
    halves = {
        tensor.name
        for tensor in onnx.load(bundle / "model.fp16.onnx").graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT16
    }
    assert all(set(node.input[1:4]) <= halves for node in recurrent)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_no_lstm_in_fp32_reads_from_a_cast(derived, precision):
    """TensorRT 10.6 fails to compile such an LSTM."""
    graph = onnx.load(derived / f"model.{precision}.onnx").graph
    casts = {node.output[0] for node in graph.node if node.op_type == "Cast"}
    recurrent = [node for node in graph.node if node.op_type == "LSTM"]
    assert recurrent
    assert all(casts.isdisjoint(node.input) for node in recurrent)


def test_a_bundle_with_variants_still_verifies(derived):
    assert main(["verify", str(derived)]) == 0


def test_what_fails_half_way_leaves_the_bundle_as_it_was(derived):
    before = {path.name: path.read_bytes() for path in derived.iterdir() if path.is_file()}

    def fail():
        with changed_bundle(derived) as scratch:
            (scratch / "model.fp16.onnx").write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert {path.name: path.read_bytes() for path in derived.iterdir() if path.is_file()} == before
    assert [path.name for path in derived.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], "calibration_needed"),
        (["--map", "maps/bitbrains.json"], "option_conflict"),
        (["--data", "none.csv", "--calibration", "none"], "option_conflict"),
        (["--data", "none.csv"], "history_not_found"),
    ],
)
def test_a_mistake_is_one_line_with_a_code(tiny_bundle, options, code, capsys):
    assert main(["variants", str(tiny_bundle), *options]) == 2
    error = capsys.readouterr().err
    assert error.endswith(f"[{code}]\n")
    assert error.count("\n") == 1


def test_the_search_lowers_what_does_little_harm_for_its_work():
    """Parts whose squared harms add up to the goal's 1; the margin leaves room for 0.81."""
    harms = {"a": 0.1, "b": 0.8, "c": 0.3, "d": 0.3, "e": 2.0}
    work = {"a": 1, "b": 100, "c": 1, "d": 1, "e": 1}

    def distance(parts):
        return sum(harms[part] ** 2 for part in parts) ** 0.5

    found = search(work, harms.get, distance, 0.9, lambda line: None)
    assert set(found.lowered) == {"a", "b", "c"}
    assert set(found.kept) == {"d", "e"}
    assert found.distance == pytest.approx(distance(found.lowered))
    assert found.alone == harms


def test_the_search_keeps_nothing_that_it_need_not():
    found = search({"a": 1, "b": 1}, lambda part: 0, lambda parts: 0.1, 0.9, lambda line: None)
    assert (set(found.lowered), found.kept) == ({"a", "b"}, ())


def test_a_goal_is_missed_by_what_is_not_finite():
    differences = np.full(1000, 0.002)
    assert distance(GOALS["int8"], differences) == pytest.approx(0.2)
    differences[0] = np.nan
    assert distance(GOALS["int8"], differences) == np.inf
