"""Recordings on the grid: order, gaps, segments, calendar; and the column maps that rename them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tft_export.errors import ExportError
from tft_export.training.simulated_fleet import simulate
from tft_export.windows.column_map import ColumnMap
from tft_export.windows.history import on_grid, read_history
from tft_export.windows.metrics import METRIC_NAMES
from tft_export.windows.step_grid import StepGrid

BITBRAINS = Path(__file__).parents[2] / "maps" / "bitbrains.json"


@pytest.fixture
def fleet():
    return simulate(servers=2, days=1, seed=1)


def test_rows_come_out_sorted_whatever_their_order(fleet):
    shuffled = fleet.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(on_grid(shuffled), on_grid(fleet))


def test_a_short_gap_is_filled_by_the_last_row_and_marked(fleet):
    gridded = on_grid(fleet.drop(index=range(100, 104)))
    assert gridded["filled"].sum() == 4
    assert gridded["segment"].nunique() == 2
    filled = gridded[gridded["filled"]]
    assert (filled["cpu_user_pct"] == fleet.loc[99, "cpu_user_pct"]).all()


def test_a_long_gap_ends_a_segment(fleet):
    gridded = on_grid(fleet.drop(index=range(100, 113)))
    assert gridded["filled"].sum() == 0
    assert gridded["segment"].nunique() == 3


def test_of_two_rows_in_a_slot_the_last_counts(fleet):
    again = fleet.iloc[[5]].assign(cpu_user_pct=99.0)
    gridded = on_grid(pd.concat([fleet, again]))
    of_server = gridded[gridded["server_name"] == fleet.loc[5, "server_name"]]
    assert of_server["cpu_user_pct"].iloc[5] == 99
    assert len(gridded) == len(fleet)


def test_time_features_are_the_calendars():
    times = pd.date_range("2023-12-30 23:55", periods=5000, freq="97min", tz="UTC")
    slots = times.tz_localize(None).to_numpy("datetime64[s]").astype(np.int64) // 300
    grid = pd.to_datetime(slots * 300, unit="s", utc=True)
    expected = np.stack([grid.hour, grid.dayofweek, grid.month, grid.dayofweek >= 5], axis=-1)
    np.testing.assert_array_equal(StepGrid(5).features(slots), expected)


def recording(rows=3):
    return pd.DataFrame(
        {
            "server": "vm1",
            "timestamp": pd.date_range("2013-08-01", periods=rows, freq="5min").astype(str),
            "cpu_cores": 4,
            "cpu_used_pct": [10.0, 50.0, 101.0][:rows],
            "mem_used_pct": 20.0,
            "net_in_mb_s": 1.0,
            "net_out_mb_s": 2.0,
        }
    )


def test_the_bitbrains_map_derives_idle_and_load():
    mapped = ColumnMap.read(BITBRAINS).apply(recording())
    assert mapped["cpu_user_pct"].tolist() == [10, 50, 100]
    assert mapped["cpu_idle_pct"].tolist() == [90, 50, 0]
    np.testing.assert_allclose(mapped["load_average"], [0.4, 2.0, 4.04])
    assert (mapped["swap_used_pct"] == 0).all()
    assert set(mapped["profile"]) == {"generic"}


def test_the_map_says_what_is_recorded_derived_and_constant():
    kinds = ColumnMap.read(BITBRAINS).kinds
    assert set(kinds) == set(METRIC_NAMES)
    assert {name for name, kind in kinds.items() if kind == "derived"} == {"cpu_idle_pct", "load_average"}
    assert {name for name, kind in kinds.items() if kind == "recorded"} == {
        "cpu_user_pct",
        "mem_used_pct",
        "net_in_mb_s",
        "net_out_mb_s",
    }


def test_categories_can_be_translated():
    column_map = ColumnMap(
        {"server_name": "server", "status": {"column": "state", "values": {"ok": "healthy"}}}
    )
    frame = recording().assign(state=["ok", "idle", "ok"], **dict.fromkeys(METRIC_NAMES, 0.0))
    assert column_map.apply(frame)["status"].tolist() == ["healthy", "idle", "healthy"]


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"schemaVersion": 2}, "schemaVersion"),
        ({"metrix": {}}, "metrix"),
        ({"metrics": {"a": {}}}, "metrics.a"),
        ({"metrics": {"a": {"column": "x", "constant": 1}}}, "metrics.a"),
        ({"metrics": {"a": {"sum": [["x"]]}}}, "metrics.a.sum"),
        ({"metrics": {"a": {"constant": "x"}}}, "metrics.a.constant"),
        ({"metrics": {"a": {"constant": 1, "scale": 2}}}, "metrics.a.scale"),
    ],
)
def test_a_bad_map_is_refused_by_the_key_that_is_wrong(spec, part):
    with pytest.raises(ExportError, match=part) as caught:
        ColumnMap(spec)
    assert caught.value.code == "map_invalid"


def test_a_missing_column_is_named():
    with pytest.raises(ExportError, match="cpu_used_pct") as caught:
        ColumnMap.read(BITBRAINS).apply(recording().drop(columns="cpu_used_pct"))
    assert caught.value.code == "history_column"


def test_text_among_numbers_is_refused():
    with pytest.raises(ExportError, match="mem_used_pct") as caught:
        ColumnMap.read(BITBRAINS).apply(recording().assign(mem_used_pct=["1", "many", "2"]))
    assert caught.value.code == "history_value"


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ExportError) as caught:
        read_history(tmp_path / "no.csv")
    assert caught.value.code == "history_not_found"
    with pytest.raises(ExportError) as caught:
        ColumnMap.read(tmp_path / "no.json")
    assert caught.value.code == "map_not_found"
    (tmp_path / "broken.json").write_text(json.dumps([1]))
    with pytest.raises(ExportError) as caught:
        ColumnMap.read(tmp_path / "broken.json")
    assert caught.value.code == "map_invalid"


def test_a_timestamp_that_is_no_time_is_refused(tmp_path, fleet):
    path = tmp_path / "history.csv"
    fleet.assign(timestamp="yesterday").to_csv(path, index=False)
    with pytest.raises(ExportError, match="timestamp") as caught:
        read_history(path)
    assert caught.value.code == "history_invalid"


def test_a_history_of_other_metrics_is_read_and_put_on_the_grid(tmp_path):
    path = tmp_path / "history.csv"
    times = ["2026-01-01T00:00Z", "2026-01-01T00:05Z", "2026-01-01T00:15Z"]
    pd.DataFrame({"timestamp": times, "server_name": "a", "queue": [1, 2, 4]}).to_csv(path, index=False)
    gridded = on_grid(read_history(path, metrics=["queue"]))
    assert gridded["queue"].tolist() == [1, 2, 2, 4]
    assert gridded["queue"].dtype == np.float32
