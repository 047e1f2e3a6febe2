"""The interpolation matrix against pytorch-forecasting's resampling."""

import pytest
import torch
from pytorch_forecasting.models.temporal_fusion_transformer.sub_modules import (
    ResampleNorm,
    TimeDistributedInterpolation,
)

from tft_export.graph.rewrite.interpolation import interpolation_matrix, resample_matrix
from tiny_models import perturb

SIZES = [(16, 32), (32, 16), (1, 8), (2, 8), (7, 7), (300, 19), (3, 1)]


@pytest.mark.parametrize(("inputs", "outputs"), SIZES)
def test_a_product_with_the_matrix_stretches_like_the_interpolation(inputs, outputs):
    x = torch.randn(5, inputs)
    expected = TimeDistributedInterpolation(outputs, batch_first=True)(x)
    torch.testing.assert_close(x @ interpolation_matrix(inputs, outputs).float(), expected)


@pytest.mark.parametrize(("inputs", "outputs"), SIZES)
def test_the_trained_gate_on_each_output_is_kept(inputs, outputs):
    module = perturb(ResampleNorm(inputs, outputs)).eval()
    x = torch.randn(5, inputs)
    torch.testing.assert_close(module.norm(x @ resample_matrix(module).float()), module(x))
