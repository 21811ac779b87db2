"""The short form of a configuration schema: one entry a key, as the specification shows it; checked and translated here.

1. Every key has a `type`; `required: true` stands on the key itself, also within a nested object.
2. An object's `properties` are in short form too; with them no other key is allowed, unless `additionalProperties` says so.
3. A keyword must suit its type; an unknown one is a mistake, except those that begin with `x-`.
4. A default must fit its own field.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from isp_plugin_sdk.schema.keywords import (
    ANNOTATIONS,
    BOUNDS,
    CONSTRAINTS,
    DIALECT,
    FORMATS,
    KEY_NAME,
    KEYWORDS_ELSEWHERE,
    MAX_DEPTH,
    TYPES,
    TYPES_ELSEWHERE,
    Keyword,
)
from isp_plugin_sdk.schema.mistakes import MOST, Mistake, did_you_mean, mistake, shown
from isp_plugin_sdk.schema.values import value_mistakes
from isp_plugin_sdk.values import below

_FIELD = Keyword("an object that describes a field", lambda value: isinstance(value, Mapping))
_KEYWORDS: Mapping[str, Keyword] = {
    "type": Keyword("one of " + ", ".join(TYPES), lambda value: isinstance(value, str) and value in TYPES),
    "required": Keyword("true or false", lambda value: isinstance(value, bool)),
    "format": Keyword("one of " + ", ".join(sorted(FORMATS)), lambda value: isinstance(value, str) and value in FORMATS, ("string",)),
    "items": Keyword(_FIELD.expected, _FIELD.fits, ("array",)),
    "properties": Keyword("an object of fields", lambda value: isinstance(value, Mapping), ("object",)),
    "additionalProperties": Keyword(
        "true, false or a field", lambda value: isinstance(value, (bool, Mapping)), ("object",)
    ),
    **ANNOTATIONS,
    **CONSTRAINTS,
}  # fmt: skip


def translate(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a short one that has no mistakes; an empty one takes any key."""
    return {"$schema": DIALECT, "type": "object", **_members(fields), "additionalProperties": not fields}


def mistakes_in_short(fields: Mapping[str, Any]) -> list[Mistake]:
    """The mistakes of a short schema, all up to `MOST`."""
    return list(islice(_in_fields(fields, "", 0), MOST))


def _members(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`properties` and `required` of an object."""
    required = [key for key, field in fields.items() if field.get("required")]
    members: dict[str, Any] = {"properties": {key: _field(field) for key, field in fields.items()}}
    return members | ({"required": required} if required else {})


def _field(field: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of one field."""
    translated = {
        keyword: value for keyword, value in field.items() if keyword not in ("required", "properties")
    }
    if "items" in field:
        translated["items"] = _field(field["items"])
    if "properties" in field:
        translated |= _members(field["properties"])
        translated.setdefault("additionalProperties", False)
    if isinstance(field.get("additionalProperties"), Mapping):
        translated["additionalProperties"] = _field(field["additionalProperties"])
    return translated


def _in_fields(fields: Mapping[str, Any], path: str, depth: int) -> Iterator[Mistake]:
    """The mistakes of several fields."""
    yield from bad_names(fields, path)
    for key, field in fields.items():
        yield from _in_field(field, below(path, key), depth + 1)


def bad_names(fields: Iterable[object], path: str) -> Iterator[Mistake]:
    """The keys that cannot be a configuration's."""
    for key in fields:
        if not isinstance(key, str) or not KEY_NAME.fullmatch(key):
            yield mistake(below(path, key), "a name of letters, digits, _ . and -, at most 100", shown(key))


def _in_field(field: Any, path: str, depth: int) -> Iterator[Mistake]:
    """The mistakes of one field and of the fields in it."""
    if not isinstance(field, Mapping):
        yield mistake(path, 'an object like {"type": "string"}', shown(field))
        return
    if depth > MAX_DEPTH:
        yield mistake(path, f"at most {MAX_DEPTH} levels", "a deeper one")
        return
    found = list(islice(_in_keywords(field, path), MOST))
    if "items" in field:
        found += _in_field(field["items"], below(path, "items"), depth + 1)
    if isinstance(field.get("properties"), Mapping):
        found += _in_fields(field["properties"], below(path, "properties"), depth)
    if isinstance(field.get("additionalProperties"), Mapping):
        found += _in_field(field["additionalProperties"], below(path, "additionalProperties"), depth + 1)
    yield from found
    if not found and "default" in field:
        yield from value_mistakes(_field(field), field["default"], below(path, "default"))


def _in_keywords(field: Mapping[str, Any], path: str) -> Iterator[Mistake]:
    """The mistakes in a field's own keywords."""
    kind = field.get("type")
    if "type" not in field:
        yield mistake(below(path, "type"), _KEYWORDS["type"].expected, "nothing")
    for keyword, value in field.items():
        here = below(path, keyword)
        known = _KEYWORDS.get(keyword)
        if known is None:
            if not str(keyword).startswith("x-"):
                hint = did_you_mean(keyword, _KEYWORDS, KEYWORDS_ELSEWHERE)
                yield mistake(here, "a keyword of a field", shown(keyword), hint)
        elif known.types and kind in TYPES and kind not in known.types:
            yield mistake(here, f"{keyword} only on {' or '.join(known.types)}", f"one on {kind}")
        elif not known.fits(value) and keyword != "items":
            yield mistake(here, known.expected, shown(value), _hint(keyword, value))
    yield from crossed_bounds(field, path)


def crossed_bounds(field: Mapping[str, Any], path: str) -> Iterator[Mistake]:
    """Lower bounds above their upper ones, and what would never fit an enumeration."""
    for lower, upper in BOUNDS:
        low, high = field.get(lower), field.get(upper)
        if (
            low is not None
            and high is not None
            and CONSTRAINTS[lower].fits(low)
            and CONSTRAINTS[upper].fits(high)
            and low > high
        ):
            yield mistake(below(path, lower), f"at most {upper} ({high})", shown(low))


def _hint(keyword: str, value: Any) -> str:
    """What helps with a keyword's wrong value."""
    if keyword == "type":
        return did_you_mean(value, TYPES, TYPES_ELSEWHERE)
    if keyword == "format":
        return did_you_mean(value, FORMATS, {})
    if keyword == "required" and isinstance(value, list):
        return "in the short form `required: true` stands on each key itself"
    return ""
