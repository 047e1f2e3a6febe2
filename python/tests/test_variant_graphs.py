"""The FP16 and INT8 graphs themselves: types at every border, and the rules of Q/DQ pairs."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from pytorch_forecasting.data import GroupNormalizer

from tft_export.graph.network import TemporalFusionNetwork
from tft_export.graph.onnx_graph import write_onnx
from tft_export.variants.half import with_half
from tft_export.variants.parts import PREPROCESS, RECURRENT, RESTORE, STATISTICS, parts_of
from tft_export.variants.quantize import activations_of, products, raised, with_quantized
from tft_export.variants.typed_graph import element_types, initializers_of, key_of

DEMO = Path(__file__).parents[2] / "models" / "demo" / "model.onnx"
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
RECIPES = {
    "small": {},
    "wide, many heads, two LSTM layers": {"hidden_size": 24, "heads": 6, "lstm_layers": 2},
    "nothing but metrics": {"statics": (), "varying": (), "flags": (False, False, False)},
    "normalised by server": {
        "statics": (),
        "normalizer": GroupNormalizer(groups=["server_id"], transformation="softplus"),
    },
}


@pytest.fixture(scope="module", params=["demo", *RECIPES])
def graph(request, tiny, tmp_path_factory):
    """The demo's graph, which the dynamo exporter wrote, and tiny ones by the legacy exporter."""
    if request.param == "demo":
        return onnx.load(DEMO)
    model = tiny(**RECIPES[request.param])
    structure = model.structure()
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_onnx(TemporalFusionNetwork(model.model, structure).eval(), structure, path, "legacy")
    return onnx.load(path)


def kept_nodes(graph):
    parts = parts_of(graph)
    fixed = (PREPROCESS, RESTORE, RECURRENT)
    return {key for key, part in parts.items() if part in fixed or part.endswith(STATISTICS)}


def quantized(graph):
    base = with_half(raised(graph), kept_nodes(graph))
    chosen = products(base)
    weights = initializers_of(base)
    thresholds = {name: 4.0 for node in chosen for name in activations_of(node, weights)}
    return with_quantized(base, {key_of(node) for node in chosen}, thresholds)


def assert_every_border_is_typed(model):
    """No operator but casts and pairs mixes types: a strongly typed network infers nothing."""
    onnx.checker.check_model(model, full_check=True)
    types = element_types(model)
    for node in model.graph.node:
        names = [name for name in (*node.input, *node.output) if types.get(name) in FLOATS]
        if node.op_type not in ("Cast", "Shape"):
            assert len({types[name] for name in names}) <= 1, f"{node.op_type} {node.name} mixes types"
        if node.op_type == "Cast" and len(names) == 2:
            assert types[names[0]] != types[names[1]], f"{node.name} casts to what it has"


def test_fp16_is_typed_at_every_border_and_halves_the_weights(graph):
    model = with_half(graph, kept_nodes(graph))
    assert_every_border_is_typed(model)
    types = element_types(model)
    assert {value.name: types[value.name] for value in (*graph.graph.input, *graph.graph.output)} == {
        value.name: value.type.tensor_type.elem_type for value in (*graph.graph.input, *graph.graph.output)
    }
    recurrent = [node for node in model.graph.node if node.op_type == "LSTM"]
    assert recurrent
    assert all(types[node.output[0]] == TensorProto.FLOAT for node in recurrent)
    for node in model.graph.node:
        if node.op_type in ("MatMul", "Softmax", "LayerNormalization"):
            assert types[node.output[0]] == TensorProto.FLOAT16
    assert len(model.SerializeToString()) < len(graph.SerializeToString())


def test_no_node_of_a_kept_part_reads_or_writes_fp16(graph):
    kept = kept_nodes(graph)
    model = with_half(graph, kept)
    types = element_types(model)
    for node in model.graph.node:
        if key_of(node) in kept:
            assert TensorProto.FLOAT16 not in {types.get(name) for name in (*node.input, *node.output)}


def test_everything_in_fp32_is_the_graph_itself(graph):
    assert list(with_half(graph, set(parts_of(graph))).graph.node) == list(graph.graph.node)


def test_everything_in_fp16_still_has_float32_outside(graph):
    model = with_half(graph, ())
    assert_every_border_is_typed(model)
    assert {value.type.tensor_type.elem_type for value in model.graph.output} == {TensorProto.FLOAT}


def test_pairs_are_signed_symmetric_and_strongly_typed(graph):
    model = quantized(graph)
    assert_every_border_is_typed(model)
    assert model.opset_import[0].version == 19
    weights, types = initializers_of(model), element_types(model)
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        scale, zero = (weights[name] for name in node.input[1:3])
        assert zero.data_type == TensorProto.INT8
        assert not numpy_helper.to_array(zero).any()
        assert scale.data_type == TensorProto.FLOAT16
        assert (numpy_helper.to_array(scale) > 0).all()
        assert zero.dims == scale.dims
        value = types[node.input[0]], types[node.output[0]]
        integers = (TensorProto.FLOAT16, TensorProto.INT8)
        assert value == (integers if node.op_type == "QuantizeLinear" else integers[::-1])


def test_each_channel_of_a_weight_has_its_own_scale_and_an_activation_has_one(graph):
    model = quantized(graph)
    weights = initializers_of(model)
    scaled_by_channel = 0
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear":
            continue
        scale = numpy_helper.to_array(weights[node.input[1]])
        if node.input[0] not in weights:
            assert scale.shape == ()
            continue
        integers = numpy_helper.to_array(weights[node.input[0]])
        assert integers.min() >= -127
        axis = node.attribute[0].i
        assert scale.shape == (integers.shape[axis],)
        scaled_by_channel += scale.size > 1
    assert scaled_by_channel > 10


def test_parts_carry_the_names_of_the_networks_modules(graph):
    parts = set(parts_of(graph).values())
    expected = {"preprocess", "restore", "recurrent", "contexts", "output products", "attention.query"}
    assert expected <= parts
    assert any(part.endswith(STATISTICS) for part in parts)


def test_weights_come_back_within_half_a_step():
    weight = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)
    value = onnx.helper.make_tensor_value_info
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])],
            "product",
            [value("x", TensorProto.FLOAT, ["batch", 16])],
            [value("y", TensorProto.FLOAT, ["batch", 8])],
            [numpy_helper.from_array(weight, "w")],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    base = with_half(raised(model), ())
    result = with_quantized(base, {key_of(node) for node in products(base)}, {"x.fp16": 3.0})
    stored = initializers_of(result)
    integers = next(numpy_helper.to_array(t) for name, t in stored.items() if name.endswith("axis1.int8"))
    scale = next(numpy_helper.to_array(t) for name, t in stored.items() if name.endswith("axis1.scale"))
    back = integers * scale.astype(np.float64)
    assert np.abs(back - weight).max() <= 0.51 * scale.max()
    assert (np.abs(integers).max(axis=0) >= 126).all()
