"""A plugin's worker as it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from isp_plugins.contracts.vocabulary import State
from isp_plugins.contracts.worker import ResourceUse
from isp_plugins.lifecycle.views import BreakerView
from isp_plugins.runtime.worker.resources import Limit


@dataclass(frozen=True, slots=True)
class SampleView:
    """What a worker used at one moment."""

    at: datetime
    use: ResourceUse
    cpu_percent: float | None
    """Of one core, since the sample before; None for the first."""

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        percent = self.cpu_percent
        return {
            "at": self.at,
            "cpu_percent": None if percent is None else round(percent, 1),
            "cpu_s": self.use.cpu_s,
            "memory_bytes": self.use.memory_bytes,
            "open_files": self.use.open_files,
            "threads": self.use.threads,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """One plugin's worker; what only a living one has is None while it is down."""

    plugin_id: int
    name: str
    state: State
    pid: int | None
    started_at: datetime | None
    uptime_s: float | None
    restarts: int
    """How often this host started it anew by itself, since the operator enabled it last."""
    sample: SampleView | None
    limits: tuple[Limit, ...]
    warnings: tuple[str, ...]
    """What its operator should know of."""
    throttled: Mapping[str, int]
    """How often it was slowed down, by what it flooded."""
    deaths: Mapping[str, int] = field(default_factory=dict)
    """How often it died since this node began, by reason."""
    breaker: BreakerView

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "plugin_id": self.plugin_id,
            "name": self.name,
            "state": self.state.value,
            "pid": self.pid,
            "started_at": self.started_at,
            "uptime_s": self.uptime_s,
            "restarts": self.restarts,
            "sample": self.sample.to_dict() if self.sample else None,
            "limits": [
                {
                    "resource": limit.resource.value,
                    "allowed": limit.allowed,
                    "source": limit.source.value,
                }
                for limit in self.limits
            ],
            "warnings": list(self.warnings),
            "throttled": dict(self.throttled),
            "deaths": dict(self.deaths),
            "breaker": self.breaker.to_dict(),
        }
