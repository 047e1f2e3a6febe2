"""Lists what prevents the export of a checkpoint, or of models trained on a data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .obstacles import Obstacle, find_obstacles, target_losses, target_normalizers
from .outline import Outline, read_outline

# Classes of other packages may derive from one that is supported, which only loading them shows.
_KNOWN_PACKAGES = ("pytorch_forecasting", "sklearn", "tft_export", "builtins", "__builtin__")


def obstacles_of_file(path: Path) -> list[Obstacle]:
    """Everything that prevents the export. PyTorch is loaded only for files and classes that need it.

    Raises ExportError: checkpoint_not_found, not_a_checkpoint, not_a_tft, no_dataset_parameters.
    """
    content = read_outline(path)
    if isinstance(content, Outline) and type(content).__name__ == "TimeSeriesDataSet":
        return find_obstacles(*_of_dataset(content))
    if isinstance(content, Mapping) and content.get("dataset_parameters"):
        hyper, parameters = content.get("hyper_parameters") or {}, content["dataset_parameters"]
        if {"attention_head_size", "x_reals", "loss"} <= {*hyper} and not _has_foreign(hyper, parameters):
            return find_obstacles(hyper, parameters)
    from .checkpoint_file import load_checkpoint

    checkpoint = load_checkpoint(path)
    hyper = {**checkpoint.model.hparams, "loss": checkpoint.model.loss}
    return find_obstacles(hyper, checkpoint.dataset_parameters)


def _has_foreign(hyper: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    losses = target_losses(hyper["loss"], 1)
    judged = [*losses, *target_normalizers(parameters), *(parameters.get("scalers") or {}).values()]
    return any(type(value).__module__.split(".")[0] not in _KNOWN_PACKAGES for value in judged)


def _of_dataset(dataset: Outline) -> tuple[dict[str, Any], dict[str, Any]]:
    """A data set's parameters, and the hyper-parameters that its models would have."""
    own = vars(dataset)
    parameters = {
        **own,
        "scalers": own["_scalers"],
        "categorical_encoders": own["_categorical_encoders"],
        "lags": own["_lags"],
        "variable_groups": own["_variable_groups"],
    }
    groups = own["_variable_groups"] or {}
    kinds = ("static", "time_varying_known", "time_varying_unknown")
    hyper = {
        "x_reals": [name for kind in kinds for name in own[f"_{kind}_reals"]],
        "x_categoricals": [
            member
            for kind in kinds
            for name in own[f"_{kind}_categoricals"]
            for member in groups.get(name, [name])
        ],
        "static_reals": own["_static_reals"],
        # A loss comes with the model.
        "loss": None,
        "output_transformer": own["target_normalizer"],
    }
    return hyper, parameters
