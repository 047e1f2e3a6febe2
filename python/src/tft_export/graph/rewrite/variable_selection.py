"""Variable selection: each variable's own network, and one more that weighs their outputs.

T steps, B batch, H hidden; V variables, of which R are real and N tabulated; I hidden units of the weighing
network. A code's row in its category's table has what it adds to that network (I + V), and its own network's
output (H):

    x [T, B, R + N]        codes [T, B]                           context [1, B, H]
        │ inner_weight         │ look-up, a table each                │
        │                      ├── outputs [T, B, H], used below      │ context.weight
    [T, B, I + V] ─── + ── [T, B, I + V]                              │
                      │ + inner_bias [T, 1, I + V]                    │
                      ├── hidden [T, B, I] ─────────── + ───────── [1, B, I]
                      │                                │ ELU, map, GLU
                  residual [T, B, V]                   │
                      │ residual_norm                  │
                  [T, B, V] ────────────────── + ── [T, B, V]
                                               │ LayerNorm, softmax
                                           weights [T, B, V]

    x ── VariableNetworks, TabulatedVariables ── outputs [T, B, H] ──┐
    fixed variables ──────────────────────────── outputs [T, 1, H] ──┼── sum by weights ── [T, B, H]
    categories ───────────────────────────────── outputs [T, B, H] ──┘

A category that is the sum of several embeddings (variable_groups) is no table: the sum goes through its own
network, and through the first product.

- The real variables' networks run as one; those of variables with few whole values are tables of their
  outputs.
- A variable that is the same for every window (relative time, encoder length) becomes constants.
- In the weighing network the prescalers are folded in, and the variables' own scalers, where given.
- The order of the variables is free, since LayerNorm, softmax and the mix treat all alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...checkpoint.standardised import Standardised
from .embedded_variable import EmbeddedVariable
from .grn import gate_map
from .interpolation import resample_matrix
from .linear import Affine, AffineMap, GatedSum, layer_norm_of
from .tabulated_variables import TabulatedVariables
from .variable_networks import VariableNetworks


@dataclass(frozen=True)
class SelectionInputs:
    """What a selection network reads.

    `reals` and then `tabulated` are given at run time; the latter take the whole values below the number
    given. `fixed` variables are known now, as [steps] (one step for static variables). `tables` holds each
    category's embedding by code, [codes, size]; `bags` those of several columns that are summed.
    `standardised` has the scalers still to be applied.
    """

    reals: Sequence[str]
    fixed: Mapping[str, Tensor] = field(default_factory=dict)
    tables: Mapping[str, Tensor] = field(default_factory=dict)
    standardised: Mapping[str, Standardised] = field(default_factory=dict)
    tabulated: Mapping[str, int] = field(default_factory=dict)
    bags: Mapping[str, Sequence[Tensor]] = field(default_factory=dict)


class Selected(NamedTuple):
    """The output [steps, batch, hidden], the weights in the order of `names` [steps, batch, variables], and
    for each bag what it adds to the weighing network and its own network's output.

    Steps and batch of the weights are 1 where all are the same. A single variable is not weighed.
    """

    output: Tensor
    weights: Tensor | None = None
    bags: Sequence[tuple[Tensor, Tensor]] = ()


class VariableSelection(nn.Module):
    """x [steps, batch, reals and tabulated], a code [steps, batch] per table and per bag's column, to
    [steps, batch, hidden].
    """

    def __init__(self, selection: nn.Module, inputs: SelectionInputs):
        super().__init__()
        given = [*inputs.reals, *inputs.tabulated]
        self.names = [*given, *inputs.fixed, *inputs.tables, *inputs.bags]
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
            tables = {name: networks[name](embedding) for name, embedding in inputs.tables.items()}
        rows = self._first_layer(selection) if self.weigh else {}
        for index, (name, output) in enumerate(tables.items()):
            # One look-up for both: what the code adds to the weighing network, and its own output.
            both = [(inputs.tables[name].double() @ rows[name]).float()] if self.weigh else []
            self.register_buffer(f"table_{index}", torch.cat([*both, output], dim=1))
        self._build_bags(selection, inputs, rows)
        if self.weigh:
            self._build_weights(selection, inputs, prescalers, rows)

    def _build_bags(self, selection: nn.Module, inputs: SelectionInputs, rows: dict[str, Tensor]) -> None:
        self.bag_sizes = [len(members) for members in inputs.bags.values()]
        self.bags = nn.ModuleList(
            [EmbeddedVariable(selection.single_variable_grns[name]) for name in inputs.bags]
        )
        for index, (name, members) in enumerate(inputs.bags.items()):
            for member, embedding in enumerate(members):
                self.register_buffer(f"bag_{index}_{member}", embedding.float())
            if self.weigh:
                self.register_buffer(f"bag_inner_{index}", rows[name].float())

    def _order(self, selection: nn.Module) -> Tensor:
        """Where this module's variables are in the selection's order."""
        original = list(selection.input_sizes)
        return torch.tensor([original.index(name) for name in self.names])

    def _first_layer(self, selection: nn.Module) -> dict[str, Tensor]:
        """What each variable's embedding is multiplied with in the weighing network: [size, inner].

        For the hidden units, and after them for the residual.
        """
        network, order = selection.flattened_grn, self._order(selection)
        resampled = network.input_size != network.output_size
        residual = resample_matrix(network.resample_norm) if resampled else torch.eye(len(order)).double()
        weight = torch.cat([AffineMap.of(network.fc1).weight, residual[:, order]], dim=1)
        sizes = selection.input_sizes
        return dict(zip(sizes, weight.split(list(sizes.values())), strict=True))

    def _build_weights(
        self,
        selection: nn.Module,
        inputs: SelectionInputs,
        prescalers: dict[str, AffineMap],
        rows: dict[str, Tensor],
    ) -> None:
        """The network that weighs the variables; its outputs are put into this module's order."""
        network, order = selection.flattened_grn, self._order(selection)
        first = AffineMap.of(network.fc1)
        bias = torch.cat([first.bias, first.bias.new_zeros(len(order))])[None]
        for name, prescaler in prescalers.items():
            bias = bias + prescaler.bias @ rows[name]
        for name, values in inputs.fixed.items():
            bias = bias + _prescaled(selection, name, values) @ rows[name]
        weight = [prescaler.weight @ rows[name] for name, prescaler in prescalers.items()]
        if weight:
            self.register_buffer("inner_weight", torch.cat(weight).float())
        self.register_buffer("inner_bias", bias[:, None].float())
        self.inner_sizes = [first.weight.shape[1], len(order)]
        gate = gate_map(network)
        gate_order = torch.cat([order, order + len(order)])
        self.gated_sum = GatedSum(
            AffineMap(gate.weight[:, gate_order], gate.bias[gate_order]),
            _reordered(network.gate_norm.add_norm.norm, order),
        )
        resampled = network.input_size != network.output_size
        self.residual_norm = _reordered(network.resample_norm.norm, order) if resampled else None
        self.context = (
            Affine(AffineMap.of(network.context), biased=False) if network.context_size is not None else None
        )

    @property
    def varies_over_batch(self) -> bool:
        """Whether the output differs between windows; if not, its batch is 1."""
        has_context = self.weigh and self.context is not None
        return bool(self.sizes or self.table_count or self.bag_sizes or has_context)

    def forward(
        self, x: Tensor | None, codes: Sequence[Tensor] = (), static_context: Tensor | None = None
    ) -> Tensor:
        """`static_context` is [1, batch, hidden]."""
        return self.select(x, codes, static_context).output

    def select(self, x: Tensor | None, codes: Sequence[Tensor], static_context: Tensor | None) -> Selected:
        """The output, and what it was made from."""
        looked_up = [
            functional.embedding(code, table)
            for code, table in zip(codes, self._numbered("table", self.table_count), strict=False)
        ]
        bags = self._bags(codes[self.table_count :])
        outputs = self._numbered("fixed", self.fixed_count)
        if not self.weigh:
            if self.bags:
                return Selected(self.bags[0](bags[0]))
            return Selected(self.networks.only(x) if self.sizes else [*looked_up, *outputs][0])
        inner = x @ self.inner_weight + self.inner_bias if self.sizes else self.inner_bias
        for row in looked_up:
            into_inner, output = row.split([sum(self.inner_sizes), row.shape[-1] - sum(self.inner_sizes)], -1)
            inner = inner + into_inner
            outputs.append(output)
        of_bags = [
            (bag @ self.get_buffer(f"bag_inner_{index}"), network(bag))
            for index, (network, bag) in enumerate(zip(self.bags, bags, strict=True))
        ]
        for into_inner, output in of_bags:
            inner = inner + into_inner
            outputs.append(output)
        hidden, residual = inner.split(self.inner_sizes, dim=-1)
        if self.context is not None:
            hidden = hidden + self.context(static_context)
        if self.residual_norm is not None:
            residual = self.residual_norm(residual)
        weights = torch.softmax(self.gated_sum(functional.elu(hidden), residual), dim=-1)
        return Selected(self._mix(x, weights, outputs), weights, of_bags)

    def _bags(self, codes: Sequence[Tensor]) -> list[Tensor]:
        """The sum of each bag's embeddings: [steps, batch, size]."""
        sums, position = [], 0
        for index, size in enumerate(self.bag_sizes):
            total = None
            for member in range(size):
                table = self.get_buffer(f"bag_{index}_{member}")
                embedded = functional.embedding(codes[position], table)
                total = embedded if total is None else total + embedded
                position += 1
            sums.append(total)
        return sums

    def _numbered(self, name: str, count: int) -> list[Tensor]:
        """The buffers `name`_0, `name`_1 …: the names that the graph's regions have them by."""
        return [self.get_buffer(f"{name}_{index}") for index in range(count)]

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
