"""`/plugins/health` and `/plugins/{plugin_id}/health`: how plugins do, now and before."""

from collections import Counter
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.schemas.base import PageOf, PageQuery
from isp_plugins.api.schemas.health import (
    HealthEntryOut,
    HealthOut,
    HealthOverviewOut,
    HealthOverviewQuery,
    PluginHealthOut,
)
from isp_plugins.contracts.vocabulary import BreakerState, HealthStatus, State
from isp_plugins.db.paging import Page, page_of
from isp_plugins.lifecycle.health import worst_first
from isp_plugins.lifecycle.history import HealthEntry
from isp_plugins.lifecycle.records import HealthReport

router = resource("/plugins", "Health")

_SHOWN = frozenset(PluginHealthOut.model_fields)


@router.get("/health", response_model=HealthOverviewOut, **needs(Scope.HEALTH_READ))
async def get_health_overview(
    system: System, caller: Caller, query: Annotated[HealthOverviewQuery, Query()]
) -> Response:
    """Show how all plugins do, the worst first, as their last probes found; a key limited to some plugins sees those."""
    found = [
        system.manager.last_health(record.id)
        for record in system.directory
        if caller.allows_plugin(record.name)
    ]
    listed = [report for report in worst_first(found) if _wanted(report, query)]
    page = page_of(listed, page=query.page, size=query.size)
    rest = {"total": page.total, "page": page.page, "size": page.size, "pages": page.pages}
    items = [_in_short(report) for report in page.items]
    return JsonBytes(dump({"status": _worst(found), "summary": _counts(found), "items": items} | rest))


@router.get("/{plugin_id:id}/health", response_model=HealthOut, **needs(Scope.HEALTH_CHECK))
async def get_plugin_health(system: System, plugin_id: int) -> Response:
    """Ask the plugin how it does, now, and add what the host knows; it counts as a probe."""
    report = await system.manager.health(plugin_id)
    return JsonBytes(dump(report.to_dict()))


@router.get(
    "/{plugin_id:id}/health/history", response_model=PageOf[HealthEntryOut], **needs(Scope.HEALTH_READ)
)
async def list_plugin_health_history(
    system: System, plugin_id: int, query: Annotated[PageQuery, Query()]
) -> Page[HealthEntry]:
    """List what was found about the plugin's health, newest first; repeated findings are one entry."""
    return await system.manager.health_history(plugin_id, page=query.page, size=query.size)


def _wanted(report: HealthReport, query: HealthOverviewQuery) -> bool:
    return query.status in {None, report.status} and (query.q or "") in report.name


def _in_short(report: HealthReport) -> dict[str, Any]:
    return {name: value for name, value in report.to_dict().items() if name in _SHOWN}


def _worst(reports: list[HealthReport]) -> str:
    """The worst of those that are known; healthy where there is nothing."""
    known = [report for report in worst_first(reports) if report.status is not HealthStatus.UNKNOWN]
    return known[0].status.value if known else HealthStatus.HEALTHY.value


def _counts(reports: list[HealthReport]) -> dict[str, int]:
    statuses = Counter(report.status for report in reports)
    return {
        **{status.value: statuses[status] for status in HealthStatus},
        "quarantined": sum(report.state is State.QUARANTINED for report in reports),
        "breakers_open": sum(report.breaker.state is not BreakerState.CLOSED for report in reports),
    }
