"""The training loop's windows are TimeSeriesDataSet's, number for number, and the network's answer too."""

import numpy as np
import pytest
import torch
from pytorch_forecasting import TimeSeriesDataSet

from tft_export.errors import ExportError
from tft_export.training.dataset import forecasting_frame, training_dataset
from tft_export.training.settings import Settings
from tft_export.training.simulated_fleet import simulate
from tft_export.training.trainer import make_model
from tft_export.training.training_network import prepare_for_training
from tft_export.training.training_windows import Windows
from tft_export.windows.history import on_grid
from tft_export.windows.metrics import METRIC_NAMES, STEPS_PER_DAY


@pytest.fixture(scope="module")
def gridded():
    frame = simulate(servers=8, days=3, start="2026-03-30", seed=11)
    return on_grid(frame.drop(index=range(700, 710)))  # a gap that is filled


@pytest.fixture(scope="module")
def dataset(gridded):
    # Without lags, which cut the first day off: then both sides list the same windows.
    return training_dataset(gridded, Settings(seed=3, lags=()))


@pytest.fixture(scope="module")
def both(gridded, dataset):
    """The same windows from both sides: every 97th, without a shift in time."""
    reference = TimeSeriesDataSet.from_parameters(
        dataset.get_parameters(), forecasting_frame(gridded), stop_randomization=True
    )
    windows = Windows(gridded, dataset)
    chosen = np.arange(0, len(reference), 97)
    samples = [reference[int(index)] for index in chosen]
    stacked = {key: torch.stack([x[key] for x, _ in samples]) for key in ("x_cat", "x_cont")}
    y = torch.stack([y[0] for _, y in samples])
    # Both sides list the windows by group and time, groups in the order of their names.
    return stacked, y, windows.batch(windows.starts[chosen])


def test_lagged_values_equal_the_data_sets(gridded):
    dataset = training_dataset(gridded, Settings(seed=3, lags=(288, 276, 96)))
    reference = TimeSeriesDataSet.from_parameters(
        dataset.get_parameters(), forecasting_frame(gridded), stop_randomization=True
    )
    windows = Windows(gridded, dataset)
    names = [f"{dataset.target}_lagged_by_{steps}" for steps in (288, 276, 96)]
    columns = [dataset.reals.index(name) for name in names]
    # The data set cuts off the day that its longest lag needs before the encoder.
    last, split = len(reference) - 1, dataset.max_encoder_length
    for back in (0, 31):
        x, _ = reference[last - back]
        ours = windows.batch(windows.starts[len(windows.starts) - 1 - back][None]).x["decoder_cont"][0]
        torch.testing.assert_close(ours[:, columns], x["x_cont"][split:, columns], rtol=2e-4, atol=2e-4)
        assert ours[:, columns].std(dim=0).min() > 0


def test_a_lag_beyond_the_window_is_refused(gridded):
    dataset = training_dataset(gridded, Settings(seed=3, lags=(289,)))
    with pytest.raises(ExportError, match="96 to 288"):
        Windows(gridded, dataset)


def test_there_are_as_many_windows(gridded, dataset):
    assert len(Windows(gridded, dataset).starts) == len(dataset) > 1000


def test_inputs_equal_the_data_sets(both, dataset):
    stacked, y, batch = both
    past = dataset.max_encoder_length
    cat = torch.cat([batch.x["encoder_cat"], batch.x["decoder_cat"]], dim=1)
    assert torch.equal(cat, stacked["x_cat"])
    assert torch.equal(batch.y, y)
    torch.testing.assert_close(batch.x["encoder_cont"], stacked["x_cont"][:, :past], rtol=2e-4, atol=2e-4)
    known = [dataset.reals.index(name) for name in ("hour", "day_of_week", "month", "relative_time_idx")]
    future = batch.x["decoder_cont"]
    torch.testing.assert_close(
        future[..., known], stacked["x_cont"][:, past:][..., known], rtol=1e-4, atol=1e-4
    )


def test_the_future_of_the_target_is_not_in_the_input(both, dataset):
    _, _, batch = both
    assert not batch.x["decoder_cont"][..., dataset.reals.index(dataset.target)].any()


def test_preparing_for_training_leaves_the_network_as_it_is(both, dataset):
    _, _, batch = both
    model = make_model(dataset, Settings(lags=()), METRIC_NAMES).eval()
    x = {key: value[:3] if isinstance(value, torch.Tensor) else value for key, value in batch.x.items()}
    lengths = {
        "encoder_lengths": torch.full((3,), dataset.max_encoder_length),
        "decoder_lengths": torch.full((3,), dataset.max_prediction_length),
    }
    with torch.inference_mode():
        expected = model({**x, **lengths}).prediction
        prepare_for_training(model, dataset.max_encoder_length, dataset.max_prediction_length)
        torch.testing.assert_close(model(x).prediction, expected, rtol=1e-5, atol=1e-5)


def test_a_shift_of_weeks_changes_nothing_but_the_month(gridded, dataset):
    windows = Windows(gridded, dataset)
    starts = windows.starts[:2]
    here = windows.batch(starts).x["encoder_cont"]
    nine_weeks = 9 * 7 * STEPS_PER_DAY
    there = windows.batch(starts, torch.tensor([nine_weeks, nine_weeks])).x["encoder_cont"]
    month = dataset.reals.index("month")
    others = [index for index in range(here.shape[-1]) if index != month]
    assert torch.equal(here[..., others], there[..., others])
    assert not torch.equal(here[..., month], there[..., month])
