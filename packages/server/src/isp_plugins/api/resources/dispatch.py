"""`/hooks/{hook_name}/dispatch` and `/events`: the ISP's software dispatches hooks; the hottest paths, so pydantic only words their mistakes.

1. A body is `{payload, context?}`, or a CloudEvent: structured (`application/cloudevents+json`) or binary (`ce-` headers, the data as body).
2. A dispatch answers 200 however it ended; `status` says how.
3. `Idempotency-Key`, or a CloudEvent's `source` and `id`, makes a repeated dispatch return the first result for a day.
4. What plugins say in their errors is masked, as in their logs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope as Connection

from isp_plugins.access import Principal, Scope
from isp_plugins.api.deps import JsonBytes
from isp_plugins.api.errors import BodyInvalidError, BodyMissingError
from isp_plugins.api.gate import GatedRoute, Handler, gated, needs, operation_id
from isp_plugins.api.handlers import problem_of_mistakes
from isp_plugins.api.json_body import check_media_type, parse, read_body
from isp_plugins.api.json_text import dump
from isp_plugins.api.paths import API
from isp_plugins.api.resources.hooks import HookNamePath
from isp_plugins.api.schemas.base import Switch
from isp_plugins.api.schemas.hooks import CloudEventIn, DispatchIn, DispatchOut
from isp_plugins.hooks import cloudevents
from isp_plugins.hooks.catalogue import spec_of
from isp_plugins.hooks.errors import (
    CloudEventInvalidError,
    DispatchInProgressError,
    EventsNotKeptError,
    HookNameInvalidError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
    InternalHookError,
)
from isp_plugins.hooks.idempotency import digest_of
from isp_plugins.system import PluginSystem

_FIELDS = {"payload", "context"}
_DISPATCH_PATH = re.compile(f"{API}/hooks/([a-z0-9_]+)/dispatch")
_REFUSALS = (
    HookNameInvalidError,
    InternalHookError,
    CloudEventInvalidError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
    DispatchInProgressError,
)
IdempotencyKey = Annotated[
    str | None,
    Header(
        description="1 to 200 printable ASCII characters: a repeated dispatch with it returns the first result.",
        pattern=r"^[ -~]{1,200}$",
    ),
]
Trace = Annotated[Switch, Query(description="Measure every call.")]


@dataclass(frozen=True, slots=True)
class Order:
    """A dispatch as it was asked for."""

    hook: str
    payload: Any
    context: Mapping[str, Any] | None
    key: str | None
    """The idempotency key, if there is one."""
    trace: bool


async def _answer(request: Request) -> Response:
    """Read what is asked for, dispatch it, tell how it went."""
    scope = request.scope
    system: PluginSystem = scope["app"].state.system
    principal: Principal = scope["state"]["principal"]
    order = await read_order(request, system)
    if "hook_name" not in scope["path_params"]:
        principal.require(Scope.HOOKS_DISPATCH, hook=order.hook)
    if order.key is None:
        return JsonBytes(dump(await _dispatch(system, order, scope["state"]["request_id"])))
    result, _ = await system.idempotency.once(
        principal.actor.id,
        order.key,
        order.hook,
        digest_of(order.hook, order.payload, order.context),
        lambda: _dispatch(system, order, scope["state"]["request_id"]),
    )
    return JsonBytes(dump(result))


async def _dispatch(system: PluginSystem, order: Order, request_id: str) -> dict[str, Any]:
    """Run it; the result as the API shows it."""
    try:
        result = await system.engine.dispatch(
            order.hook, order.payload, context=order.context, trace=order.trace, request_id=request_id
        )
    except EventsNotKeptError as error:
        if "dispatch" in error.fields:
            _masked(system, error.fields["dispatch"])
        raise
    return _masked(system, result.to_dict())


def _masked(system: PluginSystem, shown: dict[str, Any]) -> dict[str, Any]:
    """A result as the API shows it, without what plugins let slip in errors."""
    for outcome in shown["subscriptions"]:
        if outcome["error"] is not None:
            outcome["error"]["message"] = system.logs.masked(
                outcome["plugin_id"], outcome["error"]["message"]
            )
    return shown


async def read_order(request: Request, system: PluginSystem) -> Order:
    """What a request asks for, in whichever of the three forms."""
    content_type, key, is_event = _look_at(request.scope["headers"])
    hook = request.scope["path_params"].get("hook_name")
    if hook is not None:
        spec_of(hook)  # refuses a name that is none before the body costs anything
    trace = _trace(request)
    settings = system.settings
    body = await read_body(request, settings.max_body_bytes)
    if not body:
        raise BodyMissingError(expected="{payload, context?} or a CloudEvent")
    check_media_type(content_type)
    value = parse(body, max_depth=settings.max_json_depth)
    if is_event or hook is None:
        return _order_of_event(request.headers, value, hook, trace=trace)
    return _order_of_body(value, hook, key, trace=trace)


def _look_at(headers: list[tuple[bytes, bytes]]) -> tuple[str | None, str | None, bool]:
    """Content type, idempotency key, and whether it is a CloudEvent, in one pass over the headers."""
    content_type = key = None
    is_event = False
    for name, value in headers:
        if name == b"content-type":
            content_type = value.decode("latin-1")
            is_event = is_event or b"cloudevents" in value.lower()
        elif name == b"idempotency-key":
            key = value.decode("latin-1")
        elif name in {b"ce-specversion", b"ce-type"}:
            is_event = True
    return content_type, key, is_event


def _trace(request: Request) -> bool:
    """The one query parameter; the gate refused all others."""
    if not request.scope["query_string"]:
        return False
    text = request.query_params.get("trace", "false")
    if text not in {"true", "false"}:
        raise BodyInvalidError(
            summary=f"query.trace: expected true or false, got {text[:80]!r}",
            mistakes=[{"path": "query.trace", "message": "expected true or false", "got": text[:80]}],
        )
    return text == "true"


def _order_of_body(value: Any, hook: str, key: str | None, *, trace: bool) -> Order:
    """A plain dispatch."""
    if type(value) is dict and "payload" in value and value.keys() <= _FIELDS:
        context = value.get("context")
        if context is None or type(context) is dict:
            return Order(hook, value["payload"], context, key, trace)
    try:
        DispatchIn.model_validate(value)
    except ValidationError as error:
        found = [{**mistake, "loc": ("body", *mistake["loc"])} for mistake in error.errors()]
        raise problem_of_mistakes(found) from None
    raise AssertionError("pydantic accepts what a dispatch is not")


def _order_of_event(headers: Mapping[str, str], value: Any, hook: str | None, *, trace: bool) -> Order:
    """A CloudEvent; on a hook's own path its type names that hook."""
    event = cloudevents.parse(headers, value)
    if hook not in {None, event.hook}:
        raise CloudEventInvalidError(
            summary=f"type: expected isp.{hook}.v1 on this path, got isp.{event.hook}.v1",
            mistakes=[
                {
                    "path": "type",
                    "message": f"expected isp.{hook}.v1 on this path",
                    "got": f"isp.{event.hook}.v1",
                }
            ],
        )
    return Order(event.hook, event.payload, event.context, event.idempotency_key, trace)


