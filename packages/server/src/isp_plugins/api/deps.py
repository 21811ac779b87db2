"""What a route asks for by type: the system behind it, and who is asking."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from isp_plugins.access import Principal
from isp_plugins.system import PluginSystem


async def _system(request: Request) -> PluginSystem:
    """The system that this application serves."""
    system: PluginSystem = request.app.state.system
    return system


async def _caller(request: Request) -> Principal:
    """Who asks, as the gate found out."""
    principal: Principal = request.state.principal
    return principal


System = Annotated[PluginSystem, Depends(_system)]
Caller = Annotated[Principal, Depends(_caller)]


class JsonBytes(Response):
    """An answer that is JSON text already."""

    media_type = "application/json"
