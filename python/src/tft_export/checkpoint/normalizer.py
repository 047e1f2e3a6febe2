"""How the target, or another variable, is scaled: read from a checkpoint, and computed inside the graph.

Three kinds: 'window' takes centre and scale from each encoder window (EncoderNormalizer), 'group' looks
them up by the codes of categories (GroupNormalizer), 'constant' has one pair for all.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer, TorchNormalizer
from torch import Tensor
from torch.nn import functional

from .category import Category
from .floored_normalizer import FlooredEncoderNormalizer

EPSILON = float(torch.finfo(torch.float32).eps)
# A key that no group has.
_NO_GROUP = -1


@dataclass(frozen=True)
class TargetNormalizer:
    """`input_scale` normalises the encoder's target, `output_scale` brings the forecast back.

    Both are [groups, 2] ('group') or [1, 2] ('constant') of centre and scale. A group's row follows from the
    codes of the categories `columns`, the last of them counting fastest; `sizes` are their numbers of codes.
    The lengths, in steps from the encoder's end, `center`, the scale's `floor` and `robust` belong to
    'window'; `robust` has the quantiles that a window is scaled by: lower, center, upper.
    `epsilon` is that of the floats that pytorch-forecasting transforms: a window's are float32, those of a
    data frame the frame's.
    """

    kind: str
    transformation: str | None
    center: bool = True
    center_length: int | None = None
    scale_length: int | None = None
    floor: float = 0.0
    robust: tuple[float, float, float] | None = None
    input_scale: np.ndarray | None = None
    output_scale: np.ndarray | None = None
    columns: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    epsilon: float = EPSILON

    def transform(self, target: Tensor) -> Tensor:
        return FORWARD[self.transformation](target, self.epsilon)

    def restore(self, prediction: Tensor) -> Tensor:
        return REVERSE[self.transformation](prediction)

    def rows(self, codes: Mapping[str, np.ndarray]) -> np.ndarray:
        """The rows of the tables for the codes of each column."""
        row = np.zeros((), dtype=np.int64)
        for column, size in zip(self.columns, self.sizes, strict=True):
            row = row * size + codes[column]
        return row


def read_scale(normalizer: TorchNormalizer) -> TargetNormalizer:
    """A normaliser of pytorch-forecasting's that does not scale by groups."""
    transformation = normalizer.transformation
    if isinstance(normalizer, GroupNormalizer):
        norm = normalizer.norm_
        return _constant(transformation, norm["center"], norm["scale"], fitted_epsilon(normalizer))
    if not isinstance(normalizer, EncoderNormalizer):
        center, scale = np.asarray(normalizer.get_parameters()).reshape(-1)[:2]
        return _constant(transformation, center, scale, fitted_epsilon(normalizer))
    floor = normalizer.floor if isinstance(normalizer, FlooredEncoderNormalizer) else 0.0
    if normalizer.method == "identity":
        return _constant(transformation, 0.0, max(1.0, floor))
    length = normalizer.max_length
    center_length, scale_length = length if isinstance(length, list | tuple) else (length, length)
    robust = None
    if normalizer.method == "robust":
        options = normalizer.method_kwargs or {}
        defaults = {"lower": 0.25, "center": 0.5, "upper": 0.75}
        robust = tuple(float(options.get(name, value)) for name, value in defaults.items())
    return TargetNormalizer(
        "window", transformation, normalizer.center, center_length, scale_length, floor, robust
    )


def fitted_epsilon(normalizer: TorchNormalizer) -> float:
    """The epsilon of the floats that a normaliser was fitted on: their type is that of its statistics."""
    fitted = getattr(normalizer, "norm_", None)
    if fitted is None:
        # Without statistics, as pandas reads numbers.
        fitted = None if normalizer.method == "identity" else normalizer.scale_
    elif isinstance(fitted, dict) and "scale" not in fitted:
        fitted = next(iter(fitted.values()))["scale"]
    else:
        fitted = fitted["scale"]
    dtype = np.float64 if fitted is None else np.asarray(fitted).dtype
    return float(np.finfo(np.float32 if dtype == np.float32 else np.float64).eps)


def _constant(
    transformation: str | None, center: float, scale: float, epsilon: float = EPSILON
) -> TargetNormalizer:
    pair = np.array([[float(center), float(scale)]])
    return TargetNormalizer("constant", transformation, input_scale=pair, output_scale=pair, epsilon=epsilon)


def is_by_group(normalizer: object) -> bool:
    return isinstance(normalizer, GroupNormalizer) and bool(normalizer.groups)


def read_feature_groups(
    normalizer: GroupNormalizer, categories: Sequence[Category], encoded: Collection[str]
) -> TargetNormalizer:
    """A variable's scale by the codes of `categories`, in the order of the normaliser's groups.

    The data set had `encoded` these columns when it fitted the scaler; of others it took the labels.
    """
    keys = [_rows_of(c) if c.column in encoded else list(c.labels) for c in categories]
    return _grouped(normalizer, categories, _scales(normalizer, keys))


