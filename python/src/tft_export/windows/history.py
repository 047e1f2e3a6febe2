"""Histories as data frames: CSV in, rows on the model's grid out, each unbroken run of rows marked."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import ExportError
from .column_map import ColumnMap
from .metrics import METRIC_NAMES, STEP_MINUTES

DEFAULT_MAX_GAP = 12
_NO_METRICS = {"timestamp", "server_name", "profile", "status", "slot"}


def read_csv(path: str | Path) -> pd.DataFrame:
    """A history file's columns, unchanged. Raises history_not_found, history_invalid."""
    try:
        return pd.read_csv(path, dtype={"server": str, "server_name": str})
    except OSError as error:
        raise ExportError("history_not_found", f"cannot read the history {path}: {error}") from error
    except ValueError as error:
        raise ExportError("history_invalid", f"{path} is not a CSV file: {error}") from error


def read_history(
    path: str | Path,
    column_map: ColumnMap | None = None,
    metrics: Sequence[str] = METRIC_NAMES,
    categories: Sequence[str] = (),
) -> pd.DataFrame:
    """Reads a history file: timestamp (UTC), server_name, profile, status and these metrics.

    Also those of `categories` that the file has as columns of their own.
    """
    frame = read_csv(path)
    mapped = (column_map or ColumnMap({})).apply(frame, metrics)
    for name in categories:
        if name not in mapped and name in frame:
            mapped[name] = frame[name].astype(str)
    try:
        mapped["timestamp"] = pd.to_datetime(mapped["timestamp"], utc=True, format="ISO8601")
    except ValueError as error:
        raise ExportError(
            "history_invalid", f"{path} holds a timestamp that cannot be parsed: {error}"
        ) from error
    return mapped


def write_history(frame: pd.DataFrame, path: Path) -> None:
    """Writes HISTORY_COLUMNS as CSV; compressed by its name, the same bytes for the same rows."""
    text = frame.assign(timestamp=frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(
        index=False, float_format="%.6g", lineterminator="\n"
    )
    content = text.encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def on_grid(
    frame: pd.DataFrame, step_minutes: int = STEP_MINUTES, max_gap: int = DEFAULT_MAX_GAP
) -> pd.DataFrame:
    """Puts each server's rows on the grid, in order of time, and fills gaps of up to `max_gap` steps.

    A filled row repeats the last one and is marked in `filled`. A longer gap ends a segment: rows of one
    `segment` follow one another without a break. `slot` is the time in steps since 1970 (UTC).
    """
    frame = frame.copy()
    minutes = frame["timestamp"].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[s]")
    frame["slot"] = (minutes.astype(np.int64) / (60 * step_minutes)).round().astype(np.int64)
    frame = frame.drop_duplicates(["server_name", "slot"], keep="last")
    parts = []
    segment = 0
    for _, rows in frame.sort_values("slot").groupby("server_name", sort=True):
        runs = (rows["slot"].diff() > max_gap + 1).cumsum()
        for _, run in rows.groupby(runs):
            slots = np.arange(run["slot"].iloc[0], run["slot"].iloc[-1] + 1)
            full = run.set_index("slot").reindex(slots)
            filled = full["server_name"].isna().to_numpy()
            full = full.ffill()
            full["filled"] = filled
            full["segment"] = segment
            segment += 1
            parts.append(full.reset_index())
    if not parts:
        raise ExportError("history_empty", "the history has no rows")
    gridded = pd.concat(parts, ignore_index=True)
    gridded["timestamp"] = pd.to_datetime(gridded["slot"] * (60 * step_minutes), unit="s", utc=True)
    metrics = [name for name in frame.columns if frame[name].dtype.kind in "fiu" and name not in _NO_METRICS]
    gridded[metrics] = gridded[metrics].astype(np.float32)
    return gridded


def time_features(slots: np.ndarray, step_minutes: int = STEP_MINUTES) -> np.ndarray:
    """hour, day of week (Monday = 0), month and is-weekend of each slot, in UTC, as float32 [..., 4]."""
    minutes = np.asarray(slots, dtype=np.int64) * step_minutes
    days = minutes // (24 * 60)
    weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
    month = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    hour = minutes // 60 % 24
    return np.stack([hour, weekday, month, weekday >= 5], axis=-1).astype(np.float32)
