"""What the regions of a Temporal Fusion Transformer are: their operators, attributes, and tensors by role.

B is the batch, T the steps, H the hidden size. Data comes first, then the weights as the modules hold them,
float32 and under the modules' own names for them.
"""

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from ..checkpoint.calendar import DAY, HOUR, MONTH, WEEKEND
from .preprocess import Prepared, Preprocess
from .regions import Regions
from .rewrite.lstm import RecurrentPair
from .rewrite.static_contexts import StaticContexts
from .rewrite.variable_selection import Selected, VariableSelection

_GATED = ("map.weight", "map.bias", "norm.weight", "norm.bias")
_GATED_SUM = tuple(f"gated_sum.{name}" for name in _GATED)
_EXPAND = ("expand.weight", "expand.bias")
_NETWORKS = ("inner", "vertex", "curvature", "floor", "residual", "value", "gate", "norm_weight", "norm_bias")
_CONTEXTS = (
    "expand", "expand_bias", "value", "value_bias", "gate", "gate_bias", "norm_weight", "norm_bias",
)  # fmt: skip
_LSTM = ("weight_0", "recurrence_0", "bias_0")
# The kinds of time features are numbered from 1.
_FEATURES = (HOUR, DAY, MONTH, WEEKEND)
_MAX_STATIC_CODES, _MAX_ENCODER_CODES = 2, 4
_MAX_METRICS, _MAX_LAGS = 32, 4


def add_preprocess(
    regions: Regions, name: str, preprocess: Preprocess, inputs: Mapping[str, Tensor], prepared: Prepared
) -> None:
    """TftPreprocess: the network's inputs to all that the other regions read, time-major.

    encoder_cont [B, T, metrics], encoder_cat [B, T, C] and decoder_cont [B, T, known] become encoder
    [T, B, reals], decoder [T, B, known + lags], static [1, B, 2], center, scale [1, B, 1], and int32
    codes [1, B] and [T, B].
    """
    attributes = preprocess_attributes(preprocess)
    if attributes is None:
        return
    outputs = {"encoder": prepared.encoder, "decoder": prepared.decoder}
    if prepared.static is not None:
        outputs["static"] = prepared.static
    outputs |= {"center": prepared.center, "scale": prepared.scale}
    outputs |= {f"static_code_{index}": code for index, code in enumerate(prepared.static_codes)}
    outputs |= {f"encoder_code_{index}": code for index, code in enumerate(prepared.encoder_codes)}
    weights = _tensors(preprocess, ("metric_mean", "metric_factor"))
    regions.add("TftPreprocess", name, attributes, {**inputs, **weights}, outputs)


