"""Everything that prevents the export of a model, each with what to change.

Everything here goes by names of classes and by attributes, so that it judges a checkpoint and the outline of
one alike, and needs no PyTorch.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import ExportError
from .head import POINT_LOSSES, loss_names, read_head
from .supported import (
    AFFINE_SCALERS,
    MAX_GROUPS,
    MAX_ODD_GROUPS,
    NORMALIZERS,
    SERVER_ID,
    TRANSFORMATIONS,
)

LOGARITHMS = ("log", "log1p", "logit", "softplus")
# Of no float32 is a logarithm that large; pytorch-forecasting gives that of 0 more than it.
LARGEST_LOGARITHM = 1000.0


class Obstacle(NamedTuple):
    """An option that the model was trained with, and what to do instead; `rule` is one of `REFUSED`."""

    rule: str
    option: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.option}: {self.remedy}"


def find_obstacles(hyper: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[Obstacle]:
    """Everything that prevents the export in a model's hyper-parameters and its data set's parameters."""
    return [
        *_of_targets(hyper, parameters),
        *_of_groups(hyper, parameters),
        *_of_variables(hyper, parameters),
    ]


def refuse_obstacles(obstacles: list[Obstacle]) -> None:
    """Raises ExportError unsupported_option that names them all."""
    if not obstacles:
        return
    if len(obstacles) == 1:
        raise ExportError("unsupported_option", str(obstacles[0]), reasons=[str(obstacles[0])])
    reasons = [str(obstacle) for obstacle in obstacles]
    listed = "\n".join(f"  - {reason}" for reason in reasons)
    raise ExportError(
        "unsupported_option", f"{len(reasons)} things prevent the export:\n{listed}\n", reasons=reasons
    )


def target_names(parameters: Mapping[str, Any]) -> list[str]:
    target = parameters["target"]
    return [target] if isinstance(target, str) else list(target)


def target_normalizers(parameters: Mapping[str, Any]) -> list[Any]:
    normalizer = parameters["target_normalizer"]
    return list(normalizer.normalizers) if _is(normalizer, "MultiNormalizer") else [normalizer]


def target_losses(loss: Any, targets: int) -> list[Any]:
    """The loss of each target. A loss for all of them is each one's; None, if there is none yet."""
    if "MultiLoss" not in loss_names(loss):
        return [loss] * targets
    metrics = getattr(loss, "metrics", None)
    if metrics is None:
        metrics = loss._modules["metrics"]
    modules = getattr(metrics, "_modules", None)
    return list(metrics if modules is None else modules.values())


def _is(value: object, *names: str) -> bool:
    return bool({base.__name__ for base in type(value).__mro__} & {*names})


