"""A strong peer for the table: LightGBM quantile regression on lags, one model for all machines and steps.

One gradient-boosted model for each quantile, trained on the windows that the network was trained on. Its
inputs are lags, the window's statistics, the same time yesterday and the step ahead, all relative to the
last value and the window's deviation; its loss is weighted by that deviation, so that it is pinball loss in
the target's unit.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ExportError

PEER = "LightGBM on lags"
_LAGS = (1, 2, 3, 6, 12, 18, 24, 36, 48, 72, 96, 144, 192, 240, 280)  # steps before the last value
_SPANS = (3, 6, 12, 36, 72, 144)
_AROUND = 3
_STEPS_OF_A_WINDOW = 3
_PARAMETERS = {
    "objective": "quantile",
    "num_leaves": 63,
    "learning_rate": 0.08,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "verbosity": -1,
    "seed": 7,
}
_ROUNDS = 160


@dataclass(frozen=True)
class PeerShape:
    """What the peer was trained for: steps, quantiles and the metrics that it reads besides the target."""

    encoder: int
    horizon: int
    quantiles: tuple[float, ...]
    floor: float


def scale_of(past: np.ndarray, floor: float) -> np.ndarray:
    """[windows]: the deviation of each window, with its floor."""
    return np.maximum(past.std(axis=1), floor)


def features(past: np.ndarray, windows: np.ndarray, steps: np.ndarray, floor: float) -> np.ndarray:
    """The inputs of `steps` ahead (0 is the first) of the windows numbered `windows`; `past` is [windows,
    encoder]."""
    last, scale = past[:, -1], scale_of(past, floor)
    relative = (past - last[:, None]) / scale[:, None]
    columns = [last, scale, relative.mean(axis=1), relative.min(axis=1), relative.max(axis=1)]
    # In a shorter window the oldest value is used instead.
    columns += [relative[:, max(-1 - lag, -past.shape[1])] for lag in _LAGS]
    columns += [relative[:, -span:].mean(axis=1) for span in _SPANS]
    columns += [relative[:, -span:].std(axis=1) for span in _SPANS]
    columns += [*np.quantile(relative, [0.1, 0.25, 0.5, 0.75, 0.9], axis=1)]
    changes = np.abs(np.diff(relative, axis=1))
    columns += [changes.mean(axis=1), (past == 0).mean(axis=1), (past == last[:, None]).mean(axis=1)]
    of_window = np.stack(columns, axis=1).astype(np.float32)
    encoder = past.shape[1]
    yesterday = np.minimum(steps, encoder - 1)
    around = [
        relative[windows, np.clip(yesterday + offset, 0, encoder - 1)]
        for offset in range(-_AROUND, _AROUND + 1)
    ]
    until = np.cumsum(relative, axis=1)[windows, yesterday] / (yesterday + 1)
    of_step = np.stack([steps, around[_AROUND], np.mean(around, axis=0), until], axis=1).astype(np.float32)
    return np.concatenate([of_window[windows], of_step], axis=1)


def train_peer(
    past: np.ndarray, future: np.ndarray, recorded: np.ndarray, shape: PeerShape, folder: Path, seed: int = 7
) -> None:
    """Fits on windows ([windows, encoder], [windows, horizon] twice) and writes FOLDER/peer-*.txt and
    peer.json."""
    lightgbm = _lightgbm()
    rng = np.random.default_rng(seed)
    windows = np.repeat(np.arange(len(past)), _STEPS_OF_A_WINDOW)
    steps = rng.integers(0, shape.horizon, len(windows))
    known = recorded[windows, steps]
    windows, steps = windows[known], steps[known]
    scale = scale_of(past, shape.floor)
    target = (future[windows, steps] - past[windows, -1]) / scale[windows]
    data = lightgbm.Dataset(
        features(past, windows, steps, shape.floor), target, weight=scale[windows], free_raw_data=False
    )
    folder.mkdir(parents=True, exist_ok=True)
    for index, quantile in enumerate(shape.quantiles):
        booster = lightgbm.train({**_PARAMETERS, "alpha": quantile}, data, _ROUNDS)
        booster.save_model(folder / f"peer-{index}.txt")
    described = {
        "encoder": shape.encoder,
        "horizon": shape.horizon,
        "quantiles": list(shape.quantiles),
        "floor": shape.floor,
        "windows": len(past),
    }
    (folder / "peer.json").write_text(json.dumps(described) + "\n")


def peer_forecasts(folder: Path, past: np.ndarray) -> np.ndarray:
    """[windows, horizon, quantiles] in the target's unit, not yet cut or sorted."""
    lightgbm = _lightgbm()
    described = json.loads((folder / "peer.json").read_text())
    horizon, floor = described["horizon"], described["floor"]
    boosters = [
        lightgbm.Booster(model_file=folder / f"peer-{index}.txt")
        for index in range(len(described["quantiles"]))
    ]
    parts = []
    for first in range(0, len(past), 256):
        part = past[first : first + 256]
        windows = np.repeat(np.arange(len(part)), horizon)
        inputs = features(part, windows, np.tile(np.arange(horizon), len(part)), floor)
        relative = np.stack([booster.predict(inputs) for booster in boosters], axis=-1)
        scale = scale_of(part, floor)[windows, None]
        parts.append((part[windows, -1:] + relative * scale).reshape(len(part), horizon, -1))
    return np.concatenate(parts)


def _lightgbm():
    try:
        import lightgbm
    except ImportError as error:
        raise ExportError(
            "peer_not_installed", "the strong peer needs LightGBM: pip install 'tft-export[peers]'"
        ) from error
    return lightgbm
