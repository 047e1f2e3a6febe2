"""The simulated fleet: reproducible, consistent, with rhythm, incidents and a status that follows."""

import numpy as np
import pytest

from tft_export.training.simulated_fleet import simulate
from tft_export.windows.history import read_history, write_history
from tft_export.windows.metrics import HISTORY_COLUMNS, METRIC_NAMES, METRICS, PROFILES, STATUSES


@pytest.fixture(scope="module")
def fleet():
    return simulate(servers=14, days=42, seed=5, incidents_per_month=6)


def test_the_same_seed_gives_the_same_fleet(fleet):
    again = simulate(servers=14, days=42, seed=5, incidents_per_month=6)
    assert again.equals(fleet)
    assert not simulate(servers=14, days=42, seed=6).equals(fleet)


def test_more_servers_leave_the_first_as_they_are():
    few = simulate(servers=2, days=2, seed=9)
    many = simulate(servers=5, days=2, seed=9)
    assert many[many["server_name"].isin(few["server_name"])].reset_index(drop=True).equals(few)


def test_columns_profiles_and_statuses_are_the_contracts(fleet):
    assert tuple(fleet.columns) == HISTORY_COLUMNS
    assert set(fleet["profile"]) == set(PROFILES)
    assert set(fleet["status"]) == set(STATUSES)


def test_cpu_shares_add_up_to_100(fleet):
    total = fleet[["cpu_user_pct", "cpu_sys_pct", "cpu_iowait_pct", "cpu_idle_pct"]].sum(axis=1)
    np.testing.assert_allclose(total, 100, atol=1e-3)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_values_stay_in_their_range(fleet, metric):
    assert fleet[metric.name].min() >= metric.minimum
    if metric.maximum is not None:
        assert fleet[metric.name].max() <= metric.maximum


def test_noise_persists(fleet):
    for _, server in fleet.groupby("server_name"):
        load = server["cpu_user_pct"]
        assert load.autocorr(6) > 0.4
        assert load.std() > 1


def test_profiles_differ_in_their_weekly_rhythm():
    fleet = simulate(servers=35, days=28, seed=3, incidents_per_month=0)
    weekend = fleet["timestamp"].dt.dayofweek >= 5
    mean = fleet.groupby(["profile", weekend])["cpu_user_pct"].mean().unstack()
    share = mean[True] / mean[False]
    assert share["risk_analytics"] < 0.8
    assert share["ml_compute"] > 0.85


def test_a_drained_machine_is_off_and_boots_again(fleet):
    off = fleet[fleet["status"] == "offline"]
    assert len(off)
    assert (off["cpu_user_pct"] == 0).all()
    rebooted = fleet.groupby("server_name")["uptime_days"].diff() < -0.5
    assert rebooted.any()


def test_a_leak_and_a_full_disk_are_critical(fleet):
    assert (fleet.loc[fleet["mem_used_pct"] > 95.5, "status"] != "healthy").all()
    assert (fleet.loc[fleet["disk_usage_pct"] > 97.5, "status"] != "healthy").all()


def test_a_written_history_reads_back_the_same(tmp_path):
    fleet = simulate(servers=3, days=2, seed=8)
    path = tmp_path / "history.csv.gz"
    write_history(fleet, path)
    first = path.read_bytes()
    write_history(fleet, path)
    assert path.read_bytes() == first
    back = read_history(path)
    assert (back["timestamp"].to_numpy() == fleet["timestamp"].dt.tz_convert("UTC").to_numpy()).all()
    np.testing.assert_allclose(back[list(METRIC_NAMES)], fleet[list(METRIC_NAMES)], rtol=1e-5, atol=1e-5)
