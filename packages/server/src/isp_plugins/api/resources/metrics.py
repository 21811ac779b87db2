"""`/metrics`: what a Prometheus server scrapes; docs/metrics.md lists every metric.

A key with `metrics:read` opens it. With the setting `metrics_without_key=loopback` a caller on this machine needs none.
"""

import asyncio
from ipaddress import ip_address

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import System
from isp_plugins.api.gate import GatedRoute, Handler, needs, operation_id, source_of
from isp_plugins.api.request_counts import RequestCounts
from isp_plugins.system import PluginSystem
from isp_plugins.system.readings import readings_of
from isp_plugins.telemetry.metrics import CONTENT_TYPE, render

KEY_HEADERS = frozenset({b"x-api-key", b"authorization"})


class MetricsRoute(GatedRoute):
    """A gated route whose gate stands open for callers on this machine, where the operator says so."""

    def get_route_handler(self) -> Handler:
        """The gate, or past it."""
        behind_gate, bare = super().get_route_handler(), super(GatedRoute, self).get_route_handler()

        async def handler(request: Request) -> Response:
            return await (bare if _needs_no_key(request) else behind_gate)(request)

        return handler


router = APIRouter(tags=["Server"], route_class=MetricsRoute, generate_unique_id_function=operation_id)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    **needs(Scope.METRICS_READ),
)
async def get_metrics(request: Request, system: System) -> Response:
    """The host's metrics in the Prometheus text format (version 0.0.4)."""
    requests: RequestCounts = request.app.state.requests
    readings = readings_of(system, requests.by_route())
    return Response(await asyncio.to_thread(render, readings), media_type=CONTENT_TYPE)


def _needs_no_key(request: Request) -> bool:
    """Whether the settings let this caller in without one; a key that is sent is looked at all the same."""
    system: PluginSystem = request.app.state.system
    if system.settings.metrics_without_key == "no" or any(
        name in KEY_HEADERS for name, _ in request.scope["headers"]
    ):
        return False
    try:
        return ip_address(source_of(request) or "").is_loopback
    except ValueError:
        return False
