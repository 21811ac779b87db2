"""`/events`: what was dispatched and is owed, what failed, how far every subscription has come, and what an operator does about it.

`POST /events` itself dispatches a CloudEvent (`dispatch`).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Body, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from isp_plugins.access import Principal, Scope
from isp_plugins.api.deps import Caller, System
from isp_plugins.api.errors import KeyLimitedError
from isp_plugins.api.event_stream import EventStream, event, heartbeat, retry_after
from isp_plugins.api.gate import needs, resource, token_of
from isp_plugins.api.schemas.base import PageOf
from isp_plugins.api.schemas.events import (
    ActedOut,
    DeadSetIn,
    DeliveryOut,
    DeliveryQuery,
    EventDetailOut,
    EventOut,
    EventQuery,
    LagOut,
    LagQuery,
    LagsOut,
    OneDeliveryIn,
    ReplayIn,
)
from isp_plugins.db.paging import Page
from isp_plugins.errors import PluginSystemError
from isp_plugins.events.errors import (
    EventNotDiscardableError,
    EventNotFoundError,
    EventRangeInvalidError,
    EventSubscriptionNotFoundError,
    NoDeadLetterError,
    TooManyEventsError,
)
from isp_plugins.events.operating import Acted
from isp_plugins.events.views import DeliveryView, EventFilters, EventView
from isp_plugins.lifecycle.errors import PluginNotFoundError
from isp_plugins.system import PluginSystem

router = resource("/events", "Events")

EventIdPath = Annotated[int, Path(description="Id of the event.")]
LOOK_S = 1.0
HEARTBEAT_S = 15.0
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events. `lag`: one event subscription whose counts have changed, as in `/events/lag`; all of them at "
        "the beginning. `end`: `{reason}`, the last one. Comments in between keep the connection alive.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "",
    response_model=PageOf[EventOut],
    **needs(Scope.EVENTS_READ, EventSubscriptionNotFoundError),
)
async def list_events(
    system: System, caller: Caller, query: Annotated[EventQuery, Query()]
) -> Page[EventView]:
    """List events, newest first. The total is exact up to 10,000. A key limited to some plugins or hooks names a hook or a subscription."""
    filters = _filters(query)
    await _admit(system, caller, Scope.EVENTS_READ, filters)
    return await system.event_reader.events(filters, page=query.page, size=query.size)


@router.get(
    "/deliveries",
    response_model=PageOf[DeliveryOut],
    **needs(Scope.EVENTS_READ, PluginNotFoundError, EventSubscriptionNotFoundError),
)
async def list_deliveries(
    system: System, caller: Caller, query: Annotated[DeliveryQuery, Query()]
) -> Page[DeliveryView]:
    """List what did not simply succeed, newest first: what is tried again, held back behind it, a dead letter, or discarded."""
    filters = _filters(query)
    await _admit(system, caller, Scope.EVENTS_READ, filters)
    return await system.event_reader.deliveries(filters, page=query.page, size=query.size)


@router.get("/lag", response_model=LagsOut, **needs(Scope.EVENTS_READ))
async def get_event_lag(system: System, caller: Caller, query: Annotated[LagQuery, Query()]) -> LagsOut:
    """Show how far every event subscription has come. Of a limited key: its plugins and hooks."""
    return LagsOut(items=await _lags(system, caller, query.plugin_id))


@router.get("/stream", responses=_STREAM, response_class=EventStream, **needs(Scope.EVENTS_READ))
async def follow_events(
    request: Request, system: System, caller: Caller, query: Annotated[LagQuery, Query()]
) -> Response:
    """Follow the lag of every event subscription as server-sent events, looked at every second."""
    token, source = token_of(request), caller.actor.source

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield retry_after(2000)
        shown: dict[int, LagOut] = {}
        quiet = 0.0
        try:
            while True:
                reader = system.keys.authenticate(token, source=source)
                reader.require(Scope.EVENTS_READ)
                fresh = {lag.subscription_id: lag for lag in await _lags(system, reader, query.plugin_id)}
                changed = [lag for one, lag in fresh.items() if _told(shown.get(one)) != _told(lag)]
                shown = fresh
                quiet = 0.0 if changed else quiet + LOOK_S
                told = b"".join(event("lag", lag.model_dump(mode="json")) for lag in changed)
                yield told or (heartbeat(0) if quiet % HEARTBEAT_S < LOOK_S else b"")
                await asyncio.sleep(LOOK_S)
        except PluginSystemError as error:
            yield event("end", {"reason": "refused", "problem": error.problem, "detail": str(error)})

    return EventStream(aclosing(chunks()))


@router.post(
    "/dead/retry",
    response_model=ActedOut,
    **needs(Scope.EVENTS_RETRY, PluginNotFoundError, EventSubscriptionNotFoundError),
)
async def retry_dead_letters(system: System, caller: Caller, body: Annotated[DeadSetIn, Body()]) -> Acted:
    """Try all dead letters that match, with all their attempts."""
    filters = await _admitted(system, caller, body)
    return await system.event_operator.retry_dead(filters, caller.actor, dry_run=body.dry_run)


@router.post(
    "/dead/discard",
    response_model=ActedOut,
    **needs(Scope.EVENTS_RETRY, PluginNotFoundError, EventSubscriptionNotFoundError),
)
async def discard_dead_letters(system: System, caller: Caller, body: Annotated[DeadSetIn, Body()]) -> Acted:
    """Give all dead letters up that match."""
    filters = await _admitted(system, caller, body)
    return await system.event_operator.discard_dead(filters, caller.actor, dry_run=body.dry_run)


@router.post(
    "/replay",
    response_model=ActedOut,
    **needs(
        Scope.EVENTS_RETRY,
        PluginNotFoundError,
        EventNotFoundError,
        EventSubscriptionNotFoundError,
        EventRangeInvalidError,
        TooManyEventsError,
    ),
)
async def replay_events(system: System, caller: Caller, body: Annotated[ReplayIn, Body()]) -> Acted:
    """Deliver events again, to all that they are owed to, or to one plugin's or one subscription among them; same idempotency keys unless `fresh`."""
    filters = await _admitted(system, caller, body)
    return await system.event_operator.replay(
        filters, caller.actor, event_ids=body.event_ids, fresh=body.fresh, dry_run=body.dry_run
    )


