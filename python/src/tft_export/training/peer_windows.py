"""The windows that the strong peer of an evaluation is trained on: recorded ones, drawn as the network's
are."""

from pathlib import Path

import numpy as np

from ..judging.peers import PeerShape, train_peer
from ..windows.metrics import ENCODER_LENGTH, HORIZON, QUANTILES, TARGET
from .fleet import Data
from .settings import Settings


def fit_peer(data: Data, settings: Settings, folder: Path, windows: int = 40_000) -> None:
    """Writes the peer into FOLDER: the same machines and time, the target only."""
    rows = data.training
    target = rows[TARGET].to_numpy(np.float32)
    recorded = ~rows["filled"].to_numpy(bool)
    segment = rows["segment"].to_numpy()
    length = ENCODER_LENGTH + HORIZON
    starts = np.arange(max(len(rows) - length + 1, 0))
    starts = starts[segment[starts] == segment[starts + length - 1]]
    starts = starts[~np.isin(segment[starts], sorted(data.simulated))]
    found, counts = np.unique(segment[starts], return_counts=True)
    weight = np.array([data.weights[number] for number in found.tolist()]) / counts
    chance = weight[np.searchsorted(found, segment[starts])]
    rng = np.random.default_rng(settings.seed)
    drawn = starts[rng.choice(len(starts), min(windows, len(starts)), replace=False, p=chance / chance.sum())]
    past = target[drawn[:, None] + np.arange(ENCODER_LENGTH)].astype(np.float64)
    horizon = drawn[:, None] + np.arange(ENCODER_LENGTH, length)
    train_peer(
        past,
        target[horizon].astype(np.float64),
        recorded[horizon],
        PeerShape(ENCODER_LENGTH, HORIZON, QUANTILES, settings.scale_floor),
        folder,
        settings.seed,
    )
