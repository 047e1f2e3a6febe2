"""The machines that a training run reads: recorded and simulated ones, split by machine, twin and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pytorch_forecasting import TimeSeriesDataSet

from ..errors import ExportError
from ..windows.column_map import ColumnMap
from ..windows.history import on_grid, read_history
from ..windows.metrics import ENCODER_LENGTH, HORIZON, METRIC_NAMES, STEP_MINUTES, TARGET
from .dataset import training_dataset
from .settings import Settings
from .simulated_fleet import simulate
from .split import Split, correlations, split_servers, twins_of_training

DERIVED = 0.999  # a metric that follows the target this closely on every machine adds no information
QUIET, BUSY = 0.5, 5.0  # the deviations between which a machine's share of the windows grows


@dataclass
class Data:
    """`training` ends with the simulated servers, which `simulated` counts by segment."""

    training: pd.DataFrame
    validation: pd.DataFrame
    weights: dict[int, float]  # how often each segment's windows are drawn
    simulated: frozenset[int]  # its segments
    dataset: TimeSeriesDataSet
    read: tuple[str, ...]  # the metrics that the network reads
    split: Split
    twinned: list[str]  # test servers that run in step with a training server
    labels: bool  # whether any recording has a profile or status


def load_data(
    histories: Sequence[Path],
    column_map: Path | None,
    settings: Settings,
    test_servers: frozenset[str] = frozenset(),
) -> Data:
    mapping = ColumnMap.read(column_map) if column_map else None
    recorded = on_grid(pd.concat([read_history(path, mapping) for path in histories], ignore_index=True))
    split = split_servers(
        recorded,
        test_servers & frozenset(recorded["server_name"].unique()),
        settings.validation_share,
        settings.test_share,
        settings.later_share,
        settings.seed,
    )
    later = recorded["slot"] >= recorded["server_name"].map(split.cuts)
    training = recorded[recorded["server_name"].isin(split.training) & ~later]
    # A forecast for the later span may start from the day before it.
    from_day_before = recorded["slot"] >= recorded["server_name"].map(split.cuts) - ENCODER_LENGTH
    # Of so few servers that none can be spared, the same ones' later span chooses.
    choosing = split.validation or split.training
    validation = recorded[recorded["server_name"].isin(choosing) & from_day_before]
    _check_long_enough(training, validation, settings.lags)
    read = metrics_worth_reading(training)
    labels = bool((training[["profile", "status"]].nunique() > 1).any())
    weights = _weights(training, split)
    simulated = on_grid(
        simulate(settings.simulated_servers, settings.simulated_days, "2026-01-01", settings.seed)
    )
    simulated["segment"] += training["segment"].max() + 1
    segments = frozenset(simulated["segment"].unique().tolist())
    share = settings.simulated_share if segments else 0.0
    total = sum(weights.values())
    weights = {segment: weight / total * (1 - share) for segment, weight in weights.items()}
    rows = simulated.groupby("segment").size()
    weights |= {segment: share * count / rows.sum() for segment, count in rows.items()}
    both = pd.concat([training, simulated], ignore_index=True)
    return Data(
        both,
        validation.reset_index(drop=True),
        weights,
        segments,
        training_dataset(both, settings),
        read,
        split,
        twins_of_training(correlations(recorded), split),
        labels,
    )


def _check_long_enough(training: pd.DataFrame, validation: pd.DataFrame, lags: Sequence[int]) -> None:
    """Raises ExportError history_short unless both spans hold a window, and training the rows before it.

    The scalers are fitted on rows for which the target is known at every lag.
    """
    window = ENCODER_LENGTH + HORIZON
    before = max(lags, default=0)
    spans = (
        (training, window + before, "to train on", ", or fewer --lags" if before else ""),
        (validation, window, "in its last part, which chooses weights", ""),
    )
    for rows, needed, span, other in spans:
        longest = int(rows.groupby("segment").size().max()) if len(rows) else 0
        if longest < needed:
            raise ExportError(
                "history_short",
                f"the history has {longest} rows without a long gap {span}; a window takes {needed} "
                f"({needed * STEP_MINUTES // 60} hours): record for longer, or choose another "
                f"--later-share{other}",
            )


def metrics_worth_reading(recorded: pd.DataFrame) -> tuple[str, ...]:
    """The target, and the metrics that were measured: not constant, and not the target in another form."""
    read = []
    by_server = recorded.groupby("server_name")
    for name in METRIC_NAMES:
        if name == TARGET:
            read.append(name)
            continue
        varies = by_server[name].std() > 1e-6
        servers = varies.index[varies][:40]
        follows = [
            abs(float(np.corrcoef(rows[name], rows[TARGET])[0, 1]))
            for server, rows in by_server
            if server in servers and rows[TARGET].std() > 1e-6
        ]
        if follows and np.median(follows) < DERIVED:
            read.append(name)
    return tuple(read)


def _weights(training: pd.DataFrame, split: Split) -> dict[int, float]:
    """A segment's share of the drawn windows: by its machine's deviation, and less if it has twins."""
    deviation = training.groupby("server_name")[TARGET].std().fillna(0.0).clip(QUIET, BUSY)
    groups = pd.Series(split.twins)
    twins = groups.map(groups.value_counts())
    by_server = np.sqrt(deviation / twins.reindex(deviation.index))
    segments = training.groupby("segment").agg(server=("server_name", "first"), rows=("slot", "size"))
    share = segments["rows"] / segments.groupby("server")["rows"].transform("sum")
    return (segments["server"].map(by_server) * share).to_dict()


def split_report(data: Data) -> dict:
    """The split as the bundle records it: servers by role, twins, and the start of the later span."""

    def date(slot: int) -> str:
        return pd.Timestamp(slot * 300, unit="s", tz="UTC").strftime("%Y-%m-%dT%H:%MZ")

    split = data.split
    return {
        "training": list(split.training),
        "validation": list(split.validation),
        "test": list(split.test),
        "twinnedTest": data.twinned,
        "laterFrom": sorted({date(cut) for cut in split.cuts.values()}),
    }