@router.get(
    "/{event_id:longid}", response_model=EventDetailOut, **needs(Scope.EVENTS_READ, EventNotFoundError)
)
async def get_event(system: System, caller: Caller, event_id: EventIdPath) -> EventView:
    """Show one event with its payload, and where it stands with every subscription."""
    found = await system.event_reader.event(event_id)
    caller.require(Scope.EVENTS_READ, hook=found.hook)
    if caller.plugins is not None and not any(caller.allows_plugin(one.plugin) for one in found.deliveries):
        raise KeyLimitedError(what="this event")
    return found


@router.post(
    "/{event_id:longid}/retry",
    response_model=ActedOut,
    **needs(
        Scope.EVENTS_RETRY,
        EventNotFoundError,
        NoDeadLetterError,
        EventSubscriptionNotFoundError,
    ),
)
async def retry_event(
    system: System, caller: Caller, event_id: EventIdPath, body: Annotated[OneDeliveryIn, Body()]
) -> Acted:
    """Try a dead letter, or one that waits for its next attempt, now."""
    await _admit_subscription(system, caller, body.subscription_id)
    return await system.event_operator.retry(body.subscription_id, event_id, caller.actor)


@router.post(
    "/{event_id:longid}/discard",
    response_model=ActedOut,
    **needs(
        Scope.EVENTS_RETRY,
        EventNotFoundError,
        NoDeadLetterError,
        EventNotDiscardableError,
        EventSubscriptionNotFoundError,
    ),
)
async def discard_event(
    system: System, caller: Caller, event_id: EventIdPath, body: Annotated[OneDeliveryIn, Body()]
) -> Acted:
    """Give an event up that failed."""
    await _admit_subscription(system, caller, body.subscription_id)
    return await system.event_operator.discard(body.subscription_id, event_id, caller.actor)


def _filters(given: Any) -> EventFilters:
    """The filters among a query's parameters or a body's fields."""
    fields = given.model_dump()
    return EventFilters(
        **{name: fields[name] for name in EventFilters.__dataclass_fields__ if name in fields}
    )


async def _admitted(system: PluginSystem, caller: Principal, body: DeadSetIn | ReplayIn) -> EventFilters:
    """The filters of an act on many events, where the caller's key may act on all that they find."""
    filters = _filters(body)
    await _admit(system, caller, Scope.EVENTS_RETRY, filters)
    return filters


async def _lags(system: PluginSystem, caller: Principal, plugin_id: int | None) -> list[LagOut]:
    found = await system.event_reader.lag(plugin_id)
    return [
        LagOut.model_validate(lag)
        for lag in found
        if caller.allows_plugin(lag.plugin) and caller.allows_hook(lag.hook)
    ]


def _told(lag: LagOut | None) -> dict[str, Any] | None:
    """What makes a lag news; its age alone does not."""
    return None if lag is None else lag.model_dump(exclude={"lag_s"})


async def _admit(system: PluginSystem, caller: Principal, scope: Scope, filters: EventFilters) -> None:
    """Let a key see and do what its limits allow: one that is limited names one of its plugins, hooks or subscriptions."""
    if filters.subscription_id is not None:
        await _admit_subscription(system, caller, filters.subscription_id, scope)
        return
    plugin = system.directory.get(filters.plugin_id).name if filters.plugin_id is not None else None
    if (caller.plugins is not None and plugin is None) or (caller.hooks is not None and filters.hook is None):
        raise KeyLimitedError(what="this list of events")
    caller.require(scope, plugin=plugin, hook=filters.hook)


async def _admit_subscription(
    system: PluginSystem, caller: Principal, subscription_id: int, scope: Scope = Scope.EVENTS_RETRY
) -> None:
    """Refuse a key that is limited to other plugins or hooks than this subscription's."""
    if caller.plugins is None and caller.hooks is None:
        return
    for lag in await system.event_reader.lag():
        if lag.subscription_id == subscription_id:
            caller.require(scope, plugin=lag.plugin, hook=lag.hook)
            return
    raise EventSubscriptionNotFoundError(subscription_id=subscription_id)
