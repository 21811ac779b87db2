"""`/plugins/{plugin_id}/config`: values, versions, rollback, and a try at the plugin's peers.

A change is tried on the plugin first: what it refuses is not saved (409). Secrets are masked in every answer.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Body, Path
from starlette.responses import Response

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, JsonBytes, System
from isp_plugins.api.errors import BodyInvalidError, ConfigurationExistsError
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.json_text import dump
from isp_plugins.api.schemas.base import PageOf
from isp_plugins.api.schemas.configuration import (
    ConfigAllIn,
    ConfigChangeIn,
    ConfigEntryOut,
    ConfigListOut,
    ConfigValueIn,
    ConfigVersionOut,
    ConnectionOut,
)
from isp_plugins.configuration import ConfigChange, ConfigEntry, ConfigSchema, SetValue, Source
from isp_plugins.configuration.errors import (
    ConfigurationInvalidError,
    ConfigurationValueNotFoundError,
    ConfigurationVersionNotFoundError,
)
from isp_plugins.db.paging import Page
from isp_plugins.lifecycle.errors import (
    ConfigurationRefusedError,
    RequiredKeyMissingError,
    TestConnectionUnsupportedError,
)
from isp_plugins.system import PluginSystem

router = resource("/plugins/{plugin_id:id}/config", "Configuration")

VersionNumber = Annotated[int, Path(description="A version from the list of versions.")]
_CHANGE = (ConfigurationInvalidError, ConfigurationRefusedError, RequiredKeyMissingError)


@router.get("", response_model=ConfigListOut, **needs(Scope.CONFIG_READ))
async def list_configuration(system: System, plugin_id: int) -> Page[ConfigEntry]:
    """Every key of the plugin's schema, stored or not, then what is stored beyond it."""
    return _whole(await _entries(system, plugin_id))


@router.post(
    "",
    status_code=201,
    response_model=ConfigEntryOut,
    **needs(Scope.CONFIG_MANAGE, *_CHANGE, ConfigurationExistsError),
)
async def create_configuration(
    system: System, caller: Caller, plugin_id: int, body: Annotated[ConfigValueIn, Body()]
) -> ConfigEntry:
    """Store a value for a key that has none yet."""
    stored = next(
        (
            entry
            for entry in await _entries(system, plugin_id)
            if entry.key == body.key and entry.source is Source.STORED
        ),
        None,
    )
    if stored is not None:
        raise ConfigurationExistsError(plugin_id=plugin_id, key=body.key, config_id=stored.id)
    change = ConfigChange(set={body.key: SetValue(body.value, body.is_encrypted)})
    return _entry(await system.manager.configure(plugin_id, change, caller.actor), body.key)


@router.put("", response_model=ConfigListOut, **needs(Scope.CONFIG_MANAGE, *_CHANGE))
async def replace_configuration(
    system: System, caller: Caller, plugin_id: int, body: Annotated[ConfigAllIn, Body()]
) -> Page[ConfigEntry]:
    """Set several values at once, all of them or none; with `replace` (the default) every stored key that is not named is forgotten."""
    stray = sorted(set(body.secrets) - set(body.values))
    if stray:
        raise BodyInvalidError(
            summary="secrets names keys without a value",
            mistakes=[{"path": "secrets", "message": "expected keys of values", "got": stray}],
        )
    values = {
        key: SetValue(value, True if key in body.secrets else None) for key, value in body.values.items()
    }
    change = ConfigChange(set=values, replace_all=body.replace, note=body.note)
    return _whole(await system.manager.configure(plugin_id, change, caller.actor))


@router.put(
    "/{config_id:id}",
    response_model=ConfigEntryOut,
    **needs(Scope.CONFIG_MANAGE, *_CHANGE, ConfigurationValueNotFoundError),
)
async def update_configuration(
    system: System, caller: Caller, plugin_id: int, config_id: int, body: Annotated[ConfigChangeIn, Body()]
) -> ConfigEntry:
    """Change a stored value."""
    key = await system.configuration.key_of(plugin_id, config_id)
    if body.key not in {None, key}:
        raise BodyInvalidError(
            summary=f"configuration {config_id} is {key}",
            mistakes=[{"path": "key", "message": "the key stays", "expected": key, "got": body.key}],
        )
    change = ConfigChange(set={key: SetValue(body.value, body.is_encrypted)})
    return _entry(await system.manager.configure(plugin_id, change, caller.actor), key)


@router.delete(
    "/{config_id:id}",
    status_code=204,
    **needs(Scope.CONFIG_MANAGE, *_CHANGE, ConfigurationValueNotFoundError),
)
async def delete_configuration(system: System, caller: Caller, plugin_id: int, config_id: int) -> None:
    """Forget a stored value; the schema's default counts again. A key that an enabled plugin requires stays (409)."""
    key = await system.configuration.key_of(plugin_id, config_id)
    await system.manager.configure(plugin_id, ConfigChange(remove=[key]), caller.actor)


@router.get("/versions", response_model=PageOf[ConfigVersionOut], **needs(Scope.CONFIG_READ))
async def list_configuration_versions(system: System, plugin_id: int) -> Response:
    """Every version of the configuration, newest first."""
    versions = await system.configuration.versions(plugin_id, _schema(system, plugin_id))
    return JsonBytes(
        dump(_list_body([ConfigVersionOut.model_validate(version).model_dump() for version in versions]))
    )


@router.post(
    "/versions/{version:id}/rollback",
    response_model=ConfigListOut,
    **needs(Scope.CONFIG_MANAGE, *_CHANGE, ConfigurationVersionNotFoundError),
)
async def roll_configuration_back(
    system: System, caller: Caller, plugin_id: int, version: VersionNumber
) -> Page[ConfigEntry]:
    """Return to an earlier version, as a new version; it is tried on the plugin first."""
    return _whole(await system.manager.configure(plugin_id, ConfigChange(rollback_to=version), caller.actor))


@router.post(
    "/test-connection",
    response_model=ConnectionOut,
    **needs(Scope.CONFIG_MANAGE, TestConnectionUnsupportedError),
)
async def test_connection(system: System, plugin_id: int) -> Response:
    """Let the plugin try its peers with the present configuration, where it offers that."""
    return JsonBytes(dump(await system.manager.test_connection(plugin_id)))


def _schema(system: PluginSystem, plugin_id: int) -> ConfigSchema:
    return ConfigSchema.of(system.directory.get(plugin_id).config_schema)


async def _entries(system: PluginSystem, plugin_id: int) -> list[ConfigEntry]:
    return await system.configuration.entries(plugin_id, _schema(system, plugin_id))


def _entry(entries: Sequence[ConfigEntry], key: str) -> ConfigEntry:
    return next(entry for entry in entries if entry.key == key)


def _whole(entries: Sequence[ConfigEntry]) -> Page[ConfigEntry]:
    """A list that is always given whole, in the shape of every list."""
    return Page(entries, len(entries), 1, max(len(entries), 1))


def _list_body(items: Sequence[Any]) -> dict[str, Any]:
    return {
        "items": items,
        "total": len(items),
        "page": 1,
        "size": max(len(items), 1),
        "pages": min(len(items), 1),
    }
