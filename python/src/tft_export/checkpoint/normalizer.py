"""How the target is scaled: read from a checkpoint, and computed inside the graph.

Three kinds: 'window' takes centre and scale from each encoder window (EncoderNormalizer), 'group' looks
them up by server (GroupNormalizer), 'constant' has one pair for all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer, NaNLabelEncoder, TorchNormalizer
from torch import Tensor
from torch.nn import functional

from ..errors import unsupported
from .floored_normalizer import FlooredEncoderNormalizer

EPSILON = float(torch.finfo(torch.float32).eps)
_NO_SERVER = -1


@dataclass(frozen=True)
class TargetNormalizer:
    """`input_scale` normalises the encoder's target, `output_scale` brings the forecast back.

    Both are [servers, 2] ('group') or [1, 2] ('constant') of centre and scale; the lengths, in steps from
    the encoder's end, `center`, and the scale's `floor` belong to 'window'.
    """

    kind: str
    transformation: str | None
    center: bool = True
    center_length: int | None = None
    scale_length: int | None = None
    floor: float = 0.0
    input_scale: np.ndarray | None = None
    output_scale: np.ndarray | None = None

    def transform(self, target: Tensor) -> Tensor:
        return FORWARD[self.transformation](target)

    def restore(self, prediction: Tensor) -> Tensor:
        return REVERSE[self.transformation](prediction)


def read_normalizer(parameters: Mapping[str, Any]) -> TargetNormalizer:
    """The normaliser of a data set that is not scaled by server. Raises `unsupported_option`."""
    normalizer = parameters["target_normalizer"]
    transformation = _transformation(normalizer)
    if isinstance(normalizer, GroupNormalizer):
        norm = normalizer.norm_
        pair = np.array([[norm["center"], norm["scale"]]], dtype=np.float64)
        return TargetNormalizer("constant", transformation, input_scale=pair, output_scale=pair)
    if not isinstance(normalizer, EncoderNormalizer):
        pair = np.asarray(normalizer.get_parameters(), dtype=np.float64).reshape(1, 2)
        return TargetNormalizer("constant", transformation, input_scale=pair, output_scale=pair)
    if normalizer.method == "identity":
        pair = np.array([[0.0, 1.0]])
        return TargetNormalizer("constant", transformation, input_scale=pair, output_scale=pair)
    if normalizer.method != "standard":
        raise unsupported(
            f"EncoderNormalizer(method='{normalizer.method}')", "train with method='standard' or 'identity'"
        )
    length = normalizer.max_length
    center_length, scale_length = length if isinstance(length, list | tuple) else (length, length)
    floor = normalizer.floor if isinstance(normalizer, FlooredEncoderNormalizer) else 0.0
    return TargetNormalizer("window", transformation, normalizer.center, center_length, scale_length, floor)


def is_by_group(normalizer: object) -> bool:
    return isinstance(normalizer, GroupNormalizer) and bool(normalizer.groups)


def read_group_normalizer(
    parameters: Mapping[str, Any], column: str, names: Sequence[str], rows: Sequence[Sequence[int]]
) -> TargetNormalizer:
    """The normaliser of a data set scaled by server; one row for each of the bundle's server codes.

    The data set encodes servers twice: as a column, for the input, and as a group id, for the output. The
    two agree only if neither encoder keeps a code for 'unknown', so each is asked for its own table.
    """
    normalizer = parameters["target_normalizer"]
    columns = [row[0] if len(row) == 1 else _NO_SERVER for row in rows]
    input_scale = normalizer.get_norm(pd.DataFrame({column: columns}))
    group_codes: NaNLabelEncoder = parameters["categorical_encoders"][f"__group_id__{column}"]
    output_scale = [
        normalizer.get_parameters((group_codes.classes_.get(name, _NO_SERVER),), [column]) for name in names
    ]
    return TargetNormalizer(
        "group",
        _transformation(normalizer),
        input_scale=np.asarray(input_scale, dtype=np.float64),
        output_scale=np.asarray(output_scale, dtype=np.float64),
    )


def check_output_transformer(model: torch.nn.Module, normalizer: object) -> None:
    """The forecast must be brought back by the normaliser that scaled the target."""
    transformer = model.output_transformer
    same = isinstance(transformer, TorchNormalizer) and type(transformer) is type(normalizer)
    if not same or transformer.transformation != normalizer.transformation:
        raise unsupported("output_transformer", "it must be the data set's target_normalizer")


def _transformation(normalizer: TorchNormalizer) -> str | None:
    name = normalizer.transformation
    if name is not None and (not isinstance(name, str) or name not in FORWARD):
        choices = ", ".join(str(known) for known in FORWARD)
        raise unsupported(f"target_normalizer's transformation={name!r}", f"choose one of {choices}")
    return name


def _identity(x: Tensor) -> Tensor:
    return x


def _inverse_softplus(y: Tensor) -> Tensor:
    """log(exp(y) - 1) as y + log(1 - exp(-u)), u = y + epsilon; 1 - exp(-u) = 2t / (1 + t), t = tanh(u/2).

    ONNX has no expm1, and 1 - exp(-u) written out loses every digit of a small u.
    """
    t = torch.tanh((y + EPSILON) * 0.5)
    return torch.where(y > 20.0, y, y + torch.log(2.0 * t / (1.0 + t)))


def _log(y: Tensor) -> Tensor:
    return torch.log(y).clamp(min=-1.0 / EPSILON)


def _logit(y: Tensor) -> Tensor:
    inside = y.clamp(min=EPSILON, max=1.0 - EPSILON)
    return torch.log(inside) - torch.log(1.0 - inside)


def _clipped_sigmoid(x: Tensor) -> Tensor:
    tiny = float(torch.finfo(torch.float32).tiny)
    return torch.sigmoid(x).clamp(min=tiny, max=1.0 - EPSILON)


Transform = Callable[[Tensor], Tensor]

# pytorch_forecasting.data.encoders.TransformMixIn.TRANSFORMATIONS, in operators that ONNX has.
FORWARD: Mapping[str | None, Transform] = {
    None: _identity,
    "softplus": _inverse_softplus,
    "relu": _identity,
    "log": _log,
    "log1p": lambda y: torch.log(1.0 + y),
    "logit": _logit,
    "count": lambda y: y + 1.0,
    "sqrt": torch.sqrt,
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
