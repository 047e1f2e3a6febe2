"""What the graph and the bundle need to know of a model, read from a checkpoint once.

Options that the exporter does not support are refused here by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pytorch_forecasting.data import MultiNormalizer, NaNLabelEncoder
from pytorch_forecasting.metrics import QuantileLoss
from sklearn.preprocessing import RobustScaler, StandardScaler

from ..errors import ExportError, unsupported
from .checkpoint_file import Checkpoint
from .normalizer import (
    TargetNormalizer,
    check_output_transformer,
    is_by_group,
    read_group_normalizer,
    read_normalizer,
)
from .standardised import Standardised

KNOWN_FEATURES = ("hour", "day_of_week", "month", "is_weekend")
SERVER_ID = "server_id"
UNKNOWN = "unknown"
RELATIVE_TIME = "relative_time_idx"
ENCODER_LENGTH = "encoder_length"


@dataclass(frozen=True)
class Category:
    """One channel of encoder_cat and decoder_cat, which the data set knows as `column`.

    `codes` are the bundle's: 0 is 'unknown'. `rows[code]` lists the embedding rows whose mean represents
    that code: one row, or all of them for the 'unknown' of an encoder that has no class for it.
    """

    name: str
    column: str
    codes: Mapping[str, int]
    rows: tuple[tuple[int, ...], ...]
    role: str
    # What the data set's encoder calls code 0; None if it refuses the unknown.
    unknown_class: str | None = None

    def embedding(self, weight: torch.Tensor) -> torch.Tensor:
        """The embedding of each of the bundle's codes: [codes, size]."""
        return torch.stack([weight.detach()[list(rows)].mean(0) for rows in self.rows])


@dataclass(frozen=True)
class Structure:
    """The model's inputs and sizes. Orders are those of the channels of the four input tensors."""

    step_minutes: int
    encoder_length: int
    horizon: int
    target: str
    quantiles: tuple[float, ...]
    metrics: tuple[str, ...]
    categories: tuple[Category, ...]
    known: tuple[str, ...]
    static_reals: tuple[str, ...]
    encoder_reals: tuple[str, ...]
    decoder_reals: tuple[str, ...]
    static_categoricals: tuple[str, ...]
    encoder_categoricals: tuple[str, ...]
    decoder_categoricals: tuple[str, ...]
    scalers: Mapping[str, Standardised]
    normalizer: TargetNormalizer
    group_ids: tuple[str, ...]
    time_idx: str
    # For a model normalised by server: the static categories that the graph looks up, each with its code
    # for every server code.
    looked_up: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    looked_up_categories: tuple[Category, ...] = ()

    @property
    def target_channel(self) -> int:
        return self.metrics.index(self.target)

    @property
    def by_server(self) -> bool:
        return self.normalizer.kind == "group"

    @property
    def center_name(self) -> str:
        return f"{self.target}_center"

    @property
    def scale_name(self) -> str:
        return f"{self.target}_scale"

    def category(self, column: str) -> Category:
        everything = (*self.categories, *self.looked_up_categories)
        return next(category for category in everything if category.column == column)

    def channel(self, column: str) -> int:
        return next(i for i, category in enumerate(self.categories) if category.column == column)


def read_structure(
    checkpoint: Checkpoint,
    step_minutes: int = 5,
    servers: Mapping[str, Mapping[str, str]] | None = None,
) -> Structure:
    """Reads a checkpoint's structure.

    `servers` gives, for a model normalised by server, each server's static categories:
    {server_name: {column: value}}. Raises ExportError: unsupported_option, servers_needed,
    servers_incomplete.
    """
    model, parameters = checkpoint.model, checkpoint.dataset_parameters
    _refuse_unsupported(model, parameters)
    hyper = model.hparams
    target = parameters["target"]
    generated = {RELATIVE_TIME, ENCODER_LENGTH, f"{target}_center", f"{target}_scale"}
    known = [name for name in parameters["time_varying_known_reals"] or () if name != RELATIVE_TIME]
    unknown_reals = set(parameters["time_varying_unknown_reals"] or ())
    metrics = [name for name in hyper.x_reals if name in unknown_reals]
    if target not in metrics:
        metrics.append(target)
    for name in known:
        if name not in KNOWN_FEATURES:
            raise unsupported(
                f"time_varying_known_reals contains '{name}'",
                f"the bundle's decoder_cont can hold only {', '.join(KNOWN_FEATURES)}",
            )
    for name in hyper.static_reals:
        if name not in generated:
            raise unsupported(f"static_reals contains '{name}'", "the four inputs have no place for it")
    encoders = parameters["categorical_encoders"]
    static = list(hyper.static_categoricals)
    columns = [
        name
        for name in hyper.x_categoricals
        if name
        in {*static, *hyper.time_varying_categoricals_encoder, *hyper.time_varying_categoricals_decoder}
    ]
    ahead = {*hyper.time_varying_categoricals_decoder}

    def role_of(name: str) -> str:
        if name in static:
            return "static"
        return "known" if name in ahead else "varying"

    categories = [read_category(name, encoders[name], role_of(name)) for name in columns]
    looked_up: dict[str, tuple[int, ...]] = {}
    looked_up_categories: list[Category] = []
    if is_by_group(parameters["target_normalizer"]):
        column = parameters["group_ids"][0]
        server = read_category(column, encoders[column], "static", name=SERVER_ID)
        looked_up_categories = [c for c in categories if c.role == "static" and c.column != column]
        categories = [server, *(c for c in categories if c.role != "static")]
        names = list(server.codes)
        normalizer = read_group_normalizer(parameters, column, names, server.rows)
        looked_up = {c.column: _codes_by_server(c, names, servers) for c in looked_up_categories}
    else:
        normalizer = read_normalizer(parameters)
    return Structure(
        step_minutes=step_minutes,
        encoder_length=parameters["max_encoder_length"],
        horizon=parameters["max_prediction_length"],
        target=target,
        quantiles=tuple(float(q) for q in model.loss.quantiles),
        metrics=tuple(metrics),
        # The four inputs stay four: what the model does not read still has one channel.
        categories=tuple(categories) or (_unread_category(),),
        known=tuple(known) or KNOWN_FEATURES[:1],
        static_reals=tuple(hyper.static_reals),
        encoder_reals=tuple(hyper.time_varying_reals_encoder),
        decoder_reals=tuple(hyper.time_varying_reals_decoder),
        static_categoricals=tuple(static),
        encoder_categoricals=tuple(hyper.time_varying_categoricals_encoder),
        decoder_categoricals=tuple(hyper.time_varying_categoricals_decoder),
        scalers=_read_scalers(
            parameters["scalers"], {*hyper.x_reals} - {target, RELATIVE_TIME, ENCODER_LENGTH}
        ),
        normalizer=normalizer,
        group_ids=tuple(parameters["group_ids"]),
        time_idx=parameters["time_idx"],
        looked_up=looked_up,
        looked_up_categories=tuple(looked_up_categories),
    )


