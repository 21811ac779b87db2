"""`/plugins/logs`: what plugins wrote, and what the host wrote about them: in pages, as it is stored, and counted."""

from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import Response

from isp_plugins.access import Principal, Scope
from isp_plugins.api.deps import Caller, System
from isp_plugins.api.errors import KeyLimitedError, LastEventIdInvalidError
from isp_plugins.api.event_stream import EventStream
from isp_plugins.api.gate import needs, resource, token_of
from isp_plugins.api.log_events import log_events
from isp_plugins.api.schemas.base import PageOf
from isp_plugins.api.schemas.records import (
    LogFilterQuery,
    LogLimitsOut,
    LogOut,
    LogQuery,
    LogStreamQuery,
    LogUsageOut,
    LogUsagesOut,
)
from isp_plugins.db.paging import Page
from isp_plugins.system import PluginSystem
from isp_plugins.telemetry.errors import LogPageTooDeepError, TooManyFollowersError
from isp_plugins.telemetry.records import LogFilters, LogView

router = resource("/plugins/logs", "Logs")

SETTLE_S = 0.5
"""How long a page waits for what was written before it to be stored."""
LARGEST_ID = 2**63 - 1
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events. `log`: a record as in a page, its id the event's. `missed`: `{reason, count}`, records that this "
        "reader did not get. `end`: `{reason}`, the last one. Comments in between keep the connection alive.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("", response_model=PageOf[LogOut], **needs(Scope.LOGS_READ, LogPageTooDeepError))
async def list_logs(system: System, caller: Caller, query: Annotated[LogQuery, Query()]) -> Page[LogView]:
    """List log records; logs outlive their plugin. A key limited to some plugins or hooks names one of them.

    Filters that no index holds (`q`, `node`, `min_duration_ms`, `has_traceback`, `method` beside a plugin or hook) look at the newest 50,000
    records of each level that the other filters leave. The total is exact up to 10,000.
    """
    admit(system, caller, query)
    await system.logs.settle(SETTLE_S)
    return await system.logs.page(filters_of(query, "page", "size"), query.page, query.size)


@router.get("/usage", response_model=LogUsagesOut, **needs(Scope.LOGS_READ))
async def get_log_usage(system: System, caller: Caller) -> LogUsagesOut:
    """Show how much of every plugin's log is kept, was lost and was deleted, and the limits. Of a limited key: of its plugins."""
    await system.logs.settle(SETTLE_S)
    items = [
        LogUsageOut.model_validate(usage)
        for usage in await system.logs.usage()
        if caller.allows_plugin(usage.plugin_name)
    ]
    return LogUsagesOut(
        items=items,
        limits=LogLimitsOut.model_validate(system.log_retention.limits),
        waiting=system.logs.waiting,
        dropped=system.logs.dropped,
        followers=system.logs.following.count,
    )


@router.get(
    "/stream",
    responses=_STREAM,
    response_class=EventStream,
    **needs(Scope.LOGS_READ, LastEventIdInvalidError, TooManyFollowersError),
)
async def follow_logs(
    request: Request,
    system: System,
    caller: Caller,
    query: Annotated[LogStreamQuery, Query()],
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            description="The id of the last record you have: goes on after it, without gap or duplicate.",
        ),
    ] = None,
) -> Response:
    """Follow the log as server-sent events: every record that matches, once, in the order of ids.

    Begins now, or with the last `tail` records, or at `since`; ends at `until`. A reader that falls 10,000 records behind is told how many it missed.
    """
    admit(system, caller, query)
    after = position_of(last_event_id)
    await system.logs.settle(SETTLE_S)
    readings = system.logs.following.readings(filters_of(query, "tail"), after=after, tail=query.tail)
    first = await anext(readings)  # a refusal is an ordinary problem, before the answer has begun
    token, source = token_of(request), caller.actor.source

    def still_admitted() -> None:
        """Raise what is wrong with the key by now, as at the beginning."""
        admit(system, system.keys.authenticate(token, source=source), query)

    return EventStream(aclosing(log_events(first, readings, still_admitted, system.clock)))


def admit(system: PluginSystem, caller: Principal, query: LogFilterQuery) -> None:
    """Let a key read what its limits allow: one that is limited names one of its plugins, or hooks."""
    plugin = (
        system.directory.get(query.plugin_id).name if caller.plugins is not None and query.plugin_id else None
    )
    if (caller.plugins is not None and plugin is None) or (caller.hooks is not None and query.hook is None):
        raise KeyLimitedError(what="this log")
    caller.require(Scope.LOGS_READ, plugin=plugin, hook=query.hook)


def filters_of(query: LogFilterQuery, *besides: str) -> LogFilters:
    """The filters among a query's parameters."""
    return LogFilters(**query.model_dump(exclude=set(besides)))


def position_of(last_event_id: str | None) -> int | None:
    """The id that a reader goes on from; `LastEventIdInvalidError`."""
    if last_event_id is None:
        return None
    text = last_event_id.strip()
    if not (text.isascii() and text.isdecimal()) or int(text) > LARGEST_ID:
        raise LastEventIdInvalidError(got=text[:40])
    return int(text)
