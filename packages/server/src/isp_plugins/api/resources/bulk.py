"""`/plugins/bulk`: one operation on many plugins, each with its own result."""

from typing import Annotated

from fastapi import Body
from starlette.requests import Request

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, System
from isp_plugins.api.gate import audit_refusal, needs, resource
from isp_plugins.api.schemas.bulk import BulkFailureOut, BulkIn, BulkOut, BulkSummaryOut
from isp_plugins.errors import ForbiddenError
from isp_plugins.lifecycle.bulk import BulkParametersInvalidError, run_bulk
from isp_plugins.lifecycle.errors import PluginDraftInvalidError

router = resource("/plugins", "Lifecycle")


@router.post(
    "/bulk",
    response_model=BulkOut,
    **needs(Scope.PLUGINS_MANAGE, BulkParametersInvalidError, PluginDraftInvalidError),
)
async def run_bulk_operation(
    system: System, caller: Caller, request: Request, body: Annotated[BulkIn, Body()]
) -> BulkOut:
    """Do one operation with many plugins, going on after failures; the order is that of their dependencies. What was done stays done."""

    async def check(plugin_id: int) -> None:
        try:
            caller.require(Scope.PLUGINS_MANAGE, plugin=system.directory.get(plugin_id).name)
        except ForbiddenError as error:
            await audit_refusal(request, caller, error, system)
            raise

    result = await run_bulk(
        system.manager,
        system.directory,
        body.operation,
        body.plugin_ids,
        body.parameters,
        actor=caller.actor,
        check=check,
    )
    failed = [
        BulkFailureOut(plugin_id=one.plugin_id, error=one.error, problem=one.problem) for one in result.failed
    ]
    summary = BulkSummaryOut(
        requested=len(body.plugin_ids), successful=len(result.successful), failed=len(failed)
    )
    return BulkOut(successful=list(result.successful), failed=failed, summary=summary)
