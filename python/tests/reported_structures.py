"""Small models of the structures that users of pytorch-forecasting report about in public, each made anew.

By name: what differs from BASE in the frame, in the data set and in the model. Some are models that
pytorch-forecasting itself does not make or train.
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)
from pytorch_forecasting.metrics import MAE, SMAPE, MultiLoss, QuantileLoss

from made_up_frame import made_up_frame
from public_structures import Published, publish

BASE = {
    "target": "load",
    "group_ids": ["host"],
    "min_encoder_length": 24,
    "max_encoder_length": 24,
    "min_prediction_length": 6,
    "max_prediction_length": 6,
    "static_categoricals": ["role"],
    "time_varying_known_reals": ["hour", "day_of_week", "month", "is_weekend"],
    "time_varying_unknown_reals": ["load", "memory"],
    "time_varying_unknown_categoricals": ["status"],
    "target_normalizer": EncoderNormalizer(transformation="softplus"),
    "add_relative_time_idx": True,
    "add_target_scales": True,
    "add_encoder_length": True,
}
NOTHING_ELSE = {
    "static_categoricals": [],
    "time_varying_known_reals": [],
    "time_varying_unknown_categoricals": [],
    "time_varying_unknown_reals": ["load"],
}
DAILY = {"step": "D", "steps": 110}
TWO_IDS = {"group_ids": ["site", "host"]}


def often_zero(load: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(len(load)) < 0.3, 0.0, load)


def one_spike(load: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return np.where(np.arange(len(load)) == 70, 1e5, 0.0)


def by(**options) -> dict:
    return {"target_normalizer": GroupNormalizer(**options)}


def within(**options) -> dict:
    return {"target_normalizer": EncoderNormalizer(**options)}


STRUCTURES: dict[str, tuple[dict, dict, dict]] = {
    "plain": ({}, {}, {}),
    "the-tutorial": (
        {},
        {
            **TWO_IDS,
            **by(groups=["site", "host"], transformation="softplus"),
            "min_encoder_length": 12,
            "min_prediction_length": 1,
            "static_categoricals": ["site", "host"],
            "static_reals": ["cores"],
            "time_varying_known_categoricals": ["days", "hour_name"],
            "variable_groups": {"days": ["sale", "fair"]},
            "time_varying_known_reals": ["time_idx", "price"],
            "time_varying_unknown_categoricals": [],
        },
        {"loss": QuantileLoss(), "logging_metrics": torch.nn.ModuleList([SMAPE(), MAE()])},
    ),
    "no-covariates": ({}, NOTHING_ELSE, {}),
    "a-static-category-alone": (
        {},
        {"time_varying_known_reals": [], "time_varying_unknown_categoricals": []},
        {},
    ),
    "nothing-in-the-decoder": (
        {},
        {
            **NOTHING_ELSE,
            "add_relative_time_idx": False,
            "add_target_scales": False,
            "add_encoder_length": False,
        },
        {},
    ),
    "log-of-zeros": ({"target": often_zero}, within(transformation="log"), {}),
    "log1p-of-zeros": ({"target": often_zero}, within(transformation="log1p"), {}),
    "zeros-and-a-spike": ({"target": one_spike}, within(), {}),
    "softplus-of-negatives": (
        {"target": lambda load, _: load - 40},
        within(transformation="softplus"),
        {},
    ),
    "each-group-on-its-own": (
        {},
        {**by(groups=["host"], scale_by_group=True), "static_categoricals": []},
        {},
    ),
    "robust-groups": ({}, {**by(groups=["host"], method="robust"), "static_categoricals": []}, {}),
    "groups-without-centre": (
        {},
        {**by(groups=["host"], center=False, transformation="softplus"), "static_categoricals": []},
        {},
    ),
    "groups-that-may-be-new": (
        {},
        {
            **by(groups=["host"], transformation="softplus"),
            "static_categoricals": ["host"],
            "categorical_encoders": {
                "host": NaNLabelEncoder(add_nan=True),
                "__group_id__host": NaNLabelEncoder(add_nan=True),
            },
        },
        {},
    ),
    "two-groups": ({}, {**TWO_IDS, **by(groups=["site", "host"])}, {}),
    "one-of-two-groups": ({}, {**TWO_IDS, **by(groups=["site"])}, {}),
    "robust-over-all": ({}, {"target_normalizer": TorchNormalizer(method="robust")}, {}),
    "not-scaled": ({}, {"target_normalizer": TorchNormalizer(method="identity", center=False)}, {}),
    "robust-window": ({}, within(method="robust"), {}),
    "one-quantile": ({}, {}, {"loss": QuantileLoss([0.5])}),
    "no-median": ({}, {}, {"loss": QuantileLoss([0.05, 0.95])}),
    "nine-quantiles": (
        {},
        {},
        {"loss": QuantileLoss([0.005, 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, 0.995])},
    ),
    "sizes-of-each": (
        {},
        {},
        {
            "hidden_continuous_sizes": {"load": 6, "memory": 3},
            "lstm_layers": 2,
            "embedding_sizes": {"role": (3, 5), "status": (3, 2)},
        },
    ),
    "shared-networks": ({}, {}, {"share_single_variable_networks": True}),
    "attention-to-all": ({}, {}, {"causal_attention": False}),
    "monotone": ({}, {}, {"monotone_constraints": {"memory": 1}}),
    "lags-of-the-target": ({}, {"lags": {"load": [1, 24]}}, {}),
    "lags-of-another": ({}, {"lags": {"memory": [3]}}, {}),
    "encoders-of-any-length": (
        {},
        {**by(), "min_encoder_length": 1, "min_prediction_length": 1, "randomize_length": True},
        {},
    ),
    "no-encoder-at-least": ({}, {**by(), "min_encoder_length": 0}, {}),
    "a-target-of-integers": (
        {"target": lambda load, _: load.round().astype(np.int64)},
        {"target_normalizer": "auto"},
        {},
    ),
    "automatic": ({}, {"target_normalizer": "auto"}, {}),
    "automatic-for-short-encoders": (
        {},
        {"target_normalizer": "auto", "max_encoder_length": 12, "min_encoder_length": 1},
        {},
    ),
    "no-normaliser": ({}, {"target_normalizer": None}, {}),
    "a-feature-by-group": ({}, {"scalers": {"memory": GroupNormalizer(groups=["host"])}}, {}),
    "a-feature-by-window": ({}, {"scalers": {"memory": EncoderNormalizer()}}, {}),
    "a-feature-by-constants": ({}, {"scalers": {"memory": TorchNormalizer()}}, {}),
    "hours-as-categories": (
        {},
        {
            "time_varying_known_categoricals": ["hour_name"],
            "time_varying_known_reals": [],
            "time_varying_unknown_categoricals": [],
        },
        {},
    ),
    "the-series-as-a-category": ({}, {"static_categoricals": ["host"]}, {}),
    "a-time-index": ({}, {"time_varying_known_reals": ["time_idx", "hour"]}, {}),
    "a-real-known-ahead": ({}, {"time_varying_known_reals": ["price"]}, {}),
    "a-static-real": ({}, {"static_reals": ["cores"]}, {}),
    "two-targets": (
        {},
        {
            "target": ["load", "errors"],
            "time_varying_unknown_reals": ["load", "errors"],
            "target_normalizer": MultiNormalizer([EncoderNormalizer(), EncoderNormalizer()]),
        },
        {"loss": MultiLoss([QuantileLoss([0.1, 0.5, 0.9])] * 2), "output_size": [3, 3]},
    ),
    "one-target-in-a-list": (
        {},
        {"target": ["load"], "target_normalizer": MultiNormalizer([EncoderNormalizer()])},
        {"output_size": 3},
    ),
    "weights": ({}, {"weight": "weight"}, {}),
    "a-point-loss": ({}, {}, {"loss": MAE(), "output_size": 1}),
    "days-with-weekdays": (
        DAILY,
        {
            "time_varying_known_reals": ["day_of_week", "month"],
            "max_encoder_length": 14,
            "min_encoder_length": 14,
        },
        {},
    ),
    "days-alone": (
        DAILY,
        {"time_varying_known_reals": [], "max_encoder_length": 28, "min_encoder_length": 28},
        {},
    ),
    "quarters-of-an-hour": ({"step": "15min", "steps": 160}, {}, {}),
    "missing-steps-allowed": ({}, {"allow_missing_timesteps": True}, {}),
    "a-target-that-is-no-input": ({}, {"time_varying_unknown_reals": ["memory"]}, {}),
    "a-horizon-of-one": ({}, {"max_prediction_length": 1, "min_prediction_length": 1}, {}),
    "another-optimizer": ({}, {}, {"optimizer": "ranger", "reduce_on_plateau_patience": 3}),
}
STEPS = {"D": "1d", "15min": "15min", "h": "1h"}


def reported(name: str) -> Callable[[], Published]:
    frame, dataset, model = STRUCTURES[name]

    def make() -> Published:
        # Scalers are fitted where they are.
        options = copy.deepcopy({"loss": QuantileLoss([0.1, 0.5, 0.9]), **model})
        parameters = copy.deepcopy({**BASE, **dataset})
        return publish(made_up_frame(**frame), STEPS[frame.get("step", "h")], options, **parameters)

    return make
