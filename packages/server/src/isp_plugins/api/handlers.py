"""The handlers that turn whatever a route raises into problem documents, in one place."""

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
from isp_plugins.api.mistakes import mistake_of
from isp_plugins.errors import PluginSystemError

_TOLD = 5
"""How many mistakes the sentence tells; all of them are in the list."""


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
    mistakes = [mistake_of(each) for each in found]
    return BodyInvalidError(
        summary="; ".join(_line(each) for each in mistakes[:_TOLD]) + _rest(len(mistakes)),
        mistakes=mistakes,
    )


def _line(mistake: Mapping[str, Any]) -> str:
    """One mistake in the summary."""
    return f"{mistake['path'] or 'the body'}: {mistake['message']}"


def _rest(count: int) -> str:
    """How many mistakes the summary leaves to the list."""
    return f"; and {count - _TOLD} more" if count > _TOLD else ""


def hint_for(path: str) -> str:
    """What may have been meant by a path that leads nowhere."""
    parts = path.strip("/").split("/")
    if parts[:3] == ["api", "v1", "plugins"] and len(parts) > 3 and not _is_id(parts[3]):
        return f"a plugin's id is a whole number, got {parts[3]!r}: GET /api/v1/plugins/?name=... finds a plugin by its name"
    if any(not _is_id(part) for part in parts[5:6]):
        return f"the id at its end is a whole number, got {parts[5]!r}; /api/v1/docs lists every path"
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
