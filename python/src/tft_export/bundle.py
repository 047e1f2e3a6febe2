"""The bundle: a folder that holds a model and everything that describes it, written whole or not at all."""

import gzip
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from .errors import ExportError

SCHEMA_VERSION = 1
DESCRIPTION_FILE = "model.json"
ONNX_FILE = "model.onnx"
CHECKPOINT_FILE = "checkpoint.ckpt"
HISTORY_FILE = "history.csv.gz"
TORCHSCRIPT_FILE = "model.ts.pt"
SAMPLES_FOLDER = "samples"
EXPECTED = "expected"
TOLERANCE = 1e-4


class _Model(BaseModel):
    """camelCase in the file; keys that a later version adds are kept out of the way."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class MetricEntry(_Model):
    name: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None


class CategoryEntry(_Model):
    name: str
    codes: dict[str, int]
    role: Literal["static", "varying"]


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

    precision: Literal["fp32", "fp16", "int8"]
    within1: float
    within05: float
    largest: float
    pinball: float
    pinball_change: float
    coverage80: float
    crossed: float
    emulated: bool


class Accuracy(_Model):
    """`spread`: the target's standard deviation over the horizons; `emulated`: not every row ran on a GPU."""

    source: str
    windows: int
    emulated: bool
    spread: float
    rows: list[AccuracyRow]


class Description(_Model):
    """model.json."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    description: str = ""
    step_minutes: int
    encoder_length: int
    horizon: int
    target: str
    quantiles: list[float]
    metrics: list[MetricEntry]
    categories: list[CategoryEntry]
    known: list[str]
    inputs: list[TensorEntry]
    outputs: list[TensorEntry]
    files: Files
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
    if not description.servers:
        del content["servers"]
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")


def file_entry(folder: Path, name: str) -> FileEntry:
    content = (folder / name).read_bytes()
    return FileEntry(path=name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def check_file(folder: Path, entry: FileEntry) -> Path:
    """The path of a file that the bundle lists, if it is the one that was written with it."""
    path = folder / entry.path
    if not path.is_file():
        raise ExportError(
            "bundle_invalid", f"{folder} lacks {entry.path}, which its {DESCRIPTION_FILE} lists"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
        raise ExportError(
            "bundle_changed", f"{path} is not the file that the bundle was written with; export it again"
        )
    return path


def write_samples(folder: Path, arrays: dict[str, np.ndarray]) -> dict[str, FileEntry]:
    """Writes arrays as raw little-endian, row-major files under samples/."""
    (folder / SAMPLES_FOLDER).mkdir()
    entries = {}
    for name, array in arrays.items():
        path = f"{SAMPLES_FOLDER}/{name}.bin"
        (folder / path).write_bytes(
            np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()
        )
        entries[name] = file_entry(folder, path)
    return entries


def read_samples(folder: Path, description: Description) -> dict[str, np.ndarray]:
    """The sample windows and what they are expected to give, by tensor name and 'expected'."""
    count = description.samples.count
    (output,) = description.outputs
    specs = {entry.name: entry for entry in description.inputs} | {EXPECTED: output}
    arrays = {}
    for name, spec in specs.items():
        if name not in description.samples.files:
            raise ExportError("bundle_invalid", f"{folder}: samples.files lacks {name}")
        path = check_file(folder, description.samples.files[name])
        array = np.frombuffer(path.read_bytes(), dtype=np.dtype(spec.type).newbyteorder("<"))
        shape = (count, *spec.shape[1:])
        if array.size != int(np.prod(shape)):
            raise ExportError("bundle_invalid", f"{path} does not hold {list(shape)} {spec.type} values")
        arrays[name] = array.reshape(shape).astype(spec.type)
    return arrays


def copy_history(source: Path, folder: Path) -> None:
    """Copies a history, compressed; the same bytes for the same content."""
    with (
        gzip.open(source, "rb") if source.suffix == ".gz" else source.open("rb") as plain,
        (folder / HISTORY_FILE).open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed,
    ):
        shutil.copyfileobj(plain, packed)


@contextmanager
def new_bundle(folder: Path, replace: bool) -> Iterator[Path]:
    """A scratch folder that takes the bundle's place when the block ends well, and vanishes otherwise.

    Raises ExportError bundle_exists, and bundle_not_replaced for a folder that holds something else.
    """
    if folder.exists():
        if not replace:
            raise ExportError("bundle_exists", f"{folder} exists; give --force to replace it")
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / DESCRIPTION_FILE).is_file()):
            raise ExportError("bundle_not_replaced", f"{folder} is not a bundle; it is left as it is")
    with _scratch(folder) as scratch:
        yield scratch


@contextmanager
def changed_bundle(folder: Path) -> Iterator[Path]:
    """A copy of a bundle, to be changed, that takes its place when the block ends well, else vanishes."""
    with _scratch(folder) as scratch:
        shutil.copytree(folder, scratch, dirs_exist_ok=True)
        yield scratch


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise ExportError("bundle_not_written", f"cannot write {folder}: {error}") from error
    try:
        yield scratch
        scratch.chmod(0o777 & ~_umask())
        if folder.exists():
            retired = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            os.replace(folder, retired / folder.name)
            os.replace(scratch, folder)
            shutil.rmtree(retired)
        else:
            os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
