"""Configuration schemas: the short form of the specification, or a complete JSON Schema 2020-12; told apart, checked, translated.

1. A schema is complete when it has `$schema`, or when its `type` is text (`"type": "object"`); every other one is short: an object that
   describes one key of the configuration an entry, so that even a key called `type` is an object there.
2. All mistakes are reported together, each with its path, what was expected and what came; a likely word is suggested.
3. An empty schema takes any key; a short one takes the keys that it names, a complete one what it says.
4. `encrypted: true` makes a value a secret. It is kept as an annotation; the host keeps a key that holds an encrypted part secret as a whole.
"""

import copy
from collections.abc import Mapping
from typing import Any

from isp_plugin_sdk.errors import SchemaInvalidError
from isp_plugin_sdk.schema.full import mistakes_in_full
from isp_plugin_sdk.schema.keywords import DIALECT
from isp_plugin_sdk.schema.mistakes import Mistake, mistake, shown
from isp_plugin_sdk.schema.short import mistakes_in_short, translate
from isp_plugin_sdk.schema.values import value_mistakes, with_defaults

__all__ = [
    "Mistake",
    "is_full",
    "mistakes_in",
    "to_json_schema",
    "value_mistakes",
    "with_defaults",
]


def is_full(raw: Mapping[str, Any]) -> bool:
    """Whether a schema is a complete JSON Schema (rule 1)."""
    return "$schema" in raw or isinstance(raw.get("type"), (str, list))


def mistakes_in(raw: Any) -> list[Mistake]:
    """Every mistake of a schema in either form; empty for a good one."""
    if not isinstance(raw, Mapping):
        return [mistake("", "an object of configuration keys", shown(raw))]
    return mistakes_in_full(raw) if is_full(raw) else mistakes_in_short(raw)


def to_json_schema(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema 2020-12 of a schema in either form, as a copy; raises `SchemaInvalidError` with all mistakes."""
    found = mistakes_in(raw)
    if found:
        summary = "; ".join(f"{one['path'] or 'the schema'}: {one['message']}" for one in found)
        raise SchemaInvalidError(summary=summary, mistakes=found)
    copied = copy.deepcopy(dict(raw))
    return {"$schema": DIALECT, **copied} if is_full(raw) else translate(copied)
