"""Loads a pytorch-forecasting TFT checkpoint.

A checkpoint is a pickle: loading one runs code that it contains. Load only checkpoints you trust.
"""

import contextlib
import pickle
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_forecasting import TemporalFusionTransformer

from ..errors import ExportError


@dataclass(frozen=True)
class Checkpoint:
    """A trained model, in evaluation mode on the CPU, with the parameters of its training data set."""

    model: TemporalFusionTransformer
    dataset_parameters: dict[str, Any]
    path: Path


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Reads a checkpoint that Lightning's trainer saved.

    Raises ExportError: checkpoint_not_found, not_a_checkpoint, not_a_tft, no_dataset_parameters.
    """
    path = Path(path)
    content = _read(path)
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ExportError(
            "not_a_checkpoint",
            f"{path} is not a Lightning checkpoint; save one with trainer.save_checkpoint(...)",
        )
    hyper_parameters = content.get("hyper_parameters") or {}
    if "attention_head_size" not in hyper_parameters or "x_reals" not in hyper_parameters:
        raise ExportError(
            "not_a_tft",
            f"{path} holds no pytorch-forecasting TemporalFusionTransformer; only that model can be exported",
        )
    parameters = content.get("dataset_parameters")
    if not parameters:
        raise ExportError(
            "no_dataset_parameters",
            f"{path} has no dataset_parameters, so the model's scalers are unknown; "
            "create the model with TemporalFusionTransformer.from_dataset(...) and train it again",
        )
    try:
        with _quiet(), _without_devices(content) as on_cpu:
            model = TemporalFusionTransformer.load_from_checkpoint(on_cpu, map_location="cpu")
    except (RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise ExportError(
            "not_a_tft", f"{path} does not fit pytorch-forecasting's TemporalFusionTransformer: {error}"
        ) from error
    return Checkpoint(model.eval().requires_grad_(False), parameters, path)


def write_slim_checkpoint(source: Path, destination: Path) -> None:
    """Copies a checkpoint without the parts that only training needs (optimizer, loops, callbacks)."""
    content = _read(source)
    for key in ("optimizer_states", "lr_schedulers", "loops", "callbacks"):
        if key in content:
            content[key] = {} if isinstance(content[key], dict) else []
    torch.save(content, destination)


@contextlib.contextmanager
def _without_devices(content: dict) -> Iterator[Path]:
    """The checkpoint as a file that loads on any machine.

    torchmetrics keep the device that they were on among what they pickle, and move there when they are
    loaded: map_location is not asked. A loss or metric of a GPU fails where there is none.
    """
    hyper_parameters = content.get("hyper_parameters") or {}
    metrics = [hyper_parameters.get("loss"), *(hyper_parameters.get("logging_metrics") or ())]
    for metric in metrics:
        for module in metric.modules() if isinstance(metric, torch.nn.Module) else ():
            if hasattr(module, "_device"):
                module._device = torch.device("cpu")
    with tempfile.TemporaryDirectory(prefix="tft-export-") as folder:
        path = Path(folder) / "checkpoint.ckpt"
        torch.save(content, path)
        yield path


def _read(path: Path) -> Any:
    if not path.is_file():
        raise ExportError("checkpoint_not_found", f"there is no checkpoint file {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=False)
    except PermissionError as error:
        raise ExportError("checkpoint_not_found", f"cannot read {path}: {error}") from error
    # A file that was cut short makes torch raise OSError as well.
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise ExportError(
            "not_a_checkpoint", f"{path} is not a checkpoint that torch can read: {error}"
        ) from error
    except (ImportError, AttributeError) as error:
        raise ExportError(
            "not_a_checkpoint", f"{path} needs code that is not installed here: {error}"
        ) from error


@contextlib.contextmanager
def _quiet():
    """Lightning warns about every module among the hyper-parameters; the user cannot act on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
