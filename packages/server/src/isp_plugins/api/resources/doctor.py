"""`/doctor`, `/plugins/{plugin_id}/doctor`, `/hooks/{hook_name}/doctor`: what is wrong, what was expected, what to do next.

No plugin is called, but for its health check when `health` asks for it, and then an audit entry says so.
"""

from typing import Annotated

from fastapi import Body, Query
from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.resources.hooks import HookNamePath
from isp_plugins.api.schemas.base import Switch
from isp_plugins.api.schemas.doctor import DoctorReportOut, HookDoctorIn
from isp_plugins.hooks.errors import HookNameInvalidError
from isp_plugins.lifecycle.doctor.doctor import NO_PAYLOAD
from isp_plugins.lifecycle.errors import PluginNotFoundError

router = resource("", "Doctor")

AskHealth = Annotated[Switch, Query(description="Also ask the plugin for its health now; audited.")]
Question = Annotated[HookDoctorIn, Body(default_factory=HookDoctorIn)]


@router.get("/doctor", response_model=DoctorReportOut, **needs(Scope.DOCTOR_RUN))
async def examine_installation(system: System) -> Response:
    """Look at everything the host stands on: database, keys, audit trail, disk, clock, kernel, limits, queues."""
    return JsonBytes(dump((await system.doctor.installation()).to_dict()))


@router.get("/plugins/{plugin_id:id}/doctor", response_model=DoctorReportOut, **needs(Scope.DOCTOR_RUN))
async def examine_plugin(
    system: System, caller: Caller, plugin_id: int, *, health: AskHealth = False
) -> Response:
    """Say why a plugin does not load: every step from its file to its health, without running any of its code."""
    report = await system.doctor.plugin(plugin_id, probe=health, actor=caller.actor)
    return JsonBytes(dump(report.to_dict()))


@router.post(
    "/hooks/{hook_name}/doctor",
    response_model=DoctorReportOut,
    **needs(Scope.DOCTOR_RUN, HookNameInvalidError, PluginNotFoundError),
)
async def examine_hook(system: System, hook_name: HookNamePath, asked: Question) -> Response:
    """Say why subscriptions of a hook did not run with a payload, or with the catalogue's sample; nothing is dispatched."""
    payload = asked.payload if "payload" in asked.model_fields_set else NO_PAYLOAD
    report = await system.doctor.hook(hook_name, payload, context=asked.context, plugin=asked.plugin)
    return JsonBytes(dump(report.to_dict()))
