"""Histories as data frames: CSV in, rows on the model's grid out, each unbroken run of rows marked."""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import ExportError
from .column_map import ColumnMap
from .metrics import METRIC_NAMES, STEP_MINUTES
from .step_grid import StepGrid
from .written import HistoryFormat, parse_times, read_table

DEFAULT_MAX_GAP = 12
AS_USUAL = HistoryFormat()
DEFAULT_GRID = StepGrid(STEP_MINUTES)
# What joins the columns that name a series to one name.
SERIES_JOINT = "/"
_TEXTS = ("timestamp", "server_name", "server", "profile", "status")
_NO_METRICS = {"timestamp", "server_name", "profile", "status", "slot"}


def read_csv(
    path: str | Path, written: HistoryFormat = AS_USUAL, text_columns: Iterable[str] = ()
) -> pd.DataFrame:
    """A history file's columns. Raises history_not_found, history_invalid, history_column, history_empty."""
    return read_table(path, written, {*_TEXTS, *text_columns})


def read_history(
    path: str | Path,
    column_map: ColumnMap | None = None,
    metrics: Sequence[str] = METRIC_NAMES,
    categories: Sequence[str] = (),
    written: HistoryFormat = AS_USUAL,
    series: Sequence[str] = (),
) -> pd.DataFrame:
    """Reads a history file: timestamp (UTC), server_name, profile, status and these metrics.

    Also those of `categories` that the file has as columns of their own. Without a server_name, the columns
    `series` name a server together. Rows with a missing metric are left out. Raises what `read_csv` does, and
    history_value.
    """
    column_map = column_map or ColumnMap({})
    named = [*metrics, *categories, *series]
    frame = read_csv(path, written, {*column_map.text_columns, *map(str.strip, (*categories, *series))})
    # Names of columns come without blanks around them; a model's own may have some.
    frame = frame.rename(columns={name.strip(): name for name in named if name not in frame})
    if "server_name" not in frame and series and {*series} <= {*frame.columns}:
        frame["server_name"] = frame[list(series)].astype(str).agg(SERIES_JOINT.join, axis=1)
    mapped = column_map.apply(frame, metrics, written)
    for name in categories:
        if name not in mapped and name in frame:
            mapped[name] = frame[name].astype(str)
    mapped["timestamp"] = parse_times(mapped["timestamp"].astype(str), path)
    mapped["server_name"] = mapped["server_name"].astype(str)
    if (mapped["server_name"] == "").any():
        raise ExportError("history_value", f"{path} has a row without the name of a server")
    measured = np.isfinite(mapped[list(metrics)].to_numpy(np.float32)).all(axis=1)
    if written.missing_rows == "refuse" and not measured.all():
        raise ExportError("history_value", f"{path} has missing values, and those are refused")
    return mapped[measured].reset_index(drop=True)


def codes_of_texts(codes: Mapping[str, int]) -> dict[str, int]:
    """The codes by what a history may hold: the values, and each without the blanks around it, which a CSV
    file loses.
    """
    return {value.strip(): code for value, code in codes.items()} | {**codes}


def one_row_a_step(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Of rows with one time the last; those that share a `slot` averaged, the rest from the latest."""
    frame = frame.drop_duplicates(["server_name", "timestamp"], keep="last")
    key = ["server_name", "slot"]
    if not frame.duplicated(key).any():
        return frame
    frame = frame.sort_values("timestamp", kind="stable")
    shared = frame.duplicated(key, keep=False)
    means = frame[shared].groupby(key, as_index=False)[list(metrics)].mean()
    latest = frame[shared].drop_duplicates(key, keep="last").drop(columns=list(metrics))
    return pd.concat([frame[~shared], latest.merge(means, on=key)[list(frame.columns)]], ignore_index=True)


def write_history(frame: pd.DataFrame, path: Path) -> None:
    """Writes HISTORY_COLUMNS as CSV; compressed by its name, the same bytes for the same rows."""
    text = frame.assign(timestamp=frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(
        index=False, float_format="%.6g", lineterminator="\n"
    )
    content = text.encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def on_grid(
    frame: pd.DataFrame, grid: StepGrid = DEFAULT_GRID, max_gap: int = DEFAULT_MAX_GAP
) -> pd.DataFrame:
    """Puts each server's rows on the grid, in order of time, and fills gaps of up to `max_gap` steps.

    A filled row repeats the last one and is marked in `filled`. A longer gap ends a segment: rows of one
    `segment` follow one another without a break. `slot` is the time in steps of the grid.
    """
    frame = frame.copy()
    frame["slot"] = grid.slots_of(frame["timestamp"])
    metrics = [name for name in frame.columns if frame[name].dtype.kind in "fiu" and name not in _NO_METRICS]
    frame = one_row_a_step(frame, metrics)
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
    gridded["timestamp"] = pd.to_datetime(grid.times_of(gridded["slot"].to_numpy()), utc=True)
    gridded[metrics] = gridded[metrics].astype(np.float32)
    return gridded
