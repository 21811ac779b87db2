"""The host's metrics in the Prometheus text format: a table of metrics, each read from a snapshot when it is scraped.

1. Nothing is counted for metrics' sake: a scrape reads what others count anyway.
2. Counters begin at zero with the process, as Prometheus expects.
3. Series are bounded: one for each plugin (of denials one for each kind), each pair of plugin and hook (at most `MAX_PAIRS`, what comes later is summed up under
   `OTHERS`), each skip reason of a pair, each route and status. No label ever holds a payload's value, an error or a caller.
"""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import version

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from isp_plugins.contracts.vocabulary import State
from isp_plugins.telemetry import worker_metrics
from isp_plugins.telemetry.stats.service import Total
from isp_plugins.telemetry.stats.tally import NO_PLUGIN, Key, Tally
from isp_plugins.telemetry.worker_metrics import WorkerReading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_PAIRS = 5000
OTHERS = "(others)"
BOUNDS = tuple(range(10, 36, 2))
"""Upper bounds of the duration buckets, as powers of two of a nanosecond: 1 us to 17 s, each four times the one before."""


class Kind(StrEnum):
    """How a metric behaves."""

    COUNTER = "counter"
    """Only goes up, until the process ends."""
    GAUGE = "gauge"
    """Goes up and down."""
    HISTOGRAM = "histogram"
    """Counts durations by size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseReading:
    """How the database does."""

    dialect: str
    transactions: int
    connections: int
    """Connections that are in use."""
    size: int | None
    """Bytes of the SQLite file and its log; None elsewhere."""


@dataclass(frozen=True, slots=True)
class LagReading:
    """How far one event subscription has come."""

    plugin: str
    hook: str
    waiting: int
    lag_s: float
    retrying: int
    """Those that are held back behind them included."""
    dead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReadings:
    """The event log: counts since the process began, and the last look at every subscription."""

    written: int = 0
    refused: int = 0
    delivered: int = 0
    retried: int = 0
    dead: int = 0
    deleted: int = 0
    lags: Sequence[LagReading] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Everything that a scrape shows, as of one moment."""

    node: str
    plugins: Mapping[int, tuple[str, State]]
    totals: Mapping[Key, Total]
    events: EventReadings
    logs_waiting: int
    logs_stored: int
    logs_dropped: int
    statistics_lost: int
    """Minutes."""
    requests: Mapping[tuple[str, str, int], int]
    """Answers by method, route and status."""
    database: DatabaseReading
    workers: Sequence[WorkerReading] = ()
    denials: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """What plugins tried and are not granted, by plugin and kind."""
    nodes: int = 1
    """Nodes that lived at the last heartbeat."""
    is_cut_off: bool = False
    lag: int = 0
    """Plugins that this node has not brought to what is wanted."""


Sample = tuple[Sequence[str], float]
Read = Callable[["Readings", "Sums"], Iterable[Sample]]


