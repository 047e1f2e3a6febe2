"""A bundle forecast from Node: `tft verify`, and `tft predict` from a CSV file against `model.predict`."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
from pytorch_forecasting import TimeSeriesDataSet

from exported_structure import FAILED, Outcome
from public_structures import Published
from tiny_models import quiet

TFT = Path(__file__).parents[2] / "lib" / "cli" / "main.js"
TOLERANCE = 1e-4


def recent_rows(published: Published, count: int | None = None) -> pd.DataFrame:
    """The last window of each of the first `count` series; the last ones as short as the model takes."""
    data = published.dataset
    groups = list(published.frame.groupby(data.group_ids, sort=True))[:count]
    lengths = [data.max_encoder_length] * len(groups)
    if data.min_encoder_length < data.max_encoder_length:
        lengths[-2:] = [data.min_encoder_length + 5, data.min_encoder_length]
    further = data.max_lag + data.max_prediction_length
    rows = [rows.tail(length + further) for (_, rows), length in zip(groups, lengths, strict=True)]
    return pd.concat(rows)


def without_future(published: Published, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the steps ahead hold only what is known then."""
    data = published.dataset
    ahead = rows.groupby(data.group_ids).cumcount(ascending=False) < data.max_prediction_length
    measured = [*data.time_varying_unknown_reals, *(data.time_varying_unknown_categoricals or [])]
    measured += [target for target in data.target_names if target not in measured]
    rows = rows.copy()
    rows.loc[ahead, measured] = np.nan
    read = {"timestamp", *data.group_ids, *data.reals, *data.target_names, *data.flat_categoricals}
    return rows[[column for column in rows.columns if column in read]]


def forecasts(published: Published, rows: pd.DataFrame) -> dict[str, list]:
    """By the name of each series, [steps][quantiles], of pytorch-forecasting's own `predict`; of several
    targets the first.
    """
    with quiet():
        dataset = TimeSeriesDataSet.from_dataset(
            published.dataset, rows.drop(columns="timestamp"), predict=True, stop_randomization=True
        )
        found = published.model.predict(
            dataset,
            mode="quantiles",
            return_index=True,
            trainer_kwargs={"accelerator": "cpu", "logger": False, "enable_checkpointing": False},
        )
    names = found.index[published.dataset.group_ids].astype(str).agg("/".join, axis=1)
    first = found.output[0] if len(published.dataset.target_names) > 1 else found.output
    return {name: values.tolist() for name, values in zip(names, first, strict=True)}


def forecast_from_node(published: Published, folder: Path, outcome: Outcome) -> Outcome:
    """What becomes of a bundle that was exported: the same, with Node's figures, or FAILED."""
    bundle = folder / "bundle"
    rows = recent_rows(published)
    history = published.write_history(folder / "recent.csv", without_future(published, rows))
    details = [outcome.detail]
    expected = forecasts(published, rows)
    for backend in _backends():
        verified = _tft("verify", bundle, "--backend", backend)
        if verified.returncode != 0:
            return Outcome(FAILED, f"tft verify on {backend}: {_said(verified)}")
        predicted = _tft("predict", history, "--model", bundle, "--backend", backend, "--raw", "--json")
        if predicted.returncode != 0:
            return Outcome(FAILED, f"tft predict on {backend}: {_said(predicted)}")
        worst = _worst(json.loads(predicted.stdout), expected)
        if worst > TOLERANCE:
            return Outcome(FAILED, f"tft predict on {backend} is {worst:.2g} of the spread off", worst)
        details.append(f"tft predict on {backend} {worst:.1g}")
    return Outcome(outcome.kind, "; ".join(details), outcome.worst)


def _backends() -> list[str]:
    """Those that make forecasts on this machine."""
    report = json.loads(_tft("doctor", "--json").stdout)
    return [backend["name"] for backend in report["backends"] if backend.get("ok")]


def _worst(found: dict, expected: dict[str, list]) -> float:
    """The largest difference as a share of the spread; infinite if a series is missing."""
    if {one["server"] for one in found["forecasts"]} != {*expected}:
        return float("inf")
    theirs = np.array([expected[one["server"]] for one in found["forecasts"]])
    ours = np.array([one["values"] for one in found["forecasts"]]).reshape(theirs.shape)
    return float(np.abs(ours - theirs).max() / theirs.std())


def _tft(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["node", TFT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _said(process: subprocess.CompletedProcess[str]) -> str:
    return " ".join((process.stderr or process.stdout).split())[-300:]
