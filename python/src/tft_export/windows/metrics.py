"""The default model's data contract: its metrics, categories, known features and quantiles.

These are what `simulate`, `train` and the column maps agree on. The exporter never reads them: a
checkpoint of other metrics brings its own.
"""

from dataclasses import dataclass

from ..checkpoint.calendar import DAY, HOUR, MONTH, WEEKEND


@dataclass(frozen=True)
class Metric:
    """One measured quantity of a server, in raw units."""

    name: str
    unit: str
    minimum: float = 0.0
    maximum: float | None = None


METRICS = (
    Metric("cpu_user_pct", "%", maximum=100.0),
    Metric("cpu_sys_pct", "%", maximum=100.0),
    Metric("cpu_iowait_pct", "%", maximum=100.0),
    Metric("cpu_idle_pct", "%", maximum=100.0),
    Metric("java_cpu_pct", "%", maximum=100.0),
    Metric("mem_used_pct", "%", maximum=100.0),
    Metric("swap_used_pct", "%", maximum=100.0),
    Metric("disk_usage_pct", "%", maximum=100.0),
    Metric("net_in_mb_s", "MB/s"),
    Metric("net_out_mb_s", "MB/s"),
    Metric("back_close_wait", "connections"),
    Metric("front_close_wait", "connections"),
    Metric("load_average", "processes"),
    Metric("uptime_days", "days"),
)
METRIC_NAMES = tuple(metric.name for metric in METRICS)
TARGET = "cpu_user_pct"

UNKNOWN = "unknown"
PROFILES = (
    "ml_compute",
    "database",
    "web_api",
    "conductor_mgmt",
    "data_ingest",
    "risk_analytics",
    "generic",
)
STATUSES = (
    "critical_issue",
    "healthy",
    "heavy_load",
    "idle",
    "maintenance",
    "morning_spike",
    "offline",
    "recovery",
)
KNOWN = (HOUR, DAY, MONTH, WEEKEND)

QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
STEP_MINUTES = 5
STEPS_PER_DAY = 24 * 60 // STEP_MINUTES
ENCODER_LENGTH = 288
HORIZON = 96

HISTORY_COLUMNS = ("timestamp", "server_name", "profile", "status", *METRIC_NAMES)
