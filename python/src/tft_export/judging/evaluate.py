"""A bundle's forecasts against naive ones and a strong peer, set by set; other bundles in the same table.

Bundles run as in production: ONNX Runtime and the four raw inputs, which contain nothing of the future but
the calendar.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from ..bundle import check_file
from ..description import Description, read_description
from ..errors import ExportError
from .judge import JudgedWindows, judge
from .judged_set import JudgedSet, SetReader, SetWindows
from .peers import PEER, peer_forecasts
from .score import check_band, disorder_of
from .zero_shot import fracast_forecasts

_BATCH = 32


def evaluate(
    folder: Path,
    sets: Sequence[JudgedSet],
    column_map: Path | None,
    others: Mapping[str, Path],
    peer: Path | None,
    hours: Sequence[int] = (),
    zero_shot: str | None = None,
) -> dict:
    """The table: {"sets": [{"name", "windows", … as docs/judging.md has it}]}.

    `others` are bundles of the same inputs by the name of their row; `peer` is the folder of `train_peer`,
    `zero_shot` "fracast" or none. `hours` moves the calendar: a model that learnt one month's habits loses
    by it.
    """
    description = read_description(folder)
    check_band(description.quantiles)
    sessions = {description.name: _session(folder, description)}
    for name, other in others.items():
        theirs = read_description(other)
        if theirs.quantiles != description.quantiles or theirs.inputs != description.inputs:
            raise ExportError("option_conflict", f"{other} has other inputs or quantiles than {folder}")
        sessions[name] = _session(other, theirs)
    reader = SetReader(column_map, description)
    return {
        "sets": [
            {
                "name": judged.name,
                **_judge_set(reader.read(judged), description, sessions, peer, hours, zero_shot),
            }
            for judged in sets
        ]
    }


def _judge_set(
    windows: SetWindows,
    description: Description,
    sessions: Mapping[str, onnxruntime.InferenceSession],
    peer: Path | None,
    hours: Sequence[int],
    zero_shot: str | None,
) -> dict:
    entry = next(metric for metric in description.metrics if metric.name == description.target)
    raw = {name: predict(session, windows.inputs) for name, session in sessions.items()}
    own = next(iter(sessions))
    for shift in hours:
        moved = moved_calendar(windows.inputs, description, shift)
        raw[f"{own}, calendar {shift} h later"] = predict(sessions[own], moved)
    if peer is not None:
        raw[PEER] = peer_forecasts(peer, windows.past)
    if zero_shot is not None:
        raw |= fracast_forecasts(
            windows.long_past,
            description.encoder_length,
            round(24 * 60 / description.step_minutes),
            description.horizon,
            description.quantiles,
        )
    forecasts = {name: tidy(forecast, entry.minimum, entry.maximum) for name, forecast in raw.items()}
    table = judge(
        JudgedWindows(
            windows.machines,
            windows.origins,
            windows.regimes,
            windows.measured,
            {**forecasts, **windows.naive},
            tuple(description.quantiles),
            description.step_minutes,
            entry.minimum,
            entry.maximum,
            windows.resolution,
        )
    )
    # The judged forecasts are sorted and clipped, so these figures refer to the graph's own output.
    disorder = disorder_of(raw[own], entry.minimum, entry.maximum)
    del table["naiveShare"]
    return {
        **table,
        "crossed": disorder.crossed,
        "crossedWindows": disorder.crossed_windows,
        "outOfRange": disorder.out_of_range,
    }


def tidy(forecast: np.ndarray, minimum: float | None, maximum: float | None) -> np.ndarray:
    """In order and within the target's range, as people see forecasts: NaN stays NaN."""
    return np.sort(np.clip(forecast, minimum, maximum), axis=-1)


def predict(session: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    count = len(next(iter(inputs.values())))
    return np.concatenate(
        [
            session.run(None, {name: array[first : first + _BATCH] for name, array in inputs.items()})[0]
            for first in range(0, count, _BATCH)
        ]
    )


def moved_calendar(
    inputs: Mapping[str, np.ndarray], description: Description, hours: int
) -> dict[str, np.ndarray]:
    """The inputs with the horizon's calendar `hours` later; the month stays."""
    known = description.known
    calendar = inputs["decoder_cont"].copy()
    if "hour" in known:
        hour = calendar[..., known.index("hour")] + hours
        calendar[..., known.index("hour")] = hour % 24
        if "day_of_week" in known:
            day = (calendar[..., known.index("day_of_week")] + hour // 24) % 7
            calendar[..., known.index("day_of_week")] = day
            if "is_weekend" in known:
                calendar[..., known.index("is_weekend")] = day >= 5
    return {**inputs, "decoder_cont": calendar}


def _session(folder: Path, description: Description) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(
        check_file(folder, description.files.onnx), providers=["CPUExecutionProvider"]
    )


def rounded(table: object) -> object:
    """The table with four significant decimals, as it is recorded."""
    if isinstance(table, dict):
        return {key: rounded(value) for key, value in table.items()}
    if isinstance(table, list | tuple):
        return [rounded(value) for value in table]
    return round(table, 4) if isinstance(table, float) else table
