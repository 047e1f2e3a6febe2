"""Compares a bundle's graph, run by ONNX Runtime, with the PyTorch checkpoint it was exported from."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd

from ..bundle import EXPECTED, check_file, read_samples
from ..checkpoint.checkpoint_file import Checkpoint, load_checkpoint
from ..checkpoint.structure import Structure, read_structure
from ..checkpoint.tensors import BATCH, INPUT_NAMES, OUTPUT_NAME
from ..description import Description, read_description
from ..errors import ExportError
from ..graph.onnx_graph import OPSET, check_operators
from ..windows.column_map import ColumnMap
from ..windows.sample_windows import WindowSet, expected_predictions, windows_of_history

_RUN_BATCH = 32


@dataclass(frozen=True)
class Difference:
    """The graph against PyTorch at one quantile, absolute and as a share of the spread."""

    quantile: float
    maximum: float
    mean: float
    maximum_of_spread: float
    mean_of_spread: float


@dataclass(frozen=True)
class Comparison:
    """One set of windows. Windows with a month's turn are counted and reported, not judged."""

    source: str
    reference: str
    windows: int
    spread: float
    limit: float
    quantiles: tuple[Difference, ...]
    maximum: float
    month_turn_windows: int
    month_turn_maximum: float | None

    @property
    def passed(self) -> bool:
        return bool(self.maximum <= self.limit)


@dataclass(frozen=True)
class Report:
    bundle: str
    nodes: int
    checks: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = field(default_factory=tuple)

    @property
    def passed(self) -> bool:
        return all(comparison.passed for comparison in self.comparisons)

    def as_json(self) -> str:
        content = asdict(self)
        for entry, comparison in zip(content["comparisons"], self.comparisons, strict=True):
            entry["passed"] = comparison.passed
        return json.dumps({**content, "passed": self.passed}, indent=2)

    def as_text(self) -> str:
        lines = [f"{self.bundle}: {self.nodes} nodes; {'; '.join(self.checks)}"]
        for comparison in self.comparisons:
            lines += ["", *_lines(comparison)]
        lines += [
            "",
            "passed" if self.passed else "FAILED: the graph differs from PyTorch by more than the limit",
        ]
        return "\n".join(lines)


def verify_bundle(
    folder: Path, history: Path | None = None, column_map: Path | None = None, windows: int = 64
) -> Report:
    """Checks a bundle against its checkpoint. Raises ExportError if it is not a bundle or is damaged."""
    description = read_description(folder)
    path = check_file(folder, description.files.onnx)
    nodes, checks = _check_graph(path, description)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    arrays = read_samples(folder, description)
    expected = arrays.pop(EXPECTED)
    actual = _run(session, arrays)
    _check_any_batch(session, arrays, actual)
    stored = f"sample windows ({description.samples.source})"
    spread, turned = description.samples.spread, set(description.samples.month_turn)
    comparisons = [_compare(description, stored, "the stored forecasts", actual, expected, turned, spread)]
    if description.files.checkpoint is None:
        checks.append("no checkpoint in the bundle: compared with the stored forecasts only")
        return Report(str(folder), nodes, tuple(checks), tuple(comparisons))
    checkpoint = load_checkpoint(check_file(folder, description.files.checkpoint))
    structure = read_structure(checkpoint, description.step_minutes, description.servers or None)
    samples = _sample_windows(structure, description, arrays)
    if samples is not None:
        predicted = expected_predictions(checkpoint, samples)
        comparisons.append(_compare(description, stored, "the checkpoint", actual, predicted, turned, spread))
    for source, mapping in _histories(folder, description, history, column_map):
        drawn = windows_of_history(source, structure, windows, mapping)
        comparisons.append(_compare_history(description, checkpoint, session, drawn, source.name))
    return Report(str(folder), nodes, tuple(checks), tuple(comparisons))


def _check_graph(path: Path, description: Description) -> tuple[int, list[str]]:
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        # protobuf, onnx.checker and shape inference each raise their own.
        raise ExportError("graph_invalid", f"{path}: {str(error).splitlines()[0]}") from error
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset != OPSET:
        raise ExportError("graph_invalid", f"{path} has opset {opset}, expected {OPSET}")
    check_operators(model)
    for values, entries in (
        (model.graph.input, description.inputs),
        (model.graph.output, description.outputs),
    ):
        found = [(value.name, _type_of(value), _shape_of(value)) for value in values]
        promised = [(entry.name, entry.type, list(entry.shape)) for entry in entries]
        if found != promised:
            raise ExportError("graph_invalid", f"{path} has tensors {found}, model.json says {promised}")
    return len(model.graph.node), ["onnx.checker passed (full)", f"opset {opset}", "tensors as in model.json"]


