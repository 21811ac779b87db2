"""`/plugins/stats` and `/plugins/{id}/stats`: what plugins were called for, how it went and how long it took."""

from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from isp_plugins.access import Principal, Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.schemas.stats import PluginStatsDetailOut, StatsOut, StatsQuery
from isp_plugins.system import PluginSystem
from isp_plugins.telemetry.stats import Window
from isp_plugins.telemetry.stats.report import Material, detail, overview
from isp_plugins.telemetry.stats.tally import NO_PLUGIN, Key

router = resource("/plugins", "Statistics")


@router.get("/stats", response_model=StatsOut, **needs(Scope.PLUGINS_READ))
async def get_statistics(system: System, caller: Caller, query: Annotated[StatsQuery, Query()]) -> Response:
    """Show every plugin's and hook's calls, errors, rejects, skips and percentiles in a window, and who stands out.

    A key that is limited to some plugins or hooks sees the sums over those alone.
    """
    material = _material(system, caller, query.window)
    return JsonBytes(dump(_about(system, query.window) | overview(material, top=query.top)))


@router.get("/{plugin_id:id}/stats", response_model=PluginStatsDetailOut, **needs(Scope.PLUGINS_READ))
async def get_plugin_statistics(
    system: System,
    caller: Caller,
    query: Annotated[StatsQuery, Query()],
    plugin_id: int = Path(description="Id of the plugin."),
) -> Response:
    """Show one plugin's figures, in sum and for each of its hooks and subscriptions."""
    system.directory.get(plugin_id)
    material = _material(system, caller, query.window)
    return JsonBytes(dump(_about(system, query.window) | detail(material, plugin_id, top=query.top)))


def _material(system: PluginSystem, caller: Principal, window: Window) -> Material:
    """What this caller may see, counted up to now."""
    material = system.statistics.material(window, {plugin.id: plugin.name for plugin in system.directory})

    def may_see(key: Key) -> bool:
        if key.plugin_id == NO_PLUGIN:
            return caller.plugins is None and caller.allows_hook(key.hook)
        return caller.allows_plugin(material.names[key.plugin_id]) and caller.allows_hook(key.hook)

    return material.only(may_see)


def _about(system: PluginSystem, window: Window) -> dict[str, Any]:
    return {
        "window": window.value,
        "since": system.statistics.since(window),
        "until": system.clock.now(),
        "nodes": system.statistics.nodes,
    }
