"""A simulated fleet: all metrics of the default contract, reproducible from a seed.

Nothing here was recorded. Each server has a profile with a daily and weekly rhythm of its own, noise
that persists for a while (first-order autoregression), metrics that follow from one another (user +
system + iowait + idle = 100 always), incidents now and then, and a status that follows from its state.
"""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from ..windows.metrics import HISTORY_COLUMNS, METRIC_NAMES, METRICS, PROFILES, STEP_MINUTES, STEPS_PER_DAY

STEPS_PER_HOUR = 60 // STEP_MINUTES


@dataclass(frozen=True)
class Profile:
    """What the servers of one profile have in common; CPU figures in per cent of all cores."""

    base: float
    daily: float
    peak_hour: float
    peak_width_hours: float
    weekend: float  # factor on the daily rhythm at weekends
    burst_rate_per_day: float
    burst_height: float
    noise: float
    sys_share: float  # system time as a share of user time
    iowait: float
    java_share: float  # share of user time spent in a JVM
    memory: float
    net_in: float  # MB/s at full load
    net_out: float
    close_wait: float


PROFILE_SHAPES = {
    "ml_compute": Profile(22, 6, 2, 5, 1.0, 2.2, 58, 3.0, 0.06, 0.8, 0.02, 62, 35, 9, 1),
    "database": Profile(18, 22, 14, 5, 0.55, 0.8, 15, 3.5, 0.28, 6.0, 0.05, 78, 24, 41, 6),
    "web_api": Profile(9, 38, 13, 6, 0.5, 1.2, 14, 4.0, 0.22, 0.6, 0.55, 54, 48, 95, 22),
    "conductor_mgmt": Profile(6, 7, 11, 7, 0.8, 0.6, 9, 1.6, 0.35, 0.5, 0.75, 41, 3, 3, 9),
    "data_ingest": Profile(12, 16, 1, 3, 1.0, 3.5, 26, 4.0, 0.30, 9.0, 0.35, 58, 120, 35, 4),
    "risk_analytics": Profile(7, 46, 19, 3, 0.15, 1.5, 34, 3.5, 0.08, 1.2, 0.65, 66, 18, 12, 2),
    "generic": Profile(11, 13, 12, 6, 0.7, 1.0, 20, 2.5, 0.20, 1.5, 0.10, 47, 10, 10, 2),
}
assert tuple(PROFILE_SHAPES) == PROFILES


def simulate(
    servers: int = 20,
    days: float = 14,
    start: str = "2026-01-01",
    seed: int = 7,
    incidents_per_month: float = 2.0,
) -> pd.DataFrame:
    """Simulates `servers` machines for `days` days from `start` (UTC), one row every 5 minutes.

    The columns are HISTORY_COLUMNS, the rows sorted by server and time. Every server has a random
    stream of its own, so more servers leave the others as they are.
    """
    steps = round(days * STEPS_PER_DAY)
    timestamps = pd.date_range(start, periods=steps, freq=f"{STEP_MINUTES}min", tz="UTC")
    return pd.concat(
        [_simulate_server(number, timestamps, seed, incidents_per_month) for number in range(servers)],
        ignore_index=True,
    )


def _simulate_server(
    number: int, timestamps: pd.DatetimeIndex, seed: int, incidents_per_month: float
) -> pd.DataFrame:
    rng = np.random.default_rng([seed, number])
    profile_name = PROFILES[number % len(PROFILES)]
    profile = _vary(PROFILE_SHAPES[profile_name], rng)
    load = _load(profile, timestamps, rng)
    state = _State(profile, timestamps, load, rng)
    for _ in range(rng.poisson(incidents_per_month * len(timestamps) / (30 * STEPS_PER_DAY))):
        INCIDENTS[rng.integers(len(INCIDENTS))](state, rng)
    frame = pd.DataFrame(state.metrics(rng))
    frame["timestamp"] = timestamps
    frame["server_name"] = f"sim-{profile_name.replace('_', '-')}-{number:03d}"
    frame["profile"] = profile_name
    frame["status"] = state.status(frame)
    return frame[list(HISTORY_COLUMNS)]


def _vary(profile: Profile, rng: np.random.Generator) -> Profile:
    """Two machines of one profile are alike, not equal."""
    spread = {field.name: getattr(profile, field.name) * rng.uniform(0.7, 1.35) for field in fields(profile)}
    spread["peak_hour"] = profile.peak_hour + rng.normal(0, 1.0)
    spread["weekend"] = min(profile.weekend * rng.uniform(0.8, 1.2), 1.1)
    return Profile(**spread)


def _persistent_noise(count: int, hours: float, rng: np.random.Generator) -> np.ndarray:
    """First-order autoregression with unit variance whose correlation falls to 1/e in `hours`."""
    phi = np.exp(-1 / (hours * STEPS_PER_HOUR))
    shocks = rng.normal(0, np.sqrt(1 - phi * phi), count)
    shocks[0] = rng.normal()
    return lfilter([1.0], [1.0, -phi], shocks)


