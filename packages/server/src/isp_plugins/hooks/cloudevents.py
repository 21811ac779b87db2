"""Reads a CloudEvent 1.0 as a dispatch, in structured mode (`application/cloudevents+json`) and binary mode (`ce-*` headers).

1. `type` is `isp.<hook>.v1`, `data` the payload. All mistakes are told at once.
2. The event's attributes are the dispatch's context: a condition may read `context.source`, `context.partitionkey`, an extension.
3. `source` and `id` together name the event: they are the idempotency key, so that a redelivery runs once.
4. Binary mode: a header's value is percent-decoded, as the HTTP binding has it; the body is `data`.
5. Only JSON data: `data_base64` and other content types are refused, and batches too.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from isp_plugins.hooks.errors import CloudEventInvalidError

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PREFIX = "ce-"
MAX_SOURCE, MAX_ID, MAX_TEXT, MAX_EXTENSIONS = 500, 200, 2000, 50
_TYPE = re.compile(r"isp\.([a-z][a-z0-9_]{0,99})\.v1")
_NAME = re.compile(r"[a-z0-9]{1,20}")
_JSON_TYPE = re.compile(r"application/json|[\w.+-]+/[\w.+-]+\+json", re.IGNORECASE)
_DATA = frozenset({"data", "data_base64"})


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """What a CloudEvent asks for."""

    hook: str
    payload: Any
    context: Mapping[str, Any]
    """The event's attributes."""
    idempotency_key: str


def is_cloudevent(headers: Mapping[str, str]) -> bool:
    """Whether a request is meant as a CloudEvent, in either mode; header names in any case."""
    names = {name.lower() for name in headers}
    return (
        _content_type(headers) in {STRUCTURED, BATCH}
        or f"{PREFIX}specversion" in names
        or f"{PREFIX}type" in names
    )


def parse(headers: Mapping[str, str], body: Any) -> CloudEvent:
    """Read a request whose body is decoded JSON; `CloudEventInvalidError` with every mistake."""
    kind = _content_type(headers)
    if kind == BATCH:
        raise _invalid(
            [_mistake("", "one event: batches are not supported, send each event by itself", BATCH)]
        )
    return parse_structured(body) if kind == STRUCTURED else parse_binary(headers, body)


def parse_structured(body: Any) -> CloudEvent:
    """Read an event whose attributes and data stand in one JSON object."""
    if not isinstance(body, Mapping):
        raise _invalid([_mistake("", "a JSON object with specversion, type, source, id and data", body)])
    mistakes = []
    if body.get("data_base64") is not None:
        mistakes.append(_mistake("data_base64", "JSON in data: binary data is not supported", "data_base64"))
    elif "data" not in body:
        mistakes.append(_mistake("data", "the hook's payload", None))
    attributes = {name: value for name, value in body.items() if name not in _DATA and value is not None}
    return _event(attributes, body.get("data"), mistakes)


def parse_binary(headers: Mapping[str, str], data: Any) -> CloudEvent:
    """Read an event whose attributes are `ce-*` headers and whose data is the body."""
    attributes: dict[str, Any] = {
        name.lower().removeprefix(PREFIX): _header(value)
        for name, value in headers.items()
        if name.lower().startswith(PREFIX)
    }
    if kind := _content_type(headers):
        attributes["datacontenttype"] = kind
    return _event(attributes, data, [])


def _event(attributes: Mapping[str, Any], data: Any, mistakes: list[dict[str, Any]]) -> CloudEvent:
    """Check the attributes and make the dispatch of them."""
    mistakes = [*_attribute_mistakes(attributes), *mistakes]
    if mistakes:
        raise _invalid(mistakes)
    found = _TYPE.fullmatch(attributes["type"])
    assert found is not None, "checked by _RULES"  # noqa: S101  narrows the type
    return CloudEvent(found[1], data, dict(attributes), _key(attributes["source"], attributes["id"]))