class DispatchRoute(GatedRoute):
    """Documented like every route, but handled without FastAPI's own reading of parameters and bodies."""

    def get_route_handler(self) -> Handler:
        """The handler behind the gate, which leaves the body to it."""
        return gated(_answer, **(self.demands() | {"reads_json": False}))


router = APIRouter(
    prefix=API, tags=["Hooks"], route_class=DispatchRoute, generate_unique_id_function=operation_id
)


@router.post(
    "/hooks/{hook_name}/dispatch", response_model=DispatchOut, **needs(Scope.HOOKS_DISPATCH, *_REFUSALS)
)
async def dispatch_hook(
    hook_name: HookNamePath,
    body: Annotated[DispatchIn, Body()],
    *,
    trace: Trace = False,
    idempotency_key: IdempotencyKey = None,
) -> None:
    """Run a hook's subscriptions and tell what each did. Also takes a CloudEvent 1.0 whose type is `isp.<hook>.v1`, structured or binary."""


@router.post("/events", response_model=DispatchOut, **needs(Scope.HOOKS_DISPATCH, *_REFUSALS))
async def dispatch_event(
    body: Annotated[CloudEventIn, Body(media_type=cloudevents.STRUCTURED)],
    *,
    trace: Trace = False,
) -> None:
    """Dispatch the hook that a CloudEvent 1.0 names by its type, `isp.<hook>.v1`; structured or binary."""


def shortcut(scope: Connection) -> Handler | None:
    """The handler behind the gate, for a dispatch whose path needs no router to be read."""
    if scope["method"] != "POST" or scope.get("root_path"):
        return None
    found = _DISPATCH_PATH.fullmatch(scope["path"])
    if found is None:
        return None
    scope["path_params"] = {"hook_name": found[1]}
    return _HOT


_HOT = gated(_answer, scope=Scope.HOOKS_DISPATCH, parameters=frozenset({"trace"}), reads_json=False)
