"""model.json: the description of a bundle's model, checked when it is read."""

import json
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from .errors import ExportError

SCHEMA_VERSION = 1
DESCRIPTION_FILE = "model.json"
TOLERANCE = 1e-4

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
# Those that need a graph of their own in addition to the FP32 one.
VARIANT_PRECISIONS = PRECISIONS[1:]

# Every model has these inputs; they come first.
INPUT_NAMES = ("encoder_cont", "encoder_cat", "decoder_cont", "decoder_cat")
STATIC_INPUT = "static_cont"
# How many of the last steps of encoder_cont there are; the network reads no others.
LENGTHS_INPUT = "encoder_lengths"

# By their names in model.json and on the command line, in the order in which they are tried.
WRITERS = {
    "dynamo": "torch's dynamo exporter",
    "legacy": "torch's legacy exporter",
    "trace": "torch's legacy exporter from torch.jit.trace",
}


class _Model(BaseModel):
    """camelCase in the file; keys of later versions are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class MetricEntry(_Model):
    """A channel of encoder_cont.

    `ahead` says how a variable that is known ahead, and so also a channel of decoder_cont, is known: by rows
    of the steps ahead ('given'), by the calendar ('calendar'), or because it counts steps ('count').
    """

    name: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    ahead: Literal["given", "calendar", "count"] | None = None


class StaticEntry(_Model):
    """A channel of static_cont: a number that a series keeps."""

    name: str
    unit: str = ""


class TargetEntry(_Model):
    """One of several targets, and the output with its forecast."""

    name: str
    output: str
    quantiles: list[float]


class CategoryEntry(_Model):
    name: str
    codes: dict[str, int]
    role: Literal["static", "varying", "known"]


class TensorEntry(_Model):
    """`shape` begins with the dynamic batch, by name."""

    name: str
    type: Literal["float32", "int32"]
    shape: tuple[str | int, ...]


class FileEntry(_Model):
    path: str
    bytes: int
    sha256: str


class HistoryEntry(FileEntry):
    simulated: bool = False


class Files(_Model):
    onnx: FileEntry
    checkpoint: FileEntry | None = None
    history: HistoryEntry | None = None
    torchscript: FileEntry | None = None


class SelectionEntry(_Model):
    """The variables that one selection weighs, in the order of the output's values.

    Without an output there is one variable, whose weight is 1.
    """

    of: Literal["static", "encoder", "decoder"]
    variables: list[str]
    output: str | None = None


class AttentionEntry(_Model):
    """The output with the attention, [batch, parts, encoder steps].

    Each part of the horizon is [first step, step after the last].
    """

    output: str
    parts: list[tuple[int, int]]


class ExplanationEntry(_Model):
    """The same model with further outputs, which say what a forecast rests on: see graph/explanation.py."""

    onnx: FileEntry
    torchscript: FileEntry | None = None
    # Those after the forecasts.
    outputs: list[TensorEntry]
    selections: list[SelectionEntry]
    attention: AttentionEntry


class Samples(_Model):
    """Windows with the forecast that PyTorch makes of them.

    `spread` is the standard deviation of the target over their horizons; a forecast may differ from the
    expected by `tolerance * spread`, except in the windows listed in `month_turn`.
    """

    count: int
    spread: float
    tolerance: float = TOLERANCE
    source: str
    month_turn: list[int]
    servers: list[str] = Field(default_factory=list)
    forecast_starts: list[str] = Field(default_factory=list)
    files: dict[str, FileEntry]


class Versions(_Model):
    tft_export: str
    torch: str
    pytorch_forecasting: str
    onnx: str
    opset: int


class Network(_Model):
    hidden_size: int
    attention_heads: int
    lstm_layers: int
    nodes: int
    exporter: str = "dynamo"
    # QuantileLoss and NormalDistributionLoss give quantiles, others one value.
    loss: str = "QuantileLoss"


class KeptPart(_Model):
    """A part of the graph, named after the network's module, that stays in a higher precision."""

    part: str
    precision: Literal["fp32", "fp16"]
    nodes: int
    why: str


