"""A plugin's circuit breaker."""

from pydantic import Field

from isp_plugins.api.schemas.base import Output, datetime
from isp_plugins.contracts.vocabulary import BreakerState


class BreakerOut(Output):
    """A plugin's circuit breaker."""

    state: BreakerState
    since: datetime | None = Field(description="When it came into this state; null: it was always closed.")
    cause: str | None = Field(description="What the call raised that opened it last.")
    failures: int = Field(description="Failed calls in a row.")
    retry_at: datetime | None = Field(description="When an open one lets one call try.")
