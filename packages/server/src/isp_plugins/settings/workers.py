"""What the worker processes of plugins may use, how they are watched, and how they are confined."""

from dataclasses import dataclass

from isp_plugins.settings.values import setting


@dataclass(frozen=True)
class WorkerGroup:
    """What the worker processes of plugins may use, how they are watched, and how they are confined."""

    worker_memory_mb: int = setting(
        512, "Most resident memory of one worker and its children, in MiB; 0: no limit.", low=0
    )
    worker_cpu_percent: int = setting(
        0,
        "Most processor time of one worker between two samples, in percent of one core; 0: no limit.",
        low=0,
    )
    worker_open_files: int = setting(
        1024, "Most file descriptors of one worker and its children; 0: no limit.", low=0
    )
    worker_threads: int = setting(256, "Most threads of one worker and its children; 0: no limit.", low=0)
    worker_sample_interval: float = setting(
        2.0, "How often it is looked at what workers use, in seconds.", low=0.05, high=60.0
    )
    worker_death_history: int = setting(
        20, "Deaths kept of each plugin, its last ones, each with 200 log lines.", low=1
    )
    worker_handshake_timeout: float = setting(
        3.0, "Limit for the first answer of a worker process that was started, in seconds.", low=0.1
    )
    worker_ping_interval: float = setting(
        30.0, "Pause between two pings of a worker process, in seconds.", low=0.01
    )
    worker_ping_misses: int = setting(
        3, "Pings in a row without an answer after which a worker process is killed.", low=1
    )
    worker_hang_grace: float = setting(
        10.0,
        "How long a call may run on in a worker process after its deadline has passed, in seconds; then the worker is killed.",
        low=0.01,
    )
    worker_stop_grace: float = setting(
        2.0,
        "How long a worker process may take to end when it is told to, in seconds; then it gets SIGTERM, and as long after that SIGKILL.",
        low=0.01,
    )
    worker_max_message_bytes: int = setting(
        4_194_304, "Longest message between host and worker process, either way, in bytes.", low=65_536
    )
    worker_max_pending_bytes: int = setting(
        67_108_864,
        "Bytes of calls that may wait for a worker process that does not read, more are refused; one that lets as many bytes of answers to its own host calls wait is ended.",
        low=65_536,
    )
    worker_host_calls_per_second: float = setting(
        2000.0,
        "Host calls (storage, dispatch) of one worker process that are served in a second; more wait.",
        low=1,
    )
    worker_storage_writes_per_second: float = setting(
        500.0, "Writes of one worker process to its storage that are served in a second; more wait.", low=1
    )
    worker_messages_per_second: float = setting(
        5000.0,
        "Messages of one worker process that nobody asked for (log records, late answers) that are read in a second, each KiB counted as one; it is not read while there are more.",
        low=1,
    )
    worker_log_lines_per_second: float = setting(
        1000.0,
        "Log lines of one worker process that are kept in a second, each KiB counted as one; more are left out and counted.",
        low=1,
    )
    worker_busy_poll: float = setting(
        0.0001,
        "How long the server and a worker process look for each other's next message, in seconds, before they fall asleep, where the last ones came as promptly; 0: never. Costs processor time, saves the time of waking up; never done on one processor.",
        low=0,
        high=0.01,
    )
    sandbox: str = setting(
        "best-effort",
        "Sandbox of plugins with grants: `require` starts none without the full set, `best-effort` starts them with what this system offers and says so, `off` applies nothing.",
        pattern="require|best-effort|off",
    )
    sandbox_first_uid: int = setting(
        1_879_048_192,
        "Where the server runs as root, the plugin with id N runs as user number this plus N, if the system has such a number; 0: it stays root.",
        low=0,
        high=4_000_000_000,
    )
