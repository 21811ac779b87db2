"""`/plugins/{plugin_id}/export` and `/plugins/kept`: what a plugin holds before it goes, and what is kept of one that is gone."""

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.errors import KeyLimitedError
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.schemas.operations import ExportOut, KeptPluginDetailOut, KeptPluginsOut
from isp_plugins.lifecycle.errors import KeptPluginNotFoundError

router = resource("/plugins", "Plugins")

KeptName = Annotated[str, Path(description="Name of the uninstalled plugin.")]


@router.get("/kept", response_model=KeptPluginsOut, **needs(Scope.PLUGINS_READ))
async def list_kept(system: System, caller: Caller) -> Response:
    """List uninstalled plugins of which configuration or stored values are kept; the next plugin of that name finds them again."""
    kept = [one.to_dict() for one in await system.uninstaller.kept() if caller.allows_plugin(one.name)]
    return JsonBytes(dump({"items": kept}))


@router.get(
    "/kept/{name:name}",
    response_model=KeptPluginDetailOut,
    **needs(Scope.CONFIG_READ, KeptPluginNotFoundError),
)
async def show_kept(system: System, caller: Caller, name: KeptName) -> Response:
    """Show what is kept of an uninstalled plugin: its values (secrets by name only) and the keys of what it stored."""
    caller.require(Scope.CONFIG_READ, plugin=name)
    return JsonBytes(dump(await system.uninstaller.kept_of(name)))


@router.delete("/kept/{name:name}", status_code=204, **needs(Scope.PLUGINS_MANAGE, KeptPluginNotFoundError))
async def forget_kept(system: System, caller: Caller, name: KeptName) -> None:
    """Drop what is kept of an uninstalled plugin."""
    caller.require(Scope.PLUGINS_MANAGE, plugin=name)
    await system.uninstaller.forget(name, caller.actor)


@router.get(
    "/{plugin_id:id}/export", response_model=ExportOut, **needs(Scope.PLUGINS_MANAGE, KeyLimitedError)
)
async def export_plugin(system: System, caller: Caller, plugin_id: int) -> Response:
    """Read a plugin's description, configuration (secrets by name only), subscriptions and stored values as one document; audited."""
    caller.require(Scope.CONFIG_READ)
    return JsonBytes(dump(await system.uninstaller.export(plugin_id, caller.actor)))
