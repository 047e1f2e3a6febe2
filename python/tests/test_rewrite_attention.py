"""Merged attention against pytorch-forecasting's loop over heads."""

import pytest
import torch
from pytorch_forecasting.models.temporal_fusion_transformer.sub_modules import InterpretableMultiHeadAttention

from tft_export.graph.rewrite.attention import MergedAttention, causal_bias
from tiny_models import perturb

PAST, FUTURE, BATCH = 9, 5, 3


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("causal", [True, False])
def test_the_merged_heads_give_the_same(heads, causal):
    size = 8
    attention = perturb(InterpretableMultiHeadAttention(heads, size)).eval()
    keys = torch.randn(PAST + FUTURE, BATCH, size) * 3
    queries = keys[PAST:]
    step = torch.arange(FUTURE)
    mask = torch.cat([torch.zeros(FUTURE, PAST).bool(), step[None] >= step[:, None]], dim=1)
    expected, _ = attention(
        queries.transpose(0, 1),
        keys.transpose(0, 1),
        keys.transpose(0, 1),
        mask[None].expand(BATCH, -1, -1) if causal else None,
    )
    merged = MergedAttention(attention, causal_bias(PAST, FUTURE) if causal else None)
    actual = attention.w_h(merged(queries, keys)).transpose(0, 1)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_a_size_that_the_heads_do_not_divide():
    attention = perturb(InterpretableMultiHeadAttention(3, 8)).eval()
    keys = torch.randn(4, BATCH, 8)
    batch_first = keys.transpose(0, 1)
    expected, _ = attention(batch_first, batch_first, batch_first)
    actual = attention.w_h(MergedAttention(attention, None)(keys, keys)).transpose(0, 1)
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_a_masked_step_has_no_weight_at_all_and_fits_half_precision():
    bias = causal_bias(PAST, FUTURE)
    assert bias.half().isfinite().all()
    weights = torch.softmax(torch.randn(FUTURE, PAST + FUTURE) * 30 + bias, dim=-1)
    assert (weights[bias < 0] == 0).all()
