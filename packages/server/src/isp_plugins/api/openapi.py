"""The OpenAPI document: FastAPI's own, completed with what the gate and the edge add to every operation.

1. Every operation says which scope it needs, and how a key is sent.
2. Every status that the gate, the body reader or the route's own refusals can answer is there, as a problem document.
3. Every answer carries `X-Request-ID`.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from isp_plugins.api.gate import ANY_KEY, PUBLIC, REFUSALS_KEY, SCOPE_KEY
from isp_plugins.api.problems import PROBLEM_JSON, ProblemKind, every_kind
from isp_plugins.api.schemas.base import Problem
from isp_plugins.api.schemas.operations import InstallUploadIn

DESCRIPTION = """
Plugins are registered, configured, enabled and bound to hooks here; the ISP's software dispatches hooks here.

**Keys.** Send an API key as `X-API-Key: isp_...` or `Authorization: Bearer isp_...`. What a key may do is its role's scopes; each operation names the one it needs.

**Problems.** Every error is a problem document (RFC 9457) with a stable `type`, which its address explains, and the single mistakes in `errors`.

**Requests.** A body is JSON in UTF-8; of a repeated key the last value counts; unknown fields and query parameters are refused. A path works with and without a slash at its end.
`X-Request-ID` is taken over from the caller (at most 128 of `A-Z a-z 0-9 . _ : -`) or made; it is in every answer, in the plugin logs and in the audit trail.

**Lists** have `items`, `total`, `page`, `size` and `pages`.
"""

TAGS = [
    {"name": "Plugins", "description": "Registered plugins."},
    {"name": "Lifecycle", "description": "Bring plugins up and down, and call them."},
    {
        "name": "Operations",
        "description": "Long work, as installing a plugin is: begun, followed, cancelled.",
    },
    {"name": "Packages", "description": "What packages take on a node, and what of it can go."},
    {"name": "Health", "description": "How plugins do, now and before."},
    {
        "name": "Configuration",
        "description": "A plugin's values; secrets are stored encrypted and never shown.",
    },
    {"name": "Subscriptions", "description": "Which of a plugin's methods are bound to which hooks."},
    {
        "name": "Hooks",
        "description": "The moments in the ISP's software that plugins can take part in, and dispatching them.",
    },
    {"name": "Statistics", "description": "How often plugins were called, how it went and how long it took."},
    {"name": "Logs", "description": "What plugins wrote."},
    {"name": "Templates", "description": "What new plugins are started from."},
    {"name": "Keys", "description": "API keys."},
    {"name": "Audit", "description": "Who did what."},
    {"name": "Server", "description": "Health of the server, meaning of problems. No key needed."},
]

SECURITY_SCHEMES = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, as `keys create` shows it once.",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same API key as a bearer token."},
}

_BODY_STATUSES = (400, 413, 415, 422)
_REQUEST_ID = {"description": "The request's id.", "schema": {"type": "string"}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole document."""
    document = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=TAGS
    )
    document["components"]["securitySchemes"] = SECURITY_SCHEMES
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= _of_forms()
    schemas |= problem.pop("$defs") | {"Problem": problem}
    kinds = {kind.slug: kind for kind in every_kind()}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, path, method, kinds)
    return document


def _of_forms() -> dict[str, Any]:
    """Bodies that FastAPI does not see, because they are read as they come."""
    upload = InstallUploadIn.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**upload.pop("$defs"), "InstallUploadIn": upload}


def _complete(operation: dict[str, Any], path: str, method: str, kinds: Mapping[str, ProblemKind]) -> None:
    """Add to one operation what the gate and the edge do."""
    scope = operation.pop(SCOPE_KEY)
    refusals = [kinds[slug] for slug in operation.pop(REFUSALS_KEY, ())]
    if scope != PUBLIC:
        operation["security"] = [{"ApiKey": []}, {"Bearer": []}]
        operation[SCOPE_KEY] = scope
    needed = {PUBLIC: "Needs no key.", ANY_KEY: "Needs a valid key of any role."}.get(
        scope, f"Needs the scope `{scope}`."
    )
    operation["description"] = f"{operation.get('description', '')}\n\n{needed}".strip()
    responses = operation["responses"]
    responses.pop("422", None)
    for status in sorted(_statuses(operation, scope, path, method) | {kind.status for kind in refusals}):
        responses[str(status)] = _problem_response(
            status, [kind for kind in refusals if kind.status == status]
        )
    for response in responses.values():
        response.setdefault("headers", {})["X-Request-ID"] = _REQUEST_ID


def _statuses(operation: Mapping[str, Any], scope: str, path: str, method: str) -> set[int]:
    """The problems that any operation like this one may answer."""
    statuses = {422} if scope != PUBLIC else set()
    if scope != PUBLIC:
        statuses |= {401, 503} | ({403} if scope != ANY_KEY else set())
    if "{" in path:
        statuses |= {404}
    if "requestBody" in operation:
        statuses |= set(_BODY_STATUSES)
    if "{plugin_id}" in path and method != "get":
        statuses |= {409}
    return statuses


def _problem_response(status: int, kinds: Iterable[ProblemKind]) -> dict[str, Any]:
    """One problem answer, with the kinds that the route itself names."""
    named = "".join(f"\n- [{kind.title}]({kind.type})" for kind in sorted(kinds, key=lambda kind: kind.slug))
    phrase = HTTPStatus(status).phrase
    return {
        "description": f"{phrase}.{named}",
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
