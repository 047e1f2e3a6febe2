"""What pytorch-forecasting can make a Temporal Fusion Transformer of, against its own forecasts."""

import numpy as np
import pytest
import torch
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)
from pytorch_forecasting.metrics import MAE, RMSE, MultiLoss, NormalDistributionLoss, QuantileLoss
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler

from public_structures import publish, series
from tft_export.checkpoint.checkpoint_file import Checkpoint
from tft_export.checkpoint.read_structure import read_structure
from tft_export.checkpoint.tensors import input_tensors
from tft_export.graph.network import TemporalFusionNetwork
from tft_export.graph.network_regions import preprocess_attributes
from tft_export.graph.preprocess import Preprocess
from tft_export.windows.made_up_windows import made_up_windows
from tft_export.windows.pytorch_forecasts import expected_forecasts

TOLERANCE = 1e-4


def columns(rng, times, index):
    steps = len(times)
    return {
        "load": 20.0 * (index + 1) + rng.uniform(1, 30, steps),
        "errors": rng.uniform(1, 9, steps),
        "rate": 1e-7 * rng.uniform(1, 9 + index, steps),
        "memory": rng.uniform(30, 60, steps) * (index + 1),
        "price": 3 + rng.random(steps),
        "sales": rng.integers(0, 2, steps).astype(float),
        "cores": float(2**index),
        "hour": times.hour.astype(float),
        "day_of_week": times.dayofweek.astype(float),
        "profile": ["web", "db"][index % 2],
        "status": rng.choice(["ok", "busy"], steps),
        "shift": rng.choice(["early", "late"], steps),
        "sale": rng.choice(["sale", "-"], steps),
        "fair": rng.choice(["fair", "-"], steps),
    }


FRAME = series("2026-05-04", "h", 90, [{"site": "ab"[i % 2], "host": f"h{i}"} for i in range(4)], columns)
BASE = {
    "target": "load",
    "group_ids": ["host"],
    "min_encoder_length": 24,
    "max_encoder_length": 24,
    "min_prediction_length": 6,
    "max_prediction_length": 6,
    "static_categoricals": ["profile"],
    "time_varying_known_reals": ["hour", "day_of_week"],
    "time_varying_unknown_reals": ["load", "memory"],
    "time_varying_unknown_categoricals": ["status"],
    "target_normalizer": EncoderNormalizer(transformation="softplus"),
    "add_relative_time_idx": True,
    "add_target_scales": True,
    "add_encoder_length": True,
}
TWO = {
    "target": ["load", "errors"],
    "time_varying_unknown_reals": ["load", "memory", "errors"],
    "target_normalizer": MultiNormalizer([EncoderNormalizer(), GroupNormalizer(groups=["host"])]),
}
TWO_LOSSES = {"loss": MultiLoss([QuantileLoss([0.1, 0.5, 0.9]), MAE()]), "output_size": [3, 1]}
BY_SITE = GroupNormalizer(groups=["site"])
IDS = {"group_ids": ["site", "host"]}

PAST = ["load", "memory", "relative_time_idx"]

