"""Calibration sets: raw input windows that are typical of future requests.

A set is a folder with `calibration.json` and four raw little-endian, row-major files, one for each input,
as a bundle's samples are. `tft calibration collect` writes one; `accuracy --write-windows` as well.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from ..description import Description, FileEntry, TensorEntry
from ..errors import ExportError

SET_FILE = "calibration.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class CalibrationSet:
    """`inputs` by tensor name, [windows, ...]; `source` describes in a few words where they come from."""

    inputs: dict[str, np.ndarray]
    source: str

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def target_spread(self, description: Description) -> float:
        """The standard deviation of the target over the encoder's steps; 1 if it is constant."""
        channel = next(
            (i for i, metric in enumerate(description.metrics) if metric.name == description.target), None
        )
        if channel is None:
            return description.samples.spread
        values = self.inputs[description.inputs[0].name][..., channel]
        return float(np.std(values, dtype=np.float64)) or 1.0


class _SetDescription(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    schema_version: int
    model: str = ""
    windows: int
    inputs: list[TensorEntry]
    files: dict[str, FileEntry]


def joined(sets: Sequence[CalibrationSet]) -> CalibrationSet:
    names = sets[0].inputs
    return CalibrationSet(
        {name: np.concatenate([part.inputs[name] for part in sets]) for name in names},
        " and ".join(part.source for part in sets),
    )


def read_calibration_set(folder: Path, description: Description) -> CalibrationSet:
    """Reads a set made for this model's inputs.

    Raises ExportError calibration_not_found, calibration_invalid, calibration_changed, calibration_mismatch.
    """
    path = folder / SET_FILE
    try:
        found = _SetDescription.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ExportError(
            "calibration_not_found",
            f"{folder} is not a calibration set: cannot read {SET_FILE}; tft calibration collect makes one",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ExportError("calibration_invalid", f"{path}: {where}: {first['msg']}") from error
    if found.schema_version != SCHEMA_VERSION:
        raise ExportError(
            "calibration_invalid",
            f"{path} has schemaVersion {found.schema_version}; this tft-export reads {SCHEMA_VERSION}",
        )
    if found.windows < 1:
        raise ExportError("calibration_invalid", f"{path} holds no window; collect some first")
    _check_inputs(path, found, description)
    inputs = {}
    for entry in description.inputs:
        if entry.name not in found.files:
            raise ExportError("calibration_invalid", f"{path}: {entry.name} is missing from files")
        inputs[entry.name] = _read(folder, found.files[entry.name], entry, found.windows)
    _check_values(folder, inputs, description)
    return CalibrationSet(inputs, f"calibration set {folder.resolve().name}")


def _check_inputs(path: Path, found: _SetDescription, description: Description) -> None:
    theirs = {entry.name: (entry.type, entry.shape[1:]) for entry in found.inputs}
    for entry in description.inputs:
        ours = (entry.type, entry.shape[1:])
        if theirs.get(entry.name) != ours:
            raise ExportError(
                "calibration_mismatch",
                f"{path} was collected for another model: {entry.name} is {_words(theirs.get(entry.name))}, "
                f"{description.name} wants {_words(ours)}",
            )


def _words(tensor: tuple[str, tuple] | None) -> str:
    return "missing" if tensor is None else f"{tensor[0]} {['batch', *tensor[1]]}"


def _read(folder: Path, file: FileEntry, entry: TensorEntry, windows: int) -> np.ndarray:
    path = folder / file.path
    if path.resolve().parent != folder.resolve():
        raise ExportError("calibration_invalid", f"{folder}: {file.path} is outside the set")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ExportError("calibration_invalid", f"{file.path} is missing from {folder}: {error}") from error
    shape = (windows, *entry.shape[1:])
    expected = int(np.prod(shape)) * np.dtype(entry.type).itemsize
    if len(content) != expected:
        raise ExportError(
            "calibration_invalid",
            f"{path} has {len(content)} bytes; {windows} windows of {entry.name} are {expected}",
        )
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ExportError("calibration_changed", f"{path} is not the file that was collected; collect again")
    return np.frombuffer(content, np.dtype(entry.type).newbyteorder("<")).reshape(shape).astype(entry.type)


def _check_values(folder: Path, inputs: dict[str, np.ndarray], description: Description) -> None:
    for name, values in inputs.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ExportError("calibration_invalid", f"{folder}: {name} holds a value that is not finite")
        if not name.endswith("_cat"):
            continue
        for channel, category in enumerate(description.categories):
            codes = values[..., channel]
            largest = max(category.codes.values(), default=0)
            if codes.min() < 0 or codes.max() > largest:
                raise ExportError(
                    "calibration_invalid",
                    f"{folder}: {name} holds a {category.name} code outside 0 to {largest}",
                )


def write_calibration_set(folder: Path, calibration: CalibrationSet, description: Description) -> None:
    """Writes a set into a new folder. Raises ExportError calibration_exists, calibration_not_written."""
    if folder.exists():
        raise ExportError("calibration_exists", f"{folder} exists; give a folder that does not")
    files = {}
    try:
        folder.mkdir(parents=True)
        for name, values in calibration.inputs.items():
            content = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).tobytes()
            (folder / f"{name}.bin").write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            files[name] = FileEntry(path=f"{name}.bin", bytes=len(content), sha256=digest)
        content = _SetDescription(
            schema_version=SCHEMA_VERSION,
            model=description.name,
            windows=len(calibration),
            inputs=description.inputs,
            files=files,
        )
        text = content.model_dump_json(by_alias=True, indent=2)
        (folder / SET_FILE).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ExportError("calibration_not_written", f"cannot write {folder}: {error}") from error
