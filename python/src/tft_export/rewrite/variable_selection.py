"""Variable selection: each variable's own network, and one more that weighs their outputs.

- The real variables' networks run as one (`VariableNetworks`); of those with few whole values, the outputs
  are tabulated (`TabulatedVariables`); so is everything that a category's code can lead to.
- A variable that is the same for every window (relative time, encoder length) becomes constants.
- In the weighing network the prescalers are folded in, and the variables' own scalers, where given.
- The order of the variables is free, since LayerNorm, softmax and the mix treat all alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from .grn import gate_map
from .interpolation import resample_matrix
from .linear import Affine, AffineMap, GatedSum, layer_norm_of
from .tabulated_variables import TabulatedVariables
from .variable_networks import VariableNetworks


@dataclass(frozen=True)
class Standardised:
    """How a raw variable becomes what the network was trained on: (x - mean) / scale."""

    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class SelectionInputs:
    """What a selection network reads.

    `reals` and then `tabulated` are given at run time; the latter take the whole values below the number
    given. `fixed` variables are known now, as [steps] (one step for static variables). `tables` holds each
    category's embedding by code, [codes, size]. `standardised` has the scalers still to be applied.
    """

    reals: Sequence[str]
    fixed: Mapping[str, Tensor] = field(default_factory=dict)
    tables: Mapping[str, Tensor] = field(default_factory=dict)
    standardised: Mapping[str, Standardised] = field(default_factory=dict)
    tabulated: Mapping[str, int] = field(default_factory=dict)


class VariableSelection(nn.Module):
    """x [steps, batch, reals and tabulated], a code [steps, batch] per table, to [steps, batch, hidden]."""

    def __init__(self, selection: nn.Module, inputs: SelectionInputs):
        super().__init__()
        given = [*inputs.reals, *inputs.tabulated]
        self.names = [*given, *inputs.fixed, *inputs.tables]
        if sorted(self.names) != sorted(selection.input_sizes):
            raise ValueError(f"expected {list(selection.input_sizes)}, found {self.names}")
        self.weigh = len(self.names) > 1
        networks = selection.single_variable_grns
        prescalers = {name: _prescaler(selection, inputs, name) for name in given}
        reals, tabulated = (list(inputs.reals), list(inputs.tabulated)) if self.weigh else (given, [])
        self.sizes = [size for size in (len(reals), len(tabulated)) if size]
        self.networks = (
            VariableNetworks(
                [networks[n] for n in reals], [prescalers[n] for n in reals], selection.hidden_size
            )
            if reals
            else None
        )
        self.tabulated = (
            TabulatedVariables(
                [networks[n] for n in tabulated],
                [prescalers[n] for n in tabulated],
                [inputs.tabulated[n] for n in tabulated],
            )
            if tabulated
            else None
        )
        self.fixed_count, self.table_count = len(inputs.fixed), len(inputs.tables)
        with torch.no_grad():
            for index, (name, values) in enumerate(inputs.fixed.items()):
                embedded = _prescaled(selection, name, values).float()
                self.register_buffer(f"fixed_{index}", networks[name](embedded)[:, None].clone())
            for index, (name, embedding) in enumerate(inputs.tables.items()):
                self.register_buffer(f"table_{index}", networks[name](embedding).clone())
        if self.weigh:
            self._build_weights(selection, inputs, prescalers)

    def _build_weights(
        self, selection: nn.Module, inputs: SelectionInputs, prescalers: dict[str, AffineMap]
    ) -> None:
        """The network that weighs the variables; its outputs are put into this module's order."""
        network = selection.flattened_grn
        first = AffineMap.of(network.fc1)
        original = list(selection.input_sizes)
        order = torch.tensor([original.index(name) for name in self.names])
        resampled = network.input_size != network.output_size
        residual = resample_matrix(network.resample_norm) if resampled else torch.eye(len(order)).double()
        both = torch.cat([first.weight, residual[:, order]], dim=1)
        rows = dict(zip(original, both.split(list(selection.input_sizes.values())), strict=True))
        bias = torch.cat([first.bias, residual.new_zeros(len(order))])[None]
        for name, prescaler in prescalers.items():
            bias = bias + prescaler.bias @ rows[name]
        for name, values in inputs.fixed.items():
            bias = bias + _prescaled(selection, name, values) @ rows[name]
        weight = [prescaler.weight @ rows[name] for name, prescaler in prescalers.items()]
        if weight:
            self.register_buffer("inner_weight", torch.cat(weight).float())
        self.register_buffer("inner_bias", bias[:, None].float())
        self.inner_sizes = [first.weight.shape[1], len(order)]
        for index, (name, embedding) in enumerate(inputs.tables.items()):
            into_inner = (embedding.double() @ rows[name]).float()
            output = getattr(self, f"table_{index}")
            # One look-up for both: what the code adds to the weighing network, and its own output.
            setattr(self, f"table_{index}", torch.cat([into_inner, output], dim=1))
        gate = gate_map(network)
        gate_order = torch.cat([order, order + len(order)])
        self.gated_sum = GatedSum(
            AffineMap(gate.weight[:, gate_order], gate.bias[gate_order]),
            _reordered(network.gate_norm.add_norm.norm, order),
        )
        self.residual_norm = _reordered(network.resample_norm.norm, order) if resampled else None
        self.context = (
            Affine(AffineMap.of(network.context), biased=False) if network.context_size is not None else None
        )

    @property
    def varies_over_batch(self) -> bool:
        """Whether the output differs between windows; if not, its batch is 1."""
        has_context = self.weigh and self.context is not None
        return bool(self.sizes or self.table_count or has_context)

    def forward(
        self, x: Tensor | None, codes: Sequence[Tensor] = (), static_context: Tensor | None = None
    ) -> Tensor:
        """`static_context` is [1, batch, hidden]."""
        looked_up = [
            functional.embedding(code, getattr(self, f"table_{index}")) for index, code in enumerate(codes)
        ]
        if not self.weigh:
            return self.networks.only(x) if self.sizes else [*looked_up, *self._fixed()][0]
        inner = x @ self.inner_weight + self.inner_bias if self.sizes else self.inner_bias
        outputs = self._fixed()
        for row in looked_up:
            into_inner, output = row.split([sum(self.inner_sizes), row.shape[-1] - sum(self.inner_sizes)], -1)
            inner = inner + into_inner
            outputs.append(output)
        hidden, residual = inner.split(self.inner_sizes, dim=-1)
        if self.context is not None:
            hidden = hidden + self.context(static_context)
        if self.residual_norm is not None:
            residual = self.residual_norm(residual)
        weights = torch.softmax(self.gated_sum(functional.elu(hidden), residual), dim=-1)
        return self._mix(x, weights, outputs)

    def _fixed(self) -> list[Tensor]:
        return [getattr(self, f"fixed_{index}") for index in range(self.fixed_count)]

    def _mix(self, x: Tensor | None, weights: Tensor, outputs: list[Tensor]) -> Tensor:
        """The weighted sum of all; `outputs` are those of the fixed variables and the categories."""
        batched = [module for module in (self.networks, self.tabulated) if module is not None]
        shares = weights.split([*self.sizes, *[1] * len(outputs)], dim=-1)
        values = x.split(self.sizes, dim=-1) if len(batched) > 1 else [x]
        terms = [module(value, share) for module, value, share in zip(batched, values, shares, strict=False)]
        terms += [share * output for share, output in zip(shares[len(batched) :], outputs, strict=True)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


def _prescaler(selection: nn.Module, inputs: SelectionInputs, name: str) -> AffineMap:
    """A variable's prescaler as a map of the value given at run time."""
    prescaler = AffineMap.of(selection.prescalers[name])
    standardised = inputs.standardised.get(name, Standardised())
    weight = prescaler.weight / standardised.scale
    return AffineMap(weight, prescaler.bias - weight[0] * standardised.mean)


def _prescaled(selection: nn.Module, name: str, values: Tensor) -> Tensor:
    prescaler = AffineMap.of(selection.prescalers[name])
    return values.double()[:, None] @ prescaler.weight + prescaler.bias


def _reordered(norm: nn.LayerNorm, order: Tensor) -> nn.LayerNorm:
    copy = layer_norm_of(norm)
    copy.weight.data = norm.weight.detach()[order].clone()
    copy.bias.data = norm.bias.detach()[order].clone()
    return copy
