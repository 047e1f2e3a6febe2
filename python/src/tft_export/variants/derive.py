"""Adds precision variants to a bundle: the graphs, and in model.json the parts kept in a higher precision,
with the reasons."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import onnx

from ..bundle import changed_bundle, check_file, file_entry
from ..description import (
    VARIANT_PRECISIONS,
    Accuracy,
    Description,
    Variant,
    Variants,
    read_description,
    write_description,
)
from ..errors import ExportError
from ..goals import goals_of
from ..windows.recording import Recording
from .calibration_set import CalibrationSet, joined, read_calibration_set
from .derive_half import plan_half
from .derive_int8 import plan_int8
from .judge import Judge
from .rules import Rules
from .sensitivity import Log

FILES = {precision: f"model.{precision}.onnx" for precision in VARIANT_PRECISIONS}


@dataclass(frozen=True)
class VariantOptions:
    """The command's options."""

    bundle: Path
    precision: Collection[str] = VARIANT_PRECISIONS
    data: Collection[Path] = ()
    column_map: Path | None = None
    calibration: Path | None = None
    windows: int = 512
    lstm: str = "fp32"


def derive_variants(options: VariantOptions, log: Log) -> tuple[Description, bool]:
    """Writes the variants into the bundle, whole or not at all; also says whether their goals were reached.

    Raises ExportError for bundles, histories and calibration sets that cannot be read.
    """
    description = read_description(options.bundle)
    model = onnx.load(check_file(options.bundle, description.files.onnx))
    windows = gather(options, description)
    spread = windows.target_spread(description)
    log(f"{len(windows)} windows of {windows.source}, spread {spread:.4g}")
    judge = Judge(model, windows, spread)
    rules = Rules.of(model, judge, options.lstm == "fp16")
    goals = goals_of(description)
    made: dict[str, tuple[onnx.ModelProto, Variant]] = {}
    reached = True
    if "fp16" in options.precision:
        log("fp16: which parts can be lowered, as shares of the goal")
        half = plan_half(model, rules, judge, goals["fp16"], log)
        made["fp16"] = half.model, Variant(lstm=options.lstm, kept=half.kept)
        reached = half.reached
    if "int8" in options.precision:
        log("int8: which products can be lowered, as shares of the goal")
        int8 = plan_int8(model, rules, judge, goals["int8"], windows, log)
        quantized = f"{len(int8.finding.lowered)} of {int8.products} products in INT8"
        log(f"int8: {quantized}, {int8.calibration.method}")
        made["int8"] = (
            int8.model,
            Variant(lstm=options.lstm, kept=int8.kept, calibration=int8.calibration),
        )
        reached = reached and int8.reached
    _write(options.bundle, description, made)
    return description, reached


def gather(options: VariantOptions, description: Description) -> CalibrationSet:
    """The windows to calibrate and search on: a set, or evenly drawn from histories."""
    if options.calibration is not None:
        if options.data:
            raise ExportError("option_conflict", "give --calibration or --data, not both")
        return read_calibration_set(options.calibration, description)
    if options.column_map is not None and not options.data:
        raise ExportError("option_conflict", "--map goes with --data")
    histories = [(path, options.column_map) for path in options.data]
    if description.files.history is not None:
        histories.append((check_file(options.bundle, description.files.history), None))
    if not histories:
        raise ExportError(
            "calibration_needed",
            f"{options.bundle} ships no history to calibrate on; give --data CSV or --calibration FOLDER",
        )
    each = -(-options.windows // len(histories))
    sets = []
    for path, column_map in histories:
        recording = Recording.read(path, column_map, description).spread_over(each)
        sets.append(CalibrationSet(recording.inputs(), path.name))
    return joined(sets)


def _write(folder: Path, description: Description, made: dict[str, tuple[onnx.ModelProto, Variant]]) -> None:
    variants = description.variants or Variants()
    with changed_bundle(folder) as scratch:
        for precision, (model, variant) in made.items():
            onnx.checker.check_model(model, full_check=True)
            del model.graph.value_info[:]
            (scratch / FILES[precision]).write_bytes(model.SerializeToString(deterministic=True))
            variant.file = file_entry(scratch, FILES[precision])
            setattr(variants, precision, variant)
        description.variants = variants
        # The rows describe the variants that are now replaced.
        description.accuracy = Accuracy(goals=goals_of(description))
        write_description(scratch, description)
