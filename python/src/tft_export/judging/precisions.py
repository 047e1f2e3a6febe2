"""Judges every precision of a bundle against PyTorch on recorded data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

from ..bundle import changed_bundle, check_file
from ..checkpoint.calendar import Step
from ..checkpoint.checkpoint_file import load_checkpoint
from ..checkpoint.read_structure import read_structure
from ..description import (
    PRECISIONS,
    Accuracy,
    AccuracyRow,
    Description,
    read_description,
    write_description,
)
from ..errors import ExportError
from ..goals import goals_of
from ..variants.calibration_set import CalibrationSet, write_calibration_set
from ..variants.emulate import Runner
from ..windows.pytorch_forecasts import expected_predictions
from ..windows.recording import Recording
from ..windows.window_set import WindowSet
from .precision_table import Table, row_of
from .score import Score, check_band, score_of

Log = Callable[[str], None]


@dataclass(frozen=True)
class AccuracyOptions:
    """The command's options; `outputs` by precision."""

    bundle: Path
    data: Path
    column_map: Path | None = None
    every: int = 48
    limit: int | None = None
    outputs: Mapping[str, Path] = field(default_factory=dict)


def judge_bundle(options: AccuracyOptions, log: Log) -> Table:
    """Judges the precisions of a bundle and writes the table into its model.json.

    Raises ExportError for bundles, histories and outputs that cannot be read.
    """
    description, recording = _read(options)
    check_band(description.quantiles)
    inputs = recording.inputs()
    expected, turned = _expected(options.bundle, description, recording, inputs)
    truth, recorded = recording.truth[~turned], recording.recorded[~turned]
    if not recorded.any():
        raise ExportError("history_short", f"{options.data} holds nothing measured to judge by")
    spread = float(np.std(truth[recorded])) or 1.0

    def score(forecasts: np.ndarray) -> Score:
        return score_of(forecasts[~turned], truth, recorded, description.quantiles)

    rows: list[AccuracyRow] = []
    # FP32 first: the others' pinball loss is compared with its.
    base = None
    for precision, forecasts, emulated in _forecasts(options, description, inputs, expected.shape):
        log(f"{precision}: {len(forecasts)} windows")
        found = score(forecasts)
        base = base or (found if precision == "fp32" else score(expected))
        difference = (forecasts - expected.astype(np.float64))[~turned]
        rows.append(row_of(precision, difference, spread, found, base, emulated))
    accuracy = Accuracy(
        goals=goals_of(description),
        source=options.data.name,
        windows=len(truth),
        spread=round(spread, 4),
        rows=rows,
    )
    _keep_others(accuracy, description.accuracy)
    accuracy.emulated = any(row.emulated for row in accuracy.rows)
    with changed_bundle(options.bundle) as scratch:
        description.accuracy = accuracy
        write_description(scratch, description)
    return Table(accuracy, score(expected), int(turned.sum()))


def _keep_others(accuracy: Accuracy, before: Accuracy | None) -> None:
    """Rows of other precisions that were judged on the same windows before."""
    same = ("source", "windows", "spread")
    if before is None or any(getattr(before, name) != getattr(accuracy, name) for name in same):
        return
    judged = {row.precision for row in accuracy.rows}
    accuracy.rows += [row for row in before.rows if row.precision not in judged]
    accuracy.rows.sort(key=lambda row: PRECISIONS.index(row.precision))


def write_windows(options: AccuracyOptions, folder: Path) -> int:
    """Writes the windows that `judge_bundle` would judge by, as a calibration set; returns how many."""
    description, recording = _read(options)
    write_calibration_set(folder, CalibrationSet(recording.inputs(), options.data.name), description)
    return len(recording)


def _read(options: AccuracyOptions) -> tuple[Description, Recording]:
    description = read_description(options.bundle)
    recording = Recording.read(options.data, options.column_map, description, options.every)
    return description, recording.spread_over(options.limit or len(recording))


def _expected(
    folder: Path, description: Description, recording: Recording, inputs: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """PyTorch's forecasts, and in which windows a month turns: no graph can equal PyTorch there.

    The horizon's metrics, which no forecast reads, are made up.
    """
    if description.files.checkpoint is None:
        raise ExportError(
            "checkpoint_not_found",
            f"{folder} has no checkpoint; its forecasts are needed to judge by",
        )
    checkpoint = load_checkpoint(check_file(folder, description.files.checkpoint))
    structure = read_structure(
        checkpoint, Step(description.step_minutes, description.step_months), description.servers or None
    )
    windows = WindowSet.of_inputs(
        structure, inputs, recording.first_slots(), recording.servers, recording.grid.shift
    )
    turned = np.zeros(len(windows), bool)
    turned[windows.month_turns()] = True
    return expected_predictions(checkpoint, windows), turned


def _forecasts(
    options: AccuracyOptions,
    description: Description,
    inputs: Mapping[str, np.ndarray],
    shape: tuple[int, ...],
):
    """(precision, forecasts, emulated): of the given outputs only, or else of all the bundle's graphs."""
    if options.outputs:
        for precision in sorted(options.outputs, key=PRECISIONS.index):
            yield precision, read_outputs(options.outputs[precision], shape), False
        return
    variants = description.variants
    files = {
        "fp32": description.files.onnx,
        "fp16": variants and variants.fp16 and variants.fp16.file,
        "int8": variants and variants.int8 and variants.int8.file,
    }
    for precision, entry in files.items():
        if entry is not None:
            model = onnx.load(check_file(options.bundle, entry))
            yield precision, Runner(model).forecasts(inputs), precision != "fp32"


def read_outputs(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Raises ExportError outputs_invalid."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ExportError("outputs_invalid", f"cannot read {path}: {error}") from error
    expected = int(np.prod(shape)) * 4
    if len(content) != expected:
        raise ExportError(
            "outputs_invalid",
            f"{path} has {len(content)} bytes, float32 {list(shape)} is {expected}; make it from the windows "
            "of --write-windows with the same --data, --map, --every and --limit",
        )
    return np.frombuffer(content, "<f4").reshape(shape)