def _attribute_mistakes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with the attributes, in the order of the specification; then the extensions."""
    mistakes = [
        _mistake(name, expected, attributes.get(name))
        for name, (expected, fits, required) in _RULES.items()
        if (name in attributes or required) and not fits(attributes.get(name))
    ]
    extensions = {name: value for name, value in attributes.items() if name not in _RULES}
    if len(extensions) > MAX_EXTENSIONS:
        mistakes.append(_mistake("", f"at most {MAX_EXTENSIONS} extension attributes", len(extensions)))
    for name, value in extensions.items():
        if not _NAME.fullmatch(name):
            mistakes.append(_mistake(name, "an attribute name of at most 20 of a-z and 0-9", name))
        elif not _is_simple(value):
            mistakes.append(_mistake(name, "text, true, false or a whole number of 32 bits", value))
    return mistakes


def _is_text(limit: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and 1 <= len(value) <= limit and value.isprintable()


def _is_reference(value: Any) -> bool:
    """A URI reference, as far as it matters here: text without spaces and control characters."""
    return _is_text(MAX_SOURCE)(value) and not re.search(r"[\s<>\"{}|\\^`]", value)


def _is_moment(value: Any) -> bool:
    """An RFC 3339 moment, its offset included."""
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d", value):
        return False
    try:
        return datetime.fromisoformat(value.upper()).tzinfo is not None
    except ValueError:
        return False


def _is_simple(value: Any) -> bool:
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -(2**31) <= value < 2**31
    return isinstance(value, str) and len(value) <= MAX_TEXT and (value == "" or value.isprintable())


_RULES: Mapping[str, tuple[str, Callable[[Any], bool], bool]] = {
    "specversion": ('"1.0"', lambda value: value == "1.0", True),
    "type": ("isp.<hook>.v1, like isp.customer_created.v1", lambda value: isinstance(value, str) and bool(_TYPE.fullmatch(value)), True),
    "source": (f"a URI reference of at most {MAX_SOURCE} characters, like /billing", _is_reference, True),
    "id": (f"text of 1 to {MAX_ID} characters, unique for its source", _is_text(MAX_ID), True),
    "time": ("a moment as in RFC 3339, like 2030-01-31T12:00:00Z", _is_moment, False),
    "subject": (f"text of 1 to {MAX_TEXT} characters", _is_text(MAX_TEXT), False),
    "dataschema": (f"a URI of at most {MAX_SOURCE} characters", _is_reference, False),
    "datacontenttype": ("application/json", lambda value: isinstance(value, str) and bool(_JSON_TYPE.fullmatch(value.partition(";")[0].strip())), False),
    "partitionkey": ("the customer's or device's id as text", _is_text(MAX_TEXT), False),
}  # fmt: skip
"""What each attribute of the specification must be: in words, as a test, and whether it is required."""


def _key(source: str, identifier: str) -> str:
    """The idempotency key of an event: short, and different for every pair."""
    return (
        "ce:"
        + hashlib.sha256(f"{len(source)}:{source}{identifier}".encode("utf-8", "surrogatepass")).hexdigest()
    )


def _content_type(headers: Mapping[str, str]) -> str:
    """The media type without its parameters, or nothing."""
    value = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return value.partition(";")[0].strip().lower()


def _header(value: str) -> str:
    """A header's value: quotes taken off, percent escapes resolved."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return unquote(value, errors="replace")


def _mistake(path: str, expected: str, got: Any) -> dict[str, Any]:
    shown = "nothing" if got is None else repr(got)[:80]
    return {"path": path, "message": f"expected {expected}, got {shown}", "expected": expected, "got": shown}


def _invalid(mistakes: list[dict[str, Any]]) -> CloudEventInvalidError:
    summary = "; ".join(f"{one['path'] or 'the event'}: {one['message']}" for one in mistakes)
    return CloudEventInvalidError(summary=summary, mistakes=mistakes)