def _of_targets(hyper: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[Obstacle]:
    targets, normalizers = target_names(parameters), target_normalizers(parameters)
    losses = target_losses(hyper["loss"], len(targets))
    for target, normalizer, loss in zip(targets, normalizers, losses, strict=False):
        of = f" of '{target}'" if len(targets) > 1 else ""
        if _is(normalizer, "NaNLabelEncoder"):
            yield Obstacle(
                "categorical_target",
                f"a categorical target{of}",
                f"the target must be a measured number; if '{target}' is one, make it a float before",
            )
            continue
        yield from _of_transformation(normalizer, f"target_normalizer{of}")
        yield from _of_values(target, normalizer, parameters)
        head = None if loss is None else read_head(loss)
        if loss is None:
            continue
        if head is None:
            yield Obstacle(
                "other_loss",
                f"loss={type(loss).__name__}{of}",
                f"train with QuantileLoss, NormalDistributionLoss or one of {', '.join(POINT_LOSSES)}",
            )
        elif sorted({0.0, *head.quantiles, 1.0}) != [0.0, *head.quantiles, 1.0]:
            yield Obstacle(
                "quantile_order",
                f"quantiles={list(head.quantiles)}{of}",
                "train with quantiles in increasing order, above 0 and below 1",
            )
    transformers = hyper.get("output_transformer")
    outputs = transformers.normalizers if _is(transformers, "MultiNormalizer") else [transformers]
    for output, normalizer in zip(outputs, normalizers, strict=False):
        categorical = _is(normalizer, "NaNLabelEncoder")
        same = type(output).__name__ == type(normalizer).__name__ and not categorical
        if not categorical and (not same or output.transformation != normalizer.transformation):
            yield Obstacle(
                "output_transformer", "output_transformer", "it must be the data set's target_normalizer"
            )


def _of_groups(hyper: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[Obstacle]:
    encoders, group_ids = parameters["categorical_encoders"], list(parameters["group_ids"])
    normalizers = target_normalizers(parameters)
    by_groups = any(getattr(normalizer, "groups", None) for normalizer in normalizers)
    if by_groups and len(group_ids) == 1 and SERVER_ID in {*hyper["x_categoricals"]} - {*group_ids}:
        yield Obstacle(
            "server_id",
            f"the category '{SERVER_ID}' beside the group id '{group_ids[0]}'",
            f"a bundle calls the group id '{SERVER_ID}'; give the category another name",
        )
    for normalizer in normalizers:
        groups = list(getattr(normalizer, "groups", None) or [])
        if not groups:
            continue
        sizes = [len(encoders[f"__group_id__{column}"].classes_) + 1 for column in group_ids]
        most = MAX_GROUPS if groups == group_ids else MAX_ODD_GROUPS
        if math.prod(sizes) > most:
            yield Obstacle(
                "group_count",
                f"GroupNormalizer(groups={groups}) with group_ids={group_ids}",
                f"{' x '.join(map(str, sizes))} groups are more than the {most:,} that a graph can look up; "
                "scale by EncoderNormalizer, or by one column that names the series",
            )


def _of_variables(hyper: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[Obstacle]:
    scalers, lags = parameters.get("scalers") or {}, parameters.get("lags") or {}
    categories = {*hyper["x_categoricals"]}
    static = {*hyper["static_reals"]}
    for name, times in Counter([*hyper["x_reals"], *hyper["x_categoricals"]]).items():
        if times > 1:
            yield Obstacle(
                "listed_twice",
                f"'{name}' is listed {times} times",
                "list each variable once: as static, as known ahead, or as unknown",
            )
    for name in dict.fromkeys(hyper["x_reals"]):
        scaler = scalers.get(name)
        if scaler is None or name in target_names(parameters):
            continue
        if _is(scaler, *NORMALIZERS):
            yield from _of_transformation(scaler, f"scalers['{name}']")
            if name in static and _is(scaler, "EncoderNormalizer", "FlooredEncoderNormalizer"):
                yield Obstacle(
                    "window_of_static",
                    f"scalers['{name}'] is an EncoderNormalizer",
                    "what does not vary has no spread to scale by; use StandardScaler or None",
                )
            groups = (scaler.groups or []) if _is(scaler, "GroupNormalizer") else []
            foreign = [
                group for group in groups if group not in categories and group not in parameters["group_ids"]
            ]
            if foreign:
                yield Obstacle(
                    "groups_of_scaler",
                    f"scalers['{name}'] scales by {', '.join(foreign)}",
                    "scale by categories of the model or by its group_ids",
                )
            by_window = _is(scaler, "EncoderNormalizer", "FlooredEncoderNormalizer")
            if (groups or by_window) and name == parameters["time_idx"]:
                yield Obstacle(
                    "window_of_time_index",
                    f"scalers['{name}'] looks at windows or groups",
                    "scale the time index by StandardScaler or None",
                )
        elif not _is(scaler, *AFFINE_SCALERS) or getattr(scaler, "clip", False):
            clips = _is(scaler, *AFFINE_SCALERS)
            yield Obstacle(
                "clipping_scaler" if clips else "other_scaler",
                f"scalers['{name}'] is a {type(scaler).__name__}{' that clips' * bool(clips)}",
                f"use {', '.join((*AFFINE_SCALERS, *NORMALIZERS))} or None",
            )
    for name in lags:
        if name == parameters["time_idx"]:
            yield Obstacle(
                "lag_of_time_index",
                f"lags of '{name}'",
                "a shifted time index adds no information; leave it out",
            )
        if name in categories:
            yield Obstacle(
                "lag_of_category",
                f"lags of the category '{name}'",
                "pytorch-forecasting makes no embedding for them",
            )


def _of_values(target: str, normalizer: Any, parameters: Mapping[str, Any]) -> Iterator[Obstacle]:
    name = getattr(normalizer, "transformation", None)
    scaler = (parameters.get("scalers") or {}).get(f"{target}_center")
    centers = [_number(getattr(normalizer, "center_", None)), _number(getattr(scaler, "mean_", None))]
    if name in LOGARITHMS and any(abs(center) > LARGEST_LOGARITHM for center in centers):
        yield Obstacle(
            "transformed_values",
            f"'{target}' has values that the transformation '{name}' does not take",
            "leave them out of the training data, or choose another one, as log1p for zeros",
        )


def _number(value: Any) -> float:
    """A statistic, or the first of several; 0 for what is none."""
    has_several = getattr(value, "shape", ()) not in ((), None) and hasattr(value, "__getitem__")
    try:
        return float(value[0] if has_several else value)
    except (TypeError, ValueError, IndexError):
        return 0.0


def _of_transformation(normalizer: Any, where: str) -> Iterator[Obstacle]:
    name = getattr(normalizer, "transformation", None)
    if not (name is None or isinstance(name, str)) or name not in TRANSFORMATIONS:
        choices = ", ".join(str(known) for known in TRANSFORMATIONS)
        shown = repr(name) if isinstance(name, str) else "functions of your own"
        yield Obstacle("transformation", f"{where}'s transformation={shown}", f"choose one of {choices}")
