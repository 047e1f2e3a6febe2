"""The bundle: a folder that holds a model and everything that describes it, written whole or not at all."""

import gzip
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .description import DESCRIPTION_FILE, Description, FileEntry, TensorEntry
from .errors import ExportError

ONNX_FILE = "model.onnx"
CHECKPOINT_FILE = "checkpoint.ckpt"
HISTORY_FILE = "history.csv.gz"
TORCHSCRIPT_FILE = "model.ts.pt"
EXPLAINED_ONNX_FILE = "model.explained.onnx"
EXPLAINED_TORCHSCRIPT_FILE = "model.explained.ts.pt"
SAMPLES_FOLDER = "samples"
EXPECTED = "expected"
_PREDICTIONS = "predictions"


def file_entry(folder: Path, name: str) -> FileEntry:
    content = (folder / name).read_bytes()
    return FileEntry(path=name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def check_file(folder: Path, entry: FileEntry) -> Path:
    """The path of a file that the bundle lists. Raises bundle_invalid; bundle_changed for another hash."""
    path = folder / entry.path
    if not path.is_file():
        raise ExportError(
            "bundle_invalid", f"{entry.path} is missing from {folder}, and {DESCRIPTION_FILE} lists it"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
        raise ExportError(
            "bundle_changed", f"{path} is not the file that the bundle was written with; export it again"
        )
    return path


def expected_name(output: str) -> str:
    """What the sample windows' values of an output are called: 'expected' for the predictions."""
    return EXPECTED if output == _PREDICTIONS else f"{EXPECTED}_{output}"


def write_samples(folder: Path, arrays: dict[str, np.ndarray]) -> dict[str, FileEntry]:
    """Writes arrays as raw little-endian, row-major files under samples/."""
    (folder / SAMPLES_FOLDER).mkdir(exist_ok=True)
    entries = {}
    for name, array in arrays.items():
        path = f"{SAMPLES_FOLDER}/{name}.bin"
        (folder / path).write_bytes(
            np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()
        )
        entries[name] = file_entry(folder, path)
    return entries


def read_samples(folder: Path, description: Description) -> dict[str, np.ndarray]:
    """The sample windows by tensor name, and what they are expected to give, by `expected_name`."""
    specs = {entry.name: entry for entry in description.inputs}
    specs |= {expected_name(output.name): output for output in description.outputs}
    return _read_arrays(folder, description, specs)


def read_explained(folder: Path, description: Description) -> list[np.ndarray]:
    """What the sample windows' forecasts rest on, for each output of the graph that explains."""
    outputs = [] if description.explanation is None else description.explanation.outputs
    specs = {expected_name(output.name): output for output in outputs}
    return list(_read_arrays(folder, description, specs).values())


def _read_arrays(
    folder: Path, description: Description, specs: Mapping[str, TensorEntry]
) -> dict[str, np.ndarray]:
    count = description.samples.count
    arrays = {}
    for name, spec in specs.items():
        if name not in description.samples.files:
            raise ExportError("bundle_invalid", f"{folder}: {name} is missing from samples.files")
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
    """A scratch folder: it replaces the bundle if the block succeeds, and is removed otherwise.

    Raises ExportError bundle_exists, and bundle_not_replaced for a folder that holds something else.
    """
    if folder.exists():
        if not replace:
            raise ExportError("bundle_exists", f"{folder} exists; give --force to replace it")
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / DESCRIPTION_FILE).is_file()):
            raise ExportError("bundle_not_replaced", f"{folder} is not a bundle and was not changed")
    with _scratch(folder) as scratch:
        yield scratch


@contextmanager
def changed_bundle(folder: Path) -> Iterator[Path]:
    """A copy of a bundle to change: it replaces the bundle if the block succeeds, else it is removed."""
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
