"""The server's own settings: one dataclass with every limit, its default and its unit, read from `ISP_PLUGINS_*`.

1. A field `data_dir` is the environment variable `ISP_PLUGINS_DATA_DIR`; command-line options override the environment.
2. An unknown `ISP_PLUGINS_*` variable or a bad value stops the start; all mistakes are listed together.
3. `docs/settings.md` is generated from this module.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isp_plugins.errors import StartupError
from isp_plugins.setting_values import PREFIX, check, folders_of, parse

CLIENT_VARIABLES = frozenset({"ISP_PLUGINS_URL", "ISP_PLUGINS_API_KEY"})
"""What the command line's HTTP client reads; the server ignores them."""


class SettingsError(StartupError):
    """The settings cannot be used: {summary}. Mend the environment variables (or options) named and start again; docs/settings.md lists them all."""


def _setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    pattern: str | None = None,
    secret: bool = False,
) -> Any:
    """A documented field with its bounds."""
    return field(
        default=default, metadata={"doc": doc, "low": low, "high": high, "pattern": pattern, "secret": secret}
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator can set about the server; durations are seconds unless the name says milliseconds."""

    data_dir: Path = _setting(Path("var"), "Folder of everything the server keeps: database, keys, plugins.")
    database_url: str | None = _setting(
        None,
        "SQLAlchemy URL; unset: SQLite in the data directory. `sqlite:///file` or `postgresql://user:password@host/name`.",
        pattern=r"(sqlite|postgresql)(\+\w+)?://.*",
        secret=True,
    )
    host: str = _setting("127.0.0.1", "Address the HTTP server listens on.")
    port: int = _setting(8080, "TCP port of the HTTP server; 0 takes a free one.", low=0, high=65535)
    node: str = _setting(
        "local",
        "Name of this node, unique among the servers of one database.",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}",
    )
    node_poll: float = _setting(
        5.0,
        "How often a node of several looks for changes of the others that no notice told it of, in seconds.",
        low=0.05,
        high=3600.0,
    )
    node_heartbeat: float = _setting(
        2.0,
        "How often a node is seen by the others of its PostgreSQL, in seconds; at least three times in `ISP_PLUGINS_NODE_LOST_AFTER`.",
        low=0.05,
        high=20.0,
    )
    node_lost_after: float = _setting(
        6.0,
        "How long a node may be silent before the others declare it lost and take over what it leased, in seconds; the same on all nodes. A node that cannot reach the database stops its singletons after two thirds of it.",
        low=0.3,
        high=60.0,
    )
    plugin_path: str | None = _setting(
        None, "Folders (separated like PATH) in which `module_path` is looked up; unset: the data directory."
    )
    secret_keys: str | None = _setting(
        None,
        "Key ring for secrets, comma-separated urlsafe-base64 keys of 32 bytes, newest first; unset: `<data-dir>/secrets.key` (SQLite only).",
        secret=True,
    )
    log_level: str = _setting(
        "INFO", "Level of the server's own log.", pattern="DEBUG|INFO|WARNING|ERROR|CRITICAL"
    )
    max_body_bytes: int = _setting(1_048_576, "Largest request body, in bytes.", low=1024)
    max_json_depth: int = _setting(64, "Deepest nesting of a JSON request body.", low=8, high=512)
    load_timeout: float = _setting(
        10.0, "Limit for importing and constructing a plugin, in seconds.", low=0.1
    )
    initialize_timeout: float = _setting(
        30.0, "Limit for `initialize`, `configure` and `activate`, each, in seconds.", low=0.1
    )
    cleanup_timeout: float = _setting(10.0, "Limit for `cleanup`, in seconds.", low=0.1)
    drain_timeout: float = _setting(
        10.0, "How long disable and reload wait for calls in flight, in seconds.", low=0.0
    )
    health_timeout: float = _setting(5.0, "Limit for one health check, in seconds.", low=0.1)
    health_interval: float = _setting(
        30.0,
        "Pause between two health checks of a plugin, in seconds, up to a tenth shorter or longer.",
        low=0.05,
    )
    health_misses: int = _setting(
        3, "Health checks in a row without an answer after which a plugin is unhealthy and restarted.", low=1
    )
    health_concurrency: int = _setting(8, "Health checks under way at the same time.", low=1)
    health_history_size: int = _setting(200, "Entries of health history kept for each plugin.", low=1)
    health_flap_limit: int = _setting(
        6,
        "Changes of a plugin's health within `ISP_PLUGINS_HEALTH_FLAP_WINDOW` that are announced; more are held back until it has calmed down.",
        low=1,
    )
    health_flap_window: float = _setting(
        600.0, "Length of the window in which changes of health are counted, in seconds.", low=0.01
    )
    execute_timeout: float = _setting(30.0, "Limit for one execute call, in seconds.", low=0.1)
    recovery_backoff_min: float = _setting(
        1.0, "First pause before a failed plugin is tried again, in seconds; doubles each time.", low=0.01
    )
    recovery_backoff_max: float = _setting(60.0, "Longest pause between tries, in seconds.", low=0.01)
    restart_limit: int = _setting(
        5,
        "Restarts of a plugin within `ISP_PLUGINS_RESTART_WINDOW` that are tried; one more puts it into quarantine.",
        low=0,
    )
    restart_window: float = _setting(
        300.0, "Length of the window in which restarts are counted, in seconds.", low=0.01
    )
    quarantine_pause: float = _setting(
        600.0, "Pause before a plugin in quarantine is given one try, in seconds.", low=0.01
    )
    breaker_failures: int = _setting(
        5, "Failed or overdue calls of a plugin in a row that open its circuit breaker.", low=1
    )
    breaker_pause: float = _setting(
        30.0, "How long a circuit breaker stays open before one call tries, in seconds.", low=0.01
    )
    abandoned_thread_limit: int = _setting(
        8, "Abandoned threads of one plugin that put it into quarantine.", low=1
    )
    max_threads: int = _setting(
        64, "Daemon threads that run plugins' plain functions, abandoned ones not counted.", low=1
    )
    worker_memory_mb: int = _setting(
        512, "Most resident memory of one worker and its children, in MiB; 0: no limit.", low=0
    )
    worker_cpu_percent: int = _setting(
        0,
        "Most processor time of one worker between two samples, in percent of one core; 0: no limit.",
        low=0,
    )
    worker_open_files: int = _setting(
        1024, "Most file descriptors of one worker and its children; 0: no limit.", low=0
    )
    worker_threads: int = _setting(256, "Most threads of one worker and its children; 0: no limit.", low=0)
    worker_sample_interval: float = _setting(
        2.0, "How often it is looked at what workers use, in seconds.", low=0.05, high=60.0
    )
    worker_death_history: int = _setting(
        20, "Deaths kept of each plugin, its last ones, each with 200 log lines.", low=1
    )
    worker_handshake_timeout: float = _setting(
        3.0, "Limit for the first answer of a worker process that was started, in seconds.", low=0.1
    )
    worker_ping_interval: float = _setting(
        30.0, "Pause between two pings of a worker process, in seconds.", low=0.01
    )
    worker_ping_misses: int = _setting(
        3, "Pings in a row without an answer after which a worker process is killed.", low=1
    )
    worker_hang_grace: float = _setting(
        10.0,
        "How long a call may run on in a worker process after its deadline has passed, in seconds; then the worker is killed.",
        low=0.01,
    )
    worker_stop_grace: float = _setting(
        2.0,
        "How long a worker process may take to end when it is told to, in seconds; then it gets SIGTERM, and as long after that SIGKILL.",
        low=0.01,
    )
    worker_max_message_bytes: int = _setting(
        4_194_304, "Longest message between host and worker process, either way, in bytes.", low=65_536
    )
    worker_max_pending_bytes: int = _setting(
        67_108_864,
        "Bytes of calls that may wait for a worker process that does not read, more are refused; one that lets as many bytes of answers to its own host calls wait is ended.",
        low=65_536,
    )
    worker_host_calls_per_second: float = _setting(
        2000.0,
        "Host calls (storage, dispatch) of one worker process that are served in a second; more wait.",
        low=1,
    )
    worker_storage_writes_per_second: float = _setting(
        500.0, "Writes of one worker process to its storage that are served in a second; more wait.", low=1
    )
    worker_messages_per_second: float = _setting(
        5000.0,
        "Messages of one worker process that nobody asked for (log records, late answers) that are read in a second, each KiB counted as one; it is not read while there are more.",
        low=1,
    )
    worker_log_lines_per_second: float = _setting(
        1000.0,
        "Log lines of one worker process that are kept in a second, each KiB counted as one; more are left out and counted.",
        low=1,
    )
    worker_busy_poll: float = _setting(
        0.0001,
        "How long the server and a worker process look for each other's next message, in seconds, before they fall asleep, where the last ones came as promptly; 0: never. Costs processor time, saves the time of waking up; never done on one processor.",
        low=0,
        high=0.01,
    )
    sandbox: str = _setting(
        "best-effort",
        "Sandbox of plugins with grants: `require` starts none without the full set, `best-effort` starts them with what this system offers and says so, `off` applies nothing.",
        pattern="require|best-effort|off",
    )
    sandbox_first_uid: int = _setting(
        1_879_048_192,
        "Where the server runs as root, the plugin with id N runs as user number this plus N, if the system has such a number; 0: it stays root.",
        low=0,
        high=4_000_000_000,
    )
    schedule_timeout: float = _setting(
        600.0, "Limit for one run of a plugin's scheduled method, in seconds.", low=0.1
    )
    event_concurrency: int = _setting(
        16, "Events of one subscription that are delivered at the same time, each of another key.", low=1
    )
    event_lease: float = _setting(
        10.0,
        "How long a node owns a subscription's deliveries without renewing, in seconds: so long they rest when it dies.",
        low=0.5,
    )
    event_retention_days: float = _setting(
        7.0,
        "How long events are kept after everybody has got them, for replay, in days; 0: not at all. What is undelivered is never deleted.",
        low=0.0,
        high=36_500,
    )
    event_retention_mb: int = _setting(
        2048,
        "Most that delivered events' payloads hold, in MiB; beyond, the oldest go first; 0: no limit.",
        low=0,
    )
    event_mark_days: float = _setting(
        90.0,
        "How long it is remembered what plugins did once (`self.context.once`), in days.",
        low=0.01,
        high=36_500,
    )
    log_queue_size: int = _setting(
        50_000, "Plugin log records waiting in memory to be stored; more are dropped and counted.", low=100
    )
    log_flush_interval: float = _setting(
        0.5, "Longest time a plugin log record waits in memory, in seconds.", low=0.01
    )
    log_retention_days: float = _setting(
        30.0, "How long plugin log records are kept, in days; 0: for ever.", low=0.0, high=36_500
    )
    log_retention_records: int = _setting(
        1_000_000, "Most log records kept of one plugin, its newest; 0: no limit.", low=0
    )
    log_retention_mb: int = _setting(
        4096,
        "Most that all plugin logs together hold, in MiB (indexes take about as much again); beyond, whoever holds most loses its oldest; 0: no limit.",
        low=0,
    )
    statistics_interval: float = _setting(
        5.0,
        "How often the counters of calls are looked at for statistics, in seconds; minutes are exact to this.",
        low=0.05,
        high=60.0,
    )
    metrics_without_key: str = _setting(
        "no",
        "Whether `/metrics` answers without a key: `no`, or `loopback` for callers on this machine (not behind a reverse proxy on it).",
        pattern="no|loopback",
    )
    local_sources: str | None = _setting(
        None,
        "Folders (separated like PATH) of the server below which a plugin may be installed from over the API; unset: none. The command line packs and uploads a folder instead.",
    )
    operation_concurrency: int = _setting(
        2, "Installations that are worked on at the same time; others are queued.", low=1
    )
    operation_retention_days: float = _setting(
        30.0, "How long ended operations are kept, in days; 0: for ever.", low=0.0, high=36_500
    )
    release_keep: int = _setting(
        3, "How many earlier releases of an installed plugin are kept, to roll back to.", low=0, high=100
    )
    upgrade_watch: float = _setting(
        60.0,
        "How long a new version is watched after an upgrade, in seconds; it goes back by itself when it does harm. 0: not.",
        low=0.0,
        high=86_400,
    )
    upgrade_error_percent: float = _setting(
        5.0,
        "A watched version with a larger share of failed calls goes back, in percent.",
        low=0.0,
        high=100.0,
    )
    upgrade_min_calls: int = _setting(
        20, "Calls that a watched version must have had before their share of errors counts.", low=1
    )
    idempotency_hours: float = _setting(
        24.0, "How long the stored result of an idempotent dispatch is returned, in hours.", low=0.01
    )

    package_index_url: str | None = _setting(
        None,
        "Package index (PEP 503) that plugins' dependencies come from; may hold credentials; unset: uv's own default, pypi.org.",
        pattern=r"(https?|file)://.+",
        secret=True,
    )
    package_find_links: str | None = _setting(
        None, "Folders of wheels (separated like PATH) that are looked into beside the index."
    )
    package_offline: str = _setting(
        "no",
        "`yes`: nothing is fetched from a network for a plugin's environment; wheels come from `ISP_PLUGINS_PACKAGE_FIND_LINKS`, a bundle, or the cache.",
        pattern="no|yes",
    )
    depot: str | None = _setting(
        None,
        "Where nodes share plugins' wheels: `database`, `none`, or an object store's URL (`file:///shared/folder`, `https://host/path` with PUT and DELETE, `s3://bucket/path` with the credentials of `AWS_*`); unset: the database on PostgreSQL, none on SQLite.",
        pattern=r"database|none|file:///.+|https?://.+|s3://.+",
        secret=True,
    )
    package_cache_days: float = _setting(
        90.0,
        "How long what saves time with the next installation is kept unused (`package-cache`, `bytecode-cache`), in days; 0: for ever. What a release needs stays.",
        low=0.0,
        high=36_500,
    )
    package_cache_mb: int = _setting(
        2048, "Most that `package-cache` holds, in MiB; beyond, the oldest go first; 0: no limit.", low=0
    )
    bytecode_cache_mb: int = _setting(
        512, "Most that `bytecode-cache` holds, in MiB; beyond, the oldest go first; 0: no limit.", low=0
    )
    package_max_mb: int = _setting(200, "Largest plugin package that is fetched, in MiB.", low=1)
    package_max_unpacked_mb: int = _setting(
        500, "Most that a plugin package may hold once it is unpacked, in MiB.", low=1
    )
    package_max_files: int = _setting(20_000, "Most files and folders in a plugin package.", low=1)
    package_fetch_timeout: float = _setting(
        300.0, "Limit for fetching a plugin package, in seconds.", low=0.1
    )
    package_build_timeout: float = _setting(
        600.0, "Limit for building a plugin's own source to a wheel, in seconds.", low=0.1
    )
    package_resolve_timeout: float = _setting(
        300.0,
        "Limit for resolving a plugin's dependencies, and for building its environment, each, in seconds.",
        low=0.1,
    )

    def __post_init__(self) -> None:
        mistakes = [
            problem for spec in dataclasses.fields(self) if (problem := check(spec, getattr(self, spec.name)))
        ]
        if mistakes:
            raise SettingsError(summary="; ".join(mistakes), mistakes=mistakes)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], **overrides: Any) -> "Settings":
        """Read `ISP_PLUGINS_*`; an override that is not None wins. All mistakes are raised together as `SettingsError`."""
        specs = {spec.name: spec for spec in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        mistakes: list[str] = []
        for variable, text in sorted(environ.items()):
            if not variable.startswith(PREFIX) or variable in CLIENT_VARIABLES:
                continue
            name = variable.removeprefix(PREFIX).lower()
            if name not in specs:
                close = difflib.get_close_matches(name, specs, n=1)
                hint = f", did you mean {PREFIX}{close[0].upper()}?" if close else ""
                mistakes.append(f"{variable} is not a setting{hint}")
                continue
            if overrides.get(name) is not None:
                continue
            try:
                values[name] = parse(specs[name], text)
            except ValueError as error:
                mistakes.append(f"{variable}: {error}")
        values |= {name: value for name, value in overrides.items() if value is not None}
        mistakes += [problem for name, value in values.items() if (problem := check(specs[name], value))]
        if mistakes:
            raise SettingsError(summary="; ".join(mistakes), mistakes=mistakes)
        return cls(**values)

    @property
    def url(self) -> str:
        """The database's URL, the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'isp-plugins.db'}"

    @property
    def plugin_folders(self) -> tuple[Path, ...]:
        """The folders of the plugin path."""
        if self.plugin_path is None:
            return (self.data_dir.absolute(),)
        return folders_of(self.plugin_path)

    @property
    def local_source_roots(self) -> tuple[Path, ...]:
        """The folders below which the API may install from."""
        return folders_of(self.local_sources or "")