def read_target_groups(
    normalizer: GroupNormalizer, parameters: Mapping[str, Any], categories: Sequence[Category]
) -> TargetNormalizer:
    """The target's scale by the codes of `categories`, which are the data set's group ids in their order.

    The data set encodes groups twice: as a column, for the input, and as a group id, for the output. The
    two agree only if neither encoder keeps a code for 'unknown', so each is asked for its own table.
    """
    group_ids, encoders = list(parameters["group_ids"]), parameters["categorical_encoders"]
    by_column = dict(zip(group_ids, map(_rows_of, categories), strict=True))
    groups = list(normalizer.groups)
    ids = [
        [
            encoders[f"__group_id__{category.column}"].classes_.get(label, _NO_GROUP)
            for label in category.labels
        ]
        for category in categories
    ]
    if groups == group_ids:
        input_scale = _scales(normalizer, [by_column[name] for name in groups])
        if len(groups) > 1:
            return _grouped(normalizer, categories, input_scale, _scales(normalizer, ids))
    else:
        # Each group id's codes, whether the normaliser reads it or not.
        all_codes = pd.DataFrame(list(product(*(by_column[name] for name in group_ids))), columns=group_ids)
        input_scale = np.asarray(normalizer.get_norm(all_codes), dtype=np.float64)
    output_scale = [normalizer.get_parameters(codes, group_ids) for codes in product(*ids)]
    return _grouped(normalizer, categories, input_scale, np.asarray(output_scale, dtype=np.float64))


def _grouped(
    normalizer: GroupNormalizer,
    categories: Sequence[Category],
    input_scale: np.ndarray,
    output_scale: np.ndarray | None = None,
) -> TargetNormalizer:
    return TargetNormalizer(
        "group",
        normalizer.transformation,
        input_scale=input_scale,
        output_scale=input_scale if output_scale is None else output_scale,
        columns=tuple(category.column for category in categories),
        sizes=tuple(len(category.codes) for category in categories),
        epsilon=fitted_epsilon(normalizer),
    )


def _scales(normalizer: GroupNormalizer, keys: Sequence[Sequence[Any]]) -> np.ndarray:
    """Centre and scale of each combination of the keys of the normaliser's groups: [combinations, 2]."""
    names = list(normalizer.groups)
    frame = pd.MultiIndex.from_product(keys, names=names).to_frame(index=False)
    return np.asarray(normalizer.get_norm(frame), dtype=np.float64)


def _rows_of(category: Category) -> list[int]:
    return [rows[0] if len(rows) == 1 else _NO_GROUP for rows in category.rows]


def _identity(x: Tensor) -> Tensor:
    return x


def _inverse_softplus(y: Tensor, epsilon: float) -> Tensor:
    """log(exp(y) - 1) as y + log(1 - exp(-u)), u = y + epsilon; 1 - exp(-u) = 2t / (1 + t), t = tanh(u/2).

    ONNX has no expm1, and 1 - exp(-u) written out loses every digit of a small u.
    """
    # Beside a y that is not 0, float64's epsilon is nothing, and the exporter leaves its addition out.
    u = y + epsilon if epsilon == EPSILON else y.clamp(min=epsilon)
    t = torch.tanh(u * 0.5)
    return torch.where(y > 20.0, y, y + torch.log(2.0 * t / (1.0 + t)))


def _log(y: Tensor, epsilon: float) -> Tensor:
    return torch.log(y).clamp(min=-1.0 / epsilon)


def _logit(y: Tensor, epsilon: float) -> Tensor:
    """Each logarithm's own least value: 1 less a small epsilon is 1 in float32."""
    return torch.log(y.clamp(min=epsilon)) - torch.log((1.0 - y).clamp(min=epsilon))


def _clipped_sigmoid(x: Tensor) -> Tensor:
    tiny = float(torch.finfo(torch.float32).tiny)
    return torch.sigmoid(x).clamp(min=tiny, max=1.0 - EPSILON)


Transform = Callable[[Tensor], Tensor]

# pytorch_forecasting.data.encoders.TransformMixIn.TRANSFORMATIONS, in operators that ONNX has; obstacles.py
# lists the same names.
FORWARD: Mapping[str | None, Callable[[Tensor, float], Tensor]] = {
    None: lambda y, _: y,
    "softplus": _inverse_softplus,
    "relu": lambda y, _: y,
    "log": _log,
    "log1p": lambda y, _: torch.log(1.0 + y),
    "logit": _logit,
    "count": lambda y, _: y + 1.0,
    "sqrt": lambda y, _: torch.sqrt(y),
}
REVERSE: Mapping[str | None, Transform] = {
    None: _identity,
    "softplus": functional.softplus,
    "relu": functional.relu,
    "log": torch.exp,
    "log1p": torch.exp,
    "logit": _clipped_sigmoid,
    "count": functional.softplus,
    "sqrt": lambda x: x * x,
}
# The same's `inverse_torch`, by which distributions are brought back.
REVERSE_OF_DISTRIBUTIONS: Mapping[str | None, Transform] = {
    **REVERSE,
    "log1p": lambda x: torch.exp(x) - 1.0,
    "count": lambda x: x - 1.0,
}
