"""model.onnx as an engine sees it: operators, shapes, and the numbers ONNX Runtime gets from it."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper
from pytorch_forecasting.data import GroupNormalizer

from tft_export.description import INPUT_NAMES, WRITERS
from tft_export.errors import ExportError
from tft_export.graph import onnx_graph
from tft_export.graph.network import TemporalFusionNetwork
from tft_export.graph.onnx_graph import check_operators, operator_counts, write_onnx, write_torchscript
from tiny_models import DEFAULT_STRUCTURE

START = "2026-05-13 11:35"
MAX_NODES = 450


def exported(model, path, exporter=None, **options):
    structure = model.structure(**options)
    network = TemporalFusionNetwork(model.model, structure).eval()
    assert write_onnx(network, structure, path, exporter) == (exporter or "dynamo")
    return structure, onnx.load(path)


def check_numbers(model, structure, path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    windows = {name: tensor.numpy() for name, tensor in model.windows(structure).items()}
    expected = model.expected().numpy()
    for batch in (slice(0, 8), slice(2, 3)):
        (actual,) = session.run(None, {name: array[batch] for name, array in windows.items()})
        np.testing.assert_allclose(actual, expected[batch], rtol=0, atol=1e-4 * model.spread())


@pytest.mark.parametrize("exporter", WRITERS)
def test_all_exporters_write_the_same_contract(tiny, tmp_path, exporter):
    model = tiny(start=START)
    path = tmp_path / "model.onnx"
    structure, graph = exported(model, path, exporter)
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", 17)]
    assert graph.ir_version == 8
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
    }
    assert shapes == {
        "encoder_cont": ["batch", 24, 3],
        "encoder_cat": ["batch", 24, 2],
        "decoder_cont": ["batch", 12, 4],
        "decoder_cat": ["batch", 12, 2],
        "predictions": ["batch", 12, 3],
    }
    assert list(shapes) == [*INPUT_NAMES, "predictions"]
    assert not any(node.metadata_props or node.doc_string for node in graph.graph.node)
    assert b".py" not in path.read_bytes()
    check_numbers(model, structure, path)


def test_the_default_model_is_small_and_has_only_operators_that_engines_take(tiny, tmp_path):
    model = tiny(**DEFAULT_STRUCTURE, start=START)
    path = tmp_path / "model.onnx"
    structure, graph = exported(model, path)
    check_operators(graph)
    assert len(graph.graph.node) <= MAX_NODES
    assert operator_counts(graph)["LSTM"] == 2
    assert path.stat().st_size < 1_000_000
    check_numbers(model, structure, path)


def test_the_graph_avoids_what_tensorrt_builds_wrongly_for_one_series(tiny, tmp_path):
    _, graph = exported(tiny(start=START), tmp_path / "model.onnx")
    producer = {name: node for node in graph.graph.node for name in node.output}
    for node in graph.graph.node:
        above = producer.get(node.input[0])
        if node.op_type == "Slice" and above is not None and above.op_type == "Transpose":
            assert "encoder_cont" not in above.input
        # A comparison may choose (Where), never be counted.
        if node.op_type == "Cast":
            assert above is None or above.op_type not in ("Equal", "Greater", "Less")


@pytest.mark.parametrize(
    "recipe",
    [
        {"lstm_layers": 2, "known_categories": ("holiday",), "model_options": {"causal_attention": False}},
        {"statics": (), "varying": (), "known": (), "flags": (False, False, True)},
        {"normalizer": GroupNormalizer(groups=["server_id"], transformation="softplus"), "statics": ()},
    ],
    ids=["layers-and-known-category", "nothing-but-metrics", "by-server"],
)
@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
def test_other_structures_export_too(tiny, tmp_path, recipe, exporter):
    model = tiny(start=START, **recipe)
    path = tmp_path / "model.onnx"
    structure, _ = exported(model, path, exporter)
    check_numbers(model, structure, path)


@pytest.mark.parametrize(
    ("failing", "writer"), [(["dynamo"], "legacy"), (["dynamo", "legacy"], "trace")], ids=["legacy", "trace"]
)
def test_where_an_exporter_fails_the_next_one_is_tried_and_named(
    tiny, tmp_path, monkeypatch, failing, writer
):
    def fail(*_):
        raise RuntimeError("no decomposition")

    for name in failing:
        monkeypatch.setitem(onnx_graph._EXPORTERS, name, fail)
    model = tiny(start=START)
    structure = model.structure()
    network = TemporalFusionNetwork(model.model, structure).eval()
    said = []
    assert write_onnx(network, structure, tmp_path / "model.onnx", None, said.append) == writer
    assert [line for line in said if "failed" in line] == [
        f"that failed: {name}: RuntimeError: no decomposition" for name in failing
    ]
    assert said[-1] == f"writing model.onnx by {WRITERS[writer]}"
    check_numbers(model, structure, tmp_path / "model.onnx")
    with pytest.raises(ExportError, match="dynamo: RuntimeError: no decomposition") as caught:
        write_onnx(network, structure, tmp_path / "again.onnx", "dynamo")
    assert caught.value.code == "export_failed"


@pytest.mark.parametrize("exporter", WRITERS)
def test_what_is_0_keeps_the_small_number_that_its_logarithm_needs(tiny, tmp_path, exporter):
    """Beside other numbers float64's epsilon is nothing, and an exporter may leave out what adds it."""
    model = tiny(start=START, normalizer=GroupNormalizer(groups=["server_id"], transformation="softplus"))
    structure = model.structure()
    normalizer = replace(structure.normalizer, epsilon=float(np.finfo(np.float64).eps))
    structure = replace(structure, normalizers={structure.target: normalizer})
    network = TemporalFusionNetwork(model.model, structure).eval()
    write_onnx(network, structure, tmp_path / "model.onnx", exporter)
    windows = model.windows(structure)
    windows["encoder_cont"][..., structure.target_channel] = 0.0
    with torch.no_grad():
        expected = network(*(windows[name] for name in INPUT_NAMES)).numpy()
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (actual,) = session.run(None, {name: tensor.numpy() for name, tensor in windows.items()})
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * model.spread())


def test_every_writer_has_an_exporter():
    assert list(onnx_graph._EXPORTERS) == list(WRITERS)


def test_an_operator_that_engines_may_not_take_is_refused():
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("NonZero", ["x"], ["y"])], "g", [value], [])
    with pytest.raises(ExportError, match="NonZero") as caught:
        check_operators(helper.make_model(graph))
    assert caught.value.code == "operator_not_allowed"


def test_the_torchscript_file_takes_any_batch(tiny, tmp_path):
    model = tiny(start=START)
    structure = model.structure()
    write_torchscript(
        TemporalFusionNetwork(model.model, structure).eval(), structure, tmp_path / "model.ts.pt"
    )
    script = torch.jit.load(tmp_path / "model.ts.pt")
    windows = model.windows(structure)
    expected = model.expected()
    for batch in (slice(0, 8), slice(3, 4)):
        actual = script(*(windows[name][batch] for name in INPUT_NAMES))
        torch.testing.assert_close(actual, expected[batch], rtol=0, atol=1e-4 * model.spread())
