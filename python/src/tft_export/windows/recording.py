"""A recorded history as windows of a bundle's raw inputs, with the measurements that followed.

Windows are drawn from every n-th step that leaves a whole window around it. Of the horizon, only what is
known ahead enters the inputs; the last known status is used for the whole horizon.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..checkpoint.supported import SERVER_ID
from ..description import INPUT_NAMES, LENGTHS_INPUT, STATIC_INPUT, Description
from ..errors import ExportError
from .column_map import ColumnMap
from .history import codes_of_texts, on_grid, read_history
from .metrics import KNOWN
from .step_grid import StepGrid

_MINUTES_PER_WEEK = 7 * 24 * 60


@dataclass(frozen=True)
class Recording:
    """`rows` on the model's `grid`; forecasts begin at the rows `origins`."""

    description: Description
    rows: pd.DataFrame
    origins: np.ndarray
    grid: StepGrid

    @staticmethod
    def read(path: Path, column_map: Path | None, description: Description, every: int = 1) -> "Recording":
        """Raises ExportError: what histories and maps raise, and history_short if there is no window."""
        return Recording.read_all([path], column_map, description, every)

    @staticmethod
    def read_all(
        paths: Sequence[Path], column_map: Path | None, description: Description, every: int = 1
    ) -> "Recording":
        """Of several files: rows of one server follow one another in time, whichever file they are from."""
        # The calendar is not measured.
        metrics = [metric.name for metric in description.metrics if metric.ahead != "calendar"]
        metrics += [static.name for static in description.statics]
        categories = [category.name for category in description.categories]
        mapping = ColumnMap.read(column_map) if column_map else None
        files = [
            read_history(path, mapping, metrics, categories, series=description.series) for path in paths
        ]
        history = pd.concat(files, ignore_index=True)
        finite = np.isfinite(history[metrics].to_numpy(np.float32)).all(axis=1)
        grid = StepGrid(description.step_minutes, description.step_months).beginning(history["timestamp"])
        rows = on_grid(history[finite], grid)
        return Recording(description, rows, _origins(rows, description, every), grid)

    def __len__(self) -> int:
        return len(self.origins)

    @property
    def servers(self) -> np.ndarray:
        """The server of each window."""
        return self.rows["server_name"].to_numpy()[self.origins]

    @property
    def truth(self) -> np.ndarray:
        """The target over each horizon: [windows, horizon], float64."""
        return self.rows[self.description.target].to_numpy(np.float64)[self._horizon]

    @property
    def recorded(self) -> np.ndarray:
        """Which of `truth` was measured; the rest fills gaps."""
        return ~self.rows["filled"].to_numpy(bool)[self._horizon]

    @property
    def _horizon(self) -> np.ndarray:
        return self.origins[:, None] + np.arange(self.description.horizon)

    def spread_over(self, count: int) -> "Recording":
        """At most `count` of the windows, evenly spread over servers and times."""
        count = min(count, len(self))
        chosen = np.linspace(0, len(self) - 1, count).round().astype(int)
        return replace(self, origins=self.origins[chosen])

    def inputs(self, weeks: int = 0) -> dict[str, np.ndarray]:
        """The raw inputs; `weeks` moves the calendar."""
        description = self.description
        slots = self.rows["slot"].to_numpy() + int(weeks * _MINUTES_PER_WEEK // description.step_minutes)
        features = self.grid.features(slots)
        calendar = {name: features[:, channel] for channel, name in enumerate(KNOWN)}
        columns = {
            metric.name: calendar[metric.name] if metric.ahead == "calendar" else self.rows[metric.name]
            for metric in description.metrics
        }
        given = {metric.name for metric in description.metrics if metric.ahead is not None}
        metrics = np.stack([np.asarray(column, np.float32) for column in columns.values()], axis=-1)
        known = np.stack(
            [
                np.asarray(columns[name] if name in given else calendar[name], np.float32)
                for name in description.known
            ],
            axis=-1,
        )
        statics = self.rows[[static.name for static in description.statics]].to_numpy(np.float32)
        codes = self._codes()
        at = self.origins[:, None]
        past, future = np.arange(-description.encoder_length, 0), np.arange(description.horizon)
        ahead = np.repeat(codes[at - 1], description.horizon, axis=1)
        for channel, category in enumerate(description.categories):
            if category.role == "known":
                ahead[..., channel] = codes[at + future, channel]
        common = (metrics[at + past], codes[at + past], known[at + future], ahead)
        # All windows are whole.
        lengths = np.full((len(at), 1, 1), description.encoder_length, np.int32)
        further = {STATIC_INPUT: statics[at - 1], LENGTHS_INPUT: lengths}
        arrays = dict(zip(INPUT_NAMES, common, strict=True)) | further
        return {tensor.name: arrays[tensor.name] for tensor in description.inputs}

    def _codes(self) -> np.ndarray:
        columns = []
        for category in self.description.categories:
            name = "server_name" if category.name == SERVER_ID else category.name
            if name in self.rows:
                columns.append(
                    self.rows[name].map(codes_of_texts(category.codes)).fillna(0).to_numpy(np.int32)
                )
            else:
                columns.append(np.zeros(len(self.rows), np.int32))
        return np.stack(columns, axis=-1)

    def first_slots(self) -> np.ndarray:
        """The time of each window's first encoder step, in steps of the grid."""
        return self.rows["slot"].to_numpy()[self.origins] - self.description.encoder_length


def _origins(rows: pd.DataFrame, description: Description, every: int) -> np.ndarray:
    """The rows that forecasts begin at."""
    segment = rows["segment"].to_numpy()
    candidates = np.arange(description.encoder_length, len(rows) - description.horizon + 1)
    first = segment[candidates - description.encoder_length]
    whole = candidates[first == segment[candidates + description.horizon - 1]][::every]
    if not len(whole):
        raise ExportError("history_short", "no server of the history has a whole window without a long gap")
    return whole