def _type_of(value: onnx.ValueInfoProto) -> str:
    return str(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))


def _shape_of(value: onnx.ValueInfoProto) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _run(session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]) -> np.ndarray:
    count = len(inputs[INPUT_NAMES[0]])
    parts = [
        session.run([OUTPUT_NAME], {name: inputs[name][start : start + _RUN_BATCH] for name in INPUT_NAMES})[
            0
        ]
        for start in range(0, count, _RUN_BATCH)
    ]
    return np.concatenate(parts)


def _check_any_batch(
    session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray], actual: np.ndarray
) -> None:
    """A batch of one must have the shape of one; its values may differ in the last digits."""
    alone = session.run([OUTPUT_NAME], {name: inputs[name][:1] for name in INPUT_NAMES})[0]
    if alone.shape != (1, *actual.shape[1:]):
        raise ExportError(
            "graph_invalid", f"the '{BATCH}' axis is fixed: one window gives {list(alone.shape)}"
        )


def _sample_windows(
    structure: Structure, description: Description, arrays: dict[str, np.ndarray]
) -> WindowSet | None:
    """The sample windows as they were drawn. The horizon's metrics, which no forecast reads, are made up."""
    starts = description.samples.forecast_starts
    if len(starts) != description.samples.count:
        return None
    cont = arrays["encoder_cont"]
    minutes = pd.to_datetime(starts, utc=True).tz_localize(None).to_numpy("datetime64[m]").astype(np.int64)
    return WindowSet(
        structure,
        np.concatenate([cont, np.repeat(cont[:, -1:], structure.horizon, axis=1)], axis=1),
        np.concatenate([arrays["encoder_cat"], arrays["decoder_cat"]], axis=1),
        minutes // structure.step_minutes - structure.encoder_length,
        tuple(description.samples.servers),
    )


def _histories(
    folder: Path, description: Description, history: Path | None, column_map: Path | None
) -> list[tuple[Path, ColumnMap | None]]:
    histories = []
    if description.files.history is not None:
        histories.append((check_file(folder, description.files.history), None))
    if history is not None:
        histories.append((history, ColumnMap.read(column_map) if column_map else None))
    return histories


def _compare_history(
    description: Description,
    checkpoint: Checkpoint,
    session: onnxruntime.InferenceSession,
    windows: WindowSet,
    name: str,
) -> Comparison:
    return _compare(
        description,
        f"history {name}",
        "the checkpoint",
        _run(session, windows.inputs()),
        expected_predictions(checkpoint, windows),
        set(windows.month_turns()),
        float(np.std(windows.truth, dtype=np.float64)) or description.samples.spread,
    )


def _compare(
    description: Description,
    source: str,
    reference: str,
    actual: np.ndarray,
    expected: np.ndarray,
    month_turn: set[int],
    spread: float,
) -> Comparison:
    difference = np.abs(actual.astype(np.float64) - expected)
    difference[np.isnan(difference)] = np.inf
    turned = np.array([window in month_turn for window in range(len(difference))])
    judged = difference[~turned]
    scale = spread or 1.0  # a constant target has no spread

    def at(index: int, quantile: float) -> Difference:
        values = judged[..., index]
        largest, mean = float(values.max(initial=0.0)), float(values.mean()) if values.size else 0.0
        return Difference(quantile, largest, mean, largest / scale, mean / scale)

    return Comparison(
        source=source,
        reference=reference,
        windows=len(judged),
        spread=spread,
        limit=description.samples.tolerance * scale,
        quantiles=tuple(at(index, quantile) for index, quantile in enumerate(description.quantiles)),
        maximum=float(judged.max(initial=0.0)),
        month_turn_windows=int(turned.sum()),
        month_turn_maximum=float(difference[turned].max()) if turned.any() else None,
    )


def _lines(comparison: Comparison) -> list[str]:
    lines = [
        f"{comparison.source} against {comparison.reference}: {comparison.windows} windows, "
        f"spread {comparison.spread:.4g}, limit {comparison.limit:.3g}",
        "  quantile   max         mean        max/spread  mean/spread",
    ]
    lines += [
        f"  {d.quantile:<9g}  {d.maximum:<10.3g}  {d.mean:<10.3g}  {d.maximum_of_spread:<10.2g}  "
        f"{d.mean_of_spread:.2g}"
        for d in comparison.quantiles
    ]
    if comparison.month_turn_windows:
        lines.append(
            f"  apart from {comparison.month_turn_windows} windows in which a month turns, whose past month "
            f"cannot be known: they differ by up to {comparison.month_turn_maximum:.3g}"
        )
    if not comparison.passed:
        lines.append(
            f"  OVER THE LIMIT by a factor of {comparison.maximum / (comparison.limit or 1e-30):.3g}"
        )
    return lines
