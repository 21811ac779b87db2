"""Messages: what each looks like, and whether one that came is one.

1. A message with `method` is a request where it has an `id`, else a notification; one without is a response.
2. An id is a positive integer of the side that asks; only an answer to what could not be read has the id null.
3. A response has either `result` or `error {code, message, data?}`. Members that nobody knows are ignored.
"""

from enum import StrEnum
from typing import Any

Message = dict[str, Any]


class NotAMessageError(ValueError):
    """A JSON value is no message of the protocol; the text says why."""


class Shape(StrEnum):
    """What a message is."""

    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"


def request(number: int, method: str, params: dict[str, Any]) -> Message:
    """A question that is answered."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def notification(method: str, params: dict[str, Any]) -> Message:
    """Something said without an answer."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def result(number: int, value: Any) -> Message:
    """The answer to a request."""
    return {"jsonrpc": "2.0", "id": number, "result": value}


def failure(number: int | None, code: int, message: str, data: dict[str, Any] | None = None) -> Message:
    """The answer that a request failed."""
    error: dict[str, Any] = {"code": int(code), "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": number, "error": error}


def shape_of(message: Any) -> Shape:
    """What a JSON value is as a message; `NotAMessageError`."""
    if type(message) is not dict:
        raise NotAMessageError(f"expected an object, got {type(message).__name__}")
    if "method" not in message:
        number = message.get("id")
        if "result" in message and "error" not in message and type(number) is int and number > 0:
            return Shape.RESPONSE  # as nearly all are
        return _checked_response(message)
    if type(message["method"]) is not str:
        raise NotAMessageError("`method` is no text")
    if "params" in message and type(message["params"]) is not dict:
        raise NotAMessageError("`params` is no object")
    if "id" not in message:
        return Shape.NOTIFICATION
    number = message["id"]
    if type(number) is not int or number <= 0:
        raise NotAMessageError("the `id` of a request is no positive integer")
    return Shape.REQUEST


def is_number(value: Any) -> bool:
    """Whether something can be the id of a request."""
    return type(value) is int and value > 0


def _checked_response(message: Message) -> Shape:
    number = message.get("id")
    if ("result" in message) == ("error" in message):
        raise NotAMessageError("expected either `method`, `result` or `error`")
    if not is_number(number) and not (number is None and "error" in message):
        raise NotAMessageError("the `id` of a response is no positive integer")
    if "error" in message:
        _check_error(message["error"])
    return Shape.RESPONSE


def _check_error(error: Any) -> None:
    if type(error) is not dict or type(error.get("code")) is not int or type(error.get("message")) is not str:
        raise NotAMessageError("`error` is not `{code, message}`")
    if not isinstance(error.get("data"), dict | None):
        raise NotAMessageError("the `data` of an error is no object")
