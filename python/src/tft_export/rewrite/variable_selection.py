"""Variable selection with the networks of all real variables as one batched product.

pytorch-forecasting runs, for each variable, a prescaler (1 to n values) and a small gated residual network,
then mixes their outputs with softmax weights from one more network. Rewritten:

- Prescalers are folded into what follows: everything linear in a prescaled variable is linear in the
  variable itself. The variable's own scaler, where one is given, is folded in the same way.
- The per-variable networks are stacked along a variable axis, shorter ones padded with zeros. Their biases
  ride in the products: a column of ones is appended to the input (ELU(1) = 1 carries it on).
- A variable's residual is LayerNorm(x u + v) for two constant vectors u and v. The mean is taken out of
  both; the variance is a quadratic in x, written as a (x - x0)^2 + c, which does not cancel.
- Everything a category's code can lead to is a row of one table.
- A variable that is the same for every window (relative time, encoder length) becomes constants.
- The order of the variables is free, since LayerNorm, softmax and the mix treat all alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .grn import gate_map
from .interpolation import resample_matrix
from .linear import Affine, AffineMap, GatedSum, layer_norm_of


@dataclass(frozen=True)
class Standardised:
    """How a raw variable becomes what the network was trained on: (x - mean) / scale."""

    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class SelectionInputs:
    """What a selection network reads: `reals` given at run time, `fixed` ones known now, `tables` by code.

    A fixed variable holds its values as [steps] (one for static variables). A table is the embedding of
    each code, [codes, size].
    """

    reals: Sequence[str]
    fixed: Mapping[str, Tensor]
    tables: Mapping[str, Tensor]
    standardised: Mapping[str, Standardised]


class VariableSelection(nn.Module):
    """x [steps, batch, reals], a code [steps, batch] for each table, to [steps, batch, hidden].

    `context` is the static context, [1, batch, hidden].
    """

    def __init__(self, selection: nn.Module, inputs: SelectionInputs):
        super().__init__()
        self.hidden = selection.hidden_size
        self.count = len(inputs.reals)
        self.names = [*inputs.reals, *inputs.fixed, *inputs.tables]
        if sorted(self.names) != sorted(selection.input_sizes):
            raise ValueError(f"expected {list(selection.input_sizes)}, found {self.names}")
        prescaled = {name: _prescaler(selection, inputs, name) for name in inputs.reals}
        self.weigh = len(self.names) > 1
        if self.weigh:
            self._build_weights(selection, inputs, prescaled)
        elif inputs.tables:
            self._build_single_table(selection, inputs)
        if self.count:
            self._build_networks(selection, [prescaled[name] for name in inputs.reals], inputs.reals)
        with torch.no_grad():
            for index, (name, values) in enumerate(inputs.fixed.items()):
                prescaler = AffineMap.of(selection.prescalers[name])
                embedded = values.double()[:, None] @ prescaler.weight + prescaler.bias
                output = selection.single_variable_grns[name](embedded.float())
                self.register_buffer(f"fixed_{index}", output[:, None].clone())
        self.fixed_count = len(inputs.fixed)
        self.table_count = len(inputs.tables)

    def _build_weights(
        self, selection: nn.Module, inputs: SelectionInputs, prescaled: dict[str, AffineMap]
    ) -> None:
        """The network that weighs the variables; its outputs are put into this module's order."""
        network = selection.flattened_grn
        first = AffineMap.of(network.fc1)
        resampled = network.input_size != network.output_size
        residual = (
            resample_matrix(network.resample_norm)
            if resampled
            else torch.eye(network.input_size, dtype=torch.float64)
        )
        original = list(selection.input_sizes)
        order = torch.tensor([original.index(name) for name in self.names])
        both = torch.cat([first.weight, residual[:, order]], dim=1)
        rows = dict(zip(original, both.split(list(selection.input_sizes.values())), strict=True))
        bias = torch.cat([first.bias, residual.new_zeros(len(order))])[None]
        for name, values in inputs.fixed.items():
            prescaler = AffineMap.of(selection.prescalers[name])
            bias = bias + (values.double()[:, None] @ prescaler.weight + prescaler.bias) @ rows[name]
        weight = both.new_zeros(self.count, both.shape[1])
        for index, name in enumerate(inputs.reals):
            weight[index] = prescaled[name].weight[0] @ rows[name]
            bias = bias + prescaled[name].bias @ rows[name]
        self.register_buffer("inner_weight", weight.float())
        self.register_buffer("inner_bias", bias[:, None].float())
        self.inner_size = first.weight.shape[1]
        with torch.no_grad():
            for index, (name, embedding) in enumerate(inputs.tables.items()):
                output = selection.single_variable_grns[name](embedding)
                table = torch.cat([(embedding.double() @ rows[name]).float(), output], dim=1)
                self.register_buffer(f"table_{index}", table)
        gate = gate_map(network)
        gate_order = torch.cat([order, order + len(order)])
        self.gated_sum = GatedSum(
            AffineMap(gate.weight[:, gate_order], gate.bias[gate_order]),
            _reordered(network.gate_norm.add_norm.norm, order),
        )
        self.residual_norm = _reordered(network.resample_norm.norm, order) if resampled else None
        has_context = network.context_size is not None
        self.context = Affine(AffineMap.of(network.context)) if has_context else None

    def _build_single_table(self, selection: nn.Module, inputs: SelectionInputs) -> None:
        ((name, embedding),) = inputs.tables.items()
        with torch.no_grad():
            self.register_buffer("table_0", selection.single_variable_grns[name](embedding).clone())

    def _build_networks(self, selection: nn.Module, prescaled: list[AffineMap], names: Sequence[str]) -> None:
        networks = [selection.single_variable_grns[name] for name in names]
        width = max(network.hidden_size for network in networks) + 1
        inner = torch.zeros(self.count, 2, width, dtype=torch.float64)
        value = torch.zeros(self.count, width, self.hidden, dtype=torch.float64)
        gate = torch.zeros_like(value)
        residual = torch.zeros(self.count, 3, self.hidden, dtype=torch.float64)
        curvature, vertex, floor = (torch.zeros(self.count, dtype=torch.float64) for _ in range(3))
        for index, (network, prescaler) in enumerate(zip(networks, prescaled, strict=True)):
            first = prescaler.then(AffineMap.of(network.fc1))
            size = network.hidden_size
            inner[index, 0, :size] = first.weight[0]
            inner[index, 1, :size] = first.bias
            inner[index, 1, -1] = 1.0
            value_map, gate_half = gate_map(network).halves()
            # Negated and later subtracted, for the reason that GatedSum gives.
            for target, half, sign in ((value, value_map, -1.0), (gate, gate_half, 1.0)):
                target[index, :size] = sign * half.weight
                target[index, -1] = sign * half.bias
            slope, offset = prescaler.weight[0], prescaler.bias
            if network.input_size == network.output_size:
                residual[index, 0], residual[index, 1] = slope, offset
                floor[index] = 1.0
                continue
            norm = network.resample_norm.norm
            matrix = resample_matrix(network.resample_norm)
            slope, offset = (_centred(vector @ matrix) for vector in (slope, offset))
            residual[index, 0] = slope * norm.weight.detach().double()
            residual[index, 1] = offset * norm.weight.detach().double()
            residual[index, 2] = norm.bias.detach().double()
            curvature[index], vertex[index], floor[index] = _variance(slope, offset, norm.eps)
        norms = [network.gate_norm.add_norm.norm for network in networks]
        self.eps = norms[0].eps
        as_column = (self.count, 1, 1)
        for name, tensor in (
            ("network_inner", inner),
            ("network_value", value),
            ("network_gate", gate),
            ("network_residual", residual),
            ("variance_curvature", curvature.view(as_column)),
            ("variance_vertex", vertex.view(as_column)),
            ("variance_floor", floor.view(as_column)),
            ("norm_weight", torch.stack([norm.weight.detach() for norm in norms])[:, None]),
            ("norm_bias", torch.stack([norm.bias.detach() for norm in norms])),
        ):
            self.register_buffer(name, tensor.float().contiguous())

    @property
    def varies_over_batch(self) -> bool:
        """Whether the output differs between windows; if not, its batch is 1."""
        has_context = self.weigh and self.context is not None
        return bool(self.count or self.table_count or has_context)

    def forward(
        self, x: Tensor | None, codes: Sequence[Tensor] = (), static_context: Tensor | None = None
    ) -> Tensor:
        if not self.weigh:
            return self._only_variable(x, codes)
        tables = [
            functional.embedding(code, getattr(self, f"table_{index}")).split(
                [self.inner_size + len(self.names), self.hidden], dim=-1
            )
            for index, code in enumerate(codes)
        ]
        inner = x @ self.inner_weight + self.inner_bias if self.count else self.inner_bias
        for into_inner, _ in tables:
            inner = inner + into_inner
        hidden, residual = inner.split([self.inner_size, len(self.names)], dim=-1)
        if self.context is not None:
            hidden = hidden + self.context(static_context)
        if self.residual_norm is not None:
            residual = self.residual_norm(residual)
        weights = torch.softmax(self.gated_sum(functional.elu(hidden), residual), dim=-1)
        return self._mix(x, weights, [output for _, output in tables])

    def _mix(self, x: Tensor | None, weights: Tensor, table_outputs: list[Tensor]) -> Tensor:
        parts = weights.split(
            [*([self.count] if self.count else []), *[1] * (self.fixed_count + self.table_count)], dim=-1
        )
        singles = parts[1:] if self.count else parts
        outputs = [getattr(self, f"fixed_{index}") for index in range(self.fixed_count)] + table_outputs
        terms = [weight * output for weight, output in zip(singles, outputs, strict=True)]
        if self.count:
            terms.insert(0, self._real_variables(x, parts[0]))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def _real_variables(self, x: Tensor, weights: Tensor) -> Tensor:
        """The weighted sum of all real variables' networks: [steps, batch, hidden]."""
        normed = self._networks(x)
        by_variable = weights.permute(2, 0, 1).reshape(self.count, -1, 1)
        mixed = (normed * (by_variable * self.norm_weight)).sum(0)
        return mixed.reshape(x.shape[0], -1, self.hidden) + weights @ self.norm_bias

    def _networks(self, x: Tensor) -> Tensor:
        """Each variable's network up to its last LayerNorm's scale: [reals, steps * batch, hidden]."""
        column = x.permute(2, 0, 1).reshape(self.count, -1, 1)
        one = torch.ones_like(column)
        hidden = functional.elu(torch.cat([column, one], dim=-1) @ self.network_inner)
        from_vertex = column - self.variance_vertex
        inverse = torch.rsqrt(from_vertex * from_vertex * self.variance_curvature + self.variance_floor)
        residual = torch.cat([column * inverse, inverse, one], dim=-1) @ self.network_residual
        gated = (hidden @ self.network_value) * torch.sigmoid(hidden @ self.network_gate)
        return functional.layer_norm(residual - gated, (self.hidden,), eps=self.eps)

    def _only_variable(self, x: Tensor | None, codes: Sequence[Tensor]) -> Tensor:
        """A network of one variable does not weigh it."""
        if self.count:
            output = self._networks(x) * self.norm_weight + self.norm_bias[:, None]
            return output.reshape(x.shape[0], -1, self.hidden)
        if self.table_count:
            return functional.embedding(codes[0], self.table_0)
        return self.fixed_0


def _prescaler(selection: nn.Module, inputs: SelectionInputs, name: str) -> AffineMap:
    """A variable's prescaler as a map of the value given at run time."""
    prescaler = AffineMap.of(selection.prescalers[name])
    standardised = inputs.standardised.get(name, Standardised())
    weight = prescaler.weight / standardised.scale
    return AffineMap(weight, prescaler.bias - weight[0] * standardised.mean)


def _centred(vector: Tensor) -> Tensor:
    return vector - vector.mean()


def _variance(slope: Tensor, offset: Tensor, eps: float) -> tuple[float, float, float]:
    """a, x0, c with mean((x * slope + offset)^2) + eps = a (x - x0)^2 + c."""
    square = float((slope * slope).mean())
    cross = float((slope * offset).mean())
    constant = float((offset * offset).mean())
    if square == 0.0:
        return 0.0, 0.0, constant + eps
    return square, -cross / square, max(constant - cross * cross / square, 0.0) + eps


def _reordered(norm: nn.LayerNorm, order: Tensor) -> nn.LayerNorm:
    copy = layer_norm_of(norm)
    copy.weight.data = norm.weight.detach()[order].clone()
    copy.bias.data = norm.bias.detach()[order].clone()
    return copy
