"""Events, their deliveries, and how far each subscription has come."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from isp_plugins.api.schemas.base import (
    HookName,
    Id,
    Input,
    JsonObject,
    JsonValue,
    Moment,
    Name200,
    Output,
    PageQuery,
    datetime,
)
from isp_plugins.contracts.vocabulary import DeliveryStatus

EventId = Annotated[int, Field(ge=1, le=2**63 - 1)]


class EventFilterQuery(BaseModel):
    """Filters of events; all that are given must hold."""

    model_config = ConfigDict(extra="forbid")

    hook: HookName | None = None
    key: Name200 | None = Field(default=None, description="What orders the event, like a customer's id.")
    request_id: Name200 | None = None
    subscription_id: Id | None = Field(default=None, description="Owed to this subscription.")
    since: Moment | None = Field(default=None, description="Written from this moment on.")
    until: Moment | None = Field(default=None, description="Written up to this moment.")
    from_id: EventId | None = None
    to_id: EventId | None = None


class EventQuery(EventFilterQuery, PageQuery):
    """Filters of events, and which page."""


class DeliveryFilterQuery(EventFilterQuery):
    """Filters of deliveries that did not simply succeed."""

    plugin_id: Id | None = None
    status: DeliveryStatus | None = Field(
        default=None, description="`retrying`, `held_back`, `dead` or `discarded`; the others have no list."
    )


class DeliveryQuery(DeliveryFilterQuery, PageQuery):
    """Filters of deliveries, and which page."""


class LagQuery(BaseModel):
    """Whose lag."""

    model_config = ConfigDict(extra="forbid")

    plugin_id: Id | None = None


class DeliveryOut(Output):
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
    attempts: int
    error: str | None
    written_at: datetime | None
    next_at: datetime | None = Field(description="When it is tried again.")
    changed_at: datetime | None
    history: list[JsonObject] = Field(
        description="The last failed attempts: `{attempt, at, error, node, duration_ms}`, `at` in seconds of the epoch."
    )


class EventOut(Output):
    """One event."""

    id: int
    hook: str
    key: str | None
    request_id: str
    node: str = Field(description="The node that wrote it.")
    written_at: datetime | None
    size: int = Field(description="Bytes of its payload.")
    owed: list[int] = Field(description="Ids of the subscriptions that it is owed to.")


class EventDetailOut(EventOut):
    """One event with its payload, and where it stands with everybody."""

    payload: JsonValue
    context: JsonValue
    chain: list[str]
    deliveries: list[DeliveryOut]


class LagOut(Output):
    """How far one event subscription has come."""

    subscription_id: int
    plugin_id: int
    plugin: str
    hook: str
    method: str
    is_active: bool
    paused_at: datetime | None
    paused_by: str | None
    owner: str | None = Field(
        description="The node that delivers; null: none, its plugin runs nowhere or it is paused."
    )
    position: int = Field(description="Every event up to this id is settled.")
    waiting: int = Field(description="Events that were not tried yet; counted up to 10,000.")
    more: bool = Field(description="Whether there are more than that.")
    oldest_at: datetime | None
    lag_s: float = Field(description="Age of the oldest event that waits, in seconds.")
    retrying: int
    held_back: int
    dead: int
    discarded: int
    delivered_total: int
    retried_total: int
    dead_total: int


class LagsOut(Output):
    """Every event subscription."""

    items: list[LagOut]


class OneDeliveryIn(Input):
    """One event's delivery to one subscription."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"subscription_id": 3}]})

    subscription_id: Id


class DeadSetIn(Input):
    """Dead letters to choose; all that is given must hold."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"plugin_id": 2, "dry_run": True}]})

    hook: HookName | None = None
    plugin_id: Id | None = None
    subscription_id: Id | None = None
    key: Name200 | None = None
    since: Moment | None = None
    until: Moment | None = None
    from_id: EventId | None = None
    to_id: EventId | None = None
    dry_run: bool = Field(default=False, description="Only tell how many there are.")


class ReplayIn(DeadSetIn):
    """Events to deliver again: single ones, or a range."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"event_ids": [17], "plugin_id": 2}, {"from_id": 1, "to_id": 500}]}
    )

    event_ids: Annotated[list[EventId], Field(max_length=1000)] = Field(default_factory=list)
    fresh: bool = Field(
        default=False, description="Under a new idempotency key: what was done once is done again."
    )


class ActedOut(Output):
    """What an act came to."""

    deliveries: int
    dry_run: bool
    sample: list[list[int]] = Field(description="The first of them: subscription and event.")


class SeekIn(Input):
    """From where a subscription goes on; exactly one of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "now"}]})

    to: Literal["now", "beginning"] | None = Field(
        default=None, description="`now` skips what waits; `beginning` is the oldest event that is kept."
    )
    since: Moment | None = None
    event_id: EventId | None = None


class SeekOut(Output):
    """Where a subscription stands now."""

    position: int
