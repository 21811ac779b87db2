"""`/plugins/check`: which plugins would not load on another version of the host, asked before it is upgraded."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.schemas.suitability import SuitabilityReportOut
from isp_plugins.lifecycle.errors import TargetVersionInvalidError

router = resource("/plugins", "Plugins")

Against = Annotated[
    str, Query(description="The version of isp-plugins that is to be installed.", max_length=200)
]
Python = Annotated[
    str | None, Query(description="The version of Python that comes with it; without it: the same.", max_length=200)
]  # fmt: skip


@router.get(
    "/check",
    response_model=SuitabilityReportOut,
    **needs(Scope.PLUGINS_READ, TargetVersionInvalidError),
)
async def check_against_version(
    system: System, caller: Caller, against: Against, *, python: Python = None
) -> Response:
    """Say which plugins would not load on another version of the host, and why; none of them is run."""
    report = (await system.check_against(against, python)).only(caller.allows_plugin)
    return JsonBytes(dump(report.to_dict()))
