"""A plugin's breaker and its last probe as they are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isp_plugins.contracts.vocabulary import BreakerState

Checks = tuple[Mapping[str, Any], ...]
"""Each `{name, status, message}`."""


@dataclass(frozen=True, slots=True)
class BreakerView:
    """A breaker as it is shown; moments are wall time."""

    state: BreakerState = BreakerState.CLOSED
    since: datetime | None = None
    """When it came into its state; None where it never left the first."""
    cause: str | None = None
    failures: int = 0
    """Failed calls in a row."""
    retry_at: datetime | None = None
    """When an open one lets a call try."""

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "state": self.state.value,
            "since": self.since,
            "cause": self.cause,
            "failures": self.failures,
            "retry_at": self.retry_at,
        }


@dataclass(frozen=True, slots=True)
class LastProbe:
    """What the last probe found; its secrets are masked."""

    at: datetime
    missed: bool
    status: str
    duration_ms: float
    checks: Checks = ()

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "at": self.at,
            "answered": not self.missed,
            "status": self.status,
            "duration_ms": self.duration_ms,
        }
