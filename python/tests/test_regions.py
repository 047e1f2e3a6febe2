"""The regions that the exported graph names: what they are, and that each can be cut out of it."""

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer

from public_structures import stallion
from tft_export.checkpoint.calendar import Step
from tft_export.checkpoint.checkpoint_file import Checkpoint
from tft_export.checkpoint.floored_normalizer import FlooredEncoderNormalizer
from tft_export.checkpoint.read_structure import read_structure
from tft_export.graph.network import TemporalFusionNetwork
from tft_export.graph.network_regions import preprocess_attributes
from tft_export.graph.onnx_graph import write_onnx
from tft_export.graph.preprocess import Preprocess
from tft_export.graph.regions import PREFIX, Regions, take_regions
from tft_export.variants.half import with_half
from tft_export.variants.quantize import raised
from tft_export.windows.made_up_windows import made_up_windows

START = "2026-05-13 11:35"
RECIPES = {
    "default": {},
    # By server: no window changes the static variables but through a code.
    "by-server": {
        "normalizer": GroupNormalizer(groups=["server_id"], transformation="softplus"),
        "statics": (),
        "varying": (),
        "model_options": {"causal_attention": False},
    },
    "layers-and-known-category": {"lstm_layers": 2, "known_categories": ("holiday",), "known": ("month",)},
    # A target in the middle, two categories of each kind, features in another order, and no scales.
    "other-channels": {
        "target": "mem_used_pct",
        "normalizer": EncoderNormalizer(),
        "statics": ("profile", "site"),
        "varying": ("status", "weather"),
        "known": ("is_weekend", "hour", "day_of_week"),
        "flags": (True, False, True),
    },
    "nothing-but-metrics": {"statics": (), "varying": (), "known": (), "flags": (False, False, True)},
    # pytorch-forecasting's tutorial: windows of several lengths, a sum of embeddings.
    "tutorial": None,
}
# What plays each region's part in the network, in the graph's order.
NETWORK = ["static_selection", "contexts", "encoder_selection", "decoder_selection", "recurrent", "decoder"]
EXPECTED = {
    "default": ["preprocess", *NETWORK],
    "by-server": NETWORK,
    # Of two layers: no operator for the recurrence.
    "layers-and-known-category": [name for name in NETWORK if name != "recurrent"],
    "other-channels": ["preprocess", *NETWORK],
    # Without static and known variables there is nothing to select from, and constants take their place.
    "nothing-but-metrics": ["encoder_selection", "decoder"],
    "tutorial": NETWORK,
}


@dataclass
class Region:
    op: str
    name: str
    attributes: dict[str, str]
    inputs: dict[str, str]
    outputs: dict[str, str]


@dataclass
class Exported:
    network: TemporalFusionNetwork
    graph: onnx.ModelProto
    regions: list[Region]
    feed: dict[str, np.ndarray]

    @property
    def weights(self) -> dict[str, onnx.TensorProto]:
        return {tensor.name: tensor for tensor in self.graph.graph.initializer}

    def data(self, region: Region) -> list[str]:
        """A region's inputs that are no weights."""
        return [tensor for tensor in region.inputs.values() if tensor not in self.weights]


def parsed(model: onnx.ModelProto) -> list[Region]:
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert list(entries) == [f"{PREFIX}{index}" for index in range(len(entries))]
    regions = []
    for text in entries.values():
        region = Region("", "", {}, {}, {})
        for line in text.split("\n"):
            kind, *rest = line.split(" ")
            if kind in ("op", "name"):
                setattr(region, kind, rest[0])
            else:
                role, value = rest
                facts = {"attribute": region.attributes, "input": region.inputs, "output": region.outputs}
                assert role not in facts[kind]
                facts[kind][role] = value
        regions.append(region)
    return regions


@pytest.fixture(scope="module", params=RECIPES)
def exported(request, tiny, tmp_path_factory):
    if RECIPES[request.param] is None:
        published = stallion()
        model, parameters = published.model, published.dataset.get_parameters()
        structure = read_structure(Checkpoint(model, parameters, None), Step.parse(published.step))
        feed = made_up_windows(structure, parameters, 3).inputs()
    else:
        recipe = tiny(start=START, **RECIPES[request.param])
        model, structure = recipe.model, recipe.structure()
        feed = {name: tensor.numpy() for name, tensor in recipe.windows(structure, 3).items()}
    network = TemporalFusionNetwork(model, structure).eval()
    path = tmp_path_factory.mktemp("regions") / "model.onnx"
    assert write_onnx(network, structure, path) == "dynamo"
    graph = onnx.load(path)
    regions = parsed(graph)
    assert [region.name for region in regions] == EXPECTED[request.param]
    return Exported(network, graph, regions, feed)


