"""What is written down about plugins, and how long it is kept."""

from dataclasses import dataclass

from isp_plugins.settings.values import setting


@dataclass(frozen=True)
class TelemetryGroup:
    """What is written down about plugins, and how long it is kept."""

    log_queue_size: int = setting(
        50_000, "Plugin log records waiting in memory to be stored; more are dropped and counted.", low=100
    )
    log_flush_interval: float = setting(
        0.5, "Longest time a plugin log record waits in memory, in seconds.", low=0.01
    )
    log_retention_days: float = setting(
        30.0, "How long plugin log records are kept, in days; 0: for ever.", low=0.0, high=36_500
    )
    log_retention_records: int = setting(
        1_000_000, "Most log records kept of one plugin, its newest; 0: no limit.", low=0
    )
    log_retention_mb: int = setting(
        4096,
        "Most that all plugin logs together hold, in MiB (indexes take about as much again); beyond, whoever holds most loses its oldest; 0: no limit.",
        low=0,
    )
    statistics_interval: float = setting(
        5.0,
        "How often the counters of calls are looked at for statistics, in seconds; minutes are exact to this.",
        low=0.05,
        high=60.0,
    )
    metrics_without_key: str = setting(
        "no",
        "Whether `/metrics` answers without a key: `no`, or `loopback` for callers on this machine (not behind a reverse proxy on it).",
        pattern="no|loopback",
    )