def read_category(column: str, encoder: NaNLabelEncoder, role: str, name: str | None = None) -> Category:
    """The bundle's codes for an encoder's classes.

    Code 0 is the class named 'unknown' if the encoder was trained with one, else its code for the missing
    (add_nan), else the mean of all classes, since such a model was never shown an unknown value.
    """
    classes = {
        str(label): row for label, row in encoder.classes_.items() if not (encoder.add_nan and row == 0)
    }
    if UNKNOWN in classes:
        unknown_rows, unknown_class = (classes.pop(UNKNOWN),), UNKNOWN
    elif encoder.add_nan:
        unknown_rows, unknown_class = (0,), "nan"
    else:
        unknown_rows, unknown_class = tuple(classes.values()), None
    codes = {UNKNOWN: 0, **{label: code for code, label in enumerate(classes, start=1)}}
    rows = (unknown_rows, *((row,) for row in classes.values()))
    return Category(name or column, column, codes, rows, role, unknown_class)


def _unread_category() -> Category:
    return Category("profile", "", {UNKNOWN: 0}, ((0,),), "static")


def _codes_by_server(
    category: Category, server_names: list[str], servers: Mapping[str, Mapping[str, str]] | None
) -> tuple[int, ...]:
    trained = [name for name in server_names if name != UNKNOWN]
    if servers is None:
        raise ExportError(
            "servers_needed",
            f"the model scales by server and reads the static category '{category.column}': give each of its "
            f"{len(trained)} servers' value with --servers FILE (columns server_name,{category.column})",
        )
    missing = [name for name in trained if category.column not in servers.get(name, {})]
    if missing:
        raise ExportError(
            "servers_incomplete",
            f"--servers has no '{category.column}' for {len(missing)} of {len(trained)} servers, "
            f"such as {', '.join(missing[:3])}",
        )
    return tuple(
        category.codes.get(servers[name][category.column], 0) if name != UNKNOWN else 0
        for name in server_names
    )


def _read_scalers(scalers: Mapping[str, Any], names: set[str]) -> dict[str, Standardised]:
    read = {}
    for name in sorted(names):
        scaler = scalers.get(name)
        if scaler is None:
            read[name] = Standardised()
        elif isinstance(scaler, StandardScaler):
            mean = scaler.mean_ if scaler.with_mean else None
            scale = scaler.scale_ if scaler.with_std else None
            read[name] = Standardised(_first(mean, 0.0), _first(scale, 1.0))
        elif isinstance(scaler, RobustScaler):
            center = scaler.center_ if scaler.with_centering else None
            scale = scaler.scale_ if scaler.with_scaling else None
            read[name] = Standardised(_first(center, 0.0), _first(scale, 1.0))
        else:
            raise unsupported(
                f"scalers['{name}'] is a {type(scaler).__name__}", "use StandardScaler, RobustScaler or None"
            )
    return read


def _first(values: np.ndarray | None, default: float) -> float:
    return default if values is None else float(values[0])


def _refuse_unsupported(model: torch.nn.Module, parameters: Mapping[str, Any]) -> None:
    normalizer = parameters["target_normalizer"]
    if not isinstance(parameters["target"], str) or isinstance(normalizer, MultiNormalizer):
        raise unsupported("several targets", "train one model for each target")
    if isinstance(normalizer, NaNLabelEncoder):
        raise unsupported("a categorical target", "the target must be a metric")
    if not isinstance(model.loss, QuantileLoss):
        raise unsupported(f"loss={type(model.loss).__name__}", "train with QuantileLoss")
    quantiles = list(model.loss.quantiles)
    if sorted(set(quantiles)) != quantiles:
        raise unsupported(f"quantiles={quantiles}", "train with quantiles in increasing order")
    if parameters.get("lags"):
        raise unsupported("lags", "the graph would need more past than the encoder holds")
    if parameters.get("variable_groups"):
        raise unsupported("variable_groups", "make one category of each variable")
    if is_by_group(normalizer) and (
        len(parameters["group_ids"]) > 1 or list(normalizer.groups) != list(parameters["group_ids"])
    ):
        raise unsupported(
            f"GroupNormalizer(groups={list(normalizer.groups)})",
            f"with group_ids={list(parameters['group_ids'])}; normalise by the column that names the server",
        )
    check_output_transformer(model, normalizer)
