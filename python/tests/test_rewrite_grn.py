"""The gated residual network and the gated skips against the modules they replace."""

import pytest
import torch
from pytorch_forecasting.models.temporal_fusion_transformer.sub_modules import (
    AddNorm,
    GateAddNorm,
    GatedLinearUnit,
    GatedResidualNetwork,
)
from torch import nn

from tft_export.graph.rewrite.grn import GatedResidual
from tft_export.graph.rewrite.skip import GatedSkip
from tft_export.graph.rewrite.static_contexts import StaticContexts
from tiny_models import perturb

SIZE = 12


@pytest.mark.parametrize("with_context", [False, True])
def test_a_gated_residual_network_is_the_same_function(with_context):
    grn = GatedResidualNetwork(SIZE, SIZE, SIZE, context_size=SIZE if with_context else None)
    perturb(grn).eval()
    x = torch.randn(7, 3, SIZE)
    context = torch.randn(1, 3, SIZE) if with_context else None
    expected = grn(x, context)
    mapped = grn.context(context) if with_context else None
    torch.testing.assert_close(GatedResidual(grn)(x, mapped), expected, atol=1e-5, rtol=1e-5)


def test_a_network_that_changes_the_size_is_refused():
    with pytest.raises(ValueError, match="expected equal sizes, found 4 and 12"):
        GatedResidual(GatedResidualNetwork(4, 4, SIZE))


def test_a_gate_with_skip_and_norm_is_the_same_function():
    module = perturb(GateAddNorm(SIZE, dropout=0.1)).eval()
    x, skip = torch.randn(7, 3, SIZE), torch.randn(7, 3, SIZE)
    rewritten = GatedSkip(module.glu, module.add_norm)
    torch.testing.assert_close(rewritten(x, skip), module(x, skip), atol=1e-5, rtol=1e-5)


def test_a_linear_map_before_the_gate_is_composed_into_it():
    before = nn.Linear(3, SIZE, bias=False)
    gate, add_norm = perturb(GatedLinearUnit(SIZE)).eval(), perturb(AddNorm(SIZE, trainable_add=False)).eval()
    x, skip = torch.randn(7, 2, 3), torch.randn(7, 2, SIZE)
    expected = add_norm(gate(before(x)), skip)
    rewritten = GatedSkip(gate, add_norm, before=before)
    torch.testing.assert_close(rewritten(x, skip), expected, atol=1e-5, rtol=1e-5)


def test_the_four_static_networks_give_the_same_in_one():
    networks = [perturb(GatedResidualNetwork(SIZE, SIZE, SIZE), seed).eval() for seed in range(4)]
    static = torch.randn(1, 5, SIZE)
    outputs = StaticContexts(networks)(static)
    for network, output in zip(networks, outputs, strict=True):
        torch.testing.assert_close(output, network(static), atol=1e-5, rtol=1e-5)


def test_rewriting_leaves_the_model_untouched():
    grn = perturb(GatedResidualNetwork(SIZE, SIZE, SIZE)).eval()
    before = {name: value.clone() for name, value in grn.state_dict().items()}
    rewritten = GatedResidual(grn)
    with torch.no_grad():
        for value in (*rewritten.parameters(), *rewritten.buffers()):
            value.zero_()
    torch.testing.assert_close(dict(grn.state_dict()), before)
