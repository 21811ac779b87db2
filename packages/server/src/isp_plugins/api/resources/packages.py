"""`/packages`: what packages take on this node, and the deletion of what only saves time."""

from typing import Annotated, Any

from fastapi import Query

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.schemas.packages import PrunedOut, PruneQuery, UsagesOut
from isp_plugins.lifecycle.upkeep import InstallationsUnderWayError

router = resource("/packages", "Packages")


@router.get("", response_model=UsagesOut, **needs(Scope.PLUGINS_READ))
async def package_usage(system: System) -> Any:
    """Show how much artifacts, environments, caches and unfinished work take on this node, in bytes."""
    items = await system.upkeep.usage()
    return {"bytes": sum(one.bytes for one in items), "items": items}


@router.post("/prune", response_model=PrunedOut, **needs(Scope.PLUGINS_MANAGE, InstallationsUnderWayError))
async def prune_packages(system: System, caller: Caller, query: Annotated[PruneQuery, Query()]) -> Any:
    """Delete caches beyond their limits, SDK wheels that nothing uses, and what unfinished work left. What a release needs stays."""
    items = await system.upkeep.plan() if query.dry_run else await system.upkeep.prune(caller.actor)
    return {"dry_run": query.dry_run, "bytes": sum(one.bytes for one in items), "items": items}
