"""From a checkpoint to a bundle: reads, rewrites, exports, draws sample windows and writes it all."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytorch_forecasting
import torch

from . import __version__
from .bundle import (
    CHECKPOINT_FILE,
    EXPLAINED_ONNX_FILE,
    EXPLAINED_TORCHSCRIPT_FILE,
    HISTORY_FILE,
    ONNX_FILE,
    TORCHSCRIPT_FILE,
    changed_bundle,
    check_file,
    copy_history,
    expected_name,
    file_entry,
    new_bundle,
    read_samples,
    write_samples,
)
from .checkpoint.calendar import Step
from .checkpoint.checkpoint_file import Checkpoint, load_checkpoint, write_slim_checkpoint
from .checkpoint.read_structure import read_structure
from .checkpoint.structure import SERVER_ID, Structure
from .checkpoint.tensors import BATCH, TensorSpec, input_tensors, output_name, output_tensors
from .description import (
    Accuracy,
    AttentionEntry,
    CategoryEntry,
    Description,
    ExplanationEntry,
    Files,
    HistoryEntry,
    MetricEntry,
    Network,
    Samples,
    SelectionEntry,
    StaticEntry,
    TargetEntry,
    TensorEntry,
    Versions,
    read_description,
    write_description,
)
from .errors import ExportError
from .goals import GOALS
from .graph.explanation import ATTENTION
from .graph.network import TemporalFusionNetwork
from .graph.onnx_graph import OPSET, write_onnx, write_torchscript
from .judging.against_checkpoint import sample_windows
from .windows.column_map import ColumnMap
from .windows.history_windows import windows_of_history
from .windows.made_up_windows import made_up_windows
from .windows.pytorch_forecasts import expected_explanation, expected_forecasts
from .windows.units import unit_of
from .windows.window_set import WindowSet

MAX_HISTORY_BYTES = 20 * 2**20
DEFAULT_STEP = Step(5)
MADE_UP = "random walks around the training data's means"


@dataclass(frozen=True)
class ExportOptions:
    """The options of `export`; its --help explains them."""

    checkpoint: Path
    bundle: Path
    history: Path | None = None
    column_map: Path | None = None
    samples: int = 32
    name: str | None = None
    description: str = ""
    step: Step = DEFAULT_STEP
    servers: Path | None = None
    training_report: Path | None = None
    exporter: str | None = None
    torchscript: bool = False
    explain: bool = False
    force: bool = False
    ship_history: bool = False
    simulated: bool = False


def export_checkpoint(
    options: ExportOptions, progress: Callable[[str], None] = lambda _: None
) -> Description:
    """Writes the bundle and returns its description; `progress` hears of each phase. Raises ExportError."""
    progress(f"reading {options.checkpoint}")
    checkpoint = load_checkpoint(options.checkpoint)
    servers = None if options.servers is None else read_servers(options.servers)
    structure = read_structure(checkpoint, options.step, servers)
    _check_history(options)
    report = {} if options.training_report is None else _read_json(options.training_report)
    with new_bundle(options.bundle, options.force) as folder:
        progress("drawing the sample windows")
        windows, source = _windows(options, structure, checkpoint)
        network = TemporalFusionNetwork(checkpoint.model, structure).eval()
        exporter = write_onnx(network, structure, folder / ONNX_FILE, options.exporter, progress)
        if options.torchscript:
            progress(f"writing {TORCHSCRIPT_FILE}")
            write_torchscript(network, structure, folder / TORCHSCRIPT_FILE)
        explanation = None
        if options.explain:
            explanation = _write_explained(
                structure, checkpoint, folder, options.exporter, options.torchscript, progress
            )
        write_slim_checkpoint(options.checkpoint, folder / CHECKPOINT_FILE)
        if options.ship_history and options.history:
            copy_history(options.history, folder)
        progress(f"forecasting {len(windows)} sample windows with PyTorch")
        expected = expected_forecasts(checkpoint, windows)
        names = [tensor.name for tensor in output_tensors(structure)]
        if explanation is not None:
            names += [output.name for output in explanation.outputs]
            expected += expected_explanation(checkpoint, windows, explanation)
        samples = Samples(
            count=len(windows),
            # A constant target has no spread; differences are then judged as they are.
            spread=float(np.std(windows.truth, dtype=np.float64)) or 1.0,
            source=source,
            month_turn=windows.month_turns(),
            servers=list(windows.servers),
            forecast_starts=windows.forecast_starts,
            files=write_samples(
                folder,
                {
                    **windows.inputs(),
                    **{expected_name(name): array for name, array in zip(names, expected, strict=True)},
                },
            ),
        )
        description = _describe(options, folder, structure, checkpoint, samples, exporter, report)
        description.explanation = explanation
        if servers is not None and structure.looked_up:
            description.servers = servers
        write_description(folder, description)
    return description


def explain_bundle(
    bundle: Path, exporter: str | None = None, progress: Callable[[str], None] = lambda _: None
) -> Description:
    """Adds the graph that explains to a bundle, in place of one that it has; nothing else in it changes.

    A TorchScript module that explains is added where the bundle has a module. Raises ExportError.
    """
    progress(f"reading {bundle}")
    description = read_description(bundle)
    if description.files.checkpoint is None:
        raise ExportError("bundle_invalid", f"{bundle} has no checkpoint to export from")
    checkpoint = load_checkpoint(check_file(bundle, description.files.checkpoint))
    step = Step(description.step_minutes, description.step_months)
    structure = read_structure(checkpoint, step, description.servers or None)
    arrays = read_samples(bundle, description)
    windows = sample_windows(structure, description, arrays)
    if windows is None:
        raise ExportError(
            "bundle_invalid", f"{bundle} does not say when its sample windows are; export it again"
        )
    with changed_bundle(bundle) as folder:
        has_module = description.files.torchscript is not None
        explanation = _write_explained(structure, checkpoint, folder, exporter, has_module, progress)
        progress(f"interpreting {len(windows)} sample windows with PyTorch")
        weights = expected_explanation(checkpoint, windows, explanation)
        names = [expected_name(output.name) for output in explanation.outputs]
        description.samples.files |= write_samples(folder, dict(zip(names, weights, strict=True)))
        description.explanation = explanation
        write_description(folder, description)
    return description


def _write_explained(
    structure: Structure,
    checkpoint: Checkpoint,
    folder: Path,
    exporter: str | None,
    torchscript: bool,
    progress: Callable[[str], None],
) -> ExplanationEntry:
    """The graph with further outputs is a file of its own: the other one stays as fast as it was."""
    network = TemporalFusionNetwork(checkpoint.model, structure, explains=True).eval()
    write_onnx(network, structure, folder / EXPLAINED_ONNX_FILE, exporter, progress)
    if torchscript:
        progress(f"writing {EXPLAINED_TORCHSCRIPT_FILE}")
        write_torchscript(network, structure, folder / EXPLAINED_TORCHSCRIPT_FILE)
    explanation = network.explanation
    return ExplanationEntry(
        onnx=file_entry(folder, EXPLAINED_ONNX_FILE),
        torchscript=file_entry(folder, EXPLAINED_TORCHSCRIPT_FILE) if torchscript else None,
        outputs=[_tensor_entry(tensor) for tensor in explanation.tensors],
        selections=[
            SelectionEntry(of=kind, variables=list(variables), output=output)
            for kind, variables, output in explanation.selections
        ],
        attention=AttentionEntry(output=ATTENTION, parts=explanation.parts),
    )


def read_servers(path: Path) -> dict[str, dict[str, str]]:
    """{server_name: {column: value}} of a CSV file with a column server_name. Raises servers_invalid."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ExportError("servers_invalid", f"cannot read {path}: {error}") from error
    if not rows or "server_name" not in rows[0]:
        raise ExportError("servers_invalid", f"{path} needs a header with server_name, and a row per server")
    return {
        row["server_name"]: {key: value for key, value in row.items() if key and key != "server_name"}
        for row in rows
    }


