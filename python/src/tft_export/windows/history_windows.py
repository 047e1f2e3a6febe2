"""Windows of a history file, spread over its servers and times."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..checkpoint.calendar import KNOWN_FEATURES, MONTH
from ..checkpoint.category import UNKNOWN
from ..checkpoint.structure import CALENDAR, Structure
from ..errors import ExportError
from .column_map import ColumnMap
from .history import codes_of_texts, one_row_a_step, read_history
from .made_up_windows import drawn_lengths
from .step_grid import StepGrid
from .window_set import WindowSet

# One of this many windows contains the end of a month.
_MONTH_TURN_SHARE = 8


def windows_of_history(
    path: str | Path, structure: Structure, count: int, column_map: ColumnMap | None = None, seed: int = 0
) -> WindowSet:
    """`count` windows of a history file, spread over its servers and times; some with a month's turn.

    Where the model reads shorter encoders, so are some of them, those of series that have no more among them.

    Raises ExportError: history_not_found, history_invalid, history_category, history_short.
    """
    rows, grid = _read_rows(Path(path), structure, column_map)
    least = structure.shortest + structure.horizon
    unbroken = _unbroken_steps(rows)
    # The rows that a horizon may end with.
    ends = np.flatnonzero(unbroken >= least)
    if not len(ends):
        raise ExportError(
            "history_short",
            f"{path} has no server with {least} steps of {structure.step.minutes:g} minutes without a gap",
        )
    rng = np.random.default_rng(seed)
    chosen = _spread_ends(rows, ends, structure, grid, count, rng)
    lengths = drawn_lengths(structure, len(chosen), rng)
    there = np.minimum(unbroken[chosen] - structure.horizon, structure.past)
    if lengths is not None:
        lengths = np.minimum(lengths, there).astype(np.int32)
    steps = np.arange(1 - structure.past - structure.horizon, 1)
    # Steps that a window does not have repeat its first.
    positions = chosen[:, None] + np.maximum(steps, 1 - (there + structure.horizon)[:, None])
    return WindowSet(
        structure,
        rows[list(structure.metrics)].to_numpy(np.float32)[positions],
        rows[_code_columns(structure)].to_numpy(np.int32)[positions],
        rows["slot"].to_numpy()[chosen] + steps[0],
        tuple(rows["server_name"].to_numpy()[chosen]),
        rows[list(structure.statics)].to_numpy(np.float32)[chosen - structure.horizon],
        lengths,
        grid.shift,
    )


def _read_rows(
    path: Path, structure: Structure, column_map: ColumnMap | None
) -> tuple[pd.DataFrame, StepGrid]:
    """The history on the model's grid, sorted by server and time, with one code column per category."""
    names = [category.name for category in structure.categories]
    measured = [name for name in structure.metrics if structure.ahead.get(name) != CALENDAR]
    numbers = [*measured, *structure.statics]
    rows = read_history(path, column_map, numbers, names, series=structure.group_ids)
    grid = StepGrid(structure.step.minutes, structure.step.months).beginning(rows["timestamp"])
    rows["slot"] = grid.slots_of(rows["timestamp"])
    for category, column in zip(structure.categories, _code_columns(structure), strict=True):
        if [category.column] == list(structure.group_ids):
            values = rows["server_name"]
        elif category.name in rows:
            values = rows[category.name].astype(str)
        else:
            values = pd.Series(UNKNOWN, index=rows.index)
        rows[column] = values.map(codes_of_texts(category.codes)).fillna(0).astype(np.int32)
        if category.column and category.unknown_class is None and (rows[column] == 0).any():
            foreign = values[rows[column] == 0].unique()
            raise ExportError(
                "history_category",
                f"{path}: {category.name} '{foreign[0]}' was not in the training data, and the model has no "
                "code for unknown values (train with NaNLabelEncoder(add_nan=True)); leave those rows out",
            )
    rows = one_row_a_step(rows, numbers)
    features = grid.features(rows["slot"].to_numpy())
    for name, how in structure.ahead.items():
        if how == CALENDAR:
            rows[name] = features[:, KNOWN_FEATURES.index(name)]
    return rows.sort_values(["server_name", "slot"]).reset_index(drop=True), grid


def _code_columns(structure: Structure) -> list[str]:
    return [f"code:{category.name}" for category in structure.categories]


def _unbroken_steps(rows: pd.DataFrame) -> np.ndarray:
    """Of each row, how many steps of its server in a row end with it."""
    slot, server = rows["slot"].to_numpy(), rows["server_name"].to_numpy()
    begins = np.ones(len(rows), dtype=bool)
    begins[1:] = (server[1:] != server[:-1]) | (slot[1:] - slot[:-1] != 1)
    first = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))
    return np.arange(len(rows)) - first + 1


def _spread_ends(
    rows: pd.DataFrame,
    ends: np.ndarray,
    structure: Structure,
    grid: StepGrid,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    slot = rows["slot"].to_numpy()[ends] - (structure.past + structure.horizon - 1)

    def month(slots: np.ndarray) -> np.ndarray:
        return grid.features(slots)[..., KNOWN_FEATURES.index(MONTH)]

    turning = month(slot) != month(slot + structure.past)
    if MONTH not in structure.encoder_reals or MONTH not in structure.counted:
        turning[:] = False
    wanted = min(-(-count // _MONTH_TURN_SHARE), int(turning.sum()))
    plain = ends[~turning] if (~turning).any() else ends
    chosen = [
        _one_of_each_stratum(ends[turning], wanted, rng),
        _one_of_each_stratum(plain, count - wanted, rng),
    ]
    return np.sort(np.concatenate(chosen))


def _one_of_each_stratum(candidates: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    count = min(count, len(candidates))
    if count == 0:
        return candidates[:0]
    return np.array([rng.choice(stratum) for stratum in np.array_split(candidates, count)])
