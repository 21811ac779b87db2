"""JSON that leaves the server: what a plugin returned may be anything, the answer is JSON all the same.

1. The ordinary value is orjson's, in one pass.
2. What orjson refuses (an integer beyond 64 bits, a lone surrogate, an object of the plugin's own, a circle) is made plain first:
   integers stay exact, surrogates become U+FFFD, other objects their `str`, what nests deeper than 64 levels is cut.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import orjson

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
_DEEPEST = 64


def dump(value: Any) -> bytes:
    """The JSON text of any value; never raises for what it holds."""
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except TypeError:
        return json.dumps(_plain(value, _DEEPEST), ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any, levels: int) -> Any:
    """The value in terms of JSON's own types."""
    if value is None or isinstance(value, (bool, str, int, float)):
        return _scalar(value)
    if levels == 0:
        return "..."
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {spec.name: getattr(value, spec.name) for spec in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_text(str(key)): _plain(child, levels - 1) for key, child in value.items()}
    if isinstance(value, (Sequence, AbstractSet)) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [_plain(child, levels - 1) for child in value]
    return _text(_described(value))


def _scalar(value: Any) -> Any:
    """A value without parts; what JSON has no number for is null."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool) else int(value)


def _text(text: str) -> str:
    """The text, its lone surrogates replaced."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() else str(text)


def _described(value: Any) -> str:
    """What an object of a plugin says it is; its `__str__` may be broken too."""
    try:
        return str(value)
    except Exception:  # a plugin's own __str__ may raise anything
        return f"<{type(value).__name__}>"
