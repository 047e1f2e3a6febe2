"""Batched variable selection against pytorch-forecasting's network of one network for each variable."""

import pytest
import torch
from pytorch_forecasting.models.temporal_fusion_transformer.sub_modules import (
    GatedResidualNetwork,
    VariableSelectionNetwork,
)

from tft_export.graph.rewrite.variable_selection import SelectionInputs, Standardised, VariableSelection
from tiny_models import perturb

STEPS, BATCH, HIDDEN = 6, 4, 8


def selection_network(reals: dict[str, int], categories: dict[str, int], context=True, shared=None):
    torch.manual_seed(0)
    return perturb(
        VariableSelectionNetwork(
            input_sizes={**categories, **reals},
            hidden_size=HIDDEN,
            input_embedding_flags=dict.fromkeys(categories, True),
            context_size=HIDDEN if context else None,
            single_variable_grns=shared,
        )
    ).eval()


def check(network, reals, categories, fixed=(), standardised=None, scale=1.0, context=True):
    """Runs both on the same inputs, [steps, batch] each, and compares."""
    torch.manual_seed(1)
    given = [name for name in reals if name not in fixed]
    x = torch.randn(STEPS, BATCH, len(given)) * scale
    fixed_values = {name: torch.randn(STEPS, dtype=torch.float64) for name in fixed}
    tables = {name: torch.randn(5, size) for name, size in categories.items()}
    codes = [torch.randint(0, 5, (STEPS, BATCH)) for _ in categories]
    static = torch.randn(1, BATCH, HIDDEN)
    standardised = standardised or {}
    originals = {name: tables[name][code] for name, code in zip(categories, codes, strict=True)}
    for index, name in enumerate(given):
        standard = standardised.get(name, Standardised())
        originals[name] = ((x[..., index] - standard.mean) / standard.scale).unsqueeze(-1)
    for name, values in fixed_values.items():
        originals[name] = values.float()[:, None, None].expand(STEPS, BATCH, 1)
    with torch.no_grad():
        expected, _ = network(originals, static.expand(STEPS, -1, -1) if context else None)
        rewritten = VariableSelection(network, SelectionInputs(given, fixed_values, tables, standardised))
        actual = rewritten(x if given else None, codes, static)
    torch.testing.assert_close(actual.expand_as(expected), expected, atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize("context", [True, False])
@pytest.mark.parametrize(
    ("reals", "categories", "fixed"),
    [
        ({"a": 4, "b": 4, "c": 4}, {"kind": 3}, ()),
        ({"a": 4, "b": 2, "c": 8, "d": 1}, {}, ()),
        ({"a": 4, "b": 4}, {"kind": 3, "state": 8}, ("b",)),
        ({"a": 4}, {"kind": 2}, ("a",)),
        ({}, {"kind": 3, "state": 5}, ()),
        ({"a": 12, "b": 16}, {}, ()),
        ({"a": 1, "b": 1, "c": 1}, {}, ()),
    ],
    ids=[
        "plain",
        "sizes-differ",
        "fixed-and-two-kinds",
        "no-real-varies",
        "categories-only",
        "wider",
        "ones",
    ],
)
def test_the_batched_networks_give_the_same(reals, categories, fixed, context):
    check(selection_network(reals, categories, context), reals, categories, fixed, context=context)


@pytest.mark.parametrize(
    ("reals", "categories", "fixed"),
    [({"a": 4}, {}, ()), ({"a": 8}, {}, ()), ({}, {"kind": 3}, ()), ({"a": 4}, {}, ("a",))],
    ids=["real", "real-of-hidden-size", "category", "fixed"],
)
def test_a_single_variable_is_not_weighed(reals, categories, fixed):
    check(selection_network(reals, categories, context=False), reals, categories, fixed, context=False)


def test_variables_of_few_whole_values_are_tabulated():
    network = selection_network({"a": 4, "hour": 6, "weekend": 2}, {"kind": 3})
    inputs = SelectionInputs(
        ["a"],
        tables={"kind": torch.randn(5, 3)},
        standardised={"hour": Standardised(11.5, 6.9)},
        tabulated={"hour": 24, "weekend": 2},
    )
    x = torch.stack(
        [torch.randn(4, 24), torch.arange(24.0).expand(4, -1), torch.randint(0, 2, (4, 24)).float()], dim=-1
    )
    codes, static = torch.randint(0, 5, (4, 24)), torch.randn(1, 24, HIDDEN)
    originals = {"a": x[..., :1], "hour": (x[..., 1:2] - 11.5) / 6.9, "weekend": x[..., 2:]}
    with torch.no_grad():
        expected, _ = network(originals | {"kind": inputs.tables["kind"][codes]}, static.expand(4, -1, -1))
        rewritten = VariableSelection(network, inputs)
        torch.testing.assert_close(rewritten(x, [codes], static), expected, atol=3e-5, rtol=1e-4)
        # Values outside of the table take its nearest row; nothing is read beyond it.
        assert rewritten(x * 1e6 - 5e5, [codes], static).isfinite().all()


def test_a_variable_scaler_is_folded_in():
    reals = {"hour": 4, "month": 4}
    standardised = {"hour": Standardised(11.5, 6.9), "month": Standardised(6.5, 3.5)}
    check(selection_network(reals, {}), reals, {}, standardised=standardised, scale=10.0)


def test_residuals_that_come_near_zero_variance_keep_their_digits():
    """Two values interpolated are a ramp: the residual's variance is (x - x0)^2 and vanishes at x0."""
    reals = {"a": 2, "b": 2}
    network = selection_network(reals, {})
    prescaler = network.prescalers["a"]
    slope, offset = prescaler.weight[:, 0], prescaler.bias
    vertex = -((offset[1] - offset[0]) / (slope[1] - slope[0])).item()
    x = vertex + torch.linspace(-1e-2, 1e-2, STEPS * BATCH).reshape(STEPS, BATCH)
    columns = torch.stack([x, torch.randn(STEPS, BATCH)], dim=-1)
    static = torch.randn(1, BATCH, HIDDEN)
    with torch.no_grad():
        rewritten = VariableSelection(network, SelectionInputs(["a", "b"], {}, {}, {}))
        actual = rewritten(columns, [], static)
        network = network.double()
        originals = {name: columns[..., i : i + 1].double() for i, name in enumerate(("a", "b"))}
        expected, _ = network(originals, static.double().expand(STEPS, -1, -1))
    torch.testing.assert_close(actual.double(), expected, atol=3e-4, rtol=1e-3)


def test_networks_shared_between_encoder_and_decoder():
    shared = torch.nn.ModuleDict(
        {
            "kind": GatedResidualNetwork(3, 3, HIDDEN),
            "a": GatedResidualNetwork(4, 4, HIDDEN),
            "b": GatedResidualNetwork(4, 4, HIDDEN),
        }
    )
    reals, categories = {"a": 4, "b": 4}, {"kind": 3}
    check(selection_network(reals, categories, shared=shared), reals, categories)


def test_inputs_that_are_not_the_networks_are_refused():
    with pytest.raises(ValueError, match="expected"):
        VariableSelection(selection_network({"a": 4, "b": 4}, {}), SelectionInputs(["a"], {}, {}, {}))
