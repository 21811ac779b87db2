"""Events, deliveries and cursors as they are shown."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from isp_plugins.contracts.vocabulary import DeliveryStatus


def moment(seconds: float | None) -> datetime | None:
    """A moment of the database's."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """Where one event stands with one subscription."""

    event_id: int
    subscription_id: int
    plugin_id: int
    plugin: str
    hook: str
    method: str
    status: DeliveryStatus
    key: str | None
    request_id: str
    idempotency_key: str
    attempts: int = 0
    error: str | None = None
    written_at: datetime | None
    next_at: datetime | None = None
    changed_at: datetime | None = None
    history: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One event; payload and deliveries only where it is shown alone."""

    id: int
    hook: str
    key: str | None
    request_id: str
    node: str
    written_at: datetime | None
    size: int
    owed: tuple[int, ...]
    """Ids of the subscriptions that it is owed to."""
    payload: Any = None
    context: Any = None
    chain: tuple[str, ...] = ()
    deliveries: tuple[DeliveryView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LagView:
    """How far one event subscription has come."""

    subscription_id: int
    plugin_id: int
    plugin: str
    hook: str
    method: str
    is_active: bool
    paused_at: datetime | None
    paused_by: str | None
    owner: str | None
    """The node that delivers; None: nobody, its plugin runs nowhere or it is paused."""
    position: int
    waiting: int
    """Events that were not tried yet; counted up to 10,000."""
    more: bool
    """Whether there are more than that."""
    oldest_at: datetime | None
    """When the oldest of them was written."""
    lag_s: float
    """How long ago that was."""
    retrying: int
    held_back: int
    dead: int
    discarded: int
    delivered_total: int
    retried_total: int
    dead_total: int


@dataclass(frozen=True, slots=True)
class EventFilters:
    """Which events or deliveries are wanted."""

    hook: str | None = None
    plugin_id: int | None = None
    subscription_id: int | None = None
    key: str | None = None
    request_id: str | None = None
    status: DeliveryStatus | None = None
    since: datetime | None = None
    until: datetime | None = None
    from_id: int | None = None
    to_id: int | None = None
