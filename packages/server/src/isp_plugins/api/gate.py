"""The gate that every request to the API passes: who is it, may it do this, is it readable; in this order.

1. A route says the scope it needs with `**needs(Scope.X)` beside its path; a route that says nothing cannot be made.
2. The key comes in `X-API-Key` or `Authorization: Bearer`; without a good one nothing of the request is looked at (401).
3. The scope is checked against the plugin and hook that the path names, so that a key limited to some sees no others (403); a refusal is audited.
4. Then query parameters (unknown ones are refused), then the body: size, type, nesting, JSON.
"""

import difflib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from isp_plugins.access import Principal, Scope
from isp_plugins.api.errors import NulCharacterError, ParameterUnknownError
from isp_plugins.api.json_body import check_media_type, parse, read_body
from isp_plugins.api.paths import API
from isp_plugins.audit import AuditOutcome, AuditTag
from isp_plugins.errors import ForbiddenError, PluginSystemError
from isp_plugins.system import PluginSystem

SCOPE_KEY = "x-required-scope"
"""Where a route's declaration of its scope stands in its OpenAPI operation."""
REFUSALS_KEY = "x-refusals"
"""Where the problems stand that a route may answer beyond those that every route may."""
PUBLIC = "public"
"""Needs no key: health, documentation, explanations of problems."""
ANY_KEY = "any"
"""Needs a valid key of whatever role."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def needs(scope: Scope | str, *refusals: type[PluginSystemError]) -> dict[str, Any]:
    """Keyword arguments of a route: the scope it needs, and what it may refuse beyond what every route may."""
    return {"openapi_extra": {SCOPE_KEY: str(scope), REFUSALS_KEY: [error.problem for error in refusals]}}


def resource(prefix: str, tag: str) -> APIRouter:
    """A router behind the gate, under the API's own prefix."""
    return APIRouter(
        prefix=f"{API}{prefix}", tags=[tag], route_class=GatedRoute, generate_unique_id_function=operation_id
    )


def operation_id(route: APIRoute) -> str:
    """The name of the function is the operation's id."""
    return route.name


class JsonRequest(Request):
    """A request whose body was read and parsed by the gate."""

    raw = b""
    parsed: Any = None

    async def body(self) -> bytes:
        """The body's bytes."""
        return self.raw

    async def json(self) -> Any:
        """The parsed body."""
        return self.parsed


class GatedRoute(APIRoute):
    """A FastAPI route behind the gate."""

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, called only for requests that passed."""
        return gated(super().get_route_handler(), **self.demands())

    def demands(self) -> dict[str, Any]:
        """What the gate must know of this route; a route without a declared scope is a mistake of ours."""
        scope = (self.openapi_extra or {}).get(SCOPE_KEY)
        if scope is None:
            raise TypeError(f"{self.path} declares no scope: add **needs(Scope....) to its decorator.")
        return {
            "scope": scope,
            "parameters": frozenset(_query_parameters(self.dependant)),
            "reads_json": self.body_field is not None,
        }


def gated(handle: Handler, *, scope: str, parameters: frozenset[str], reads_json: bool) -> Handler:
    """A handler behind the gate."""
    required = Scope(scope) if scope not in {PUBLIC, ANY_KEY} else None

    async def handler(request: Request) -> Response:
        system: PluginSystem = request.app.state.system
        if scope == PUBLIC:
            return await handle(request)
        principal = authenticate(request, system)
        request.scope["state"]["principal"] = principal
        try:
            if required is not None:
                admit(principal, required, request.path_params, system)
            refuse_unknown_parameters(request, parameters)
            return await handle(await _with_json(request, system) if reads_json else request)
        except ForbiddenError as error:
            await audit_refusal(request, principal, error, system)
            raise

    return handler


def authenticate(request: Request, system: PluginSystem) -> Principal:
    """Who asks; an `UnauthenticatedError` where that is not known."""
    return system.keys.authenticate(token_of(request), source=source_of(request))


def token_of(request: Request) -> str | None:
    """The token that a request bears, whatever it is worth."""
    token = None
    for name, value in request.scope["headers"]:
        if name == b"x-api-key":
            return str(value.decode("latin-1"))
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            token = value[7:].strip().decode("latin-1")
    return token


def admit(principal: Principal, scope: Scope, path: Mapping[str, Any], system: PluginSystem) -> None:
    """Check the scope for the plugin and the hook that the path names."""
    plugin_id = path.get("plugin_id")
    if plugin_id is None:
        principal.require(scope, hook=path.get("hook_name"))
        return
    principal.require(scope)
    principal.require(scope, plugin=system.directory.get(plugin_id).name)


async def audit_refusal(
    request: Request, principal: Principal, error: ForbiddenError, system: PluginSystem
) -> None:
    """Write down that somebody tried what it may not do."""
    await system.audit.record_alone(
        AuditTag.ACCESS_REFUSED,
        principal.actor,
        subject=("route", f"{request.method} {request.url.path}"[:200]),
        details={"problem": error.problem},
        outcome=AuditOutcome.REFUSED,
        request_id=request.state.request_id,
    )


def refuse_unknown_parameters(request: Request, known: frozenset[str]) -> None:
    """Refuse query parameters that the route does not have, and text that no database keeps."""
    if not request.scope["query_string"]:
        return
    for name, value in request.query_params.multi_items():
        if "\0" in name or "\0" in value:
            raise NulCharacterError(where="a query parameter")
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise ParameterUnknownError(
            names=", ".join(map(repr, unknown)),
            known=", ".join(sorted(known)) or "none",
            mistakes=[_unknown(name, known) for name in unknown],
        )


def source_of(request: Request) -> str | None:
    """The caller's address, where the server knows it."""
    client = request.scope.get("client")
    return client[0] if client else None


def _unknown(name: str, known: frozenset[str]) -> dict[str, Any]:
    """One unknown parameter, with what was probably meant."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    return {
        "path": f"query.{name}",
        "message": f"there is no such parameter{hint}",
        "expected": sorted(known),
        "got": name,
    }


async def _with_json(request: Request, system: PluginSystem) -> Request:
    """The request with its body read and parsed; an empty body is left to the route, which says what it misses."""
    checked = JsonRequest(request.scope, request.receive)
    checked.raw = await read_body(request, system.settings.max_body_bytes)
    if checked.raw:
        check_media_type(checked.headers.get("content-type"))
        checked.parsed = parse(checked.raw, max_depth=system.settings.max_json_depth)
    return checked


def _query_parameters(dependant: Dependant) -> list[str]:
    """Names of the query parameters that a route declares, those inside a model included."""
    found = [name for needed in dependant.dependencies for name in _query_parameters(needed)]
    for parameter in dependant.query_params:
        fields = getattr(parameter.field_info.annotation, "model_fields", None)
        found += fields or [parameter.alias]
    return found
