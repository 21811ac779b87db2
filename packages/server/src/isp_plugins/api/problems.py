"""Errors become RFC 9457 problem documents here, and only here.

1. A family has a status (`STATUSES`); a class inherits it from the nearest family above it.
2. `type` is `/problems/<slug>`, stable, and explained at that address; `instance` is `urn:request:<request id>`.
3. `errors` lists single mistakes as `{path, message, expected, got}`; a value that may be a secret never gets that far.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from starlette.responses import Response

from isp_plugins import errors as families
from isp_plugins.api import errors as http
from isp_plugins.api.json_text import dump
from isp_plugins.errors import PluginSystemError

PROBLEM_JSON = "application/problem+json"

STATUSES: Mapping[type[PluginSystemError], int] = {
    http.MalformedRequestError: 400,
    families.UnauthenticatedError: 401,
    families.ForbiddenError: 403,
    families.NotFoundError: 404,
    http.MethodNotAllowedError: 405,
    families.ConflictError: 409,
    http.PreconditionFailedError: 412,
    families.TooLargeError: 413,
    http.MediaTypeUnsupportedError: 415,
    families.InvalidInputError: 422,
    families.StartupError: 503,
    families.UnavailableError: 503,
}
"""The one table of families and statuses; what is in none of them is the server's own fault, 500."""

CHALLENGE = 'Bearer realm="isp-plugins", ApiKey realm="isp-plugins"'
"""What a 401 asks for: the key as a bearer token, or in `X-API-Key`."""

_TITLES: Mapping[str, str] = {"body-invalid": "Request invalid", "json-malformed": "JSON malformed"}
"""Titles that the slug alone does not give: it is stable, and a query can be invalid as well as a body."""

COMMAND_LINE_ONLY = ("isp_plugins.cli.", "isp_plugins.conformance.")
"""Modules whose errors no request meets, whether or not something has imported them."""


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of problem, as `GET /problems/{slug}` explains it."""

    slug: str
    title: str
    status: int
    meaning: str

    @property
    def type(self) -> str:
        """The stable URI reference of this kind."""
        return f"/problems/{self.slug}"


def status_of(kind: type[PluginSystemError]) -> int:
    """The HTTP status of an error class, by the nearest family above it."""
    return next((STATUSES[base] for base in kind.__mro__ if base in STATUSES), 500)


def kind_of(error: type[PluginSystemError]) -> ProblemKind:
    """What an error class is as a kind of problem."""
    words = _TITLES.get(error.problem, error.problem.replace("-", " "))
    message = inspect.cleandoc(error.__doc__ or "").split("\n\n", 1)[0]
    meaning = " ".join(message.replace("{{", "{").replace("}}", "}").split())
    return ProblemKind(error.problem, words[:1].upper() + words[1:], status_of(error), meaning)


def every_kind() -> list[ProblemKind]:
    """Every kind of problem that this API can answer with, by slug: the product's own errors, without those that stop a start or are the command line's alone."""
    ours = {error for error in _below(PluginSystemError) if error.__module__.startswith("isp_plugins.")}
    answered = {
        error
        for error in ours
        if not issubclass(error, families.StartupError) and not error.__module__.startswith(COMMAND_LINE_ONLY)
    }
    return sorted((kind_of(error) for error in answered), key=lambda kind: kind.slug)


def document(error: PluginSystemError, request_id: str) -> dict[str, Any]:
    """The problem document of an error, for one request."""
    kind = kind_of(type(error))
    problem: dict[str, Any] = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": error.message,
        "instance": f"urn:request:{request_id}",
    }
    if error.details:
        problem["errors"] = [_mistake(each) for each in error.details]
    if "dispatch" in error.fields:
        problem["dispatch"] = error.fields["dispatch"]
    if next_step := error.fields.get("next_step"):
        problem["next_step"] = next_step
    return problem


def stored_document(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The problem document of an error that was kept as `{problem, detail, step, errors}`."""
    kind = _kinds().get(stored["problem"])
    problem: dict[str, Any] = {
        "type": f"/problems/{stored['problem']}",
        "title": kind.title if kind else stored["problem"],
        "status": kind.status if kind else 500,
        "detail": stored["detail"],
        "step": stored["step"],
    }
    if stored["errors"]:
        problem["errors"] = [_mistake(each) for each in stored["errors"]]
    return problem


@cache
def _kinds() -> Mapping[str, ProblemKind]:
    """Every kind by its slug."""
    return {kind.slug: kind for kind in every_kind()}


def response(error: PluginSystemError, request_id: str, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """The answer that an error becomes."""
    problem = document(error, request_id)
    extra = dict(headers)
    if problem["status"] == 401:
        extra["WWW-Authenticate"] = CHALLENGE
    return Response(dump(problem), problem["status"], extra, PROBLEM_JSON)


def internal_error_body(request_id: str) -> bytes:
    """The body of a 500: what happened is in the log, never in the answer."""
    return orjson.dumps(document(http.InternalError(request_id=request_id), request_id))


def _mistake(raw: Any) -> dict[str, Any]:
    """One mistake in the shape that the API promises."""
    if not isinstance(raw, Mapping):
        return {"path": "", "message": str(raw)}
    return {
        "path": str(raw.get("path", "")),
        "message": str(raw.get("message", "")),
        **{name: raw[name] for name in ("expected", "got", "line") if name in raw},
    }


def _below(error: type[PluginSystemError]) -> Iterator[type[PluginSystemError]]:
    """Every class below one, however deep."""
    for child in error.__subclasses__():
        yield child
        yield from _below(child)
