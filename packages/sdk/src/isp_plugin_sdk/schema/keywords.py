"""The words of a configuration schema: types, keywords with the values that each takes, and formats."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TYPES = ("string", "number", "integer", "boolean", "array", "object")
KEY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
MAX_DEPTH = 16
"""How deep fields may nest."""

FORMATS = frozenset(
    {
        "date-time",
        "date",
        "time",
        "duration",
        "email",
        "idn-email",
        "hostname",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uri-reference",
        "iri",
        "iri-reference",
        "uuid",
        "uri-template",
        "json-pointer",
        "relative-json-pointer",
        "regex",
    }
)
"""The formats of JSON Schema 2020-12."""

TYPES_ELSEWHERE = {
    "str": "string", "text": "string", "int": "integer", "float": "number", "decimal": "number", "bool": "boolean",
    "list": "array", "tuple": "array", "dict": "object", "map": "object", "password": "string",
}  # fmt: skip
KEYWORDS_ELSEWHERE = {
    "min": "minimum", "max": "maximum", "secret": "encrypted", "is_encrypted": "encrypted", "sensitive": "encrypted",
    "choices": "enum", "options": "enum", "regex": "pattern", "help": "description", "label": "title", "optional": "required",
    "min_length": "minLength", "max_length": "maxLength", "fields": "properties", "element": "items",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword: what its value must be, and the types it belongs to (empty: all)."""

    expected: str
    fits: Callable[[Any], bool]
    types: tuple[str, ...] = ()


_ECMA_ONLY = re.compile(r"\\[pP]\{[^}]*\}|\(\?<(?=[A-Za-z_])")


def _in_python(match: re.Match[str]) -> str:
    """What stands for a Unicode class or a named group, which JSON Schema's dialect writes in another way."""
    return "(?P<" if match[0] == "(?<" else r"\w"


def is_number(value: Any) -> bool:
    """Whether a value is a JSON number (True is not)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    """Whether a value is a whole number of at least 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_regex(value: Any) -> bool:
    """Whether a value is a regular expression that compiles; Python's own dialect is all that can be asked here."""
    try:
        return isinstance(value, str) and bool(re.compile(_ECMA_ONLY.sub(_in_python, value)))
    except (re.error, RecursionError, OverflowError):
        return False


_BOOLEAN = Keyword("true or false", lambda value: isinstance(value, bool))
_TEXT = Keyword("text", lambda value: isinstance(value, str))
_LIST = Keyword("a list", lambda value: isinstance(value, list))
_NUMBER = Keyword("a number", is_number, ("number", "integer"))
_LENGTH = Keyword("a whole number of at least 0", is_count, ("string",))
_COUNT = Keyword("a whole number of at least 0", is_count, ("array",))
_SIZE = Keyword("a whole number of at least 0", is_count, ("object",))

ANNOTATIONS: Mapping[str, Keyword] = {
    "title": _TEXT,
    "description": _TEXT,
    "default": Keyword("a value", lambda _: True),
    "examples": _LIST,
    "deprecated": _BOOLEAN,
    "encrypted": _BOOLEAN,
}
"""What a keyword tells people, and the host: `encrypted` makes the value a secret."""

CONSTRAINTS: Mapping[str, Keyword] = {
    "enum": Keyword("a list of at least one value", lambda value: isinstance(value, list) and bool(value)),
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "exclusiveMinimum": _NUMBER,
    "exclusiveMaximum": _NUMBER,
    "multipleOf": Keyword(
        "a number above 0", lambda value: is_number(value) and value > 0, ("number", "integer")
    ),
    "minLength": _LENGTH,
    "maxLength": _LENGTH,
    "pattern": Keyword("a regular expression", is_regex, ("string",)),
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "uniqueItems": Keyword("true or false", lambda value: isinstance(value, bool), ("array",)),
    "minProperties": _SIZE,
    "maxProperties": _SIZE,
}
"""What both forms of a schema can demand of a value."""

BOUNDS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)
"""Pairs of which the first must not be above the second."""
