"""The handlers that turn whatever a route raises into problem documents, in one place.

A value that did not fit is shown only where it is a number, a flag or a short text under a name that was expected: what came under an unknown
name may be a misspelt secret, and an object with a field missing may hold one.
"""

import http
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from isp_plugins.api import problems
from isp_plugins.api.errors import (
    BodyInvalidError,
    BodyMissingError,
    JsonMalformedError,
    MethodNotAllowedError,
    PathUnknownError,
    RequestRefusedError,
)
from isp_plugins.contracts.json_values import dotted
from isp_plugins.errors import PluginSystemError

_SHOWN = 80
"""How much of a refused text is repeated, in characters."""
_UNSHOWN = {"missing", "extra_forbidden"}
"""Mistakes whose value is not what was expected at that name."""


def add_to(app: FastAPI) -> None:
    """Register the handlers with an application."""
    app.add_exception_handler(PluginSystemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)


async def _problem(request: Request, error: Exception) -> Response:
    """A room refused."""
    assert isinstance(error, PluginSystemError)  # noqa: S101  what it was registered for
    return problems.response(error, request.state.request_id)


async def _invalid(request: Request, error: Exception) -> Response:
    """Pydantic refused: all mistakes at once."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  what it was registered for
    return problems.response(problem_of_mistakes(error.errors()), request.state.request_id)


async def _refused(request: Request, error: Exception) -> Response:
    """The framework refused: no such path, wrong method, and what else it may find."""
    assert isinstance(error, HTTPException)  # noqa: S101  what it was registered for
    request_id = request.state.request_id
    path = request.scope["path"]
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(allowed_methods(request)))
        return problems.response(
            MethodNotAllowedError(method=request.method, path=path, allowed=allowed),
            request_id,
            [("Allow", allowed)],
        )
    if error.status_code == http.HTTPStatus.NOT_FOUND:
        return problems.response(PathUnknownError(path=path, hint=hint_for(path)), request_id)
    if error.status_code == http.HTTPStatus.BAD_REQUEST:
        return problems.response(JsonMalformedError(problem=error.detail), request_id)
    return problems.response(RequestRefusedError(detail=error.detail), request_id)


def problem_of_mistakes(found: Sequence[Mapping[str, Any]]) -> PluginSystemError:
    """What pydantic found wrong, as one error of ours."""
    if any(tuple(mistake["loc"]) == ("body",) and mistake["type"] == "missing" for mistake in found):
        return BodyMissingError(expected="a JSON object")
    mistakes = [_mistake(each) for each in found]
    return BodyInvalidError(
        summary="; ".join(f"{each['path'] or 'the body'}: {each['message']}" for each in mistakes[:5]),
        mistakes=mistakes,
    )


def hint_for(path: str) -> str:
    """What may have been meant by a path that leads nowhere."""
    parts = path.strip("/").split("/")
    if parts[:3] == ["api", "v1", "plugins"] and len(parts) > 3 and not _is_id(parts[3]):
        return f"A plugin's id is a whole number, got {parts[3]!r}: GET /api/v1/plugins/?name=... finds a plugin by its name"
    if any(not _is_id(part) for part in parts[5:6]):
        return f"The id at its end is a whole number, got {parts[5]!r}; /api/v1/docs lists every path"
    return "/api/v1/docs lists every path"


def allowed_methods(request: Request) -> set[str]:
    """Every method that works on the request's path, whichever route answers it."""
    return {
        method
        for route in request.app.router.routes
        if route.matches(request.scope)[0] is Match.PARTIAL
        for method in getattr(route, "methods", None) or ()
    }


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _mistake(found: Mapping[str, Any]) -> dict[str, Any]:
    """One of pydantic's findings in our shape."""
    where, *rest = found["loc"]
    path = dotted(rest) if where == "body" else dotted((where, *rest))
    mistake: dict[str, Any] = {"path": path, "message": _message(found), "expected": _expected(found)}
    if found["type"] not in _UNSHOWN and (shown := _shown(found.get("input"))) is not None:
        mistake["got"] = shown
    return mistake


def _message(found: Mapping[str, Any]) -> str:
    """Pydantic's sentence, or ours where it has none for people."""
    if found["type"] == "extra_forbidden":
        return "there is no such field"
    text = str(found["msg"])
    return text[:1].lower() + text[1:]


def _expected(found: Mapping[str, Any]) -> str:
    """What was expected, from the finding's own numbers and names."""
    context = {name: value for name, value in found.get("ctx", {}).items() if name != "error"}
    return ", ".join(f"{name} {value}" for name, value in context.items()) or str(found["type"]).replace(
        "_", " "
    )


def _shown(value: Any) -> Any:
    """A value that may be repeated, or what kind it is."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else value[: _SHOWN - 3] + "..."
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else None