def _bursts(count: int, rate_per_day: float, height: float, rng: np.random.Generator) -> np.ndarray:
    """Jobs that start at random, hold a plateau for half an hour to some hours, and end."""
    load = np.zeros(count)
    for begin in rng.integers(0, count, rng.poisson(rate_per_day * count / STEPS_PER_DAY)):
        length = int(np.clip(rng.lognormal(np.log(1.2), 0.7) * STEPS_PER_HOUR, 3, 10 * STEPS_PER_HOUR))
        load[begin : begin + length] += height * rng.uniform(0.4, 1.2)
    return load


def _load(profile: Profile, timestamps: pd.DatetimeIndex, rng: np.random.Generator) -> np.ndarray:
    """User CPU before incidents, per cent."""
    count = len(timestamps)
    hour = (timestamps.hour + timestamps.minute / 60).to_numpy()
    distance = (hour - profile.peak_hour + 12) % 24 - 12
    rhythm = np.exp(-0.5 * (distance / (profile.peak_width_hours / 1.6)) ** 2)
    weekly = np.where(timestamps.dayofweek >= 5, profile.weekend, 1.0)
    day = np.arange(count) // STEPS_PER_DAY
    mood = rng.lognormal(0, 0.12, day[-1] + 1)[day]  # some days are busier than others
    load = profile.base * np.exp(0.25 * _persistent_noise(count, 30, rng))
    load = load + profile.daily * rhythm * weekly * mood
    load += _bursts(count, profile.burst_rate_per_day, profile.burst_height, rng)
    if rng.random() < 0.4:  # a job at a fixed time of day: backups, reports
        minute = rng.integers(0, STEPS_PER_DAY)
        length = rng.integers(3, 2 * STEPS_PER_HOUR)
        load += rng.uniform(6, 25) * ((np.arange(count) + minute) % STEPS_PER_DAY < length)
    wobble = _persistent_noise(count, 1.5, rng) + 0.6 * rng.normal(size=count)
    return load + profile.noise * wobble * np.sqrt(0.15 + load / 40)


