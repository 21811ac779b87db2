"""A plugin's health: asked for now, of all of them, and its history."""

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from isp_plugin_sdk.sandbox.report import Layer, Level
from isp_plugins.api.schemas.base import Name200, Output, PageOf, PageQuery, datetime
from isp_plugins.api.schemas.breaker import BreakerOut
from isp_plugins.api.schemas.workers import WORKER_EXAMPLE, WorkerOut
from isp_plugins.contracts.vocabulary import CheckStatus, HealthEvent, HealthStatus, State


class CheckOut(Output):
    """One check of a plugin's health."""

    name: str
    status: CheckStatus
    message: str | None = None


class LastProbeOut(Output):
    """What the last probe found."""

    at: datetime
    answered: bool = Field(description="False where the plugin hung, raised or returned something else.")
    status: HealthStatus
    duration_ms: float


HEALTH_EXAMPLE: JsonDict = {
    "plugin_id": 7, "name": "my_custom_plugin", "status": "healthy",
    "checks": [
        {"name": "configuration", "status": "pass", "message": "Configuration is valid"},
        {"name": "connectivity", "status": "pass", "message": "External services reachable"},
    ],
    "message": None, "state": "active", "since": "2030-01-31T12:00:00Z", "cause": None, "uptime_s": 3600.0, "failures": 0, "misses": 0,
    "restarts": 0, "retry_at": None, "abandoned_threads": 0,
    "breaker": {"state": "closed", "since": None, "cause": None, "failures": 0, "retry_at": None},
    "worker": WORKER_EXAMPLE,
    "last_probe": {"at": "2030-01-31T13:00:00Z", "answered": True, "status": "healthy", "duration_ms": 12.5},
    "next_probe_at": "2030-01-31T13:00:30Z", "checked_at": "2030-01-31T13:00:00Z", "duration_ms": 12.5,
    "sandbox": {
        "level": "full", "holds": ["limits", "privileges", "files", "network", "signals", "system calls"],
        "missing": [{"layer": "namespaces", "why": "the kernel refuses them to this user (Operation not permitted)"}], "notes": [],
    },
}  # fmt: skip


class MissingLayerOut(Output):
    """One layer of a sandbox that does not hold."""

    layer: Layer
    why: str


class SandboxOut(Output):
    """What holds of a worker's sandbox."""

    level: Level = Field(
        description="`full` where nothing is missing but `namespaces` and `lineage`, which lie beyond the full set."
    )
    holds: list[Layer] = Field(description="Layers that hold, as this worker itself found when it started.")
    missing: list[MissingLayerOut] = Field(description="Layers that do not, and why.")
    notes: list[str] = Field(description="What to know although nothing is missing.")


class PluginHealthOut(Output):
    """How a plugin does, as far as the host knows."""

    plugin_id: int
    name: str
    status: HealthStatus
    message: str | None = Field(description="What the host has to say: what is wrong, or why it did not ask.")
    state: State
    since: datetime
    cause: str | None = Field(description="Why it is failed, quarantined or waiting.")
    uptime_s: float | None = Field(description="Seconds that the present instance has run.")
    failures: int = Field(description="Failed tries to start it, in a row.")
    misses: int = Field(description="Probes in a row that it did not answer.")
    restarts: int = Field(
        description="How often this server restarted it since the operator enabled it last."
    )
    retry_at: datetime | None = Field(description="When it is tried again, or restarted.")
    abandoned_threads: int = Field(description="Threads that its overdue calls still hold.")
    breaker: BreakerOut
    last_probe: LastProbeOut | None
    next_probe_at: datetime | None
    sandbox: SandboxOut | None = Field(
        default=None,
        description="What holds of its worker's sandbox; null: it has none, since it is trusted as a whole or does not run.",
    )


class HealthOut(PluginHealthOut):
    """A plugin's health, asked for now."""

    model_config = ConfigDict(json_schema_extra={"examples": [HEALTH_EXAMPLE]})

    checks: list[CheckOut]
    worker: WorkerOut | None = Field(description="Its worker; null: it runs in the host's own process.")
    checked_at: datetime | None = Field(description="When the checks were made; null: it was not asked.")
    duration_ms: float | None = Field(description="How long the plugin took to answer.")


class HealthCountsOut(Output):
    """How many plugins there are of each status."""

    healthy: int
    degraded: int
    unhealthy: int
    unknown: int
    quarantined: int = Field(description="Among the unhealthy ones: those left alone.")
    breakers_open: int = Field(description="Plugins whose circuit breaker is open or half-open.")


class HealthOverviewOut(PageOf[PluginHealthOut]):
    """How all plugins do, the worst first; nothing is asked."""

    status: HealthStatus = Field(
        description="The worst status among plugins that should run; the server is ready whatever it is."
    )
    summary: HealthCountsOut


class HealthOverviewQuery(PageQuery):
    """Filters of the summary."""

    status: HealthStatus | None = Field(default=None, description="Only plugins of this status.")
    q: Name200 | None = Field(default=None, description="Only plugins whose name contains this.")


class HealthEntryOut(Output):
    """A stretch of time in which nothing new was found about a plugin's health."""

    event: HealthEvent
    status: HealthStatus = Field(description="The plugin's health then.")
    at: datetime
    last_at: datetime = Field(description="When the same was found last.")
    times: int = Field(description="How often the same was found.")
    message: str
    checks: list[CheckOut]
    duration_ms: float | None = Field(description="How long the last probe took.")
    node: str
