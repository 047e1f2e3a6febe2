"""What pytorch-forecasting makes of windows: its data set of them, and its forecasts.

The expected forecasts always come from `TimeSeriesDataSet` and `model.predict`, never from this package's own
preprocessing.
"""

import contextlib
import copy
import gc
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import TimeSeriesDataSet

from ..checkpoint.calendar import KNOWN_FEATURES
from ..checkpoint.category import Category
from ..checkpoint.checkpoint_file import Checkpoint
from ..checkpoint.normalizer import EPSILON
from ..checkpoint.structure import Structure
from ..description import ExplanationEntry
from .window_set import WindowSet

# Windows of one server are this many windows apart on the data set's time axis, so that none touch.
_APART = 2
# Until it is done, `predict` holds the attention of every window: a megabyte each.
_PREDICTED_AT_ONCE = 512
_EXACT_AT_ONCE = 64


def expected_forecasts(checkpoint: Checkpoint, windows: WindowSet) -> list[np.ndarray]:
    """What pytorch-forecasting predicts, for each target: [windows, horizon, quantiles], raw units."""
    starts = range(0, len(windows), _PREDICTED_AT_ONCE)
    parts = [windows.part(start, start + _PREDICTED_AT_ONCE) for start in starts]
    predictions = []
    for part in parts:
        predictions.append(_predicted(checkpoint, part))
        # Trainer, model and data set refer to one another; left to itself, Python lets them pile up.
        gc.collect()
    return [np.concatenate(of_target) for of_target in zip(*predictions, strict=True)]


def exact_forecasts(checkpoint: Checkpoint, windows: WindowSet) -> list[np.ndarray]:
    """The same in float64: what rounding does to PyTorch's own forecasts is how far they are from these."""
    model = copy.deepcopy(checkpoint.model).double()
    loader = forecasting_dataset(checkpoint, windows).to_dataloader(
        train=False, batch_size=_EXACT_AT_ONCE, num_workers=0
    )
    parts = []
    with torch.no_grad(), _float64():
        for inputs, _ in loader:
            forecasts = model.to_quantiles(model({name: _doubled(value) for name, value in inputs.items()}))
            parts.append([forecasts] if isinstance(forecasts, torch.Tensor) else forecasts)
    return [torch.cat(of_target).numpy() for of_target in zip(*parts, strict=True)]


@contextlib.contextmanager
def _float64() -> Iterator[None]:
    """Where a model reads nothing, it makes zeros of the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _doubled(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.double() if value.is_floating_point() else value
    return [_doubled(part) for part in value]


def expected_predictions(checkpoint: Checkpoint, windows: WindowSet) -> np.ndarray:
    """The first target's."""
    return expected_forecasts(checkpoint, windows)[0]


def expected_explanation(
    checkpoint: Checkpoint, windows: WindowSet, explanation: ExplanationEntry
) -> list[np.ndarray]:
    """What pytorch-forecasting's `interpret_output` and attention say of windows, for each output."""
    model = checkpoint.model
    dataset = forecasting_dataset(checkpoint, windows)
    parts: list[list[np.ndarray]] = []
    with _quiet(), torch.no_grad():
        # One batch after another, in order, in this process.
        for x, _ in dataset.to_dataloader(train=False, batch_size=64, num_workers=0):
            out = model.eval()(x)
            # Attention to what a window does not have is masked by a large number, not left out.
            interpreted = model.interpret_output(out, reduction="none")
            of_batch = []
            for selection in explanation.selections:
                if selection.output is not None:
                    names = getattr(model, f"{selection.of}_variables")
                    order = [names.index(name) for name in selection.variables]
                    of_batch.append(interpreted[f"{selection.of}_variables"][:, None, order].numpy())
            attention = _attention(out, windows.structure.encoder_length)
            bands = [attention[:, first:end].mean(axis=1) for first, end in explanation.attention.parts]
            parts.append([*of_batch, np.stack(bands, axis=1)])
    return [np.concatenate(output).astype(np.float32) for output in zip(*parts, strict=True)]


def _attention(out: Mapping, steps: int) -> np.ndarray:
    """The mean over the heads, [windows, horizon, steps], with each window's last step last."""
    raw = out["encoder_attention"].mean(dim=2).numpy()
    attention = np.zeros((*raw.shape[:2], steps), np.float64)
    for window, length in enumerate(out["encoder_lengths"].tolist()):
        attention[window, :, steps - length :] = raw[window, :, :length]
    return attention


def _predicted(checkpoint: Checkpoint, windows: WindowSet) -> list[np.ndarray]:
    dataset = forecasting_dataset(checkpoint, windows)
    with _quiet():
        predictions = checkpoint.model.predict(
            dataset,
            mode="quantiles",
            batch_size=64,
            trainer_kwargs={
                "accelerator": "cpu",
                "logger": False,
                "enable_checkpointing": False,
                "enable_model_summary": False,
            },
        )
    of_targets = [predictions] if isinstance(predictions, torch.Tensor) else predictions
    return [prediction.cpu().numpy().astype(np.float32) for prediction in of_targets]