def test_the_graph_itself_is_standard(exported):
    assert [(entry.domain, entry.version) for entry in exported.graph.opset_import] == [("", 17)]
    assert {node.domain for node in exported.graph.graph.node} == {""}
    assert len(exported.graph.graph.output) == 1


def test_the_regions_say_what_they_are(exported):
    for region in exported.regions:
        if region.op == "TftVariableSelection":
            selection = getattr(exported.network, region.name)
            counts = {
                key: int(region.attributes[key])
                for key in ("reals", "tabulated", "fixed", "tables", "bags", "context", "resampled")
            }
            assert sum(selection.sizes) == counts["reals"] + counts["tabulated"]
            # One share for each variable: the weighing network's output.
            shares = sum(counts[key] for key in ("reals", "tabulated", "fixed", "tables", "bags"))
            assert selection.gated_sum.norm.normalized_shape == (shares,)
            assert [role for role in region.inputs if role.startswith("code")] == [
                f"code{index}" for index in range(counts["tables"])
            ]
            assert [role for role in region.inputs if role.startswith("bag")] == [
                f"{part}{index}" for index in range(len(selection.bags)) for part in ("bag_inner", "bag")
            ]
            assert ("x" in region.inputs) == bool(selection.sizes)
            assert ("context" in region.inputs) == bool(counts["context"])
            assert ("residual_norm.weight" in region.inputs) == bool(counts["resampled"])
            assert ("networks.inner" in region.inputs) == bool(counts["reals"])
            assert ("tabulated.table" in region.inputs) == bool(counts["tabulated"])
        elif region.op == "TftRecurrence":
            padded = exported.network.structure.varies_in_length
            assert region.attributes == {"hidden_size": "8", "padded": str(int(padded))}
            assert ("valid" in region.inputs) == padded
        elif region.op == "TftDecoder":
            assert region.attributes["heads"] == "2"
            padded = exported.network.structure.varies_in_length
            assert region.attributes["padded"] == str(int(padded))
            assert ("valid" in region.inputs) == padded
            assert region.attributes["causal"] == str(int(exported.network.attention.bias is not None))
        elif region.op == "TftPreprocess":
            assert list(region.inputs) == [
                *("encoder_cont", "encoder_cat", "decoder_cont"),
                *("metric_mean", "metric_factor"),
            ]
            codes = [
                f"{kind}_code_{index}"
                for kind in ("static", "encoder")
                for index in range(int(region.attributes[f"{kind}_codes"]))
            ]
            static = ["static"] if region.attributes["static"] == "1" else []
            assert list(region.outputs) == ["encoder", "decoder", *static, "center", "scale", *codes]
        else:
            assert region.op == "TftStaticContexts"
            assert list(region.outputs) == ["select", "hidden", "cell", "enrich"]
        if region.op not in ("TftRecurrence", "TftPreprocess"):
            assert float(region.attributes["epsilon"]) == 1e-5


def test_the_preprocessing_gives_the_other_regions_what_they_read(exported):
    named = {region.name: region for region in exported.regions}
    if "preprocess" not in named:
        return
    given = named["preprocess"].outputs
    for kind, x in (("static", "static"), ("encoder", "encoder"), ("decoder", "decoder")):
        read = named[f"{kind}_selection"].inputs
        assert read.get("x") == given.get(x)
        codes = [tensor for role, tensor in read.items() if role.startswith("code")]
        assert codes == [tensor for role, tensor in given.items() if role.startswith(f"{kind}_code")]
    scaled = {node.output[0]: set(node.input) for node in exported.graph.graph.node}
    product = next(name for name, read in scaled.items() if named["decoder"].outputs["output"] in read)
    total = next(name for name, read in scaled.items() if product in read)
    assert given["scale"] in scaled[product]
    assert given["center"] in scaled[total]


@pytest.mark.parametrize(
    ("recipe", "attributes"),
    [
        (
            {},
            "target 0 softplus 1 center_length 24 scale_length 24 floor 0 others 6 "
            "lags 0 lag_0 0 lag_1 0 lag_2 0 lag_3 0 steps_per_hour 12 hours_per_step 1 "
            "hour_channel 0 day_channel 1 month_channel 2 "
            "features 4 feature_0 1 feature_1 2 feature_2 3 feature_3 4 static 1 "
            "static_codes 1 static_code_0 0 static_code_1 -1 "
            "encoder_codes 1 encoder_code_0 1 encoder_code_1 -1 encoder_code_2 -1 encoder_code_3 -1",
        ),
        (
            RECIPES["other-channels"] | {"step_minutes": 120},
            "target 1 softplus 0 center_length 24 scale_length 24 floor 0 others 5 "
            "lags 0 lag_0 0 lag_1 0 lag_2 0 lag_3 0 steps_per_hour 1 hours_per_step 2 "
            "hour_channel 1 day_channel 2 month_channel -1 "
            "features 3 feature_0 4 feature_1 1 feature_2 2 feature_3 0 static 0 "
            "static_codes 2 static_code_0 0 static_code_1 1 "
            "encoder_codes 2 encoder_code_0 2 encoder_code_1 3 encoder_code_2 -1 encoder_code_3 -1",
        ),
    ],
)
def test_the_preprocessing_is_described(tiny, recipe, attributes):
    words = attributes.split()
    expected = {name: int(value) for name, value in zip(words[::2], words[1::2], strict=True)}
    actual = preprocess_attributes(Preprocess(tiny(start=START, **recipe).structure()))
    assert list(actual.items()) == list(expected.items())