class _State:
    """A server's course before it is measured: load, memory, disk, and its incidents."""

    def __init__(
        self, profile: Profile, timestamps: pd.DatetimeIndex, load: np.ndarray, rng: np.random.Generator
    ):
        count = len(timestamps)
        self.profile = profile
        self.timestamps = timestamps
        self.user = load
        self.memory = profile.memory + 4 * _persistent_noise(count, 20, rng) + 0.12 * load
        growth = rng.uniform(0.05, 0.6)  # per cent of the disk a day, until someone cleans up
        self.disk = 25 + (rng.uniform(0, 55) + growth * np.arange(count) / STEPS_PER_DAY) % 60
        self.extra_iowait = np.zeros(count)
        self.close_wait_factor = np.ones(count)
        self.label = np.full(count, "", dtype=object)
        self.up = np.ones(count, dtype=bool)
        self.booted = np.full(count, -rng.uniform(1, 200) * STEPS_PER_DAY)  # step of the last boot

    def reboot(self, step: int) -> None:
        self.booted[step:] = step

    def span(self, rng: np.random.Generator, low_hours: float, high_hours: float) -> slice:
        count = len(self.user)
        length = int(rng.uniform(low_hours, high_hours) * STEPS_PER_HOUR)
        begin = int(rng.integers(0, max(count - length // 2, 1)))
        return slice(begin, min(begin + length, count))

    def recover(self, step: int, hours: float) -> None:
        self.label[step : step + int(hours * STEPS_PER_HOUR)] = "recovery"

    def metrics(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        profile, count = self.profile, len(self.user)
        user = np.clip(self.user, 0.3, 97)
        system = np.clip(user * profile.sys_share * np.exp(0.15 * _persistent_noise(count, 2, rng)), 0.1, 60)
        iowait = np.clip(
            profile.iowait * np.exp(0.6 * _persistent_noise(count, 1, rng)) + self.extra_iowait, 0, 70
        )
        memory = np.clip(self.memory, 3, 99.5)
        swap = np.clip(
            1.5 + 3.5 * np.maximum(memory - 88, 0) + 0.6 * _persistent_noise(count, 6, rng), 0, 100
        )
        iowait = iowait + 0.25 * swap * (memory > 92)
        busy = user + system + iowait
        squeeze = np.minimum(1.0, 99.7 / busy)  # 100 % is all there is
        user, system, iowait = user * squeeze, system * squeeze, iowait * squeeze
        java = user * np.clip(profile.java_share + 0.05 * _persistent_noise(count, 5, rng), 0, 0.95)
        traffic = (user / 60) * np.exp(0.3 * _persistent_noise(count, 1, rng))
        waits = np.exp(0.5 * _persistent_noise(count, 3, rng)) * (0.3 + user / 50) * self.close_wait_factor
        cores = float(rng.choice([4, 8, 16, 32]))
        values = {
            "cpu_user_pct": user,
            "cpu_sys_pct": system,
            "cpu_iowait_pct": iowait,
            "java_cpu_pct": java,
            "mem_used_pct": memory,
            "swap_used_pct": swap,
            "disk_usage_pct": np.clip(self.disk, 0, 100),
            "net_in_mb_s": profile.net_in * traffic,
            "net_out_mb_s": profile.net_out * traffic * np.exp(0.1 * rng.normal(size=count)),
            "back_close_wait": np.floor(profile.close_wait * 0.6 * waits),
            "front_close_wait": np.floor(profile.close_wait * waits),
            "load_average": cores
            * (user + system + 1.6 * iowait)
            / 100
            * np.exp(0.1 * rng.normal(size=count)),
            "uptime_days": (np.arange(count) - self.booted) / STEPS_PER_DAY,
        }
        measured = {name: np.where(self.up, np.round(value, 2), 0.0) for name, value in values.items()}
        for metric in METRICS:
            if metric.maximum is not None and metric.name in measured:
                measured[metric.name] = np.clip(measured[metric.name], metric.minimum, metric.maximum)
        # Idle is what the rounded others leave, so that the four add up to 100 in the file too.
        spent = measured["cpu_user_pct"] + measured["cpu_sys_pct"] + measured["cpu_iowait_pct"]
        measured["cpu_idle_pct"] = np.round(100 - spent, 2)
        return {name: measured[name].astype(np.float32) for name in METRIC_NAMES}

    def status(self, frame: pd.DataFrame) -> np.ndarray:
        user = frame["cpu_user_pct"].to_numpy()
        smooth = pd.Series(user).rolling(STEPS_PER_HOUR // 2, min_periods=1).mean().to_numpy()
        hour, weekday = self.timestamps.hour.to_numpy(), self.timestamps.dayofweek.to_numpy()
        status = np.full(len(user), "healthy", dtype=object)
        status[smooth < 6] = "idle"
        status[(hour >= 7) & (hour < 10) & (weekday < 5) & (smooth > 30)] = "morning_spike"
        status[smooth > 65] = "heavy_load"
        alarm = (frame["mem_used_pct"] > 95) | (frame["disk_usage_pct"] > 97) | (smooth > 93)
        status[alarm.to_numpy()] = "critical_issue"
        labelled = self.label != ""
        status[labelled] = self.label[labelled]
        status[~self.up] = "offline"
        return status


def _memory_leak(state: _State, rng: np.random.Generator) -> None:
    """Memory grows to the brim over many hours; then the machine is restarted and recovers."""
    span = state.span(rng, 12, 60)
    length = span.stop - span.start
    state.memory[span] += np.linspace(0, rng.uniform(30, 60), length)
    state.user[span] += np.linspace(0, 8, length)
    state.reboot(span.stop)
    state.recover(span.stop, 1.5)


def _runaway_process(state: _State, rng: np.random.Generator) -> None:
    """One process takes many cores at once and keeps them for a long time."""
    span = state.span(rng, 2, 14)
    state.user[span] += rng.uniform(30, 75) + 3 * rng.normal(size=span.stop - span.start)
    state.recover(span.stop, 0.5)


def _full_disk(state: _State, rng: np.random.Generator) -> None:
    """The disk fills within hours, writes wait, connections pile up; then it is cleaned."""
    span = state.span(rng, 6, 24)
    length = span.stop - span.start
    ramp = np.minimum(np.linspace(0, 1.4, length), 1.0)
    state.disk[span] += (100 - state.disk[span]) * ramp
    state.extra_iowait[span] += 25 * np.maximum(ramp - 0.8, 0) * 5
    state.close_wait_factor[span] *= 1 + 6 * np.maximum(ramp - 0.8, 0) * 5
    state.user[span] *= 1 - 0.5 * np.maximum(ramp - 0.8, 0) * 5
    state.recover(span.stop, 1)


def _drained(state: _State, rng: np.random.Generator) -> None:
    """Taken out of service: traffic ends, the machine is off for a while, then returns."""
    span = state.span(rng, 3, 10)
    length = span.stop - span.start
    state.user[span] = 0.8 + 0.3 * np.abs(rng.normal(size=length))
    state.label[span] = "maintenance"
    off = slice(span.start + length // 3, span.start + 2 * length // 3)
    state.up[off] = False
    state.reboot(off.stop)
    state.recover(span.stop, 1)


INCIDENTS = (_memory_leak, _runaway_process, _full_disk, _drained)