def _check_history(options: ExportOptions) -> None:
    if not options.ship_history:
        return
    if options.history is None or options.column_map is not None:
        raise ExportError(
            "option_conflict",
            "--ship-history goes with a --history in the model's own columns, without --map: readers of the "
            "bundle have no map",
        )
    if options.history.is_file() and options.history.stat().st_size > MAX_HISTORY_BYTES:
        raise ExportError(
            "history_large", f"{options.history} is over {MAX_HISTORY_BYTES // 2**20} MiB; ship a shorter one"
        )


def _windows(options: ExportOptions, structure: Structure, checkpoint: Checkpoint) -> tuple[WindowSet, str]:
    if options.history is None:
        return made_up_windows(structure, checkpoint.dataset_parameters, options.samples), MADE_UP
    column_map = None if options.column_map is None else ColumnMap.read(options.column_map)
    windows = windows_of_history(options.history, structure, options.samples, column_map)
    return windows, f"{'simulated ' if options.simulated else ''}history {options.history.name}"


def _describe(
    options: ExportOptions,
    folder: Path,
    structure: Structure,
    checkpoint: Checkpoint,
    samples: Samples,
    exporter: str,
    report: Mapping[str, Any],
) -> Description:
    hyper = checkpoint.model.hparams

    def entry(name: str):
        return file_entry(folder, name) if (folder / name).exists() else None

    history = entry(HISTORY_FILE)
    return Description(
        name=options.name or options.bundle.resolve().name,
        description=options.description,
        step_minutes=structure.step.minutes,
        step_months=structure.step.months,
        encoder_length=structure.past,
        min_encoder_length=structure.shortest if structure.varies_in_length else None,
        horizon=structure.horizon,
        target=structure.target,
        quantiles=list(structure.quantiles),
        metrics=[
            MetricEntry(name=name, ahead=structure.ahead.get(name), **vars(unit_of(name)))
            for name in structure.metrics
        ],
        categories=[
            CategoryEntry(name=category.name, codes=dict(category.codes), role=category.role)
            for category in structure.categories
        ],
        known=list(structure.known),
        statics=[StaticEntry(name=name, unit=unit_of(name).unit) for name in structure.statics],
        targets=_targets(structure),
        series=_series(structure),
        inputs=[_tensor_entry(tensor) for tensor in input_tensors(structure)],
        outputs=[_tensor_entry(tensor) for tensor in output_tensors(structure)],
        files=Files(
            onnx=entry(ONNX_FILE),
            checkpoint=entry(CHECKPOINT_FILE),
            history=history and HistoryEntry(**history.model_dump(), simulated=options.simulated),
            torchscript=entry(TORCHSCRIPT_FILE),
        ),
        samples=samples,
        versions=Versions(
            tft_export=__version__,
            torch=torch.__version__.split("+")[0],
            pytorch_forecasting=pytorch_forecasting.__version__,
            onnx=onnx.__version__,
            opset=OPSET,
        ),
        network=Network(
            hidden_size=hyper.hidden_size,
            attention_heads=hyper.attention_head_size,
            lstm_layers=hyper.lstm_layers,
            nodes=len(onnx.load(folder / ONNX_FILE).graph.node),
            exporter=exporter,
            loss=structure.heads[0].loss,
        ),
        accuracy=Accuracy(goals=GOALS),
        training=dict(report),
    )


def _targets(structure: Structure) -> list[TargetEntry]:
    if len(structure.targets) == 1:
        return []
    return [
        TargetEntry(name=target, output=output_name(structure, target), quantiles=list(head.quantiles))
        for target, head in zip(structure.targets, structure.heads, strict=True)
    ]


def _series(structure: Structure) -> list[str]:
    """The columns that name a series together; a history of servers has server_name instead."""
    return [] if structure.group_ids == (SERVER_ID,) else list(structure.group_ids)


def _tensor_entry(tensor: TensorSpec) -> TensorEntry:
    return TensorEntry(name=tensor.name, type=tensor.type, shape=(BATCH, *tensor.shape))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ExportError("report_invalid", f"cannot read the training report {path}: {error}") from error
    if not isinstance(content, dict):
        raise ExportError("report_invalid", f"{path} must hold a JSON object")
    return content
