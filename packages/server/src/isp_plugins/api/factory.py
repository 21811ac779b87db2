"""`create_app`: the API as one ASGI application over an open `PluginSystem`; opening and closing it is the caller's."""

from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from isp_plugins.api import docs_page, handlers, openapi
from isp_plugins.api.deps import JsonBytes
from isp_plugins.api.edge import Edge
from isp_plugins.api.json_text import dump
from isp_plugins.api.resources import (
    audit,
    configuration,
    dispatch,
    hooks,
    keys,
    lifecycle,
    logs,
    me,
    plugins,
    public,
    secrets,
    subscriptions,
)
from isp_plugins.system import PluginSystem


def create_app(system: PluginSystem) -> FastAPI:
    """The application that serves this system."""
    app = _bare_app()
    app.state.system = system
    return app


@cache
def documentation() -> dict[str, Any]:
    """The OpenAPI document, without any system behind it."""
    return openapi.describe(_bare_app())


def _bare_app() -> FastAPI:
    """The application with its routes, fixed paths before those with an id."""
    app = FastAPI(
        title="ISP Framework Plugin System",
        version=version("isp-plugins"),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.routes = [*_routes(), *docs_page.routes(), Route(docs_page.OPENAPI, _openapi_json)]
    app.add_middleware(Edge)
    handlers.add_to(app)
    return app


def _routes() -> list[BaseRoute]:
    """Every route of every resource, in the order in which they are tried: the hottest first."""
    resources = (
        dispatch,
        plugins,
        lifecycle,
        hooks,
        logs,
        configuration,
        subscriptions,
        keys,
        me,
        audit,
        secrets,
        public,
    )
    return [route for resource in resources for route in resource.router.routes]


async def _openapi_json(_: Request) -> Response:
    """The OpenAPI document."""
    return JsonBytes(_document_text())


@cache
def _document_text() -> bytes:
    return dump(documentation())