CASES = {
    "a-price-known-ahead": ({"time_varying_known_reals": ["hour", "price"]}, {}),
    "only-a-price": ({"time_varying_known_reals": ["price"]}, {}),
    "time-index": ({"time_varying_known_reals": ["time_idx", "day_of_week", "hour"]}, {}),
    "day-without-hour": ({"time_varying_known_reals": ["day_of_week", "price"]}, {}),
    "static-real": ({"static_reals": ["cores"]}, {}),
    "only-a-static-real": (
        {
            "static_reals": ["cores"],
            "static_categoricals": [],
            "add_target_scales": False,
            "add_encoder_length": False,
        },
        {},
    ),
    # pytorch-forecasting gives each deviation 1e-3 more, so that those of small values hardly differ.
    "rates-by-group": ({"target": "rate", "target_normalizer": GroupNormalizer(groups=["host"])}, {}),
    "one-step-of-the-past": (
        {
            "max_encoder_length": 1,
            "min_encoder_length": 1,
            "target_normalizer": GroupNormalizer(groups=["host"]),
        },
        {},
    ),
    "nothing-varies": (
        {
            "static_reals": ["cores"],
            "time_varying_known_reals": [],
            "time_varying_unknown_reals": [],
            "time_varying_unknown_categoricals": [],
            "add_relative_time_idx": False,
        },
        {},
    ),
    "lag-of-the-target": ({"lags": {"load": [1, 24]}}, {}),
    "lags-of-others": (
        {
            "lags": {"memory": [3], "price": [2]},
            "time_varying_known_reals": ["price"],
            "scalers": {"memory": None, "price": None},
        },
        {},
    ),
    "lag-of-the-hour": ({"lags": {"hour": [5]}, "scalers": {"hour": None}}, {}),
    "yesterday-in-the-decoder-alone": ({"lags": {"load": [24]}}, {"time_varying_reals_encoder": PAST}),
    "lags-in-the-decoder-alone": (
        {"lags": {"load": [9], "memory": [7, 30], "hour": [3]}, "scalers": {"hour": None, "memory": None}},
        {"time_varying_reals_encoder": PAST},
    ),
    "a-lag-that-nothing-reads": (
        {"lags": {"load": [24]}},
        {"time_varying_reals_encoder": PAST, "time_varying_reals_decoder": ["hour", "relative_time_idx"]},
    ),
    "lag-of-a-scaled-one": (
        {"lags": {"memory": [8]}, "scalers": {"memory": GroupNormalizer(groups=["host"])}},
        {},
    ),
    "lag-of-a-target-by-group": (
        {
            "lags": {"load": [7]},
            "target_normalizer": GroupNormalizer(groups=["host"], transformation="softplus"),
        },
        {},
    ),
    "summed-embeddings": (
        {"variable_groups": {"days": ["sale", "fair"]}, "time_varying_known_categoricals": ["days", "shift"]},
        {},
    ),
    "summed-embeddings-alone": (
        {
            "variable_groups": {"days": ["sale", "fair"]},
            "time_varying_known_categoricals": ["days"],
            "time_varying_known_reals": [],
            "add_relative_time_idx": False,
        },
        {},
    ),
    "summed-embeddings-of-shared-networks": (
        {"variable_groups": {"days": ["sale", "fair"]}, "time_varying_known_categoricals": ["days"]},
        {"share_single_variable_networks": True},
    ),
    "by-two-groups": (
        {**IDS, "target_normalizer": GroupNormalizer(groups=["site", "host"], transformation="softplus")},
        {},
    ),
    "by-two-groups-in-another-order": (
        {**IDS, "target_normalizer": GroupNormalizer(groups=["host", "site"], scale_by_group=True)},
        {},
    ),
    "by-one-of-two-groups": ({**IDS, "target_normalizer": BY_SITE}, {}),
    "by-groups-that-are-categories": (
        {
            **IDS,
            "static_categoricals": ["host", "site"],
            "categorical_encoders": {"host": NaNLabelEncoder(add_nan=True)},
            "target_normalizer": GroupNormalizer(groups=["site", "host"]),
        },
        {},
    ),
    "robust-window": ({"target_normalizer": EncoderNormalizer(method="robust", transformation="relu")}, {}),
    "robust-window-of-other-quantiles": (
        {
            "target_normalizer": EncoderNormalizer(
                method="robust", center=False, max_length=[20, 10], method_kwargs={"upper": 0.9, "lower": 0.2}
            )
        },
        {},
    ),
    "scalers-of-the-library": (
        {
            "time_varying_known_reals": ["hour", "price"],
            "scalers": {
                "memory": GroupNormalizer(groups=["host"], transformation="log1p"),
                "price": EncoderNormalizer(),
            },
        },
        {},
    ),
    "scalers-by-a-category": (
        {
            "static_reals": ["cores"],
            "scalers": {
                "memory": GroupNormalizer(groups=["profile"]),
                "cores": GroupNormalizer(groups=["profile"]),
            },
        },
        {},
    ),
    "scalers-transformed": (
        {
            "scalers": {
                "memory": GroupNormalizer(method="robust", transformation="log"),
                "hour": MinMaxScaler(),
            }
        },
        {},
    ),
    "other-affine-scalers": (
        {
            "time_varying_known_reals": ["price"],
            "scalers": {"memory": MinMaxScaler(), "price": MaxAbsScaler(), "encoder_length": None},
        },
        {},
    ),
    "mean-absolute-error": ({}, {"loss": MAE(), "output_size": 1}),
    "root-mean-square-error": ({"target_normalizer": TorchNormalizer()}, {"loss": RMSE(), "output_size": 1}),
    **{
        f"normal-distribution-{name}": (
            {"target_normalizer": EncoderNormalizer(transformation=name)},
            {"loss": NormalDistributionLoss(), "output_size": 2},
        )
        for name in (None, "softplus", "log1p", "count", "relu")
    },
    "two-targets": (TWO, {"loss": MultiLoss([QuantileLoss(), QuantileLoss()]), "output_size": [7, 7]}),
    "two-targets-of-two-losses": (TWO, TWO_LOSSES),
    "two-targets-lagged": ({**TWO, "lags": {"load": [7], "errors": [7]}}, TWO_LOSSES),
    "two-targets-neither-an-input": (
        {**TWO, "time_varying_unknown_reals": ["memory"], "add_target_scales": False},
        TWO_LOSSES,
    ),
    **{
        f"nothing-measured-{name}": (
            {
                "target": "sales",
                "time_varying_unknown_reals": ["sales", "memory"],
                "target_normalizer": scale,
            },
            {},
        )
        for name, scale in {
            "by-group": GroupNormalizer(groups=["host"], transformation="softplus"),
            "by-window": EncoderNormalizer(transformation="softplus"),
            "by-all": TorchNormalizer(transformation="softplus"),
            "as-a-share": GroupNormalizer(transformation="logit"),
        }.items()
    },
    "a-metric-of-nothing": (
        {
            "time_varying_unknown_reals": ["load", "sales"],
            "scalers": {"sales": GroupNormalizer(groups=["host"], transformation="softplus")},
        },
        {},
    ),
    **{
        f"shorter-encoders-{name}": ({"min_encoder_length": 5, "min_prediction_length": 1, **dataset}, model)
        for name, (dataset, model) in {
            "by-window": ({}, {}),
            "by-group": ({"target_normalizer": GroupNormalizer(groups=["host"])}, {}),
            "of-one-step": ({"target_normalizer": TorchNormalizer(), "min_encoder_length": 1}, {}),
            "of-no-step": ({"target_normalizer": TorchNormalizer(), "min_encoder_length": 0}, {}),
            "drawn-at-random": ({"randomize_length": True}, {}),
            "robust": (
                {
                    "target_normalizer": EncoderNormalizer(
                        method="robust", max_length=[20, 8], method_kwargs={"upper": 0.9, "center": 0.4}
                    )
                },
                {},
            ),
            "around-the-last": ({"target_normalizer": EncoderNormalizer(max_length=[1, 24])}, {}),
            "of-lags": ({"lags": {"load": [3, 7], "memory": [2]}, "scalers": {"memory": None}}, {}),
            "of-lags-ahead": ({"lags": {"load": [9]}}, {"time_varying_reals_encoder": PAST}),
            "of-scaled-ones": ({"scalers": {"memory": EncoderNormalizer()}}, {}),
            "of-static-reals": ({"static_reals": ["cores"]}, {}),
            "of-no-length": ({"add_encoder_length": False}, {}),
            "of-two-layers": ({}, {"lstm_layers": 2}),
            "not-causal": ({}, {"causal_attention": False}),
            "of-two-targets": (TWO, TWO_LOSSES),
        }.items()
    },
}


