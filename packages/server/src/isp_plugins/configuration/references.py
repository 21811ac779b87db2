"""Reads a JSON Schema as a tree: local references followed, properties found, secrets recognised; nothing is ever fetched.

1. Only references into the same document (`#`, `#/...`) are followed; every other one was refused when the schema was compiled.
2. A top-level key is secret if `encrypted: true` stands anywhere in its schema: one encrypted field inside an object makes the whole
   object secret, since it is stored and shown as one value.
"""

from collections.abc import Iterator, Mapping
from typing import Any

IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
IN_PLACE = ("if", "then", "else", "not")
NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
NESTED = (
    *IN_PLACE,
    "additionalProperties",
    "unevaluatedProperties",
    "items",
    "unevaluatedItems",
    "contains",
    "propertyNames",
)
NESTED_LISTS = (*IN_PLACE_LISTS, "prefixItems")
MAX_REFERENCES = 16
"""How many references in a row are followed; a ring of them ends here."""


def dereferenced(root: Mapping[str, Any], schema: Any) -> Mapping[str, Any]:
    """The schema with its own `$ref` replaced by what that names; keywords beside the reference win."""
    for _ in range(MAX_REFERENCES):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = {
            **_target(root, reference),
            **{key: value for key, value in schema.items() if key != "$ref"},
        }
    return {}


def top_properties(root: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Every schema that the document applies to each top-level key, through `allOf`, `if` and the like too."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for schema in _in_place(root, root, 0):
        for key, below in _mapping(schema.get("properties")).items():
            found.setdefault(key, []).append(dereferenced(root, below))
    return found


def open_schemas(root: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas that may apply to top-level keys that no `properties` names."""
    for schema in _in_place(root, root, 0):
        yield from _mapping(schema.get("patternProperties")).values()
        yield schema.get("additionalProperties")
        yield schema.get("unevaluatedProperties")


def holds_secret(root: Mapping[str, Any], schema: Any) -> bool:
    """Whether `encrypted: true` stands in the schema or anywhere below it."""
    return _holds_secret(root, schema, frozenset())


def _holds_secret(root: Mapping[str, Any], schema: Any, seen: frozenset[str]) -> bool:
    if not isinstance(schema, Mapping):
        return False
    if schema.get("encrypted") is True:
        return True
    reference = schema.get("$ref")
    if (
        isinstance(reference, str)
        and reference not in seen
        and _holds_secret(root, _target(root, reference), seen | {reference})
    ):
        return True
    return any(_holds_secret(root, below, seen) for below in _below(schema))


def _below(schema: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas directly inside a schema; data (`default`, `enum`, `const`, `examples`) is not looked at."""
    for keyword in NAMED:
        yield from _mapping(schema.get(keyword)).values()
    for keyword in NESTED_LISTS:
        below = schema.get(keyword)
        yield from below if isinstance(below, list) else ()
    for keyword in NESTED:
        yield schema.get(keyword)


def _in_place(root: Mapping[str, Any], schema: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """The schema and those that it applies to the same value."""
    if not isinstance(schema, Mapping) or depth > MAX_REFERENCES:
        return
    yield schema
    inner = [schema.get(keyword) for keyword in IN_PLACE]
    inner += [below for keyword in IN_PLACE_LISTS for below in schema.get(keyword, ())]
    inner += _mapping(schema.get("dependentSchemas")).values()
    reference = schema.get("$ref")
    inner += [_target(root, reference)] if isinstance(reference, str) and reference != "#" else []
    for below in inner:
        yield from _in_place(root, below, depth + 1)


def _target(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    """What a local reference names; an empty schema where it names nothing."""
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return _mapping(found) if reference.startswith("#") else {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
