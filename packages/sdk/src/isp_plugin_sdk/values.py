"""JSON values: what may cross from a plugin to its host, checked and copied in one walk.

1. A JSON value is None, a bool, an int of 64 bits, a finite float, a str without lone surrogates, a list or a dict with str keys.
2. Nothing is converted: a tuple, a datetime or a Decimal is refused with its path, since it would come back as something else.
3. Nesting is at most `MAX_DEPTH` deep, which also catches a value that contains itself.
"""

import math
from typing import Any

from isp_plugin_sdk.errors import NotJsonError

MAX_DEPTH = 64
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1
_HINTS = {
    "tuple": "a list",
    "set": "a list",
    "frozenset": "a list",
    "bytes": "base64 text",
    "datetime": "RFC 3339 text",
    "date": "YYYY-MM-DD text",
}


def json_copy(value: Any, what: str) -> Any:
    """A deep copy of a JSON value; raises `NotJsonError` that names `what` and the JSON Pointer of the first misfit."""
    return _copy(value, what, "", 0)


def _copy(value: Any, what: str, path: str, depth: int) -> Any:
    """The copy of one node."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if isinstance(value, str):
        return _text(value, what, path)
    if isinstance(value, int):
        return _whole_number(value, what, path)
    if isinstance(value, float):
        return _number(value, what, path)
    if depth >= MAX_DEPTH:
        raise NotJsonError(
            what=what, path=path[:80], expected=f"at most {MAX_DEPTH} levels", got="a deeper or endless value"
        )
    if isinstance(value, list):
        return [_copy(item, what, f"{path}/{index}", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {
            _key(key, what, path): _copy(item, what, f"{path}/{_escaped(key)}", depth + 1)
            for key, item in value.items()
        }
    raise NotJsonError(
        what=what, path=path, expected=_HINTS.get(kind.__name__, "a JSON value"), got=kind.__name__
    )


def _text(value: str, what: str, path: str) -> str:
    """The text itself, as a plain str, where it can be encoded."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotJsonError(
            what=what, path=path, expected="text that UTF-8 can hold", got="a lone surrogate"
        ) from None
    return str(value)


def _number(value: float, what: str, path: str) -> float:
    """The number itself, where it is one."""
    if not math.isfinite(value):
        raise NotJsonError(what=what, path=path, expected="a finite number", got=repr(value))
    return float(value)


def _whole_number(value: int, what: str, path: str) -> int:
    """The number itself, where JSON and every database can hold it."""
    if not _LOWEST <= value <= _HIGHEST:
        raise NotJsonError(
            what=what, path=path, expected="an integer of 64 bits", got=f"one of {value.bit_length()} bits"
        )
    return int(value)


def _key(key: Any, what: str, path: str) -> str:
    """A dict's key, which JSON wants to be text."""
    if not isinstance(key, str):
        raise NotJsonError(what=what, path=path, expected="text as every key", got=f"the key {key!r}")
    return _text(key, what, path)


def _escaped(key: Any) -> str:
    """A key as a step of a JSON Pointer (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")
