"""A set of windows to judge by: which machines and which time, with everything that the table needs of
them."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..description import Description
from ..errors import ExportError
from ..windows.recording import Recording
from .naive import NAIVE_FORECASTS, NaiveShape, naive_forecasts
from .regime import regime_of
from .score import resolution_of


@dataclass(frozen=True)
class JudgedSet:
    """`servers` empty for all; `since` and `until` bound the measurements that forecasts are judged by."""

    name: str
    histories: tuple[Path, ...]
    servers: frozenset[str] = field(default_factory=frozenset)
    since: str | None = None
    until: str | None = None
    every: int = 48


@dataclass(frozen=True)
class SetWindows:
    """A set as a bundle sees it. `past` [windows, encoder] is the target's, `long_past` [windows, steps] as
    far back as the naive forecasts read, NaN before the machine's first value; the rest as JudgedWindows has
    it."""

    inputs: dict[str, np.ndarray]
    past: np.ndarray
    long_past: np.ndarray
    machines: np.ndarray
    origins: np.ndarray
    regimes: np.ndarray
    measured: np.ndarray
    naive: dict[str, np.ndarray]
    resolution: float


def read_sets(path: Path, data: Path) -> list[JudgedSet]:
    """The sets of a JSON file; their histories lie in `data`. Raises sets_invalid."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["sets"]
        return [
            JudgedSet(
                entry["name"],
                tuple(data / name for name in entry["histories"]),
                frozenset(entry.get("servers", ())),
                entry.get("since"),
                entry.get("until"),
                int(entry.get("every", 48)),
            )
            for entry in listed
        ]
    except OSError as error:
        raise ExportError("sets_invalid", f"cannot read the sets {path}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError("sets_invalid", f"{path} is not a file of sets: {error!r}") from error


class SetReader:
    """Reads sets; a history that several of them need is read once."""

    def __init__(self, column_map: Path | None, description: Description):
        self._column_map = column_map
        self._description = description
        self._rows: dict[tuple[Path, ...], Recording] = {}

    def read(self, judged: JudgedSet) -> SetWindows:
        """Raises ExportError history_short for a set without a window."""
        description = self._description
        if judged.histories not in self._rows:
            self._rows[judged.histories] = Recording.read_all(judged.histories, self._column_map, description)
        recording = self._rows[judged.histories]
        rows = recording.rows
        origins = _origins(recording, judged)
        chosen = replace(recording, origins=origins)
        entry = next(metric for metric in description.metrics if metric.name == description.target)
        shape = NaiveShape(
            description.encoder_length,
            description.horizon,
            round(24 * 60 / description.step_minutes),
            tuple(description.quantiles),
            entry.minimum,
            entry.maximum,
        )
        target = rows[description.target].to_numpy(np.float64)
        first = rows.groupby("server_name")["slot"].transform("idxmin").to_numpy()
        pasts = [target[max(first[origin], origin - shape.past_steps) : origin] for origin in origins]
        forecasts = [naive_forecasts(past, shape) for past in pasts]
        servers = rows["server_name"].to_numpy()
        machines = servers[origins]
        of_set = np.isin(servers, np.unique(machines)) & ~rows["filled"].to_numpy(bool)
        return SetWindows(
            chosen.inputs(),
            np.stack([target[origin - shape.encoder : origin] for origin in origins]),
            np.stack([_padded(past, shape.past_steps) for past in pasts]),
            machines,
            rows["slot"].to_numpy()[origins],
            np.array([regime_of(past, shape.day, entry.minimum, entry.maximum) for past in pasts]),
            np.where(chosen.recorded, chosen.truth, np.nan),
            {name: np.stack([forecast[name] for forecast in forecasts]) for name in NAIVE_FORECASTS},
            resolution_of(_changes(rows[of_set], description.target), entry.minimum, entry.maximum),
        )


def _padded(past: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([np.full(length - len(past), np.nan), past])


def _changes(rows: pd.DataFrame, target: str) -> np.ndarray:
    """Changes between neighbouring measurements of one segment."""
    values, slots = rows[target].to_numpy(np.float64), rows["slot"].to_numpy()
    segments = rows["segment"].to_numpy()
    neighbours = (segments[1:] == segments[:-1]) & (slots[1:] == slots[:-1] + 1)
    return np.diff(values)[neighbours]


def _origins(recording: Recording, judged: JudgedSet) -> np.ndarray:
    """The set's origins, every `every` steps of each machine."""
    rows, origins = recording.rows, recording.origins
    slots = rows["slot"].to_numpy()[origins]
    grid = recording.grid

    def slot(date: str) -> float:
        return (pd.Timestamp(date, tz="UTC").timestamp() / 60 - grid.shift) / grid.minutes

    kept = np.ones(len(origins), bool)
    if judged.servers:
        kept &= np.isin(rows["server_name"].to_numpy()[origins], sorted(judged.servers))
    if judged.since:
        kept &= slots >= slot(judged.since)
    if judged.until:
        kept &= slots + recording.description.horizon <= slot(judged.until)
    origins = origins[kept]
    # By the clock of the whole recording would be one time of day: each machine starts where its windows do.
    by_machine = pd.Series(origins).groupby(rows["server_name"].to_numpy()[origins], sort=True)
    order = by_machine.cumcount().to_numpy()
    origins = origins[order % judged.every == 0]
    if not len(origins):
        raise ExportError("history_short", f"the set '{judged.name}' has no whole window")
    return origins
