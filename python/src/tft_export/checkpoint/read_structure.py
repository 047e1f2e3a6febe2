"""Reads a model's structure from its checkpoint, and refuses what cannot be exported, all at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ExportError
from .calendar import KNOWN_FEATURES, Step, countable
from .category import UNKNOWN, Category, read_category, unread_category
from .checkpoint_file import Checkpoint
from .head import read_head
from .normalizer import (
    TargetNormalizer,
    is_by_group,
    read_feature_groups,
    read_scale,
    read_target_groups,
)
from .obstacles import (
    find_obstacles,
    refuse_obstacles,
    target_losses,
    target_names,
    target_normalizers,
)
from .standardised import Standardised, read_affine
from .structure import CALENDAR, COUNT, ENCODER_LENGTH, GIVEN, RELATIVE_TIME, SERVER_ID, Lag, Structure
from .supported import NORMALIZERS

Servers = Mapping[str, Mapping[str, str]]


def read_structure(
    checkpoint: Checkpoint, step: float | Step = 5, servers: Servers | None = None
) -> Structure:
    """Reads a checkpoint's structure.

    `step` is the length of a step, or its minutes. `servers` gives, for a model normalised by server, each
    server's static categories, which are then no inputs: {server_name: {column: value}}. Raises ExportError:
    unsupported_option, servers_incomplete.
    """
    step = step if isinstance(step, Step) else Step(step)
    model, parameters = checkpoint.model, checkpoint.dataset_parameters
    hyper = model.hparams
    refuse_obstacles(find_obstacles({**hyper, "loss": model.loss}, parameters))
    targets = target_names(parameters)
    lags = {
        f"{name}_lagged_by_{steps}": Lag(name, steps)
        for name, all_steps in (parameters["lags"] or {}).items()
        for steps in ([all_steps] if isinstance(all_steps, int) else all_steps)
    }
    generated = {
        RELATIVE_TIME,
        ENCODER_LENGTH,
        *(f"{t}_{part}" for t in targets for part in ("center", "scale")),
    }
    known = [
        name for name in parameters["time_varying_known_reals"] or () if name not in {RELATIVE_TIME, *lags}
    ]
    unknown_reals = {*(parameters["time_varying_unknown_reals"] or ())}
    scalers, scaled = _read_scalers(
        parameters, {*hyper.x_reals} - {*targets, *lags, RELATIVE_TIME, ENCODER_LENGTH}
    )
    horizon, encoder_length = parameters["max_prediction_length"], parameters["max_encoder_length"]
    encoder_reals = tuple(hyper.time_varying_reals_encoder)
    shifted = {lag.name for lag in lags.values()}
    features = [name for name in known if name in KNOWN_FEATURES and name not in {*scaled, *shifted}]
    counted = countable(features, features, step.minutes, encoder_length, horizon)
    given = [
        name
        for name in known
        if name not in counted and (name in encoder_reals or name not in features or name in shifted)
    ]
    metrics = [name for name in hyper.x_reals if name in unknown_reals and name not in lags]
    metrics += [target for target in targets if target not in metrics]
    scales = _read_scales(parameters, scaled, _read_categories(hyper, parameters), servers)
    return Structure(
        step=step,
        encoder_length=encoder_length,
        horizon=horizon,
        targets=tuple(targets),
        heads=tuple(read_head(loss) for loss in target_losses(model.loss, len(targets))),
        metrics=(*metrics, *given),
        ahead={name: _how_known(name, parameters) for name in given},
        # The four inputs stay four: what the model does not read still has one channel.
        categories=tuple(scales.categories) or (unread_category(),),
        known=tuple(known) or KNOWN_FEATURES[:1],
        statics=tuple(name for name in hyper.static_reals if name not in generated),
        static_reals=tuple(hyper.static_reals),
        encoder_reals=encoder_reals,
        decoder_reals=tuple(hyper.time_varying_reals_decoder),
        static_categoricals=tuple(hyper.static_categoricals),
        encoder_categoricals=tuple(hyper.time_varying_categoricals_encoder),
        decoder_categoricals=tuple(hyper.time_varying_categoricals_decoder),
        scalers=scalers,
        scalings=scales.scalings,
        normalizers=scales.normalizers,
        group_ids=tuple(parameters["group_ids"]),
        time_idx=parameters["time_idx"],
        lags=lags,
        bags={name: tuple(members) for name, members in (parameters["variable_groups"] or {}).items()},
        looked_up=scales.looked_up,
        looked_up_categories=scales.looked_up_categories,
        min_encoder_length=_min_encoder_length(parameters),
    )


def _min_encoder_length(parameters: Mapping[str, Any]) -> int | None:
    least, most = parameters["min_encoder_length"], parameters["max_encoder_length"]
    return least if least is not None and least < most else None


def _how_known(name: str, parameters: Mapping[str, Any]) -> str:
    if name == parameters["time_idx"]:
        return COUNT
    return CALENDAR if name in KNOWN_FEATURES else GIVEN


def _read_scalers(
    parameters: Mapping[str, Any], names: set[str]
) -> tuple[dict[str, Standardised], dict[str, Any]]:
    """Of each variable its constants; in the second, the normalisers that are more than constants."""
    constants, others = {}, {}
    for name in sorted(names):
        scaler = parameters["scalers"].get(name)
        if scaler is None:
            constants[name] = Standardised()
        elif type(scaler).__name__ not in NORMALIZERS:
            constants[name] = read_affine(scaler)
        elif is_by_group(scaler):
            others[name] = scaler
        else:
            read = read_scale(scaler)
            if read.kind == "constant" and read.transformation is None:
                constants[name] = Standardised(*map(float, read.input_scale[0]))
            else:
                others[name] = scaler
    return constants, others


def _read_categories(hyper: Any, parameters: Mapping[str, Any]) -> list[Category]:
    encoders = parameters["categorical_encoders"]
    group_of = {
        member: name for name, members in (parameters["variable_groups"] or {}).items() for member in members
    }
    static = {*hyper.static_categoricals}
    ahead = {*hyper.time_varying_categoricals_decoder}
    read = {*static, *ahead, *hyper.time_varying_categoricals_encoder}
    categories = []
    for column in hyper.x_categoricals:
        variable = group_of.get(column, column)
        if variable in read:
            role = "static" if variable in static else "known" if variable in ahead else "varying"
            categories.append(read_category(column, encoders[variable], role))
    return categories


@dataclass(frozen=True)
class _Scales:
    """The scales of targets and other variables, with the categories that they are looked up by."""

    normalizers: Mapping[str, TargetNormalizer]
    scalings: Mapping[str, TargetNormalizer]
    categories: list[Category]
    # Static categories that are no input, each with its code for every code of the server.
    looked_up: Mapping[str, tuple[int, ...]]
    looked_up_categories: tuple[Category, ...]


def _read_scales(
    parameters: Mapping[str, Any],
    scaled: Mapping[str, Any],
    categories: list[Category],
    servers: Servers | None,
) -> _Scales:
    encoders, group_ids = parameters["categorical_encoders"], list(parameters["group_ids"])
    fitted = dict(zip(target_names(parameters), target_normalizers(parameters), strict=True))
    by_groups = any(map(is_by_group, fitted.values()))
    encoded = {category.column for category in categories}
    if type(parameters["target_normalizer"]).__name__ in ("GroupNormalizer", "MultiNormalizer"):
        encoded |= {*group_ids}

    def read(column: str, name: str | None = None) -> Category:
        encoder = encoders[column] if column in encoders else encoders[f"__group_id__{column}"]
        return read_category(column, encoder, "static", name)

    looked_up: dict[str, tuple[int, ...]] = {}
    looked_up_categories: list[Category] = []
    if by_groups and len(group_ids) == 1:
        server = read(group_ids[0], SERVER_ID)
        others = [category for category in categories if category.column != server.column]
        if servers is not None:
            looked_up_categories = [category for category in others if category.role == "static"]
            names = list(server.codes)
            looked_up = {c.column: _codes_by_server(c, names, servers) for c in looked_up_categories}
        categories = [server, *(category for category in others if category.column not in looked_up)]
    columns = [*(group_ids if by_groups else ())]
    for scaler in scaled.values():
        columns += scaler.groups if is_by_group(scaler) else []
    there = {category.column for category in categories}
    categories = [*(read(column) for column in dict.fromkeys(columns) if column not in there), *categories]
    by_column = {category.column: category for category in categories}

    def scale_of_target(normalizer: Any) -> TargetNormalizer:
        if not is_by_group(normalizer):
            return read_scale(normalizer)
        return read_target_groups(normalizer, parameters, [by_column[column] for column in group_ids])

    def scale_of(scaler: Any) -> TargetNormalizer:
        if not is_by_group(scaler):
            return read_scale(scaler)
        return read_feature_groups(scaler, [by_column[column] for column in scaler.groups], encoded)

    return _Scales(
        {target: scale_of_target(normalizer) for target, normalizer in fitted.items()},
        {name: scale_of(scaler) for name, scaler in scaled.items()},
        categories,
        looked_up,
        tuple(looked_up_categories),
    )


def _codes_by_server(category: Category, server_names: list[str], servers: Servers) -> tuple[int, ...]:
    trained = [name for name in server_names if name != UNKNOWN]
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
