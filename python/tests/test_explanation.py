"""What explains a forecast, against pytorch-forecasting's `interpret_output` and its attention."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

from test_any_structure import structure_of
from tft_export.bundle import read_explained, read_samples
from tft_export.checkpoint.tensors import input_tensors
from tft_export.cli import main
from tft_export.description import (
    WRITERS,
    AttentionEntry,
    ExplanationEntry,
    FileEntry,
    SelectionEntry,
    read_description,
)
from tft_export.graph.explanation import attention_parts
from tft_export.graph.network import TemporalFusionNetwork
from tft_export.windows.made_up_windows import made_up_windows
from tft_export.windows.pytorch_forecasts import expected_explanation

TOLERANCE = 1e-5
RECIPES = {
    "default": {},
    "odd-sizes": {"hidden_size": 10, "heads": 3, "hidden_continuous_size": 7},
    "one-metric": {"metrics": ("cpu_user_pct",)},
    "no-static-category": {"statics": ()},
    "no-static-at-all": {"statics": (), "flags": (True, False, False)},
    "only-encoder-length-static": {"statics": (), "flags": (False, False, True)},
    "only-hour": {"known": ("hour",)},
    "nothing-in-the-decoder": {"known": (), "flags": (False, True, True)},
    "not-causal": {"model_options": {"causal_attention": False}},
    "known-category": {"known_categories": ("holiday",)},
    "one-step-ahead": {"horizon": 1},
}  # fmt: skip
OTHERS = (
    "two-targets",
    "summed-embeddings",
    "summed-embeddings-alone",
    "summed-embeddings-of-shared-networks",
    "only-a-static-real",
    "lags-in-the-decoder-alone",
    "scalers-by-a-category",
    "mean-absolute-error",
)
OF_ANY_LENGTH = ("shorter-encoders-by-window", "shorter-encoders-of-lags", "time-index")


def explained(network):
    file = FileEntry(path="", bytes=0, sha256="")
    explanation = network.explanation
    return ExplanationEntry(
        onnx=file,
        outputs=[],
        selections=[
            SelectionEntry(of=s.kind, variables=s.variables, output=s.output) for s in explanation.selections
        ],
        attention=AttentionEntry(output="attention", parts=explanation.parts),
    )


def check(structure, checkpoint):
    windows = made_up_windows(structure, checkpoint.dataset_parameters, 8)
    inputs = {key: torch.from_numpy(array) for key, array in windows.inputs().items()}
    network = TemporalFusionNetwork(checkpoint.model, structure, explains=True).eval()
    with torch.no_grad():
        given = [inputs[tensor.name] for tensor in input_tensors(structure)]
        actual = [output.numpy() for output in network(*given)]
        plain = TemporalFusionNetwork(checkpoint.model, structure).eval()(*given)
    forecasts = [plain] if isinstance(plain, torch.Tensor) else plain
    for ours, theirs in zip(actual, forecasts, strict=False):
        np.testing.assert_array_equal(ours, theirs.numpy())
    found = dict(zip((tensor.name for tensor in network.outputs), actual, strict=True))
    expected = expected_explanation(checkpoint, windows, explained(network))
    names = [tensor.name for tensor in network.explanation.tensors]
    # The past of a window in which a month turns is not in the inputs.
    judged = np.setdiff1d(np.arange(8), windows.month_turns())
    assert len(judged) >= 6
    for name, tensor, theirs in zip(names, network.explanation.tensors, expected, strict=True):
        assert found[name].shape == theirs.shape == (8, *tensor.shape), name
        np.testing.assert_allclose(found[name][judged], theirs[judged], rtol=0, atol=TOLERANCE, err_msg=name)
        if name != "attention":
            np.testing.assert_allclose(found[name].sum(axis=-1), 1.0, atol=1e-5)
    # Weights that are the same whatever the window would be right by chance.
    assert found["attention"].std(axis=0).max() > 1e-4
    return network, found


@pytest.mark.parametrize("name", RECIPES)
def test_the_weights_are_those_that_pytorch_forecasting_interprets(tiny, name):
    model = tiny(**RECIPES[name])
    check(model.structure(), model.checkpoint)


@pytest.mark.parametrize("name", OTHERS)
def test_so_they_are_of_other_structures(name):
    check(*structure_of(name))


@pytest.mark.parametrize("name", OF_ANY_LENGTH)
def test_steps_that_a_window_does_not_have_count_for_nothing(name):
    structure, checkpoint = structure_of(name)
    _, found = check(structure, checkpoint)
    if structure.varies_in_length:
        assert (found["attention"] == 0).any()


def test_a_selection_of_one_variable_has_no_output(tiny):
    model = tiny(known=("hour",), flags=(False, True, True))
    network, _ = check(model.structure(), model.checkpoint)
    selections = {selection.kind: selection for selection in network.explanation.selections}
    assert selections["decoder"] == ("decoder", ("hour",), None)
    assert selections["encoder"].output == "encoder_variables"


@pytest.mark.parametrize(
    ("horizon", "parts"),
    [
        (96, [(0, 12), (12, 48), (48, 96)]),
        (12, [(0, 2), (2, 6), (6, 12)]),
        (2, [(0, 1), (1, 2)]),
        (1, [(0, 1)]),
    ],
)
def test_the_attention_has_a_row_for_each_part_of_the_horizon(horizon, parts):
    assert attention_parts(horizon) == parts


@pytest.mark.parametrize("exporter", WRITERS)
def test_a_bundle_has_a_second_graph_that_explains(tiny, tmp_path, exporter, capsys):
    checkpoint = tiny().save(tmp_path / "model.ckpt")
    folders = {}
    for name, options in {"plain": [], "explained": ["--explain", "--torchscript"]}.items():
        folders[name] = tmp_path / name
        arguments = ["export", checkpoint, folders[name], "--exporter", exporter, "--samples", "6", *options]
        assert main([str(argument) for argument in arguments]) == 0
    description = read_description(folders["explained"])
    assert read_description(folders["plain"]).explanation is None
    # The graph that does not explain is the same file.
    assert description.files.onnx == read_description(folders["plain"]).files.onnx
    explanation = description.explanation
    written = json.loads((folders["explained"] / "model.json").read_text())["explanation"]
    assert written["selections"][0] == {
        "of": "static",
        "variables": ["cpu_user_pct_center", "cpu_user_pct_scale", "encoder_length", "profile"],
        "output": "static_variables",
    }
    assert written["attention"] == {"output": "attention", "parts": [[0, 2], [2, 6], [6, 12]]}
    arrays = read_samples(folders["explained"], description)
    expected = read_explained(folders["explained"], description)
    session = onnxruntime.InferenceSession(
        folders["explained"] / explanation.onnx.path, providers=["CPUExecutionProvider"]
    )
    module = torch.jit.load(folders["explained"] / explanation.torchscript.path)
    names = [entry.name for entry in (*description.outputs, *explanation.outputs)]
    assert [output.name for output in session.get_outputs()] == names
    # The past of a window in which a month turns is not in the inputs.
    judged = np.setdiff1d(np.arange(6), description.samples.month_turn)
    for windows in (judged, judged[1:2]):
        inputs = {entry.name: arrays[entry.name][windows] for entry in description.inputs}
        of_onnx = session.run(None, inputs)
        of_module = module(*(torch.from_numpy(array) for array in inputs.values()))
        for theirs, ours, traced in zip(expected, of_onnx[1:], of_module[1:], strict=True):
            np.testing.assert_allclose(ours, theirs[windows], rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(traced.numpy(), ours, rtol=0, atol=TOLERANCE)
    capsys.readouterr()
    # Added later, it is the same.
    assert main(["explain", str(folders["plain"]), "--exporter", exporter]) == 0
    assert "attention [batch, 3, 24]" in capsys.readouterr().out
    added = read_description(folders["plain"])
    assert added.explanation == explanation.model_copy(update={"torchscript": None})
    assert added.samples == description.samples
    assert main(["verify", str(folders["explained"])]) == 0
    assert "encoder_variables" in capsys.readouterr().out