def preprocess_attributes(preprocess: Preprocess) -> dict[str, int | float] | None:
    """The attributes of TftPreprocess, or None if it does not compute this preprocessing.

    Channels that there are not are -1, kinds of features 0.
    """
    structure, normalizer = preprocess.structure, preprocess.structure.normalizer
    past = preprocess.past_features
    if normalizer.kind != "window" or structure.bags or structure.varies_in_length:
        return None
    static = [structure.channel(column) for column in structure.static_categoricals]
    encoder = [structure.channel(column) for column in structure.encoder_categoricals]
    others, singles = preprocess.other_channels, preprocess.singles
    lagged = [structure.lags[name] for name in singles.lagged]
    computes = (
        normalizer.center
        and normalizer.robust is None
        and not structure.ahead
        and not structure.statics
        and normalizer.transformation in (None, "relu", "softplus")
        and preprocess.target_is_input
        and 0 < len(others) <= _MAX_METRICS
        and max(others) < _MAX_METRICS
        and preprocess.static_order in ((), (structure.center_name, structure.scale_name))
        and len(structure.targets) == 1
        # The target's lags, where the decoder alone reads them and the encoder's window holds them.
        and not singles.scaled
        and not singles.encoder_names
        and all(lag.name == structure.target for lag in lagged)
        and structure.past == structure.encoder_length
        and len(lagged) <= _MAX_LAGS
        and preprocess.decoder_order == (*structure.known, *singles.decoder_names)
        and not structure.decoder_categoricals
        and len(static) <= _MAX_STATIC_CODES
        and len(encoder) <= _MAX_ENCODER_CODES
        # Without codes nothing reads encoder_cat.
        and static + encoder
    )
    if not computes:
        return None
    channels = {name: structure.known.index(name) if name in structure.known else -1 for name in _FEATURES}
    kinds = [_FEATURES.index(name) + 1 for name in past.needed]
    lags = [structure.lags[name].steps for name in singles.decoder_names]
    length = structure.encoder_length
    return {
        "target": structure.target_channel,
        "softplus": int(normalizer.transformation == "softplus"),
        "center_length": min(normalizer.center_length or length, length),
        "scale_length": min(normalizer.scale_length or length, length),
        "floor": float(normalizer.floor),
        # A set of channels: channel i has the bit of value 2^i.
        "others": sum(1 << channel for channel in others),
        "lags": len(lags),
        **_numbered("lag", lags, _MAX_LAGS, 0),
        "steps_per_hour": past.steps_per_hour,
        "hours_per_step": past.hours_per_step,
        "hour_channel": channels[HOUR],
        "day_channel": channels[DAY],
        "month_channel": channels[MONTH],
        "features": len(kinds),
        **_numbered("feature", kinds, len(_FEATURES), 0),
        "static": int(bool(preprocess.static_order)),
        "static_codes": len(static),
        **_numbered("static_code", static, _MAX_STATIC_CODES, -1),
        "encoder_codes": len(encoder),
        **_numbered("encoder_code", encoder, _MAX_ENCODER_CODES, -1),
    }


def _numbered(name: str, values: Sequence[int], count: int, missing: int) -> dict[str, int]:
    """`count` attributes: the values, then `missing`."""
    filled = [*values, *[missing] * (count - len(values))]
    return {f"{name}_{index}": value for index, value in enumerate(filled)}


def add_selection(
    regions: Regions,
    name: str,
    selection: VariableSelection,
    x: Tensor | None,
    codes: Sequence[Tensor],
    context: Tensor | None,
    selected: Selected,
) -> None:
    """TftVariableSelection: x [T, B, reals + tabulated], codes int32 [T, B], to the output [T, B, H].

    Of each sum of embeddings it reads what it adds to the weighing network [T, B, inner + variables], and
    its own network's output [T, B, H]. There is no region if the only variable is not weighed, or if no
    variable varies.
    """
    if not selection.weigh or (x is None and not codes):
        return
    reals, tabulated = selection.networks, selection.tabulated
    epsilon = _one_epsilon(
        [
            selection.gated_sum.norm.eps,
            *([] if selection.residual_norm is None else [selection.residual_norm.eps]),
            *([] if reals is None else [reals.eps]),
        ]
    )
    if epsilon is None:
        return
    data = {} if x is None else {"x": x}
    data |= {f"code{index}": code for index, code in enumerate(codes[: selection.table_count])}
    for index, (into_inner, output) in enumerate(selected.bags):
        data |= {f"bag_inner{index}": into_inner, f"bag{index}": output}
    names = []
    if x is not None:
        names.append("inner_weight")
    names.append("inner_bias")
    if selection.context is not None:
        data["context"] = context
        names.append("context.weight")
    if selection.residual_norm is not None:
        names += ["residual_norm.weight", "residual_norm.bias"]
    names += _GATED_SUM
    if reals is not None:
        names += [f"networks.{name}" for name in _NETWORKS]
    if tabulated is not None:
        names += ["tabulated.largest", "tabulated.table"]
    names += [f"fixed_{index}" for index in range(selection.fixed_count)]
    names += [f"table_{index}" for index in range(selection.table_count)]
    regions.add(
        "TftVariableSelection",
        name,
        {
            "reals": 0 if reals is None else reals.count,
            "tabulated": 0 if tabulated is None else len(tabulated.largest),
            "fixed": selection.fixed_count,
            "tables": selection.table_count,
            "bags": len(selected.bags),
            "context": int(selection.context is not None),
            "resampled": int(selection.residual_norm is not None),
            "epsilon": epsilon,
        },
        data | _tensors(selection, names),
        {"selected": selected.output},
    )


