"""`/plugins/{plugin_id}/enable` and the like: bring a plugin up, down, up anew; call it."""

from typing import Annotated

from fastapi import Body
from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.resources.plugins import Cascade, plugin_answer
from isp_plugins.api.schemas.plugins import ExecuteIn, ExecuteOut, PluginOut
from isp_plugins.lifecycle.errors import (
    DependenciesUnsatisfiedError,
    PluginEnableFailedError,
    PluginReloadFailedError,
    PluginStillNeededError,
    WrongStateError,
)
from isp_plugins.runtime.errors import ExecutionFailedError, MethodNotCallableError, ParametersInvalidError

router = resource("/plugins/{plugin_id:id}", "Lifecycle")

_ENABLE = needs(
    Scope.PLUGINS_MANAGE,
    PluginEnableFailedError,
    DependenciesUnsatisfiedError,
    WrongStateError,
)


@router.post("/enable", response_model=PluginOut, **_ENABLE)
async def enable_plugin(system: System, caller: Caller, plugin_id: int) -> Response:
    """Load, initialise and hook a plugin. One that is active stays so; a failure answers 409 with its cause and leaves the plugin disabled."""
    await system.manager.enable(plugin_id, caller.actor)
    return plugin_answer(system, plugin_id)


@router.post(
    "/disable",
    response_model=PluginOut,
    **needs(Scope.PLUGINS_MANAGE, PluginStillNeededError, WrongStateError),
)
async def disable_plugin(
    system: System, caller: Caller, plugin_id: int, *, cascade: Cascade = False
) -> Response:
    """Unhook a plugin, let its calls end, and stop it; once this has answered, it is not called again."""
    await system.manager.disable(plugin_id, caller.actor, cascade=cascade)
    return plugin_answer(system, plugin_id)


@router.post(
    "/reload",
    response_model=PluginOut,
    **needs(Scope.PLUGINS_MANAGE, PluginReloadFailedError, WrongStateError),
)
async def reload_plugin(system: System, caller: Caller, plugin_id: int) -> Response:
    """Replace a plugin's code and configuration without dropping a call; if the new one fails, the old one stays (409)."""
    await system.manager.reload(plugin_id, caller.actor)
    return plugin_answer(system, plugin_id)


@router.post(
    "/execute",
    response_model=ExecuteOut,
    **needs(
        Scope.PLUGINS_EXECUTE,
        ExecutionFailedError,
        MethodNotCallableError,
        ParametersInvalidError,
        WrongStateError,
    ),
)
async def execute_plugin(
    system: System, caller: Caller, plugin_id: int, body: Annotated[ExecuteIn, Body()]
) -> Response:
    """Call a public method of an active plugin's own class; audited."""
    done = await system.manager.execute(plugin_id, body.method_name, body.parameters, caller.actor)
    return JsonBytes(dump({"result": done.value, "duration_ms": done.duration_ms}))