@pytest.mark.parametrize(
    ("recipe", "described"),
    [
        ({"normalizer": EncoderNormalizer(max_length=24)}, True),
        ({"normalizer": EncoderNormalizer(max_length=23)}, True),
        ({"normalizer": EncoderNormalizer(max_length=(24, 8))}, True),
        ({"normalizer": FlooredEncoderNormalizer(floor=0.5, max_length=[1, 24])}, True),
        ({"normalizer": EncoderNormalizer(transformation="relu")}, True),
        ({"normalizer": EncoderNormalizer(method="robust")}, False),
        ({"normalizer": EncoderNormalizer(center=False)}, False),
        ({"normalizer": EncoderNormalizer(transformation="log1p")}, False),
        ({"normalizer": EncoderNormalizer(method="identity")}, False),
        ({"normalizer": GroupNormalizer(groups=["server_id"])}, False),
        ({"metrics": ("cpu_user_pct",)}, False),
        ({"target": "load_average"}, False),  # which is no input
        ({"known": ()}, False),
        ({"known_categories": ("holiday",)}, False),
        ({"statics": (), "varying": ()}, False),
        ({"statics": ("a", "b", "c")}, False),
        ({"statics": ("a", "b"), "varying": ("c", "d", "e", "f")}, True),
        ({"varying": ("a", "b", "c", "d", "e")}, False),
    ],
)
def test_a_preprocessing_that_the_operator_does_not_compute_is_not_described(tiny, recipe, described):
    statics = {"statics": ("server_id",)} if isinstance(recipe.get("normalizer"), GroupNormalizer) else {}
    structure = tiny(start=START, **recipe, **statics).structure()
    assert (preprocess_attributes(Preprocess(structure)) is not None) == described


def test_the_weights_are_initializers_and_the_networks_own(exported):
    for region in exported.regions:
        module = exported.network
        if region.op != "TftDecoder":
            module = module.get_submodule(region.name)
        data = exported.data(region)
        for role, tensor in region.inputs.items():
            if tensor in data:
                continue
            *path, last = role.split(".")
            expected = getattr(module.get_submodule(".".join(path)), last)
            found = exported.weights[tensor]
            assert found.data_type == TensorProto.FLOAT
            np.testing.assert_array_equal(numpy_helper.to_array(found), expected, strict=True)


def test_nothing_but_its_inputs_leads_into_a_region(exported):
    producer = {name: node for node in exported.graph.graph.node for name in node.output}
    for region in exported.regions:
        border, waiting, inner = set(region.inputs.values()), list(region.outputs.values()), set()
        reached = set()
        while waiting:
            name = waiting.pop()
            reached.add(name)
            if name in border or not name or name in exported.weights:
                continue
            assert name in producer, f"{region.name} reads {name} past its inputs"
            inner.add(producer[name].output[0])
            waiting += producer[name].input
        assert border <= reached
        assert len(inner) > 3


def test_a_region_by_itself_computes_what_it_computes_in_the_graph(exported):
    wanted = {t for region in exported.regions for t in (*exported.data(region), *region.outputs.values())}
    typed = {value.name: value for value in (*exported.graph.graph.value_info, *exported.graph.graph.input)}
    whole = onnx.ModelProto()
    whole.CopyFrom(exported.graph)
    inputs = {value.name for value in whole.graph.input}
    whole.graph.output.extend(typed[name] for name in sorted(wanted - inputs))
    names = [value.name for value in whole.graph.output]
    values = dict(zip(names, run(whole, exported.feed), strict=True)) | exported.feed
    for region in exported.regions:
        data, outputs = exported.data(region), list(region.outputs.values())
        cut = Extractor(exported.graph).extract_model(data, outputs)
        onnx.checker.check_model(cut, full_check=True)
        for name, actual in zip(outputs, run(cut, {name: values[name] for name in data}), strict=True):
            np.testing.assert_allclose(actual, values[name], rtol=0, atol=1e-6, err_msg=region.name)


