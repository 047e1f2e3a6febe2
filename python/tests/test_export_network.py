"""The whole rewritten network against `model.predict(mode="quantiles")`, for all kinds of checkpoints."""

import numpy as np
import pytest
import torch
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer, TorchNormalizer
from sklearn.preprocessing import RobustScaler, StandardScaler

from tft_export.checkpoint.floored_normalizer import FlooredEncoderNormalizer
from tft_export.description import INPUT_NAMES
from tft_export.graph.network import TemporalFusionNetwork
from tiny_models import DEFAULT_STRUCTURE, PROFILES

NO_MONTH_TURN = "2026-05-13 21:35"
TOLERANCE = 1e-4

RECIPES = {
    "default": {},
    "odd-sizes": {"hidden_size": 10, "heads": 3, "hidden_continuous_size": 7},
    "hidden-equals-continuous": {"hidden_size": 8, "hidden_continuous_size": 8},
    "continuous-wider": {"hidden_size": 6, "hidden_continuous_size": 9, "heads": 1},
    "two-lstm-layers": {"lstm_layers": 2},
    "sizes-per-variable": {
        "hidden_continuous_sizes": {"cpu_user_pct": 2, "hour": 6, "encoder_length": 1}
    },
    "target-in-the-middle": {"metrics": ("a_pct", "cpu_user_pct", "b_mb_s", "c")},
    "target-last": {"metrics": ("a_pct", "cpu_user_pct"), "target": "cpu_user_pct"},
    "target-not-an-input": {"metrics": ("a_pct", "b_mb_s")},
    "one-metric": {"metrics": ("cpu_user_pct",)},
    "seven-quantiles": {"quantiles": (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)},
    "one-quantile": {"quantiles": (0.5,)},
    "no-flags": {"flags": (False, False, False)},
    "only-relative-time": {"flags": (True, False, False)},
    "only-scales": {"flags": (False, True, False)},
    "only-encoder-length": {"flags": (False, False, True)},
    "no-static-at-all": {"statics": (), "flags": (True, False, False)},
    "no-static-category": {"statics": ()},
    "only-encoder-length-static": {"statics": (), "flags": (False, False, True)},
    "two-static-categories": {"statics": ("profile", "region")},
    "server-as-a-category": {"statics": ("server_id", "profile")},
    "no-category": {"statics": (), "varying": ()},
    "two-varying": {"varying": ("status", "shift")},
    "known-category": {"known_categories": ("holiday",)},
    "only-known-category": {"varying": (), "known_categories": ("holiday",), "known": ()},
    "known-in-another-order": {"known": ("is_weekend", "hour", "day_of_week")},
    "only-hour": {"known": ("hour",)},
    "only-month": {"known": ("month",)},
    "nothing-known": {"known": ()},
    "nothing-in-the-decoder": {"known": (), "flags": (False, True, True)},
    "no-scalers": {"scalers": dict.fromkeys(("mem_used_pct", "net_in_mb_s", "hour", "month"))},
    "other-scalers": {
        "scalers": {
            "mem_used_pct": RobustScaler(),
            "net_in_mb_s": StandardScaler(with_mean=False),
            "hour": RobustScaler(with_centering=False),
            "month": StandardScaler(with_std=False),
        }
    },
    "refuses-unknown-categories": {"add_nan": False},
    "not-causal": {"model_options": {"causal_attention": False}},
    "shared-networks": {
        "model_options": {"share_single_variable_networks": True},
        "known_categories": ("holiday",),
    },
    "encoder-without-month": {
        "model_options": {"allowed_encoder_known_variable_names": ["hour", "relative_time_idx"]}
    },
    "encoder-without-known": {"model_options": {"allowed_encoder_known_variable_names": []}, "horizon": 5},
    "hourly": {"step_minutes": 60, "encoder_length": 60, "steps": 100, "start": "2026-05-05 03:00"},
    "quarter-hours": {"step_minutes": 15, "encoder_length": 200, "steps": 240, "start": "2026-05-05 03:00"},
    "other-lengths": {"encoder_length": 31, "horizon": 20},
    **{
        f"transformation-{name}": {"normalizer": EncoderNormalizer(transformation=name)}
        for name in (None, "relu", "log", "log1p", "count", "sqrt")
    },
    "transformation-logit": {
        "normalizer": EncoderNormalizer(transformation="logit"), "low": 0.01, "high": 0.99,
    },
    "softplus-near-zero": {"low": 1e-5, "high": 0.02},
    "not-centered": {"normalizer": EncoderNormalizer(transformation="softplus", center=False)},
    "identity": {"normalizer": EncoderNormalizer(method="identity", transformation="softplus")},
    "short-normaliser-window": {"normalizer": EncoderNormalizer(max_length=10)},
    "two-normaliser-windows": {"normalizer": EncoderNormalizer(max_length=[6, 15])},
    "centered-on-the-last-value": {
        "normalizer": EncoderNormalizer(transformation="relu", max_length=[1, 24]), "high": 30.0,
    },
    # Half of the windows deviate by less than this.
    "a-floor-under-the-scale": {
        "normalizer": FlooredEncoderNormalizer(transformation="relu", max_length=[1, 24], floor=28.0),
    },
    "no-normaliser": {"normalizer": None},
    "one-scale-for-all": {"normalizer": TorchNormalizer(transformation="softplus")},
    "robust-scale-for-all": {"normalizer": TorchNormalizer(method="robust")},
    "group-normaliser-without-groups": {"normalizer": GroupNormalizer(transformation="softplus")},
}  # fmt: skip


