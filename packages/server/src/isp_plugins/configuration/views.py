"""Shows configuration: entries and versions with every secret masked."""

from collections.abc import Mapping
from typing import Any

from isp_plugins.actors import Actor
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.store import VALUE, ciphertext_in
from isp_plugins.configuration.values import MASK, ConfigEntry, ConfigVersionView, Source
from isp_plugins.db.tables.configuration import ConfigurationVersion, PluginConfiguration

LONGEST_NAME = 200


def entries_of(schema: ConfigSchema, rows: Mapping[str, PluginConfiguration]) -> list[ConfigEntry]:
    """Every key of the schema in its order, stored or not, then the stored keys that it does not name."""
    others = sorted(key for key in rows if key not in schema.properties)
    return [_entry(schema, key, rows.get(key)) for key in (*schema.keys, *others)]


def version_view(version: ConfigurationVersion, schema: ConfigSchema | None) -> ConfigVersionView:
    """A version with its values masked; without the schema it cannot be told which are secret, so none is shown."""
    values = (
        {key: _shown(schema, key, entry) for key, entry in version.entries.items()}
        if schema is not None
        else {}
    )
    return ConfigVersionView(
        version=version.version,
        created_at=version.created_at,
        created_by=version.created_by,
        changed_keys=tuple(version.changed_keys),
        note=version.note,
        keys=tuple(sorted(version.entries)),
        values=values,
    )


def name_of(actor: Actor) -> str:
    """Who did it, for people and for search: `api_key 7: billing`, or `system`."""
    name = actor.name if actor.name == actor.type.value else f"{actor.type.value} {actor.id}: {actor.name}"
    return name[:LONGEST_NAME]


def _shown(schema: ConfigSchema, key: str, entry: Mapping[str, Any]) -> Any:
    return MASK if schema.is_secret(key) or ciphertext_in(entry) is not None else entry.get(VALUE)


def _entry(schema: ConfigSchema, key: str, row: PluginConfiguration | None) -> ConfigEntry:
    described = schema.properties.get(key, {})
    secret = schema.is_secret(key) or (row is not None and row.is_encrypted)
    default = MASK if secret and key in schema.defaults else schema.defaults.get(key)
    source = (
        Source.STORED if row is not None else Source.DEFAULT if key in schema.defaults else Source.MISSING
    )
    value = row.value if row is not None else default
    return ConfigEntry(
        id=row.id if row is not None else None,
        key=key,
        value=MASK if secret and source is not Source.MISSING else value,
        is_encrypted=secret,
        type=_type_of(described),
        required=key in schema.required,
        default=default,
        description=str(described.get("description", "")),
        source=source,
        version=row.version if row is not None else None,
        updated_at=row.updated_at if row is not None else None,
        updated_by=row.updated_by if row is not None else None,
    )


def _type_of(described: Mapping[str, Any]) -> str | None:
    kind = described.get("type")
    return "|".join(kind) if isinstance(kind, list) else kind
