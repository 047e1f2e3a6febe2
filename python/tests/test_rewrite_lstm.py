"""The LSTM pair against pytorch-forecasting's wrapper, and as ONNX's own operator."""

import numpy as np
import onnxruntime
import pytest
import torch
from pytorch_forecasting.models.nn import LSTM

from tft_export.graph.rewrite.lstm import RecurrentPair

SIZE, PAST, FUTURE, BATCH = 6, 11, 4, 3


def wrapped(layers: int) -> tuple[RecurrentPair, tuple[torch.Tensor, ...], torch.Tensor]:
    """The rewrite, its inputs (time-major), and what pytorch-forecasting's wrapper makes of them."""
    torch.manual_seed(layers)
    encoder, decoder = (LSTM(SIZE, SIZE, num_layers=layers, batch_first=True).eval() for _ in range(2))
    past, future = torch.randn(PAST, BATCH, SIZE), torch.randn(FUTURE, BATCH, SIZE)
    hidden, cell = torch.randn(1, BATCH, SIZE), torch.randn(1, BATCH, SIZE)

    def lengths(steps: int) -> torch.Tensor:
        return torch.full((BATCH,), steps)

    with torch.no_grad():
        first, state = encoder(
            past.transpose(0, 1),
            (hidden.repeat(layers, 1, 1), cell.repeat(layers, 1, 1)),
            lengths=lengths(PAST),
            enforce_sorted=False,
        )
        second, _ = decoder(future.transpose(0, 1), state, lengths=lengths(FUTURE), enforce_sorted=False)
    expected = torch.cat([first, second], dim=1).transpose(0, 1)
    return RecurrentPair(encoder, decoder), (past, future, hidden, cell), expected


@pytest.mark.parametrize("layers", [1, 3])
def test_the_pair_gives_the_same_as_the_packed_sequences(layers):
    pair, inputs, expected = wrapped(layers)
    torch.testing.assert_close(pair(*inputs), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_exported_operator_gives_the_same_for_any_batch(layers, tmp_path):
    pair, inputs, expected = wrapped(layers)
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        captured = torch.export.export(pair, inputs, dynamic_shapes=[{1: batch}] * 4, strict=False)
        program = torch.onnx.export(captured, inputs, dynamo=True, opset_version=18, verbose=False)
    program.save(tmp_path / "pair.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "pair.onnx")
    names = [value.name for value in session.get_inputs()]
    assert [node.op_type for node in program.model_proto.graph.node].count("LSTM") == 2 * layers
    for count in (1, BATCH):
        feed = {name: value[:, :count].numpy() for name, value in zip(names, inputs, strict=True)}
        (actual,) = session.run(None, feed)
        np.testing.assert_allclose(actual, expected[:, :count].numpy(), atol=1e-6, rtol=1e-5)
