"""How plugins are started, asked how they do, tried again, and given up."""

from dataclasses import dataclass

from isp_plugins.settings.values import setting


@dataclass(frozen=True)
class PluginGroup:
    """How plugins are started, asked how they do, tried again, and given up."""

    load_timeout: float = setting(10.0, "Limit for importing and constructing a plugin, in seconds.", low=0.1)
    initialize_timeout: float = setting(
        30.0, "Limit for `initialize`, `configure` and `activate`, each, in seconds.", low=0.1
    )
    cleanup_timeout: float = setting(10.0, "Limit for `cleanup`, in seconds.", low=0.1)
    drain_timeout: float = setting(
        10.0, "How long disable and reload wait for calls in flight, in seconds.", low=0.0
    )
    health_timeout: float = setting(5.0, "Limit for one health check, in seconds.", low=0.1)
    health_interval: float = setting(
        30.0,
        "Pause between two health checks of a plugin, in seconds, up to a tenth shorter or longer.",
        low=0.05,
    )
    health_misses: int = setting(
        3, "Health checks in a row without an answer after which a plugin is unhealthy and restarted.", low=1
    )
    health_concurrency: int = setting(8, "Health checks under way at the same time.", low=1)
    health_history_size: int = setting(200, "Entries of health history kept for each plugin.", low=1)
    health_flap_limit: int = setting(
        6,
        "Changes of a plugin's health within `ISP_PLUGINS_HEALTH_FLAP_WINDOW` that are announced; more are held back until it has calmed down.",
        low=1,
    )
    health_flap_window: float = setting(
        600.0, "Length of the window in which changes of health are counted, in seconds.", low=0.01
    )
    execute_timeout: float = setting(30.0, "Limit for one execute call, in seconds.", low=0.1)
    recovery_backoff_min: float = setting(
        1.0, "First pause before a failed plugin is tried again, in seconds; doubles each time.", low=0.01
    )
    recovery_backoff_max: float = setting(60.0, "Longest pause between tries, in seconds.", low=0.01)
    restart_limit: int = setting(
        5,
        "Restarts of a plugin within `ISP_PLUGINS_RESTART_WINDOW` that are tried; one more puts it into quarantine.",
        low=0,
    )
    restart_window: float = setting(
        300.0, "Length of the window in which restarts are counted, in seconds.", low=0.01
    )
    quarantine_pause: float = setting(
        600.0, "Pause before a plugin in quarantine is given one try, in seconds.", low=0.01
    )
    breaker_failures: int = setting(
        5, "Failed or overdue calls of a plugin in a row that open its circuit breaker.", low=1
    )
    breaker_pause: float = setting(
        30.0, "How long a circuit breaker stays open before one call tries, in seconds.", low=0.01
    )
    abandoned_thread_limit: int = setting(
        8, "Abandoned threads of one plugin that put it into quarantine.", low=1
    )
    max_threads: int = setting(
        64, "Daemon threads that run plugins' plain functions, abandoned ones not counted.", low=1
    )
