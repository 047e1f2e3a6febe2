"""Linear interpolation between feature sizes, written as a matrix.

pytorch-forecasting stretches a feature vector to another size with `interpolate`, which would become
an ONNX Resize. The stretch is linear in the vector, so it is one constant matrix.

    x [..., inputs] ── product with [inputs, outputs] ── [..., outputs]
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def interpolation_matrix(inputs: int, outputs: int) -> Tensor:
    """[inputs, outputs], float64: `x @ matrix` is `x` stretched to `outputs` values.

    The weights are those that PyTorch computes in float32, which the model was trained with.
    """
    if inputs == outputs:
        return torch.eye(inputs, dtype=torch.float64)
    unit_vectors = torch.eye(inputs).unsqueeze(1)
    return (
        functional.interpolate(unit_vectors, outputs, mode="linear", align_corners=True).squeeze(1).double()
    )


def resample_matrix(resample_norm: nn.Module) -> Tensor:
    """A ResampleNorm up to its LayerNorm: interpolation, then the trained gate on each output."""
    matrix = interpolation_matrix(resample_norm.input_size, resample_norm.output_size)
    if resample_norm.trainable_add:
        matrix = matrix * torch.sigmoid(resample_norm.mask.detach().double()) * 2.0
    return matrix
