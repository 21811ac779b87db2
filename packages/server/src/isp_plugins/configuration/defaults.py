"""Fills a schema's defaults into values, recursively.

1. A value that is there is never replaced; the defaults of an object's fields are filled into it, and into the objects of a list.
2. A missing field takes its own default, with its fields' defaults filled in.
3. A missing object without a default of its own is made from its fields' defaults, if there is one and no required field stays open.
"""

import copy
from collections.abc import Mapping
from typing import Any

from isp_plugins.configuration.references import MAX_REFERENCES, dereferenced

NOTHING = object()
"""No value and no default; None is a value."""


def filled(root: Mapping[str, Any], schema: Any, value: Any, depth: int = 0) -> Any:
    """A copy of the value with every default of the schema filled in."""
    found = dereferenced(root, schema)
    if isinstance(value, Mapping):
        return _filled_object(root, found, value, depth)
    if isinstance(value, list):
        return [filled(root, found.get("items"), item, depth + 1) for item in value]
    return value


def default_of(root: Mapping[str, Any], schema: Any, depth: int = 0) -> Any:
    """What a missing value becomes, or `NOTHING`."""
    found = dereferenced(root, schema)
    if "default" in found:
        return filled(root, found, copy.deepcopy(found["default"]), depth)
    if "properties" not in found or depth > MAX_REFERENCES:
        return NOTHING
    made = _filled_object(root, found, {}, depth)
    return made if made and all(key in made for key in found.get("required", ())) else NOTHING


def _filled_object(
    root: Mapping[str, Any], schema: Mapping[str, Any], values: Mapping[str, Any], depth: int
) -> dict[str, Any]:
    result = dict(values)
    for key, below in schema.get("properties", {}).items():
        value = (
            filled(root, below, values[key], depth + 1)
            if key in values
            else default_of(root, below, depth + 1)
        )
        if value is not NOTHING:
            result[key] = value
    return result