class Sums:
    """Totals by plugin and hook, made once a scrape."""

    def __init__(self, readings: Readings) -> None:
        self.pairs: dict[tuple[str, str], Tally] = {}
        self.plugins: dict[str, Total] = {}
        self.dispatches: dict[str, int] = {}
        for key, total in readings.totals.items():
            if key.plugin_id == NO_PLUGIN:
                self.dispatches[key.hook] = total.tally.calls
            elif key.plugin_id in readings.plugins:
                self._add(readings.plugins[key.plugin_id][0], key.hook, total)

    def _add(self, plugin: str, hook: str, total: Total) -> None:
        pair = (plugin, hook)
        if pair not in self.pairs and len(self.pairs) >= MAX_PAIRS:
            pair = (OTHERS, OTHERS)
        self.pairs.setdefault(pair, Tally()).add(total.tally)
        mine = self.plugins.setdefault(pair[0], Total(pair[0]))
        mine.tally.durations.add(total.tally.durations)
        mine.seconds += total.seconds


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric: its name (with its unit), what it means, its labels, and how it is read."""

    name: str
    kind: Kind
    help: str
    read: Read
    labels: tuple[str, ...] = ()

    def family(self, readings: Readings, sums: Sums) -> Metric:
        """The metric with its samples."""
        kind = CounterMetricFamily if self.kind is Kind.COUNTER else GaugeMetricFamily
        family = kind(self.name, self.help, labels=self.labels)
        for labels, value in self.read(readings, sums):
            family.add_metric(labels, value)
        return family


def _of_pairs(name: str) -> Read:
    return lambda _, sums: ((pair, getattr(tally, name)) for pair, tally in sums.pairs.items())


def _skips(_: Readings, sums: Sums) -> Iterator[Sample]:
    for pair, tally in sums.pairs.items():
        for reason, count in sorted(tally.skips.items()):
            yield (*pair, reason), count


def _states(readings: Readings, _: Sums) -> Iterator[Sample]:
    found = Counter(state for _, state in readings.plugins.values())
    return (((state.value,), found[state]) for state in State)


def _active(readings: Readings, _: Sums) -> Iterator[Sample]:
    return (((name,), state is State.ACTIVE) for name, state in sorted(readings.plugins.values()))


def _one(value: Callable[[Readings], float]) -> Read:
    return lambda readings, _: [((), value(readings))]


def _lags(name: str) -> Read:
    """Of each plugin and hook: the sum over its subscriptions, of a lag the longest."""

    def read(readings: Readings, _: Sums) -> Iterator[Sample]:
        found: dict[tuple[str, str], float] = {}
        for lag in readings.events.lags:
            pair, value = (lag.plugin, lag.hook), getattr(lag, name)
            before = found.get(pair, 0.0)
            found[pair] = max(before, value) if name == "lag_s" else before + value
        return iter(sorted(found.items()))

    return read


def _requests(readings: Readings, _: Sums) -> Iterator[Sample]:
    return (
        ((method, route, str(status)), count)
        for (method, route, status), count in sorted(readings.requests.items())
    )


def _build(readings: Readings, _: Sums) -> Iterable[Sample]:
    return [
        ((version("isp-plugins"), platform.python_version(), readings.node, readings.database.dialect), 1)
    ]


def _size(readings: Readings, _: Sums) -> Iterable[Sample]:
    return [((), readings.database.size)] if readings.database.size is not None else []


def _workers(read: Callable[[Sequence[WorkerReading]], Iterator[Sample]]) -> Read:
    return lambda readings, _: read(readings.workers)


def _denials(readings: Readings, _: Sums) -> Iterator[Sample]:
    return (((plugin, kind), count) for (plugin, kind), count in sorted(readings.denials.items()))


_PAIR = ("plugin", "hook")
SPECS: tuple[Spec, ...] = (
    Spec("isp_plugins_build_info", Kind.GAUGE, "Always 1; the labels say which version runs, and where.", _build,
         ("version", "python_version", "node", "database")),
    Spec("isp_plugins_nodes_alive", Kind.GAUGE, "Nodes of the database that live, as this one sees it.", _one(lambda r: r.nodes)),
    Spec("isp_plugins_node_cut_off", Kind.GAUGE, "Whether this node cannot reach the database (1) or can (0).", _one(lambda r: r.is_cut_off)),
    Spec("isp_plugins_node_generation_lag", Kind.GAUGE, "Plugins that this node has not brought to what is wanted yet.", _one(lambda r: r.lag)),
    Spec("isp_plugins_plugins", Kind.GAUGE, "Plugins of this node in each state.", _states, ("state",)),
    Spec("isp_plugins_plugin_active", Kind.GAUGE, "Whether a plugin is active on this node (1) or not (0).", _active, ("plugin",)),
    Spec("isp_plugins_dispatches_total", Kind.COUNTER, "Dispatches of hooks that have subscriptions.",
         lambda _, sums: (((hook,), count) for hook, count in sorted(sums.dispatches.items())), ("hook",)),
    Spec("isp_plugins_calls_total", Kind.COUNTER, "Calls into a plugin, those that failed included.", _of_pairs("calls"), _PAIR),
    Spec("isp_plugins_call_errors_total", Kind.COUNTER, "Calls that raised, or returned what the hook refuses.", _of_pairs("errors"), _PAIR),
    Spec("isp_plugins_call_rejects_total", Kind.COUNTER, "Calls that rejected their dispatch.", _of_pairs("rejects"), _PAIR),
    Spec("isp_plugins_call_timeouts_total", Kind.COUNTER, "Calls that ran past their deadline.", _of_pairs("timeouts"), _PAIR),
    Spec("isp_plugins_skips_total", Kind.COUNTER, "Turns of a subscription, or its events, without a call, and why.", _skips, (*_PAIR, "reason")),
    Spec("isp_plugins_events_accepted_total", Kind.COUNTER, "Events that were accepted for delivery to a plugin.", _of_pairs("queued"), _PAIR),
    Spec("isp_plugins_events_written_total", Kind.COUNTER, "Events that were written to the log.", _one(lambda it: it.events.written)),
    Spec("isp_plugins_events_refused_total", Kind.COUNTER, "Events that could not be kept; their dispatches failed.", _one(lambda it: it.events.refused)),
    Spec("isp_plugins_events_delivered_total", Kind.COUNTER, "Deliveries that succeeded.", _one(lambda it: it.events.delivered)),
    Spec("isp_plugins_events_retried_total", Kind.COUNTER, "Failed deliveries that are tried again.", _one(lambda it: it.events.retried)),
    Spec("isp_plugins_events_dead_total", Kind.COUNTER, "Deliveries that became dead letters.", _one(lambda it: it.events.dead)),
    Spec("isp_plugins_events_deleted_total", Kind.COUNTER, "Delivered events that retention deleted.", _one(lambda it: it.events.deleted)),
    Spec("isp_plugins_events_waiting", Kind.GAUGE, "Events that were not tried yet; counted up to 10,000 for each subscription.", _lags("waiting"), _PAIR),
    Spec("isp_plugins_events_lag_seconds", Kind.GAUGE, "Age of the oldest event that was not tried yet.", _lags("lag_s"), _PAIR),
    Spec("isp_plugins_events_retrying", Kind.GAUGE, "Events that are tried again, and those behind them.", _lags("retrying"), _PAIR),
    Spec("isp_plugins_events_dead_letters", Kind.GAUGE, "Dead letters that nobody retried or discarded.", _lags("dead"), _PAIR),
    Spec("isp_plugins_log_records_waiting", Kind.GAUGE, "Plugin log records that wait to be stored.", _one(lambda it: it.logs_waiting)),
    Spec("isp_plugins_log_records_stored_total", Kind.COUNTER, "Plugin log records that were stored.", _one(lambda it: it.logs_stored)),
    Spec("isp_plugins_log_records_dropped_total", Kind.COUNTER, "Plugin log records for which there was no room, or that no database takes.",
         _one(lambda it: it.logs_dropped)),
    Spec("isp_plugins_statistics_lost_seconds_total", Kind.COUNTER, "Seconds whose statistics could not be stored.",
         _one(lambda it: it.statistics_lost * 60)),
    Spec("isp_plugins_worker_up", Kind.GAUGE, "Whether a plugin's worker lives (1) or is down (0).", _workers(worker_metrics.up), ("plugin",)),
    Spec("isp_plugins_worker_cpu_seconds_total", Kind.COUNTER, "Processor time of a plugin's worker and its children since the worker began.",
         _workers(worker_metrics.of_use("cpu_s")), ("plugin",)),
    Spec("isp_plugins_worker_memory_bytes", Kind.GAUGE, "Resident memory of a plugin's worker and its children, in bytes.",
         _workers(worker_metrics.of_use("memory_bytes")), ("plugin",)),
    Spec("isp_plugins_worker_open_files", Kind.GAUGE, "File descriptors that a plugin's worker and its children have open.",
         _workers(worker_metrics.of_use("open_files")), ("plugin",)),
    Spec("isp_plugins_worker_threads", Kind.GAUGE, "Threads of a plugin's worker and its children.",
         _workers(worker_metrics.of_use("threads")), ("plugin",)),
    Spec("isp_plugins_worker_restarts", Kind.GAUGE, "How often the host started a plugin anew by itself since the operator enabled it last.",
         _workers(worker_metrics.restarts), ("plugin",)),
    Spec("isp_plugins_worker_deaths_total", Kind.COUNTER, "Workers of a plugin that ended although nobody asked them to, and why.",
         _workers(worker_metrics.deaths), ("plugin", "reason")),
    Spec("isp_plugins_worker_throttled_total", Kind.COUNTER, "How often a plugin's worker was slowed down, and what it flooded.",
         _workers(worker_metrics.throttled), ("plugin", "flooded")),
    Spec("isp_plugins_denials_total", Kind.COUNTER, "What plugins tried and the host refused, because it is not granted.", _denials, ("plugin", "kind")),
    Spec("isp_plugins_http_requests_total", Kind.COUNTER, "Answers of the HTTP API, by route and status.", _requests, ("method", "route", "status")),
    Spec("isp_plugins_database_transactions_total", Kind.COUNTER, "Transactions that were committed.", _one(lambda it: it.database.transactions)),
    Spec("isp_plugins_database_connections", Kind.GAUGE, "Connections to the database that are in use.", _one(lambda it: it.database.connections)),
    Spec("isp_plugins_database_size_bytes", Kind.GAUGE, "Bytes of the SQLite database's file and its log; absent elsewhere.", _size),
)  # fmt: skip
"""Every metric but the histogram and those of the process."""
DURATION = Spec(
    "isp_plugins_call_duration_seconds",
    Kind.HISTOGRAM,
    "How long calls into a plugin took, of those that were timed: one inline call in sixteen, every call in a thread.",
    lambda _readings, _sums: (),
    ("plugin",),
)
"""Its samples are made by `_durations`."""


def render(readings: Readings) -> bytes:
    """The metrics as text; takes about 10 us a series, so call it in a thread."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(readings))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return generate_latest(registry)


class _Snapshot(Collector):
    """One scrape's metrics."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        """Every metric with its samples."""
        sums = Sums(self._readings)
        for spec in SPECS:
            yield spec.family(self._readings, sums)
        yield _durations(sums)


def _durations(sums: Sums) -> Metric:
    family = HistogramMetricFamily(DURATION.name, DURATION.help, labels=DURATION.labels)
    for plugin, total in sums.plugins.items():
        durations = total.tally.durations
        below = zip(BOUNDS, durations.up_to(BOUNDS), strict=True)
        buckets = [(str(2**power * 1e-9), count) for power, count in below]
        family.add_metric([plugin], [*buckets, ("+Inf", durations.total)], total.seconds)
    return family


def process_metrics() -> list[Metric]:
    """What `prometheus_client` itself tells of the process, for the documentation."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return list(registry.collect())
