"""How events are delivered and kept, and how long what was done once is remembered."""

from dataclasses import dataclass

from isp_plugins.settings.values import setting


@dataclass(frozen=True)
class EventGroup:
    """How events are delivered and kept, and how long what was done once is remembered."""

    schedule_timeout: float = setting(
        600.0, "Limit for one run of a plugin's scheduled method, in seconds.", low=0.1
    )
    event_concurrency: int = setting(
        16, "Events of one subscription that are delivered at the same time, each of another key.", low=1
    )
    event_lease: float = setting(
        10.0,
        "How long a node owns a subscription's deliveries without renewing, in seconds: so long they rest when it dies.",
        low=0.5,
    )
    event_retention_days: float = setting(
        7.0,
        "How long events are kept after everybody has got them, for replay, in days; 0: not at all. What is undelivered is never deleted.",
        low=0.0,
        high=36_500,
    )
    event_retention_mb: int = setting(
        2048,
        "Most that delivered events' payloads hold, in MiB; beyond, the oldest go first; 0: no limit.",
        low=0,
    )
    event_mark_days: float = setting(
        90.0,
        "How long it is remembered what plugins did once (`self.context.once`), in days.",
        low=0.01,
        high=36_500,
    )
    idempotency_hours: float = setting(
        24.0, "How long the stored result of an idempotent dispatch is returned, in hours.", low=0.01
    )
