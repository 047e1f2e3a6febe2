"""Compares a bundle's graph, run by ONNX Runtime, with the PyTorch checkpoint it was exported from."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd

from ..bundle import check_file, expected_name, read_explained, read_samples
from ..checkpoint.calendar import Step
from ..checkpoint.checkpoint_file import Checkpoint, load_checkpoint
from ..checkpoint.read_structure import read_structure
from ..checkpoint.structure import Structure
from ..checkpoint.tensors import BATCH
from ..description import Description, TensorEntry, read_description
from ..errors import ExportError
from ..graph.onnx_graph import OPSET, check_operators
from ..windows.column_map import ColumnMap
from ..windows.history_windows import windows_of_history
from ..windows.pytorch_forecasts import exact_forecasts, expected_explanation, expected_forecasts
from ..windows.step_grid import StepGrid
from ..windows.window_set import WindowSet

_RUN_BATCH = 32
# Weights are shares of 1. PyTorch's own differ by some 1e-6 between two processors.
EXPLANATION_LIMIT = 1e-4


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
    """One set of windows. Windows with a month's turn are counted and reported, not judged.

    `rounding` is how far PyTorch's own forecasts are from those of float64; it is known where the graph's are
    over the limit.
    """

    source: str
    reference: str
    windows: int
    spread: float
    limit: float
    quantiles: tuple[Difference, ...]
    maximum: float
    month_turn_windows: int
    month_turn_maximum: float | None
    rounding: float | None = None

    @property
    def passed(self) -> bool:
        return bool(self.maximum <= self.limit)

    @property
    def is_beyond_float32(self) -> bool:
        """Whether PyTorch itself rounds by more than the limit."""
        return self.rounding is not None and self.rounding > self.limit


@dataclass(frozen=True)
class Explained:
    """An output of the graph that explains against PyTorch's: the largest difference in judged windows."""

    output: str
    reference: str
    maximum: float
    limit: float

    @property
    def passed(self) -> bool:
        return bool(self.maximum <= self.limit)


@dataclass(frozen=True)
class Report:
    bundle: str
    nodes: int
    checks: tuple[str, ...]
    comparisons: tuple[Comparison, ...] = field(default_factory=tuple)
    explained: tuple[Explained, ...] = field(default_factory=tuple)

    @property
    def passed(self) -> bool:
        return all(one.passed for one in (*self.comparisons, *self.explained))

    def as_json(self) -> str:
        content = asdict(self)
        for entry, comparison in zip(content["comparisons"], self.comparisons, strict=True):
            entry["passed"] = comparison.passed
            entry["is_beyond_float32"] = comparison.is_beyond_float32
        for entry, one in zip(content["explained"], self.explained, strict=True):
            entry["passed"] = one.passed
        return json.dumps({**content, "passed": self.passed}, indent=2)

    def as_text(self) -> str:
        lines = [f"{self.bundle}: {self.nodes} nodes; {'; '.join(self.checks)}"]
        for comparison in self.comparisons:
            lines += ["", *_lines(comparison)]
        if self.explained:
            lines += ["", f"what explains, of weights that sum to 1, limit {EXPLANATION_LIMIT:g}"]
        for one in self.explained:
            over = "" if one.passed else "  OVER THE LIMIT"
            lines.append(f"  {one.output:<17} against {one.reference}: {one.maximum:.3g}{over}")
        lines += [
            "",
            "passed" if self.passed else "FAILED: the graph differs from PyTorch by more than the limit",
        ]
        return "\n".join(lines)


