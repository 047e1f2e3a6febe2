"""Models of random structures, the same for the same seed: of what pytorch-forecasting takes, and with it of
what cannot be exported.
"""

from typing import Any

import numpy as np
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)
from pytorch_forecasting.metrics import (
    MAE,
    MAPE,
    RMSE,
    SMAPE,
    BetaDistributionLoss,
    LogNormalDistributionLoss,
    MultiLoss,
    NegativeBinomialDistributionLoss,
    NormalDistributionLoss,
    PoissonLoss,
    QuantileLoss,
)
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from made_up_frame import (
    CATEGORIES_AHEAD,
    MEASURED,
    MEASURED_CATEGORIES,
    REALS_AHEAD,
    STATIC_CATEGORIES,
    STATIC_REALS,
    made_up_frame,
)
from public_structures import Published, publish

STEPS = {"15min": "15min", "h": "1h", "D": "1d", "W-MON": "1w", "MS": "1month", "30s": "30s"}
# How often a choice is one that cannot be exported.
REFUSED_SHARE = 0.04


class Draw:
    """Chances and choices of one seed."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def one(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def some(self, choices: Any, share: float = 0.5) -> list[Any]:
        return [choice for choice in choices if self.chance(share)]

    def whole(self, least: int, most: int) -> int:
        return int(self.rng.integers(least, most + 1))


def random_structure(seed: int) -> Published:
    """Raises what pytorch-forecasting raises where it does not make such a model."""
    draw = Draw(seed)
    step = draw.one(*STEPS)
    encoder, horizon = draw.whole(4, 30), draw.whole(1, 8)
    frame = made_up_frame(step, encoder + horizon + draw.whole(50, 80), draw.whole(2, 5))
    group_ids = draw.one(["host"], ["site", "host"])
    targets = [draw.one("load", "errors")] if draw.chance(0.85) else ["load", "errors"]
    ahead = draw.some(REALS_AHEAD, 0.35)
    categories_ahead = draw.some(CATEGORIES_AHEAD[:3], 0.25)
    groups = {}
    if draw.chance(0.2):
        groups = {"days": list(CATEGORIES_AHEAD[3:])}
        categories_ahead.append("days")
    measured = [
        *(target for target in targets if draw.chance(0.9)),
        *draw.some([m for m in MEASURED if m not in targets]),
    ]
    static_reals = draw.some(STATIC_REALS, 0.3)
    static_categories = draw.some((*STATIC_CATEGORIES, *group_ids), 0.4)
    measured_categories = draw.some(MEASURED_CATEGORIES)
    lags = _lags(draw, [*measured, *ahead], encoder)
    dataset: dict[str, Any] = {
        "target": targets if len(targets) > 1 else targets[0],
        "group_ids": group_ids,
        "max_encoder_length": encoder,
        "min_encoder_length": encoder if draw.chance(0.6) else draw.whole(2, encoder),
        "max_prediction_length": horizon,
        "min_prediction_length": horizon if draw.chance(0.7) else 1,
        "static_categoricals": static_categories,
        "static_reals": static_reals,
        "time_varying_known_categoricals": categories_ahead,
        "variable_groups": groups,
        "time_varying_known_reals": ahead,
        "time_varying_unknown_reals": measured,
        "time_varying_unknown_categoricals": measured_categories,
        "lags": lags,
        "scalers": _scalers(draw, [*measured, *ahead, *static_reals], {*targets}, {*lags}, group_ids),
        "add_relative_time_idx": draw.chance(0.7),
        "add_target_scales": draw.chance(0.5),
        "add_encoder_length": draw.one("auto", True, False),
        "randomize_length": draw.chance(0.1) or None,
        "categorical_encoders": {
            name: NaNLabelEncoder(add_nan=True)
            for name in draw.some([*static_categories, *measured_categories, *categories_ahead], 0.3)
        },
    }
    normalizers = [_normalizer(draw, group_ids) for _ in targets]
    dataset["target_normalizer"] = MultiNormalizer(normalizers) if len(targets) > 1 else normalizers[0]
    losses = [_loss(draw) for _ in targets]
    model = {
        "loss": MultiLoss([loss for loss, _ in losses]) if len(targets) > 1 else losses[0][0],
        "output_size": [size for _, size in losses] if len(targets) > 1 else losses[0][1],
        "hidden_size": draw.one(4, 8, 12),
        "attention_head_size": draw.one(1, 2, 4),
        "hidden_continuous_size": draw.one(2, 4, 8),
        "lstm_layers": draw.one(1, 1, 2),
        "causal_attention": draw.chance(0.8),
        "share_single_variable_networks": draw.chance(0.15),
    }
    return publish(frame, STEPS[step], model, **dataset)


def _lags(draw: Draw, names: list[str], encoder: int) -> dict[str, list[int]]:
    if draw.chance(0.75):
        return {}
    lagged = [name for name in draw.some(names, 0.4) if name != "time_idx" or draw.chance(REFUSED_SHARE)]
    return {
        name: sorted({draw.whole(1, 2 * encoder) for _ in range(draw.whole(1, 2))}) for name in lagged[:2]
    }


def _scalers(
    draw: Draw,
    names: list[str],
    targets: set[str],
    lagged: set[str],
    group_ids: list[str],
) -> dict[str, Any]:
    scalers = {}
    for name in names:
        if name in targets:
            continue
        own = [None, GroupNormalizer(groups=draw.one([], group_ids, group_ids[:1])), EncoderNormalizer()]
        if name in lagged:
            # pytorch-forecasting shifts no variable that scikit-learn scales.
            scalers[name] = draw.one(*own)
        elif draw.chance(REFUSED_SHARE):
            refused = PowerTransformer(), QuantileTransformer(n_quantiles=10), MinMaxScaler(clip=True)
            scalers[name] = draw.one(*refused)
        elif draw.chance(0.35):
            affine = StandardScaler(), RobustScaler(), MinMaxScaler(), MaxAbsScaler()
            scalers[name] = draw.one(*own, *affine, EncoderNormalizer(method="robust"))
    return scalers


def _normalizer(draw: Draw, group_ids: list[str]) -> Any:
    transformation = draw.one(None, None, "softplus", "relu", "log1p", "log", "sqrt", "count")
    if draw.chance(REFUSED_SHARE):
        transformation = {"forward": np.tanh, "reverse": np.arctanh}
    method = draw.one("standard", "standard", "robust", "identity")
    center = draw.chance(0.8)
    kind = draw.one("window", "window", "group", "constant")
    if kind == "window":
        length = draw.one(None, None, 5, [1, 10])
        return EncoderNormalizer(
            method=method, center=center, max_length=length, transformation=transformation
        )
    if kind == "group":
        groups = draw.one(group_ids, group_ids, group_ids[-1:], [])
        return GroupNormalizer(
            groups=groups,
            method="standard" if method == "identity" else method,
            center=center,
            scale_by_group=bool(groups) and draw.chance(0.2),
            transformation=transformation,
        )
    return TorchNormalizer(method=method, center=center, transformation=transformation)


def _loss(draw: Draw) -> tuple[Any, int]:
    """A loss, and how many outputs it takes."""
    if draw.chance(REFUSED_SHARE):
        return draw.one(
            (PoissonLoss(), 1),
            (BetaDistributionLoss(), 2),
            (LogNormalDistributionLoss(), 2),
            (NegativeBinomialDistributionLoss(), 2),
            (QuantileLoss([0.9, 0.1]), 2),
        )
    if draw.chance(0.2):
        return draw.one(MAE(), SMAPE(), MAPE(), RMSE()), 1
    if draw.chance(0.15):
        return NormalDistributionLoss(), 2
    quantiles = draw.one([0.1, 0.5, 0.9], [0.5], [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98])
    return QuantileLoss(quantiles), len(quantiles)
