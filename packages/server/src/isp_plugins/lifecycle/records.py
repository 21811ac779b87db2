"""Everything about a plugin that the API shows, as values; drafts and changes are in `drafts`, and named here for their readers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from isp_plugins.contracts.vocabulary import (
    Desired,
    HealthStatus,
    LogLevel,
    Placement,
    PluginType,
    RuntimeKind,
    State,
)
from isp_plugins.lifecycle.dependencies import Dependency, Satisfaction
from isp_plugins.lifecycle.drafts import PluginChanges, PluginDraft
from isp_plugins.lifecycle.releases import Release
from isp_plugins.lifecycle.views import BreakerView, LastProbe
from isp_plugins.lifecycle.worker_views import WorkerView

__all__ = ["ExecuteResult", "HealthReport", "HealthSummary", "PluginChanges", "PluginDraft", "PluginRecord"]


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """How a plugin does, as far as the host knows without asking it."""

    status: HealthStatus = HealthStatus.UNKNOWN
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"status": self.status.value, "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class Behind:
    """What a node still runs of a plugin that another node changed, because it cannot follow."""

    generation: int
    """The last one that it followed."""
    version: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRecord:
    """One plugin: its description, what the operator wants of it, and what it is on this node."""

    id: int
    name: str
    display_name: str
    description: str
    version: str
    author: str
    plugin_type: PluginType
    module_path: str
    entry_point: str
    config_schema: Mapping[str, Any]
    runtime: RuntimeKind
    exclusive: bool
    trusted_inline: bool
    log_level: LogLevel
    desired: Desired
    generation: int
    """Raised by every change."""
    load_generation: int = 1
    """The last change for which a running instance has to be replaced."""
    asked_generation: int = 0
    """The last change by which the operator enabled or disabled it."""
    config_generation: int = 0
    """The last change of its configuration."""
    needs: tuple[Dependency, ...]
    """What it declares to need."""
    created_at: datetime
    updated_at: datetime
    state: State
    """What it is on this node."""
    since: datetime
    """When it came into this state."""
    cause: str | None = None
    """Why it is failed, quarantined or waiting; None otherwise. Secrets are masked."""
    failures: int = 0
    """Failed tries in a row."""
    retry_at: datetime | None = None
    """When it is tried again."""
    placement: Placement = Placement.PER_NODE
    """On how many nodes it runs."""
    release: Release | None = None
    """What is installed of it; None for code on the plugin path."""
    invalid_hooks: int = 0
    """Subscriptions whose method does not fit."""
    probed: HealthSummary | None = None
    """What its probes say against it; None: nothing."""
    tripped: str | None = None
    """What its circuit breaker means for it, while that is not closed."""
    strained: tuple[str, ...] = ()
    """What its worker uses, or how often it crashes, that needs attention."""
    behind: Behind | None = None
    """What this node still runs, where it cannot follow a change; None: it has followed all of them."""
    dependencies: tuple[Satisfaction, ...] = ()
    """Its needs as they are met now; filled in by the directory."""
    health: HealthSummary = field(default=HealthSummary())
    """Filled in by the directory."""

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the plugins without which it cannot run."""
        return tuple(need.name for need in self.needs if need.kind == "plugin" and not need.optional)

    def moved(
        self,
        state: State,
        now: datetime,
        *,
        cause: str | None = None,
        failures: int = 0,
        retry_at: datetime | None = None,
    ) -> "PluginRecord":
        """This plugin in another state, since now."""
        return replace(
            self,
            state=state,
            since=now,
            cause=cause,
            failures=failures,
            retry_at=retry_at,
            probed=None,
            tripped=None,
            strained=(),
            behind=None,
        )

    def changed(self, now: datetime, **fields: Any) -> "PluginRecord":
        """This plugin after a change that a running instance need not notice."""
        return replace(self, generation=self.generation + 1, updated_at=now, **fields)

    def reloaded(self, now: datetime, **fields: Any) -> "PluginRecord":
        """This plugin after a change for which every running instance is replaced."""
        number = self.generation + 1
        return replace(self, generation=number, load_generation=number, updated_at=now, behind=None, **fields)

    def asked(self, desired: Desired, now: datetime) -> "PluginRecord":
        """This plugin with another wish of the operator."""
        return self.changed(now, desired=desired, asked_generation=self.generation + 1)

    def configured(self, now: datetime) -> "PluginRecord":
        """This plugin with another configuration."""
        return self.reloaded(now, config_generation=self.generation + 1)

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "display_name": self.display_name,
            "description": self.description,
            "version": self.version,
            "author": self.author,
            "plugin_type": self.plugin_type.value,
            "module_path": self.module_path,
            "entry_point": self.entry_point,
            "config_schema": dict(self.config_schema),
            "runtime": self.runtime.value,
            "placement": self.placement.value,
            "release": self.release.to_dict() if self.release else None,
            "exclusive": self.exclusive,
            "trusted_inline": self.trusted_inline,
            "log_level": self.log_level.value,
            "desired": self.desired.value,
            "generation": self.generation,
            "state": self.state.value,
            "since": self.since,
            "cause": self.cause,
            "failures": self.failures,
            "retry_at": self.retry_at,
            "health": self.health.to_dict(),
            "dependencies": [need.to_dict() for need in self.dependencies],
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """A plugin's health, asked for now: the specification's `status` and `checks`, and what the host knows beside them."""

    plugin_id: int
    name: str
    status: HealthStatus
    checks: tuple[Mapping[str, Any], ...]
    """Each `{name, status, message}`."""
    message: str | None
    """What the host has to say: why it could not ask, or what degrades the plugin."""
    state: State
    since: datetime
    cause: str | None
    uptime_s: float | None
    """Seconds that the present instance has run; None where none runs."""
    failures: int
    misses: int
    """Probes in a row that had no answer."""
    restarts: int
    """How often this host restarted it, since it runs or since the operator enabled it last."""
    retry_at: datetime | None
    """When it is tried again, or restarted."""
    abandoned_threads: int
    breaker: BreakerView
    worker: WorkerView | None
    """Its worker; None where it runs in process."""
    last_probe: LastProbe | None
    next_probe_at: datetime | None
    checked_at: datetime | None
    """When the checks were made; None where it was not asked."""
    duration_ms: float | None
    """How long the plugin took to answer; None where it was not asked."""
    sandbox: Mapping[str, Any] | None = None
    """What holds of its worker's sandbox; None where it has none."""

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "plugin_id": self.plugin_id,
            "name": self.name,
            "status": self.status.value,
            "checks": [dict(check) for check in self.checks],
            "message": self.message,
            "state": self.state.value,
            "since": self.since,
            "cause": self.cause,
            "uptime_s": self.uptime_s,
            "failures": self.failures,
            "misses": self.misses,
            "restarts": self.restarts,
            "retry_at": self.retry_at,
            "abandoned_threads": self.abandoned_threads,
            "breaker": self.breaker.to_dict(),
            "worker": self.worker.to_dict() if self.worker else None,
            "last_probe": self.last_probe.to_dict() if self.last_probe else None,
            "next_probe_at": self.next_probe_at,
            "checked_at": self.checked_at,
            "duration_ms": self.duration_ms,
            "sandbox": dict(self.sandbox) if self.sandbox is not None else None,
        }


@dataclass(frozen=True, slots=True)
class ExecuteResult:
    """What a plugin's method returned, and how long it took."""

    value: Any
    duration_ms: float
