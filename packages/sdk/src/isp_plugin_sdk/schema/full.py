"""A complete JSON Schema (2020-12) given as a configuration schema: the shape of what the host will read is checked here.

1. The root describes an object; its `properties` are the configuration's keys.
2. References stay within the document (`#/...`): a host never fetches a schema.
3. An unknown keyword is an annotation, as the standard has it, unless it is nearly a known one: then it is a mistake with a hint.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from isp_plugin_sdk.schema.keywords import (
    ANNOTATIONS,
    CONSTRAINTS,
    DIALECT,
    MAX_DEPTH,
    TYPES,
    TYPES_ELSEWHERE,
    Keyword,
    is_count,
)
from isp_plugin_sdk.schema.mistakes import MOST, Mistake, did_you_mean, mistake, shown
from isp_plugin_sdk.schema.short import bad_names, crossed_bounds
from isp_plugin_sdk.schema.values import value_mistakes
from isp_plugin_sdk.values import below

_SCHEMA = frozenset(
    {
        "items",
        "additionalProperties",
        "contains",
        "not",
        "if",
        "then",
        "else",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
        "contentSchema",
    }
)
_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
_ALL_TYPES = (*TYPES, "null")


def _is_names(value: Any) -> bool:
    """Whether a value is a list of different texts."""
    return (
        isinstance(value, list)
        and all(isinstance(name, str) for name in value)
        and len(set(value)) == len(value)
    )


def _is_type(value: Any) -> bool:
    """Whether a value is a type or a list of types."""
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name in _ALL_TYPES for name in names)


_LOCAL = Keyword(
    "a reference within this document, like #/$defs/name",
    lambda value: isinstance(value, str) and value.startswith("#"),
)
_TEXT = ANNOTATIONS["title"]
_KEYWORDS: Mapping[str, Keyword] = {
    "$schema": Keyword(DIALECT, lambda value: isinstance(value, str) and value.rstrip("#") == DIALECT),
    "$id": _TEXT,
    "$anchor": _TEXT,
    "$comment": _TEXT,
    "$ref": _LOCAL,
    "$dynamicRef": _LOCAL,
    "$dynamicAnchor": _TEXT,
    "type": Keyword("one of " + ", ".join(_ALL_TYPES) + ", or a list of them", _is_type),
    "const": Keyword("a value", lambda _: True),
    "required": Keyword("a list of different key names", _is_names),
    "dependentRequired": Keyword(
        "an object of lists of key names",
        lambda value: isinstance(value, Mapping) and all(_is_names(names) for names in value.values()),
    ),
    "format": _TEXT,
    "minContains": Keyword("a whole number of at least 0", is_count),
    "maxContains": Keyword("a whole number of at least 0", is_count),
    "contentEncoding": _TEXT,
    "contentMediaType": _TEXT,
    "readOnly": ANNOTATIONS["deprecated"],
    "writeOnly": ANNOTATIONS["deprecated"],
    **dict.fromkeys(_SCHEMAS, Keyword("a list of schemas", lambda _: False)),
    **dict.fromkeys(_NAMED_SCHEMAS, Keyword("an object of schemas", lambda _: False)),
    **ANNOTATIONS,
    **CONSTRAINTS,
}
_KNOWN = frozenset(_KEYWORDS) | _SCHEMA


def mistakes_in_full(schema: Mapping[str, Any]) -> list[Mistake]:
    """Every mistake of a complete JSON Schema that can be told without an implementation of the standard."""
    found = list(islice(_in_schema(schema, "", 0), MOST))
    if schema.get("type") != "object":
        found.append(
            mistake(
                "type",
                '"object", since the keys of a configuration are its properties',
                shown(schema.get("type")),
            )
        )
    if isinstance(schema.get("properties"), Mapping):
        found += islice(bad_names(schema["properties"], "properties"), MOST)
    return found


def _in_schema(schema: Any, path: str, depth: int) -> Iterator[Mistake]:
    """The mistakes of one schema and of those in it."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        yield mistake(path, "a schema (an object, true or false)", shown(schema))
        return
    if depth > 2 * MAX_DEPTH:
        yield mistake(path, f"at most {2 * MAX_DEPTH} levels", "a deeper one")
        return
    keywords = (
        _in_keyword(keyword, value, below(path, keyword), depth + 1) for keyword, value in schema.items()
    )
    found = list(islice(chain.from_iterable(keywords), MOST))
    yield from found
    yield from crossed_bounds(schema, path)
    if not found and "default" in schema:
        yield from value_mistakes(schema, schema["default"], below(path, "default"))


def _in_keyword(keyword: str, value: Any, path: str, depth: int) -> Iterator[Mistake]:
    """The mistakes of one keyword's value."""
    if keyword in _SCHEMA:
        yield from _in_schema(value, path, depth)
    elif keyword in _SCHEMAS and isinstance(value, list):
        yield from _in_schemas(enumerate(value), path, depth)
    elif keyword in _NAMED_SCHEMAS and isinstance(value, Mapping):
        yield from _in_schemas(value.items(), path, depth)
    elif keyword in _KEYWORDS:
        if not _KEYWORDS[keyword].fits(value):
            yield mistake(path, _KEYWORDS[keyword].expected, shown(value), _hint(keyword, value))
    elif hint := did_you_mean(keyword, _KNOWN, {}):
        yield mistake(path, "a keyword of JSON Schema", shown(keyword), hint)


def _in_schemas(schemas: Iterable[tuple[object, Any]], path: str, depth: int) -> Iterator[Mistake]:
    """The mistakes of several schemas."""
    for key, schema in schemas:
        yield from _in_schema(schema, below(path, key), depth)


def _hint(keyword: str, value: Any) -> str:
    """What helps with a keyword's wrong value."""
    if keyword == "type":
        return did_you_mean(value, _ALL_TYPES, TYPES_ELSEWHERE)
    if keyword == "required" and isinstance(value, bool):
        return "in a full JSON Schema `required` is the list of an object's required keys"
    return ""