def test_the_borders_have_the_shapes_that_the_operators_take(exported):
    typed = {value.name: value.type.tensor_type for value in exported.graph.graph.value_info}
    structure, hidden = exported.network.structure, 8
    past, future = structure.encoder_length, structure.horizon

    def shape(name):
        return [dim.dim_value or "batch" for dim in typed[name].shape.dim]

    for region in exported.regions:
        tensors = region.inputs | region.outputs
        steps = {"static_selection": 1, "encoder_selection": past, "decoder_selection": future}
        wanted = {
            "past": [past, "batch", hidden],
            "future": [future, "batch", hidden],
            "recurrent": [past + future, "batch", hidden],
            **{name: [1, "batch", hidden] for name in ("context", "hidden", "cell", "enrich", "static")},
            "valid": [past, "batch", 1],
            "output": [future, "batch", len(structure.quantiles)],
        }
        if region.name == "preprocess":
            features = int(region.attributes["features"])
            wanted = {
                "encoder": [past, "batch", 3 + features],
                "decoder": [future, "batch", len(exported.network.structure.known)],
                "static": [1, "batch", 2],
                **{role: [1, "batch", 1] for role in ("center", "scale")},
                **{f"static_code_{index}": [1, "batch"] for index in range(2)},
                **{f"encoder_code_{index}": [past, "batch"] for index in range(4)},
            }
        if region.name in steps:
            t = steps[region.name]
            wanted |= {"selected": [t, "batch", hidden], "code0": [t, "batch"], "code1": [t, "batch"]}
            wanted |= {"bag0": [t, "batch", hidden]}
            if "x" in tensors:
                given = int(region.attributes["reals"]) + int(region.attributes["tabulated"])
                wanted["x"] = [t, "batch", given]
        for role in tensors.keys() & wanted.keys():
            assert shape(tensors[role]) == wanted[role], (region.name, role)
            is_code = role.rstrip("_0123456789").endswith("code")
            element = TensorProto.INT32 if is_code else TensorProto.FLOAT
            assert typed[tensors[role]].elem_type == element


def test_a_graph_in_fp16_or_int8_names_no_regions(exported):
    assert exported.regions
    assert not with_half(exported.graph, ()).metadata_props
    assert not with_half(raised(exported.graph), ()).metadata_props


def test_a_network_that_is_not_exported_returns_the_forecast_alone(exported):
    windows = (torch.from_numpy(array) for array in exported.feed.values())
    structure = exported.network.structure
    assert exported.network(*windows).shape == (3, structure.horizon, len(structure.quantiles))


@pytest.mark.parametrize(("compiles", "marks"), [(False, True), (True, False)])
def test_a_network_that_is_compiled_has_no_markers_even_if_dynamo_calls_it_exported(
    monkeypatch, compiles, marks
):
    # As PyTorch 2.11 does.
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    monkeypatch.setattr(torch.compiler, "is_dynamo_compiling", lambda: compiles)
    regions = Regions()
    regions.add("TftAny", "any", {}, {"x": torch.ones(1, 2)}, {"y": torch.ones(1, 2)})
    assert bool(regions.markers) == marks


def test_the_legacy_exporter_names_no_regions(tiny, tmp_path):
    model = tiny(start=START)
    structure = model.structure()
    network = TemporalFusionNetwork(model.model, structure).eval()
    write_onnx(network, structure, tmp_path / "model.onnx", "legacy")
    assert not onnx.load(tmp_path / "model.onnx").metadata_props


@pytest.mark.parametrize(
    ("inputs", "output", "kept"),
    [
        (["x", "w"], "y", True),
        (["w"], "y", False),  # x leads past it
        (["x", "z", "w"], "y", False),  # z is not read
        (["x", "w"], "w", False),  # folded
        (["x", "w"], "x", False),
        (["x", "w"], "y y", False),
    ],
)
def test_a_region_whose_border_does_not_hold_is_left_out(inputs, output, kept):
    outputs = output.split()
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xyz"]
    nodes = [
        helper.make_node("Neg", ["x"], ["z"]),
        helper.make_node("Mul", ["x", "w"], ["y"]),
        helper.make_node(
            "Region",
            [*inputs, *outputs],
            ["marker"],
            domain="tft",
            head="op Op\nname part",
            roles=[*(f"input {name}" for name in inputs), *("output result" for _ in outputs)],
        ),
    ]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])
    model = helper.make_model(helper.make_graph(nodes, "g", value[:1], value[1:], [weight]))
    texts = take_regions(model)
    assert texts == (["op Op\nname part\ninput x x\ninput w w\noutput result y"] if kept else [])
    assert [node.op_type for node in model.graph.node] == ["Neg", "Mul"]


def run(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {value.name: feed[value.name] for value in session.get_inputs()})
