"""The encoder and decoder LSTM, time-major and without packed sequences.

pytorch-forecasting packs its sequences to serve windows of several lengths. For windows of the full length
its wrapper is nn.LSTM itself. A shorter window's steps are the last ones here; see PaddedLSTM.

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

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .exporting import is_exporting

_PYTORCH_GATES = ("input", "forget", "cell", "output")
_ONNX_GATES = ("input", "output", "forget", "cell")
_ONNX_LSTM_VERSION = 14
# Far beyond where a sigmoid is 0 or 1, and still finite in FP16.
_SHUT = 1e4

State = tuple[Tensor, Tensor]


class RecurrentPair(nn.Module):
    """Encoder steps, then decoder steps from the state the encoder left: [steps, batch, size]."""

    def __init__(self, encoder: nn.LSTM, decoder: nn.LSTM, padded: bool = False):
        super().__init__()
        self.padded = padded
        self.encoder = PaddedLSTM(encoder) if padded else TimeMajorLSTM(encoder)
        self.decoder = TimeMajorLSTM(decoder)

    def forward(
        self, past: Tensor, future: Tensor, hidden: Tensor, cell: Tensor, valid: Tensor | None = None
    ) -> Tensor:
        """`hidden` and `cell` are [1, batch, size]; every layer starts from the same state.

        `valid` [past, batch, 1] is 1 for the steps that a window has, and else 0; only where it is `padded`.
        """
        states = [(hidden, cell)] * len(self.encoder.layers)
        past_output, states = (
            self.encoder(past, states) if valid is None else self.encoder(past, states, valid)
        )
        future_output, _ = self.decoder(future, states)
        return torch.cat([past_output, future_output])


class TimeMajorLSTM(nn.Module):
    """A stack of one-layer LSTMs: x [steps, batch, size] and one state for each layer."""

    def __init__(self, lstm: nn.LSTM):
        super().__init__()
        self.layers = nn.ModuleList()
        for layer, single in enumerate(self._single_layers(lstm)):
            self.layers.append(single.requires_grad_(False).eval())
            for name, parameter in _onnx_parameters(single).items():
                self.register_buffer(f"{name}_{layer}", parameter)

    @staticmethod
    def _single_layers(lstm: nn.LSTM) -> Iterator[nn.LSTM]:
        for layer in range(lstm.num_layers):
            single = nn.LSTM(lstm.input_size if layer == 0 else lstm.hidden_size, lstm.hidden_size)
            parameters = {
                name: getattr(lstm, name.replace("_l0", f"_l{layer}"))
                for name, _ in single.named_parameters()
            }
            single.load_state_dict(parameters)
            yield single

    def forward(self, x: Tensor, states: list[State]) -> tuple[Tensor, list[State]]:
        left = []
        for layer, state in enumerate(states):
            x, state = self._layer(layer, x, state)
            left.append(state)
        return x, left

    def _layer(self, layer: int, x: Tensor, state: State) -> tuple[Tensor, State]:
        if is_exporting():
            return self._operator(layer, x, state)
        return self.layers[layer](x, state)

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


class PaddedLSTM(TimeMajorLSTM):
    """The same for windows whose first steps are padding, as if they began where their own steps do.

    Each layer reads two more things. A flag of padding shuts the input and output gates and opens the forget
    gate, so that the cell stays as it is and the output is 0. The initial hidden state comes with a window's
    first own step, through the weights that the recurrence would multiply it with.
    """

    @staticmethod
    def _single_layers(lstm: nn.LSTM) -> Iterator[nn.LSTM]:
        for single in TimeMajorLSTM._single_layers(lstm):
            size = single.hidden_size
            wider = nn.LSTM(single.input_size + size + 1, size)
            gates = {"input": -_SHUT, "forget": _SHUT, "cell": 0.0, "output": -_SHUT}
            flag = torch.cat([torch.full((size, 1), gates[gate]) for gate in _PYTORCH_GATES])
            parameters = {
                **single.state_dict(),
                "weight_ih_l0": torch.cat([single.weight_ih_l0, single.weight_hh_l0, flag], dim=1),
            }
            wider.load_state_dict(parameters)
            yield wider

    def forward(self, x: Tensor, states: list[State], valid: Tensor) -> tuple[Tensor, list[State]]:
        # Where all steps are there, the recurrence itself has the initial state.
        begins = torch.cat([torch.zeros_like(valid[:1]), valid[1:] - valid[:-1]])
        padding = 1.0 - valid
        left = []
        for layer, state in enumerate(states):
            x, state = self._layer(layer, torch.cat([x, begins * state[0], padding], dim=-1), state)
            left.append(state)
        return x, left


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
