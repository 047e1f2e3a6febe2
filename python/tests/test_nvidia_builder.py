"""NVIDIA's own parser and builder take what is exported now.

TensorRT for RTX comes from PyPI and builds without a GPU, through the addon.
"""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

from tft_export.bundle import changed_bundle, read_samples
from tft_export.description import read_description
from tft_export.variants.emulate import Runner

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "test" / "fixtures" / "build-for-target.mjs"
SECONDS = 300  # on a busy machine, and a slow network


@pytest.fixture(scope="module")
def library():
    """The folder of TensorRT for RTX."""
    if shutil.which("node") is None or not (ROOT / "build" / "Release" / "tft_tensorrt.node").exists():
        pytest.skip("the native addon is not built (npm run build:native)")
    command = [ROOT / "scripts" / "fetch-tensorrt", "rtx"]
    fetched = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    if fetched.returncode != 0:
        pytest.skip(f"TensorRT for RTX cannot be fetched: {fetched.stderr.strip()}")
    return fetched.stdout.strip()


def build(bundle, precision, library):
    command = ["node", PROGRAM, bundle, precision, library]
    run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    return json.loads(run.stdout)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_bundle_exported_now_is_built_with_its_types_and_tensors(derived, library, precision):
    built = build(derived, precision, library)
    assert "code" not in built, built
    description = read_description(derived)
    expected = [
        {
            "name": tensor.name,
            "input": entries is description.inputs,
            "type": tensor.type,
            "shape": [-1, *tensor.shape[1:]],
        }
        for entries in (description.inputs, description.outputs)
        for tensor in entries
    ]
    assert sorted(built["tensors"], key=lambda tensor: tensor["name"]) == sorted(
        expected, key=lambda tensor: tensor["name"]
    )
    assert built["layers"]["float32"] > 20
    assert (built["layers"].get("float16", 0) > 10) == (precision != "fp32")
    assert (built["layers"].get("int8", 0) > 5) == (precision == "int8")


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_selu_as_the_builder_for_rtx_writes_elu_gives_the_same_forecasts(precision):
    demo = ROOT / "models" / "demo"
    description = read_description(demo)
    samples = read_samples(demo, description)
    inputs = {tensor.name: samples[tensor.name][:8] for tensor in description.inputs}
    model = onnx.load(demo / ("model.onnx" if precision == "fp32" else f"model.{precision}.onnx"))
    before = Runner(model).forecasts(inputs)
    elus = [node for node in model.graph.node if node.op_type == "Elu"]
    assert elus
    for node in elus:
        alpha = {attribute.name: attribute.f for attribute in node.attribute}.get("alpha", 1)
        node.op_type = "Selu"
        del node.attribute[:]
        node.attribute.extend(
            [onnx.helper.make_attribute("alpha", alpha), onnx.helper.make_attribute("gamma", 1.0)]
        )
    difference = np.abs(Runner(model).forecasts(inputs) - before).max()
    assert difference <= 1e-6 * description.samples.spread


def test_an_operator_that_the_builder_does_not_have_is_named(derived, library, tmp_path):
    bundle = shutil.copytree(derived, tmp_path / "bundle")
    with changed_bundle(bundle) as scratch:
        model = onnx.load(scratch / "model.onnx")
        changed = next(node for node in model.graph.node if node.op_type == "Elu")
        changed.op_type = "NoSuchOperator"
        onnx.save(model, scratch / "model.onnx")
    built = build(bundle, "fp32", library)
    assert built["code"] == "ERR_TFT_BUILD"
    assert changed.name in built["message"]
