"""`/plugins/workers`, `/plugins/{plugin_id}/worker` and `/plugins/{plugin_id}/deaths`: workers, and how they ended."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.schemas.base import PageOf, PageQuery
from isp_plugins.api.schemas.workers import DeathOut, WorkerOut
from isp_plugins.db.paging import page_of

router = resource("/plugins", "Workers")


@router.get("/workers", response_model=PageOf[WorkerOut], **needs(Scope.HEALTH_READ))
async def list_workers(system: System, caller: Caller, query: Annotated[PageQuery, Query()]) -> Response:
    """List this node's workers by the names of their plugins: what they use, what they may use, and what is odd about them."""
    mine = [view for view in system.manager.workers.all() if caller.allows_plugin(view.name)]
    page = page_of(mine, page=query.page, size=query.size)
    rest = {"total": page.total, "page": page.page, "size": page.size, "pages": page.pages}
    return JsonBytes(dump({"items": [view.to_dict() for view in page.items]} | rest))


@router.get("/{plugin_id:id}/worker", response_model=WorkerOut, **needs(Scope.HEALTH_READ))
async def get_worker(system: System, plugin_id: int) -> Response:
    """Show the plugin's worker as it was seen last."""
    return JsonBytes(dump(system.manager.workers.of(plugin_id).to_dict()))


@router.get("/{plugin_id:id}/deaths", response_model=PageOf[DeathOut], **needs(Scope.LOGS_READ))
async def list_deaths(system: System, plugin_id: int, query: Annotated[PageQuery, Query()]) -> Response:
    """List how the plugin's workers ended that nobody asked to, newest first; the last ones are kept."""
    found = await system.manager.workers.deaths(plugin_id, page=query.page, size=query.size)
    rest = {"total": found.total, "page": found.page, "size": found.size, "pages": found.pages}
    return JsonBytes(dump({"items": [death.to_dict() for death in found.items]} | rest))
