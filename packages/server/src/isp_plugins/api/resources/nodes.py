"""`/nodes` and `/plugins/{plugin_id}/nodes`: who is there, and what each node has of a plugin."""

from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import JsonBytes, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.schemas.nodes import NodesOfPluginOut, NodesOut, SelfOut

router = resource("", "Nodes")


@router.get("/nodes", response_model=NodesOut, **needs(Scope.HEALTH_READ))
async def list_nodes(system: System) -> Response:
    """List every node that was ever on this database, by name, with what it has of the plugins."""
    own = system.membership.card.incarnation
    nodes = await system.membership.everyone()
    return JsonBytes(dump({"items": [node.to_dict(own=own) for node in nodes]}))


@router.get("/nodes/self", response_model=SelfOut, **needs(Scope.HEALTH_READ))
async def get_own_node(system: System) -> Response:
    """Show the node that answers, and whether it is cut off from the database; it answers then, too."""
    return JsonBytes(dump(system.membership.myself()))


@router.get("/plugins/{plugin_id:id}/nodes", response_model=NodesOfPluginOut, **needs(Scope.PLUGINS_READ))
async def list_plugin_nodes(system: System, plugin_id: int) -> Response:
    """Show what each node has of the plugin: its state, version and generation, beside what is wanted, since when, and why."""
    system.directory.get(plugin_id)
    found = await system.membership.of_plugin(plugin_id)
    return JsonBytes(dump({"items": [one.to_dict() for one in found]}))
