"""Gathers what a scrape of the metrics shows from every service of an open system."""

from collections.abc import Mapping
from pathlib import Path

from isp_plugins.contracts.worker import ResourceUse
from isp_plugins.db.urls import sqlite_file
from isp_plugins.lifecycle.worker_views import WorkerView
from isp_plugins.system.plugin_system import PluginSystem
from isp_plugins.telemetry.metrics import DatabaseReading, EventReadings, LagReading, Readings
from isp_plugins.telemetry.stats.service import Total
from isp_plugins.telemetry.stats.tally import Tally
from isp_plugins.telemetry.worker_metrics import WorkerReading


def readings_of(system: PluginSystem, requests: Mapping[tuple[str, str, int], int]) -> Readings:
    """Everything as of now, copied, so that it can be written out in a thread; `requests` are the HTTP API's own counts."""
    system.statistics.collect()
    return Readings(
        node=system.settings.node,
        plugins={plugin.id: (plugin.name, plugin.state) for plugin in system.directory},
        totals={key: _copy(total) for key, total in system.statistics.totals.items()},
        events=_events(system),
        logs_waiting=system.logs.waiting,
        logs_stored=system.logs.stored,
        logs_dropped=system.logs.dropped,
        statistics_lost=system.statistics.lost_minutes,
        requests=dict(requests),
        database=_database(system),
        workers=[_worker(view) for view in system.manager.workers.all()],
        denials=dict(system.denials.counts),
        nodes=len(system.membership.nodes),
        is_cut_off=system.membership.is_cut,
        lag=system.membership.lag,
    )


def _worker(view: WorkerView) -> WorkerReading:
    return WorkerReading(
        plugin=view.name,
        is_up=view.pid is not None,
        restarts=view.restarts,
        use=view.sample.use if view.sample else ResourceUse(),
        throttled=dict(view.throttled),
        deaths=view.deaths,
    )


def _events(system: PluginSystem) -> EventReadings:
    lags = [
        LagReading(lag.plugin, lag.hook, lag.waiting, lag.lag_s, lag.retrying + lag.held_back, lag.dead)
        for lag in system.event_survey.lags
    ]
    events = system.events
    return EventReadings(
        written=events.written,
        refused=events.refused,
        delivered=events.delivered,
        retried=events.retried,
        dead=events.dead,
        deleted=system.event_retention.deleted,
        lags=lags,
    )


def _copy(total: Total) -> Total:
    tally = Tally()
    tally.add(total.tally)
    return Total(total.plugin, tally, total.seconds)


def _database(system: PluginSystem) -> DatabaseReading:
    file = sqlite_file(system.settings.url)
    return DatabaseReading(
        dialect=system.database.dialect,
        transactions=system.database.transactions,
        connections=system.database.connections,
        size=None if file is None else sum(_size(part) for part in (file, Path(f"{file}-wal"))),
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