def structure_of(name):
    dataset, model = CASES[name]
    published = publish(FRAME, "60", {"loss": QuantileLoss([0.1, 0.5, 0.9]), **model}, **{**BASE, **dataset})
    checkpoint = Checkpoint(published.model, published.dataset.get_parameters(), None)
    return read_structure(checkpoint, 60), checkpoint


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("lag-of-the-target", 24 + 24),
        ("yesterday-in-the-decoder-alone", 24),
        ("lags-in-the-decoder-alone", 30),
        ("a-lag-that-nothing-reads", 24),
    ],
)
def test_callers_give_no_more_past_than_is_read(name, steps):
    assert structure_of(name)[0].past == steps


@pytest.mark.parametrize(
    ("name", "lags"),
    [
        ("yesterday-in-the-decoder-alone", [24]),
        ("lag-of-the-target", None),
        ("lags-in-the-decoder-alone", None),
    ],
)
def test_the_preprocessing_operator_computes_the_lags_that_the_window_holds(name, lags):
    attributes = preprocess_attributes(Preprocess(structure_of(name)[0]))
    if lags is None:
        assert attributes is None
    else:
        assert [attributes[f"lag_{index}"] for index in range(attributes["lags"])] == lags


@pytest.mark.parametrize(
    ("name", "steps", "least"),
    [
        ("shorter-encoders-by-window", 24, 5),
        ("shorter-encoders-of-lags", 24 + 7, 5 + 7),
        ("shorter-encoders-of-lags-ahead", 24, 9),
        ("shorter-encoders-of-no-step", 24, 1),
        ("time-index", 24, 24),
    ],
)
def test_a_series_may_have_as_few_steps_as_the_model_was_trained_on(name, steps, least):
    structure, _ = structure_of(name)
    assert (structure.past, structure.shortest) == (steps, least)