def compare(tiny_model, structure):
    network = TemporalFusionNetwork(tiny_model.model, structure).eval()
    windows = tiny_model.windows(structure)
    with torch.no_grad():
        actual = network(*(windows[name] for name in INPUT_NAMES))
    expected = tiny_model.expected()
    assert actual.shape == expected.shape == (8, structure.horizon, len(structure.quantiles))
    assert expected.std() > 0
    difference = (actual - expected).abs().max().item()
    assert difference <= TOLERANCE * tiny_model.spread(), f"{difference} of {tiny_model.spread()}"


@pytest.mark.parametrize("name", RECIPES)
def test_the_network_forecasts_as_pytorch_does(tiny, name):
    model = tiny(**{"start": NO_MONTH_TURN, **RECIPES[name]})
    compare(model, model.structure())


def test_the_default_structure_forecasts_as_pytorch_does(tiny):
    model = tiny(**DEFAULT_STRUCTURE, start="2026-05-13 11:35")
    compare(model, model.structure())


def servers_of(model) -> dict[str, dict[str, str]]:
    return {
        name: {column: rows.iloc[0][column] for column in model.recipe.statics}
        for name, rows in model.frame.groupby("server_id")
    }


@pytest.mark.parametrize("add_nan", [True, False])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(
    ("statics", "by_group"),
    [(("profile",), False), ((), False), (("server_id", "profile"), False), (("profile", "region"), True)],
)
def test_a_model_normalised_by_server_forecasts_as_pytorch_does(tiny, statics, by_group, center, add_nan):
    normalizer = GroupNormalizer(
        groups=["server_id"], transformation="softplus", center=center, scale_by_group=by_group
    )
    model = tiny(normalizer=normalizer, statics=statics, add_nan=add_nan, start=NO_MONTH_TURN)
    structure = model.structure(servers=servers_of(model))
    assert [category.name for category in structure.categories] == ["server_id", "status"]
    compare(model, structure)


def test_an_unknown_server_gets_the_normalisers_fallback(tiny):
    model = tiny(
        normalizer=GroupNormalizer(groups=["server_id"]),
        statics=(),
        flags=(True, True, True),
        start=NO_MONTH_TURN,
    )
    structure = model.structure()
    fallback = model.dataset.target_normalizer.missing_
    expected = [fallback["center"], fallback["scale"]]
    np.testing.assert_allclose(structure.normalizer.input_scale[0], expected)
    np.testing.assert_allclose(structure.normalizer.output_scale[0], expected)


def test_only_the_past_month_of_a_month_turn_is_lost(tiny):
    """The same windows with no month turn between them and with one: only the latter may differ."""
    model = tiny(start="2026-03-31 20:00", servers=2)
    structure = model.structure()
    windows = model.windows(structure, 20)
    with torch.no_grad():
        actual = TemporalFusionNetwork(model.model, structure)(*(windows[name] for name in INPUT_NAMES))
    starts = model.dataset.index.iloc[model.chosen(20)].index_start.to_numpy()
    months = model.frame.sort_values(["server_id", "time_idx"])["month"].to_numpy()
    turned = months[starts] != months[starts + structure.encoder_length]
    assert 0 < turned.sum() < 20
    difference = (actual - model.expected(20)).abs().amax((1, 2)).numpy()
    assert difference[~turned].max() <= TOLERANCE * model.spread(20)
    assert difference[turned].max() > TOLERANCE * model.spread(20)


def test_a_constant_target_gives_that_constant_back_up_to_rounding(tiny):
    model = tiny(start=NO_MONTH_TURN)
    structure = model.structure()
    windows = model.windows(structure, 4)
    windows["encoder_cont"][..., structure.target_channel] = 7.25
    with torch.no_grad():
        actual = TemporalFusionNetwork(model.model, structure)(*(windows[name] for name in INPUT_NAMES))
    torch.testing.assert_close(actual, torch.full_like(actual, 7.25), atol=1e-4, rtol=0)


def test_a_category_that_was_never_shown_an_unknown_takes_the_mean_of_all(tiny):
    model = tiny(add_nan=False, start=NO_MONTH_TURN)
    profile = model.structure().category("profile")
    assert profile.codes == {"unknown": 0, **{n: c for c, n in enumerate(sorted(PROFILES), start=1)}}
    weight = torch.arange(6.0).reshape(3, 2)
    torch.testing.assert_close(profile.embedding(weight), torch.cat([weight.mean(0, keepdim=True), weight]))
