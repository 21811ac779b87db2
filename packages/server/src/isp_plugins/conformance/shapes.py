"""What each message of the protocol must look like: JSON Schemas for parameters, results and error data.

Members that are not named here are allowed everywhere, because a later version may add some and a reader ignores what it does not know.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jsonschema_rs

from isp_plugins.conformance.vocabulary import SMALLEST_LIMIT, Code

Schema = Mapping[str, Any]

_ANY: Schema = {}
_TEXT: Schema = {"type": "string"}
_WORD: Schema = {"type": "string", "minLength": 1}
_OBJECT: Schema = {"type": "object"}
_ID: Schema = {"type": "integer", "minimum": 1}
_NULL: Schema = {"type": "null"}


def _object(required: Mapping[str, Schema] | None = None, **optional: Schema) -> Schema:
    needed = dict(required or {})
    return {"type": "object", "required": list(needed), "properties": needed | optional}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _nullable(kind: str) -> Schema:
    return {"type": [kind, "null"]}


_CALL = _object(
    {"request_id": _TEXT, "deadline_ms": {"type": "number", "minimum": 0}},
    hook=_nullable("string"),
    chain=_list(_TEXT),
    context=_OBJECT,
    parent=_ID,
)
_PARTY = _object({"name": _WORD, "version": _TEXT})
_HOOK = _object(
    {"hook": _WORD, "type": {"enum": ["action", "filter", "event"]}, "method": _WORD},
    priority={"type": "integer", "minimum": 1, "maximum": 1000},
    condition=_nullable("string"),
    timeout_ms=_nullable("integer"),
    failure_policy={"enum": ["continue", "stop"]},
    own_echo={"type": "boolean"},
    description=_TEXT,
)
_METHOD = _object(
    {"name": _WORD, "takes_payload": {"type": "boolean"}}, is_async={"type": "boolean"}, signature=_TEXT
)
_CHECK = _object({"name": _WORD, "status": {"enum": ["pass", "warn", "fail"]}}, message=_TEXT)
_STEP: Schema = {"enum": ["import", "construct", "initialize"]}
_FAILED_STEP: Schema = {"enum": ["import", "construct", "initialize", "activate", "configure"]}
_LEVEL: Schema = {"enum": ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]}


@dataclass(frozen=True, slots=True)
class Shape:
    """One request or notification: its parameters, and its result (None: a notification has none)."""

    params: Schema = field(default_factory=lambda: _OBJECT)
    result: Schema | None = None


TO_WORKER: Mapping[str, Shape] = {
    "handshake": Shape(
        _object(
            {
                "protocol": _list({"type": "integer"}),
                "host": _PARTY,
                "plugin": _object({"id": {"type": "integer"}, "name": _WORD, "version": _TEXT}),
                "max_message_bytes": {"type": "integer", "minimum": SMALLEST_LIMIT},
                "max_calls": {"type": "integer", "minimum": 1},
            },
            busy_poll_us={"type": "integer", "minimum": 0},
        ),
        _object(
            {"protocol": {"const": 1}, "implementation": _object({"name": _WORD, "version": _TEXT, "language": _WORD})}
        ),
    ),
    "initialize": Shape(
        _object({"config": _OBJECT}, load_timeout_s={"type": "number"}, initialize_timeout_s={"type": "number"}, log_level=_LEVEL),
        _object(
            {
                "hooks": _list(_HOOK),
                "methods": _list(_METHOD),
                "capabilities": _list({"enum": ["activate", "configure", "test_connection"]}),
            },
            refused={"type": "object", "additionalProperties": _TEXT},
            schedules=_list(_object({"method": _WORD, "cron": _WORD})),
        ),
    ),
    "activate": Shape(result=_ANY),
    "configure": Shape(_object({"config": _OBJECT}), _ANY),
    "health": Shape(
        result=_object({"status": {"enum": ["healthy", "degraded", "unhealthy"]}, "checks": _list(_CHECK)})
    ),
    "info": Shape(result=_OBJECT),
    "test_connection": Shape(result=_OBJECT),
    "cleanup": Shape(result=_object({"problem": _nullable("string")})),
    "ping": Shape(result=_OBJECT),
    "invoke": Shape(_object({"method": _WORD, "payload": _ANY, "call": _CALL}), _ANY),
    "execute": Shape(
        _object({"method": _WORD, "parameters": {"type": ["object", "array", "null"]}, "call": _CALL}), _ANY
    ),
    "cancel": Shape(_object({"id": _ID})),
    "log_level": Shape(_object({"level": _LEVEL})),
    "exit": Shape(),
}  # fmt: skip
"""What the host sends."""

TO_HOST: Mapping[str, Shape] = {
    "storage.get": Shape(_object({"key": _TEXT}, call=_ID), _ANY),
    "storage.set": Shape(_object({"key": _TEXT, "value": _ANY}, call=_ID), _NULL),
    "storage.delete": Shape(_object({"key": _TEXT}, call=_ID), {"type": "boolean"}),
    "storage.list": Shape(_object({"prefix": _TEXT}, call=_ID), _list(_TEXT)),
    "once.seen": Shape(_object({"mark": _WORD}, call=_ID), {"type": "boolean"}),
    "once.commit": Shape(_object({"mark": _WORD, "writes": _list(_ANY)}, call=_ID), {"type": "boolean"}),
    "dispatch": Shape(_object({"hook": _WORD, "payload": _ANY}, context=_nullable("object"), call=_ID), _OBJECT),
    "emit": Shape(_object({"hook": _WORD, "payload": _ANY}, call=_ID), _NULL),
    "log": Shape(
        _object({"level": _LEVEL, "message": _TEXT}, logger=_nullable("string"), traceback=_nullable("string"), call=_ID)
    ),
    "step": Shape(_object({"name": _STEP})),
}  # fmt: skip
"""What the worker sends."""

_RAISED = _object({"type": _WORD, "message": _TEXT}, traceback=_nullable("string"))
ERROR_DATA: Mapping[int, Schema] = {
    Code.RAISED: _RAISED,
    Code.REJECTED: _object({"reason": _TEXT}),
    Code.NOT_CALLABLE: _object({"kind": _WORD}),
    Code.INITIALIZE_FAILED: _object(
        {"step": _FAILED_STEP, "reason": _TEXT}, kind=_TEXT, traceback=_nullable("string")
    ),
    Code.RETRY_LATER: _object({"after_s": {"type": "number"}}, reason=_TEXT),
    Code.REFUSED: _object({"problem": _WORD}, detail=_TEXT),
}
"""The `data` of the errors that need some."""

_ENVELOPE = _object({"jsonrpc": {"const": "2.0"}})
_ERROR = _object({"code": {"type": "integer"}, "message": _WORD})


def mistakes(schema: Schema, value: Any, *, at: str = "") -> list[str]:
    """Everything in which a value departs from a schema, each with its place."""
    return [f"{_place(at, error.instance_path)}: {error.message}" for error in _errors(schema, value)]


def mistakes_in_message(message: Any) -> list[str]:
    """What makes a worker's message none of the protocol's, apart from whom it answers."""
    if found := mistakes(_ENVELOPE, message, at="message"):
        return found
    if "method" in message:
        return list(_in_request(message))
    if ("result" in message) == ("error" in message):
        return ["message: expected either `result` or `error`"]
    return list(_in_error(message["error"])) if "error" in message else []


def _in_request(message: Mapping[str, Any]) -> Iterator[str]:
    method = message["method"]
    shape = TO_HOST.get(method) if isinstance(method, str) else None
    if shape is None:
        yield f"method: expected one of {', '.join(TO_HOST)}, got {method!r}"
        return
    yield from mistakes(shape.params, message.get("params"), at=f"{method}: params")
    if shape.result is None and "id" in message:
        yield f"{method}: expected a notification, without `id`"
    elif shape.result is not None:
        yield from mistakes(_ID, message.get("id"), at=f"{method}: id")


def _in_error(error: Any) -> Iterator[str]:
    found = mistakes(_ERROR, error, at="error")
    yield from found
    if not found and (schema := ERROR_DATA.get(error["code"])):
        yield from mistakes(schema, error.get("data"), at=f"error {error['code']}: data")


def _place(at: str, path: list[str | int]) -> str:
    return ".".join([*([at] if at else []), *map(str, path)]) or "value"


def _errors(schema: Schema, value: Any) -> Iterator[jsonschema_rs.ValidationError]:
    yield from _compiled(_Key(schema)).iter_errors(value)


class _Key:
    """A schema as a key: the same object is compiled once."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.schema is self.schema


@cache
def _compiled(key: _Key) -> Any:
    return jsonschema_rs.validator_for(dict(key.schema))
