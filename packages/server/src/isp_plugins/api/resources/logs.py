"""`/plugins/logs`: what plugins wrote, and what the host wrote about them, newest first."""

from typing import Annotated

from fastapi import Query

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, System
from isp_plugins.api.errors import KeyLimitedError
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.schemas.base import PageOf
from isp_plugins.api.schemas.records import LogOut, LogQuery
from isp_plugins.db.paging import Page
from isp_plugins.telemetry.records import LogFilters, LogView

router = resource("/plugins/logs", "Logs")


@router.get("", response_model=PageOf[LogOut], **needs(Scope.LOGS_READ))
async def list_logs(system: System, caller: Caller, query: Annotated[LogQuery, Query()]) -> Page[LogView]:
    """List log records; logs outlive their plugin. A key limited to some plugins or hooks names one of them."""
    if (caller.plugins is not None and query.plugin_id is None) or (
        caller.hooks is not None and query.hook is None
    ):
        raise KeyLimitedError(what="this log")
    name = (
        system.directory.get(query.plugin_id).name if caller.plugins is not None and query.plugin_id else None
    )
    caller.require(Scope.LOGS_READ, plugin=name, hook=query.hook)
    filters = LogFilters(**query.model_dump(exclude={"page", "size"}))
    await system.logs.flush()
    return await system.logs.page(filters, query.page, query.size)
