"""The training data of the default model: recorded and simulated machines, and the data set made of both."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pytorch_forecasting import TimeSeriesDataSet
from pytorch_forecasting.data import NaNLabelEncoder

from ..checkpoint.floored_normalizer import FlooredEncoderNormalizer
from ..windows.history import DEFAULT_GRID
from ..windows.metrics import (
    ENCODER_LENGTH,
    HORIZON,
    KNOWN,
    METRIC_NAMES,
    PROFILES,
    STATUSES,
    STEPS_PER_DAY,
    TARGET,
    UNKNOWN,
)
from .settings import Settings

_WEEKS = 52
_SCALER_DAYS = 10


def label_encoder(names: Sequence[str]) -> NaNLabelEncoder:
    """Codes 1, 2, … in the given order; code 0 for anything else."""
    encoder = NaNLabelEncoder(add_nan=True)
    # Fitting sorts the names; the contract's order is fixed here instead.
    encoder.classes_ = {"nan": 0, **{name: code for code, name in enumerate(names, start=1)}}
    encoder.classes_vector_ = np.array(list(encoder.classes_.keys()))
    return encoder


def forecasting_frame(gridded: pd.DataFrame, week_shift: pd.Series | int = 0) -> pd.DataFrame:
    """A gridded history as TimeSeriesDataSet takes it, moved by whole weeks; one group for each segment."""
    slots = gridded["slot"] + week_shift * 7 * STEPS_PER_DAY
    frame = gridded[[*METRIC_NAMES, "profile", "status"]].copy()
    frame[list(KNOWN)] = DEFAULT_GRID.features(slots.to_numpy())
    frame["server_id"] = gridded["server_name"].astype(str) + "/" + gridded["segment"].astype(str)
    frame["time_idx"] = gridded["slot"] - gridded.groupby("segment")["slot"].transform("min")
    for category in ("profile", "status"):
        frame[category] = frame[category].astype(str).replace(UNKNOWN, "nan")
    return frame


def spread_over_the_year(gridded: pd.DataFrame, seed: int) -> pd.Series:
    """A shift in whole weeks for each segment, so that month is not the one month of the recording."""
    segments = gridded["segment"].unique()
    shifts = np.random.default_rng(seed).integers(0, _WEEKS, len(segments))
    return gridded["segment"].map(dict(zip(segments, shifts, strict=True)))


def training_dataset(gridded: pd.DataFrame, settings: Settings) -> TimeSeriesDataSet:
    """The data set whose scalers, encoders and structure the default model takes over.

    Some days of every segment fit the scalers; the windows that training draws come from `Windows`. The
    target is scaled around its last value: a forecast begins where the measurements end.
    """
    sample = gridded[gridded.groupby("segment").cumcount() < _SCALER_DAYS * STEPS_PER_DAY]
    return TimeSeriesDataSet(
        forecasting_frame(sample, spread_over_the_year(sample, settings.seed)),
        time_idx="time_idx",
        target=TARGET,
        group_ids=["server_id"],
        min_encoder_length=ENCODER_LENGTH,
        max_encoder_length=ENCODER_LENGTH,
        min_prediction_length=HORIZON,
        max_prediction_length=HORIZON,
        static_categoricals=["profile"],
        time_varying_known_reals=list(KNOWN),
        time_varying_unknown_reals=list(METRIC_NAMES),
        time_varying_unknown_categoricals=["status"],
        categorical_encoders={
            "server_id": NaNLabelEncoder(add_nan=True),
            "profile": label_encoder(PROFILES),
            "status": label_encoder(STATUSES),
        },
        target_normalizer=FlooredEncoderNormalizer(
            transformation="relu", max_length=[1, ENCODER_LENGTH], floor=settings.scale_floor
        ),
        add_relative_time_idx=True,
        add_target_scales=True,
        add_encoder_length=True,
        lags={TARGET: list(settings.lags)} if settings.lags else None,
        allow_missing_timesteps=False,
    )
