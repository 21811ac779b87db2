"""`create_app`: the API as one ASGI application over an open `PluginSystem`; opening and closing it is the caller's."""

from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from isp_plugins.api import docs_page, handlers, openapi
from isp_plugins.api.deps import JsonBytes
from isp_plugins.api.edge import Edge
from isp_plugins.api.json_text import dump
from isp_plugins.api.request_counts import RequestCounts
from isp_plugins.api.resources import (
    audit,
    bulk,
    configuration,
    dispatch,
    doctor,
    events,
    health,
    hooks,
    install,
    keys,
    lifecycle,
    logs,
    me,
    metrics,
    nodes,
    operations,
    packages,
    plugins,
    public,
    secrets,
    stats,
    subscriptions,
    suitability,
    templates,
    uninstall,
    upgrade,
    workers,
)
from isp_plugins.system import PluginSystem


class Api(FastAPI):
    """FastAPI with our own stack around its router, all of it here: edge, error handlers, FastAPI's exit stack, router."""

    def build_middleware_stack(self) -> ASGIApp:
        """The stack, outermost first; the dispatch of a hook leaves it after the edge."""
        inner = AsyncExitStackMiddleware(self.router)
        handled = ExceptionMiddleware(inner, handlers=self.exception_handlers)
        return Edge(handled, shortcut=dispatch.shortcut)


def create_app(system: PluginSystem) -> FastAPI:
    """The application that serves this system."""
    app = _bare_app()
    app.state.system = system
    app.state.requests = RequestCounts()
    return app


@cache
def documentation() -> dict[str, Any]:
    """The OpenAPI document, without any system behind it."""
    return openapi.describe(_bare_app())


def _bare_app() -> FastAPI:
    """The application with its routes, fixed paths before those with an id."""
    app = Api(
        title="ISP Framework Plugin System",
        version=version("isp-plugins"),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False},
    )
    app.router.routes = [*_routes(), *docs_page.routes(), Route(docs_page.OPENAPI, _openapi_json)]
    handlers.add_to(app)
    return app


def _routes() -> list[BaseRoute]:
    """Every route of every resource, in the order in which they are tried: the hottest first."""
    resources = (
        dispatch,
        plugins,
        suitability,
        lifecycle,
        health,
        bulk,
        hooks,
        events,
        logs,
        templates,
        configuration,
        subscriptions,
        install,
        uninstall,
        upgrade,
        operations,
        packages,
        keys,
        me,
        audit,
        doctor,
        secrets,
        stats,
        workers,
        nodes,
        metrics,
        public,
    )
    return [route for resource in resources for route in resource.router.routes]


async def _openapi_json(_: Request) -> Response:
    """The OpenAPI document."""
    return JsonBytes(_document_text())


@cache
def _document_text() -> bytes:
    return dump(documentation())
