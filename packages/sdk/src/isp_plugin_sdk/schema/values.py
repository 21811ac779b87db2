"""A value against a (translated) JSON Schema, with the keywords that the short form knows.

It checks the defaults of a schema and the configuration of a plugin under test. The host validates with a complete implementation; what this one
does not know (`$ref`, `allOf`, `if`, `pattern` ...) it leaves to that.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from isp_plugin_sdk.schema.keywords import is_number
from isp_plugin_sdk.schema.mistakes import Mistake, mistake, shown
from isp_plugin_sdk.values import below

_IS_TYPE: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": lambda value: is_number(value) and float(value).is_integer(),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
_ARTICLE = {"array": "an array", "integer": "an integer", "object": "an object", "null": "null"}
_COMPARE: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
    ("minimum", "at least", lambda value, bound: value >= bound),
    ("maximum", "at most", lambda value, bound: value <= bound),
    ("exclusiveMinimum", "more than", lambda value, bound: value > bound),
    ("exclusiveMaximum", "less than", lambda value, bound: value < bound),
)


def value_mistakes(schema: Any, value: Any, path: str = "") -> list[Mistake]:
    """Every way in which a value does not fit; values of `encrypted` fields are never repeated.

    A `pattern` is not tried: the schema may come from a stranger, and the standard library's expressions have no time limit.
    """
    return list(_walk(schema, value, path, hidden=False))


def with_defaults(schema: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the schema's defaults filled in, within nested objects that are there too."""
    filled = dict(values)
    for key, field in schema.get("properties", {}).items():
        if not isinstance(field, Mapping):
            continue
        if key not in filled and "default" in field:
            filled[key] = field["default"]
        if isinstance(filled.get(key), dict):
            filled[key] = with_defaults(field, filled[key])
    return filled


def _walk(schema: Any, value: Any, path: str, *, hidden: bool) -> Iterator[Mistake]:
    """The mistakes of one value and of what is in it."""
    if not isinstance(schema, Mapping):
        return
    hidden = hidden or schema.get("encrypted") is True
    got = "a value that is not shown" if hidden else shown(value)
    types = _as_list(schema.get("type", []))
    if types and not any(name in _IS_TYPE and _IS_TYPE[name](value) for name in types):
        yield mistake(path, " or ".join(_ARTICLE.get(name, f"a {name}") for name in types), got)
        return
    if isinstance(schema.get("enum"), list) and not any(_same(value, choice) for choice in schema["enum"]):
        yield mistake(path, "one of " + ", ".join(shown(choice) for choice in schema["enum"]), got)
    for expected in _unmet(schema, value):
        yield mistake(path, expected, got)
    if isinstance(value, dict):
        yield from _in_object(schema, value, path, hidden=hidden)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(schema.get("items"), item, below(path, index), hidden=hidden)


def _in_object(
    schema: Mapping[str, Any], value: Mapping[str, Any], path: str, *, hidden: bool
) -> Iterator[Mistake]:
    """The mistakes of an object's members: missing, unknown, and their values'."""
    properties = schema.get("properties", {})
    for key in schema.get("required", []):
        if key not in value:
            yield mistake(below(path, key), "a value", "nothing")
    others = schema.get("additionalProperties", True)
    for key, member in value.items():
        if key in properties:
            yield from _walk(properties[key], member, below(path, key), hidden=hidden)
        elif others is False:
            yield mistake(below(path, key), "one of " + (", ".join(properties) or "no keys"), shown(key))
        else:
            yield from _walk(others, member, below(path, key), hidden=hidden)


def _unmet(schema: Mapping[str, Any], value: Any) -> Iterator[str]:
    """What the schema demands of a single value and does not get."""
    if is_number(value):
        yield from _unmet_by_number(schema, value)
    elif isinstance(value, str):
        yield from _unmet_by_size(len(value), schema, "Length", "characters")
    elif isinstance(value, list):
        yield from _unmet_by_size(len(value), schema, "Items", "items")
        if schema.get("uniqueItems") and len({json.dumps(item, sort_keys=True) for item in value}) < len(
            value
        ):
            yield "items that differ from each other"
    elif isinstance(value, dict):
        yield from _unmet_by_size(len(value), schema, "Properties", "keys")


def _unmet_by_number(schema: Mapping[str, Any], value: float) -> Iterator[str]:
    """Bounds that a number breaks."""
    for keyword, words, holds in _COMPARE:
        if keyword in schema and not holds(value, schema[keyword]):
            yield f"{words} {schema[keyword]}"
    factor = schema.get("multipleOf")
    if factor and abs(value / factor - round(value / factor)) > 1e-9:
        yield f"a multiple of {factor}"


def _unmet_by_size(size: int, schema: Mapping[str, Any], noun: str, unit: str) -> Iterator[str]:
    """Bounds that a length or a count breaks."""
    if size < schema.get(f"min{noun}", 0):
        yield f"at least {schema[f'min{noun}']} {unit}"
    if size > schema.get(f"max{noun}", size):
        yield f"at most {schema[f'max{noun}']} {unit}"


def _as_list(value: Any) -> list[Any]:
    """A type as JSON Schema writes it: one name or a list of names."""
    return value if isinstance(value, list) else [value]


def _same(one: Any, other: Any) -> bool:
    """Equality as JSON has it: true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