def add_contexts(
    regions: Regions, name: str, contexts: StaticContexts, static: Tensor, made: Sequence[Tensor]
) -> None:
    """TftStaticContexts: static [1, B, H] to four contexts [1, B, H]."""
    regions.add(
        "TftStaticContexts",
        name,
        {"epsilon": contexts.eps},
        {"static": static} | _tensors(contexts, _CONTEXTS),
        dict(zip(("select", "hidden", "cell", "enrich"), made, strict=True)),
    )


def add_recurrence(
    regions: Regions, name: str, pair: RecurrentPair, inputs: Mapping[str, Tensor], recurrent: Tensor
) -> None:
    """TftRecurrence: past, future [T, B, H], hidden, cell [1, B, H] to recurrent [both T, B, H].

    Where windows are of several lengths, `valid` [T, B, 1] follows the cell. Weights have the layout of
    ONNX's LSTM; those of a PaddedLSTM's input are the wider ones. There is no region if the LSTMs have
    several layers.
    """
    if len(pair.encoder.layers) != 1:
        return
    names = [f"{half}.{weight}" for half in ("encoder", "decoder") for weight in _LSTM]
    regions.add(
        "TftRecurrence",
        name,
        {"hidden_size": pair.encoder.layers[0].hidden_size, "padded": int(pair.padded)},
        {**inputs, **_tensors(pair, names)},
        {"recurrent": recurrent},
    )


def add_decoder(
    regions: Regions, name: str, network: nn.Module, inputs: Mapping[str, Tensor], output: Tensor
) -> None:
    """TftDecoder, the paper's temporal fusion decoder: recurrent, past, future, enrich to output [T, B, Q].

    The output is not yet in the target's unit. Where windows are of several lengths, `valid` [T, B, 1]
    follows enrich.
    """
    gated = ("after_recurrent", "enrichment", "after_attention", "position_wise", "before_output")
    epsilon = _one_epsilon(getattr(network, part).gated_sum.norm.eps for part in gated)
    if epsilon is None:
        return
    projections = ("query", "key", "value")
    names = [
        *_within("after_recurrent", _GATED_SUM),
        "enrichment_context.weight",
        *_within("enrichment", (*_EXPAND, *_GATED_SUM)),
        *_within("attention", (f"{part}.{kind}" for part in projections for kind in ("weight", "bias"))),
        *_within("after_attention", _GATED_SUM),
        *_within("position_wise", (*_EXPAND, *_GATED_SUM)),
        *_within("before_output", _GATED_SUM),
        *_within("output", ("weight", "bias")),
    ]
    regions.add(
        "TftDecoder",
        name,
        # A mask is always `causal_bias`.
        {
            "heads": network.attention.heads,
            "causal": int(network.attention.bias is not None),
            "padded": int(network.recurrent.padded),
            "epsilon": epsilon,
        },
        {**inputs, **_tensors(network, names)},
        {"output": output},
    )


def _within(module: str, names: Iterable[str]) -> list[str]:
    return [f"{module}.{name}" for name in names]


def _tensors(module: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """A module's weights by their names within it."""
    found = {}
    for name in names:
        *path, last = name.split(".")
        found[name] = getattr(module.get_submodule(".".join(path)), last)
    return found


def _one_epsilon(values: Iterable[float]) -> float | None:
    """The LayerNorms' common epsilon, or None if they differ."""
    different = set(values)
    return float(different.pop()) if len(different) == 1 else None
