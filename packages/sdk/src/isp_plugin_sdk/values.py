"""JSON values: what may cross from a plugin to its host, checked and copied in one walk.

1. A JSON value is None, a bool, an int of 64 bits, a finite float, a str without NUL and lone surrogates, a list (a tuple becomes one) or a
   dict with str keys: what every database of the host gives back as it was.
2. Nothing else is converted: a datetime, a Decimal or a set is refused with its path, since it would come back as something else.
3. Nesting is at most `MAX_DEPTH` deep, which also catches a value that contains itself.
"""

import math
from typing import Any

from isp_plugin_sdk.errors import NotJsonError

MAX_DEPTH = 64
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_HINTS = {
    "set": "a list",
    "frozenset": "a list",
    "bytes": "base64 text",
    "datetime": "RFC 3339 text",
    "date": "YYYY-MM-DD text",
    "Decimal": "an integer of minor units, or text",
}


def json_copy(value: Any, what: str) -> Any:
    """A deep copy of a JSON value; raises `NotJsonError` that names `what` and the path of the first misfit."""
    return _copy(value, what, "", 0)


def below(path: str, key: object) -> str:
    """The path of a key or an index below another: `smtp.hosts.0.port`."""
    return f"{path}.{key}" if path else str(key)


def _copy(value: Any, what: str, path: str, depth: int) -> Any:
    """The copy of one node."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, what, path)
    if isinstance(value, int):
        return _whole_number(value, what, path)
    if isinstance(value, float):
        return _number(value, what, path)
    if depth >= MAX_DEPTH:
        raise _misfit(what, path[:80], f"at most {MAX_DEPTH} levels", "a deeper or endless value")
    if isinstance(value, (list, tuple)):
        return [_copy(item, what, below(path, index), depth + 1) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {
            _key(key, what, path): _copy(item, what, below(path, key), depth + 1)
            for key, item in value.items()
        }
    kind = type(value).__name__
    raise _misfit(what, path, _HINTS.get(kind, "a JSON value"), kind)


def _text(value: str, what: str, path: str) -> str:
    """The text itself, as a plain str (an enum's member, for example, is its value)."""
    if "\0" in value:
        raise _misfit(what, path, "text without NUL", "a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _misfit(what, path, "text that UTF-8 can hold", "a lone surrogate") from None
    return str.__str__(value)


def _number(value: float, what: str, path: str) -> float:
    """The number itself, where it is one."""
    if not math.isfinite(value):
        raise _misfit(what, path, "a finite number", repr(value))
    return float(value)


def _whole_number(value: int, what: str, path: str) -> int:
    """The number itself, where JSON and every database can hold it."""
    if not _LOWEST <= value <= _HIGHEST:
        raise _misfit(what, path, "an integer of 64 bits", f"one of {value.bit_length()} bits")
    return int(value)


def _key(key: Any, what: str, path: str) -> str:
    """A dict's key, which JSON wants to be text."""
    if not isinstance(key, str):
        raise _misfit(what, path, "text as every key", f"the key {key!r}")
    return _text(key, what, path)


def _misfit(what: str, path: str, expected: str, got: str) -> NotJsonError:
    """The error for one misfit."""
    return NotJsonError(what=f"{what} at {path}" if path else what, path=path, expected=expected, got=got)
