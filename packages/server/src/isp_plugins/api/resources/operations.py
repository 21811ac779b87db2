"""`/operations`: long work: listed, shown, followed and cancelled."""

from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from isp_plugins.access import Principal, Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.event_stream import EventStream
from isp_plugins.api.gate import needs, resource, token_of
from isp_plugins.api.json_text import dump
from isp_plugins.api.operation_events import operation_events
from isp_plugins.api.problems import stored_document
from isp_plugins.api.schemas.base import PageOf
from isp_plugins.api.schemas.operations import OperationOut, OperationQuery
from isp_plugins.operations import Operation
from isp_plugins.operations.errors import OperationElsewhereError, OperationEndedError
from isp_plugins.operations.store import OperationFilters

router = resource("/operations", "Operations")

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events. `operation`: the operation as it is now, whenever it has changed. `end`: `{reason}`, the last one.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("", response_model=PageOf[OperationOut], **needs(Scope.PLUGINS_READ))
async def list_operations(
    system: System, caller: Caller, query: Annotated[OperationQuery, Query()]
) -> Response:
    """List operations, newest first. A key that is limited to some plugins sees those about them."""
    filters = OperationFilters(
        kind=query.kind, state=query.state, subject=query.subject, subjects=caller.plugins
    )
    found = await system.operations.page(filters, query.page, query.size)
    shown = {"items": [shown_operation(one) for one in found.items], "total": found.total}
    return JsonBytes(dump(shown | {"page": found.page, "size": found.size, "pages": found.pages}))


@router.get("/{operation_id:id}", response_model=OperationOut, **needs(Scope.PLUGINS_READ))
async def get_operation(system: System, caller: Caller, operation_id: int) -> Response:
    """Show an operation."""
    operation = await system.operations.get(operation_id)
    _admit(caller, Scope.PLUGINS_READ, operation)
    return operation_answer(operation)


@router.post(
    "/{operation_id:id}/cancel",
    status_code=202,
    response_model=OperationOut,
    **needs(Scope.PLUGINS_MANAGE, OperationEndedError, OperationElsewhereError),
)
async def cancel_operation(system: System, caller: Caller, operation_id: int) -> Response:
    """Ask an operation to end and to undo what it did, which may take a moment; a step that cannot be broken off ends first."""
    _admit(caller, Scope.PLUGINS_MANAGE, await system.operations.get(operation_id))
    return operation_answer(await system.operations.cancel(operation_id, caller.actor), 202)


@router.get(
    "/{operation_id:id}/events",
    responses=_STREAM,
    response_class=EventStream,
    **needs(Scope.PLUGINS_READ),
)
async def follow_operation(request: Request, system: System, caller: Caller, operation_id: int) -> Response:
    """Follow an operation as server-sent events: as it is now, then every change, until it has ended."""
    _admit(caller, Scope.PLUGINS_READ, await system.operations.get(operation_id))
    token, source = token_of(request), caller.actor.source

    def still_admitted() -> None:
        """Raise what is wrong with the key by now, as at the beginning."""
        system.keys.authenticate(token, source=source).require(Scope.PLUGINS_READ)

    readings = system.operations.follow(operation_id)
    return EventStream(aclosing(operation_events(readings, shown_operation, still_admitted, system.clock)))


def shown_operation(operation: Operation) -> dict[str, Any]:
    """An operation as the API shows it."""
    fields = {name: getattr(operation, name) for name in Operation.__slots__}
    steps = [
        {"name": step.name, "began": step.began, "ended": step.ended, "detail": step.detail}
        for step in operation.steps
    ]
    error = stored_document(operation.error) if operation.error is not None else None
    return fields | {"state": operation.state.value, "steps": steps, "error": error}


def operation_answer(operation: Operation, status: int = 200, **headers: str) -> Response:
    """An operation, with where it is found."""
    location = f"/api/v1/operations/{operation.id}"
    return JsonBytes(dump(shown_operation(operation)), status, {"Location": location, **headers})


def _admit(caller: Principal, scope: Scope, operation: Operation) -> None:
    """Let a key that is limited to some plugins see only what is about them."""
    caller.require(scope, plugin=operation.subject)