def test_a_window_of_all_steps_is_forecast_as_by_a_model_of_that_length_alone():
    several, checkpoint = structure_of("shorter-encoders-by-window")
    alone = read_structure(
        Checkpoint(
            checkpoint.model, {**checkpoint.dataset_parameters, "min_encoder_length": 24}, checkpoint.path
        ),
        60,
    )
    windows = made_up_windows(alone, checkpoint.dataset_parameters, 4)
    inputs = [torch.from_numpy(windows.inputs()[tensor.name]) for tensor in input_tensors(alone)]
    lengths = torch.full((4, 1, 1), 24, dtype=torch.int32)
    networks = [TemporalFusionNetwork(checkpoint.model, structure) for structure in (alone, several)]
    with torch.no_grad():
        one, other = networks[0].eval()(*inputs), networks[1].eval()(*inputs, lengths)
    assert (one - other).abs().max() <= 1e-5 * one.std()


@pytest.mark.parametrize("name", CASES)
def test_the_network_forecasts_as_pytorch_does(name):
    structure, checkpoint = structure_of(name)
    windows = made_up_windows(structure, checkpoint.dataset_parameters, 8)
    if "nothing" in name and "sales" in structure.metrics:
        channel = structure.metrics.index("sales")
        windows.metrics[..., channel] = np.random.default_rng(0).integers(0, 2, windows.metrics.shape[:2])
    assert (len({*windows.given}) > 1) == structure.varies_in_length == name.startswith("shorter")
    inputs = {key: torch.from_numpy(array) for key, array in windows.inputs().items()}
    network = TemporalFusionNetwork(checkpoint.model, structure).eval()
    with torch.no_grad():
        actual = network(*(inputs[tensor.name] for tensor in input_tensors(structure)))
    actual = [actual] if isinstance(actual, torch.Tensor) else actual
    expected = expected_forecasts(checkpoint, windows)
    assert len(actual) == len(expected) == len(structure.targets)
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.shape == theirs.shape
        assert theirs.std() > 0
        difference = np.abs(ours.numpy() - theirs).max()
        assert difference <= TOLERANCE * theirs.std(), f"{difference} of {theirs.std()}"
