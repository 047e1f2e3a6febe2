"""The encoder and decoder LSTM, time-major and without packed sequences.

pytorch-forecasting packs its sequences to serve windows of several lengths. A bundle's windows all have
the full length, for which its wrapper is nn.LSTM itself.

P past and F future steps, B batch, H size; hidden and cell are [1, B, H]:

    past [P, B, H]    hidden, cell     future [F, B, H]
        └── encoder LSTM ──┘                │
             │          └── hidden, cell ── decoder LSTM
         [P, B, H]                          │
             └──────── concatenated ─── [F, B, H]
                            │
                      [P + F, B, H]

Under torch.export each layer is written as ONNX's LSTM operator directly: the exporter would trace
nn.LSTM as a loop to learn its shapes, which fails for a batch of unknown size.
"""

import torch
from torch import Tensor, nn

_PYTORCH_GATES = ("input", "forget", "cell", "output")
_ONNX_GATES = ("input", "output", "forget", "cell")
_ONNX_LSTM_VERSION = 14

State = tuple[Tensor, Tensor]


class RecurrentPair(nn.Module):
    """Encoder steps, then decoder steps from the state the encoder left: [steps, batch, size]."""

    def __init__(self, encoder: nn.LSTM, decoder: nn.LSTM):
        super().__init__()
        self.encoder = TimeMajorLSTM(encoder)
        self.decoder = TimeMajorLSTM(decoder)

    def forward(self, past: Tensor, future: Tensor, hidden: Tensor, cell: Tensor) -> Tensor:
        """`hidden` and `cell` are [1, batch, size]; every layer starts from the same state."""
        past_output, states = self.encoder(past, [(hidden, cell)] * len(self.encoder.layers))
        future_output, _ = self.decoder(future, states)
        return torch.cat([past_output, future_output])


class TimeMajorLSTM(nn.Module):
    """A stack of one-layer LSTMs: x [steps, batch, size] and one state for each layer."""

    def __init__(self, lstm: nn.LSTM):
        super().__init__()
        self.layers = nn.ModuleList()
        for layer in range(lstm.num_layers):
            single = nn.LSTM(lstm.input_size if layer == 0 else lstm.hidden_size, lstm.hidden_size)
            parameters = {
                name: getattr(lstm, name.replace("_l0", f"_l{layer}"))
                for name, _ in single.named_parameters()
            }
            single.load_state_dict(parameters)
            self.layers.append(single.requires_grad_(False).eval())
            for name, parameter in _onnx_parameters(single).items():
                self.register_buffer(f"{name}_{layer}", parameter)

    def forward(self, x: Tensor, states: list[State]) -> tuple[Tensor, list[State]]:
        left = []
        for layer, state in enumerate(states):
            if torch.compiler.is_exporting():
                x, state = self._operator(layer, x, state)
            else:
                x, state = self.layers[layer](x, state)
            left.append(state)
        return x, left

    def _operator(self, layer: int, x: Tensor, state: State) -> tuple[Tensor, State]:
        steps, batch, _ = x.shape
        size = self.layers[layer].hidden_size
        parameters = [self.get_buffer(f"{name}_{layer}") for name in ("weight", "recurrence", "bias")]
        output, hidden, cell = torch.onnx.ops.symbolic_multi_out(
            "LSTM",
            (x, *parameters, None, *state),
            {"hidden_size": size},
            dtypes=[x.dtype] * 3,
            shapes=[(steps, 1, batch, size), (1, batch, size), (1, batch, size)],
            version=_ONNX_LSTM_VERSION,
        )
        return output.squeeze(1), (hidden, cell)


def _onnx_parameters(lstm: nn.LSTM) -> dict[str, Tensor]:
    """Weights as ONNX's LSTM takes them: its order of gates, both biases in one, a leading direction."""
    order = [_PYTORCH_GATES.index(gate) for gate in _ONNX_GATES]

    def reordered(parameter: Tensor) -> Tensor:
        return torch.cat([parameter.detach().chunk(4)[gate] for gate in order])

    return {
        "weight": reordered(lstm.weight_ih_l0)[None],
        "recurrence": reordered(lstm.weight_hh_l0)[None],
        "bias": torch.cat([reordered(lstm.bias_ih_l0), reordered(lstm.bias_hh_l0)])[None],
    }