def forecasting_dataset(checkpoint: Checkpoint, windows: WindowSet) -> TimeSeriesDataSet:
    """The windows as the data set that pytorch-forecasting would make of them, in the same order."""
    structure = windows.structure
    cut = max((lag.steps for lag in structure.lags.values()), default=0)
    further = structure.past - structure.encoder_length
    first = structure.past - windows.given
    windows = _preceded(windows, cut - further)
    steps = windows.metrics.shape[1]
    # Each window has times of its own, whatever its times are: so windows may overlap.
    apart = steps * _APART
    times = np.repeat(np.arange(len(windows)), steps) * apart + np.tile(np.arange(steps), len(windows))
    there = (np.arange(steps) >= first[:, None]).reshape(-1)
    frame = _frame(windows, checkpoint.dataset_parameters)[there].reset_index(drop=True)
    times = times[there]
    true_times = frame.get(structure.time_idx)
    frame[structure.time_idx] = times
    with _quiet():
        dataset = TimeSeriesDataSet.from_parameters(
            checkpoint.dataset_parameters,
            frame,
            stop_randomization=True,
            min_encoder_length=structure.encoder_length - int(first.max()),
            min_prediction_length=structure.horizon,
            min_prediction_idx=0,
            allow_missing_timesteps=True,
            predict_mode=False,
            weight=None,
        )
        if true_times is not None:
            _write_time_index(dataset, structure.time_idx, pd.Series(true_times.to_numpy(), index=times))
    index = dataset.index
    lengths = structure.encoder_length - first + structure.horizon
    starts = dataset.data["time"].numpy()[index.index_start.to_numpy()]
    by_window = pd.MultiIndex.from_arrays([starts, index.index_end - index.index_start + 1])
    index = index.set_axis(by_window)[~by_window.duplicated()]
    wanted = np.arange(len(windows)) * apart + cut + first
    dataset.index = index.loc[list(zip(wanted, lengths, strict=True))].reset_index(drop=True)
    return dataset


def _preceded(windows: WindowSet, steps: int) -> WindowSet:
    """The windows with `steps` more before them: the data set cuts off as many steps as the longest lag has,
    also where the network reads no lagged value of them.

    Before what a window has, its first step is repeated.
    """
    length = windows.metrics.shape[1]
    first = windows.structure.past - windows.given
    source = np.maximum(np.arange(-steps, length), first[:, None])[..., None]
    return replace(
        windows,
        metrics=np.take_along_axis(windows.metrics, source, axis=1),
        codes=np.take_along_axis(windows.codes, source, axis=1),
        slots=windows.slots - steps,
    )


def _write_time_index(dataset: TimeSeriesDataSet, name: str, true_times: pd.Series) -> None:
    """A model that reads the time index gets the windows' own, scaled by the data set's scaler."""
    values = true_times.loc[dataset.data["time"].numpy()].reset_index(drop=True).rename(name)
    scaled = dataset.transform_values(name, values.astype(np.float64), data=values.to_frame())
    column = torch.as_tensor(np.asarray(scaled, dtype=np.float32))
    dataset.data["reals"][:, dataset.reals.index(name)] = column


def _frame(windows: WindowSet, parameters: Mapping) -> pd.DataFrame:
    """A row for each step of each window, under the data set's own names."""
    structure = windows.structure
    steps = windows.metrics.shape[1]
    columns = {
        name: windows.metrics[..., channel].reshape(-1).astype(_float_of(structure, name))
        for channel, name in enumerate(structure.metrics)
    }
    features = windows.features.astype(np.float64)
    for index, name in enumerate(KNOWN_FEATURES):
        columns.setdefault(name, features[..., index].reshape(-1))
    for channel, name in enumerate(structure.statics):
        columns[name] = np.repeat(windows.statics[:, channel], steps).astype(_float_of(structure, name))
    columns |= _category_columns(windows)
    servers = np.repeat(np.array(windows.servers, dtype=object), steps)
    for group in structure.group_ids:
        if group not in columns:
            columns[group] = _known_names(servers, parameters, group)
    return pd.DataFrame(columns)


def _float_of(structure: Structure, name: str) -> type:
    """The floats that a variable was trained as, where its transformation depends on that."""
    scale = structure.normalizers.get(name) or structure.scalings.get(name)
    return np.float64 if scale is not None and scale.epsilon < EPSILON else np.float32


def _known_names(names: np.ndarray, parameters: Mapping, group: str) -> np.ndarray:
    """Names of groups that the data set takes.

    With any GroupNormalizer, also one without groups, it encodes the columns of the groups by an encoder that
    refuses names it was not trained with. They are of no consequence where the model does not read them:
    windows are distinguished by their times, so one known name is enough for all others.
    """
    encoders = parameters.get("categorical_encoders") or {}
    encoder = encoders.get(group)
    labels = {str(label): label for label in getattr(encoder, "classes_", {})}
    if labels and getattr(encoder, "add_nan", False):
        return names
    if not labels:
        # Without that, the column only distinguishes series; numbers stay numbers.
        labels = {str(label): label for label in encoders[f"__group_id__{group}"].classes_}
        if all(isinstance(label, str) for label in labels.values()):
            return names
    known = next(iter(labels.values()))
    return np.array([labels.get(name, known) for name in names], dtype=object)


def _category_columns(windows: WindowSet) -> dict[str, np.ndarray]:
    """Each category's values under the data set's own name for its column."""
    structure = windows.structure
    columns = {}
    for channel, category in enumerate(structure.categories):
        if category.column:
            columns[category.column] = _labels(category)[windows.codes[..., channel].reshape(-1)]
    for category in structure.looked_up_categories:
        by_server = np.array(structure.looked_up[category.column])
        columns[category.column] = _labels(category)[by_server[windows.codes[..., 0].reshape(-1)]]
    return columns


def _labels(category: Category) -> np.ndarray:
    labels = np.empty(len(category.labels), dtype=object)
    labels[:] = category.labels
    return labels


class _quiet(warnings.catch_warnings):  # noqa: N801
    """pytorch-forecasting and Lightning warn about every window; the user cannot act on any of it."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("ignore")
        self._disabled = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *details):
        logging.disable(self._disabled)
        super().__exit__(*details)