def verify_bundle(
    folder: Path,
    history: Path | None = None,
    column_map: Path | None = None,
    windows: int = 64,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Checks a bundle against its checkpoint. Raises ExportError if it is not a bundle or is damaged."""
    progress(f"running {folder} on its sample windows")
    description = read_description(folder)
    path = check_file(folder, description.files.onnx)
    nodes, checks = _check_graph(path, description)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    arrays = read_samples(folder, description)
    expected = [arrays.pop(expected_name(output.name)) for output in description.outputs]
    actual = _run(session, arrays)
    _check_any_batch(session, arrays, actual[0])
    stored = f"sample windows ({description.samples.source})"
    turned = set(description.samples.month_turn)
    spreads = [description.samples.spread, *(_spread(values) for values in expected[1:])]

    def compare(reference: str, forecasts: Sequence[np.ndarray]) -> list[Comparison]:
        return _compare(description, stored, reference, actual, forecasts, turned, spreads)

    comparisons = compare("the stored forecasts", expected)
    explained, of_explained = _run_explained(folder, description, arrays, checks)
    if of_explained:
        comparisons += _compare(
            description,
            "the graph that explains",
            "the stored forecasts",
            of_explained,
            expected,
            turned,
            spreads,
        )
    judged = [window for window in range(description.samples.count) if window not in turned]

    def weigh(reference: str, weights: Sequence[np.ndarray]) -> list[Explained]:
        return [
            Explained(
                output.name,
                reference,
                float(np.abs(ours - theirs)[judged].max(initial=0.0)),
                EXPLANATION_LIMIT,
            )
            for output, ours, theirs in zip(_explaining(description), explained, weights, strict=True)
        ]

    explanations = weigh("the stored weights", read_explained(folder, description))
    if description.files.checkpoint is None:
        checks.append("no checkpoint in the bundle: compared with the stored forecasts only")
        return Report(str(folder), nodes, tuple(checks), tuple(comparisons), tuple(explanations))
    checkpoint = load_checkpoint(check_file(folder, description.files.checkpoint))
    structure = read_structure(
        checkpoint, Step(description.step_minutes, description.step_months), description.servers or None
    )
    samples = sample_windows(structure, description, arrays)
    if samples is not None:
        progress(f"forecasting {len(samples)} sample windows with PyTorch")
        forecasts = expected_forecasts(checkpoint, samples)
        compared = compare("the checkpoint", forecasts)
        comparisons += _with_rounding(compared, checkpoint, samples, forecasts)
        if description.explanation is not None:
            of_checkpoint = expected_explanation(checkpoint, samples, description.explanation)
            explanations += weigh("the checkpoint", of_checkpoint)
    for source, mapping in _histories(folder, description, history, column_map):
        progress(f"forecasting windows of {source} with PyTorch")
        drawn = windows_of_history(source, structure, windows, mapping)
        comparisons += _compare_history(description, checkpoint, session, drawn, source.name)
    return Report(str(folder), nodes, tuple(checks), tuple(comparisons), tuple(explanations))


def _explaining(description: Description) -> list[TensorEntry]:
    """The outputs after the forecasts of the graph that explains."""
    return [] if description.explanation is None else description.explanation.outputs


def _run_explained(
    folder: Path, description: Description, arrays: dict[str, np.ndarray], checks: list[str]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What the graph that explains gives of the sample windows: its weights, and its forecasts."""
    if description.explanation is None:
        return [], []
    path = check_file(folder, description.explanation.onnx)
    outputs = [*description.outputs, *description.explanation.outputs]
    nodes, _ = _check_graph(path, description.model_copy(update={"outputs": outputs}))
    checks.append(f"{path.name} of {nodes} nodes likewise")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = _run(session, {entry.name: arrays[entry.name] for entry in description.inputs})
    count = len(description.outputs)
    return found[count:], found[:count]


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


def _run(session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The graph's outputs, in its order."""
    count = len(next(iter(inputs.values())))
    parts = [
        session.run(None, {name: values[start : start + _RUN_BATCH] for name, values in inputs.items()})
        for start in range(0, count, _RUN_BATCH)
    ]
    return [np.concatenate(output) for output in zip(*parts, strict=True)]


def _spread(values: np.ndarray) -> float:
    return float(np.std(values, dtype=np.float64)) or 1.0


def _check_any_batch(
    session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray], actual: np.ndarray
) -> None:
    """A batch of one must have the shape of one; its values may differ in the last digits."""
    alone = session.run(None, {name: values[:1] for name, values in inputs.items()})[0]
    if alone.shape != (1, *actual.shape[1:]):
        raise ExportError(
            "graph_invalid", f"the '{BATCH}' axis is fixed: one window gives {list(alone.shape)}"
        )


def sample_windows(
    structure: Structure, description: Description, arrays: dict[str, np.ndarray]
) -> WindowSet | None:
    """The sample windows as they were drawn."""
    starts = description.samples.forecast_starts
    if len(starts) != description.samples.count:
        return None
    times = pd.Series(pd.to_datetime(starts, utc=True))
    grid = StepGrid(structure.step.minutes, structure.step.months).beginning(times)
    first = grid.slots_of(times) - structure.past
    return WindowSet.of_inputs(structure, arrays, first, description.samples.servers, grid.shift)


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
) -> list[Comparison]:
    expected = expected_forecasts(checkpoint, windows)
    spread = float(np.std(windows.truth, dtype=np.float64)) or description.samples.spread
    compared = _compare(
        description,
        f"history {name}",
        "the checkpoint",
        _run(session, windows.inputs()),
        expected,
        set(windows.month_turns()),
        [spread, *(_spread(values) for values in expected[1:])],
    )
    return _with_rounding(compared, checkpoint, windows, expected)


def _with_rounding(
    comparisons: list[Comparison], checkpoint: Checkpoint, windows: WindowSet, expected: Sequence[np.ndarray]
) -> list[Comparison]:
    if all(comparison.passed for comparison in comparisons):
        return comparisons
    roundings = [
        float(np.abs(theirs - exact).max())
        for theirs, exact in zip(expected, exact_forecasts(checkpoint, windows), strict=True)
    ]
    return [
        comparison if comparison.passed else replace(comparison, rounding=rounding)
        for comparison, rounding in zip(comparisons, roundings, strict=True)
    ]


def _compare(
    description: Description,
    source: str,
    reference: str,
    actual: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    month_turn: set[int],
    spreads: Sequence[float],
) -> list[Comparison]:
    """A comparison for each target."""
    targets = [(description.target, description.quantiles)]
    if description.targets:
        targets = [(target.name, target.quantiles) for target in description.targets]
    comparisons = []
    for target, ours, theirs, spread in zip(targets, actual, expected, spreads, strict=True):
        of = f", {target[0]}" if len(targets) > 1 else ""
        limit = description.samples.tolerance
        comparisons.append(
            _difference(f"{source}{of}", reference, ours, theirs, month_turn, spread, target[1], limit)
        )
    return comparisons


def _difference(
    source: str,
    reference: str,
    actual: np.ndarray,
    expected: np.ndarray,
    month_turn: set[int],
    spread: float,
    quantiles: Sequence[float],
    tolerance: float,
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
        limit=tolerance * scale,
        quantiles=tuple(at(index, quantile) for index, quantile in enumerate(quantiles)),
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
    if comparison.is_beyond_float32:
        lines.append(
            f"  PyTorch's own forecasts are up to {comparison.rounding:.3g} from those of float64: what this "
            "model forecasts of these windows is too large, or too sensitive, for the digits of float32"
        )
    return lines