class Calibration(_Model):
    """How INT8's scales were chosen; `percentile` in per cent, for that method."""

    method: Literal["minmax", "percentile", "entropy"]
    percentile: float | None = None
    windows: int
    source: str


class Variant(_Model):
    """The graph in another precision; `lstm` is the precision of its LSTMs."""

    file: FileEntry | None = None
    lstm: Literal["fp32", "fp16"] = "fp32"
    kept: list[KeptPart] = Field(default_factory=list)
    calibration: Calibration | None = None


class Variants(_Model):
    fp16: Variant | None = None
    int8: Variant | None = None


class AccuracyRow(_Model):
    """One precision against PyTorch.

    `within1` and `within05`: the share of outputs within 1 % and 0.5 % of the spread; `largest` difference
    and `pinball` loss in the target's unit; `pinball_change` as a fraction of FP32's.
    """

    precision: Precision
    within1: float
    within05: float
    largest: float
    pinball: float
    pinball_change: float
    coverage80: float
    crossed: float
    emulated: bool


class ShareGoal(_Model):
    """At least this `share` of the outputs differs from PyTorch by at most `within` of the spread.

    `within` is one of the two that an accuracy row has: 0.01 or 0.005.
    """

    share: float = Field(gt=0, lt=1)
    within: Literal[0.01, 0.005]


class Goal(_Model):
    """What a precision has to reach. Its pinball loss changes by less than `pinball_change`, a fraction."""

    shares: list[ShareGoal]
    pinball_change: float


class Accuracy(_Model):
    """The goal of each precision and, if the bundle was judged, what was found.

    `spread`: the target's standard deviation over the horizons; `emulated`: not every row ran on a GPU.
    """

    goals: dict[str, Goal] | None = None
    source: str | None = None
    windows: int | None = None
    emulated: bool | None = None
    spread: float | None = None
    rows: list[AccuracyRow] = Field(default_factory=list)


class Description(_Model):
    """model.json."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    description: str = ""
    step_minutes: int | float
    # For steps of months; the minutes are then an average's.
    step_months: int | None = None
    encoder_length: int
    # The fewest steps that a window may have, where it may have fewer; encoder_lengths then says how many.
    min_encoder_length: int | None = None
    horizon: int
    target: str
    quantiles: list[float]
    metrics: list[MetricEntry]
    categories: list[CategoryEntry]
    known: list[str]
    statics: list[StaticEntry] = Field(default_factory=list)
    # Where there are several; `target` and `quantiles` are the first's.
    targets: list[TargetEntry] = Field(default_factory=list)
    # The columns that name a series together, where a history has no server_name.
    series: list[str] = Field(default_factory=list)
    inputs: list[TensorEntry]
    outputs: list[TensorEntry]
    files: Files
    # Where it was asked for.
    explanation: ExplanationEntry | None = None
    samples: Samples
    versions: Versions
    network: Network
    variants: Variants | None = None
    accuracy: Accuracy | None = None
    training: dict[str, Any] = Field(default_factory=dict)
    # Static categories by server, for a model normalised by server: the checkpoint does not hold them.
    servers: dict[str, dict[str, str]] = Field(default_factory=dict)


def read_description(folder: Path) -> Description:
    """Reads and checks a bundle's model.json. Raises ExportError bundle_not_found, bundle_invalid."""
    path = folder / DESCRIPTION_FILE
    try:
        return Description.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ExportError(
            "bundle_not_found", f"{folder} is not a bundle: cannot read {DESCRIPTION_FILE}"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ExportError("bundle_invalid", f"{path}: {where}: {first['msg']}") from error


def write_description(folder: Path, description: Description) -> None:
    content = description.model_dump(by_alias=True, exclude_none=True, mode="json")
    for name in ("servers", "statics", "targets", "series"):
        if not content[name]:
            del content[name]
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")
