"""What stays of a plugin that was uninstalled: its row under its name and id, and the parts that were to be kept.

1. The id stays the same, since secrets are bound to it; the next plugin of that name finds what was kept.
2. Everything else that hangs on the plugin goes, whatever tables there are by then; logs and audit hang on nothing and stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Table, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.vocabulary import Desired
from isp_plugins.db.tables import (
    Base,
    ConfigurationVersion,
    Plugin,
    PluginConfiguration,
    PluginStorageItem,
)


class Part(StrEnum):
    """What of a plugin may outlive it."""

    CONFIGURATION = "configuration"
    """Its values and their versions, secrets included."""
    STORAGE = "storage"
    """What it keeps in its key-value store."""


_TABLES: Mapping[Part, frozenset[str]] = MappingProxyType(
    {
        Part.CONFIGURATION: frozenset({"plugin_configurations", "configuration_versions"}),
        Part.STORAGE: frozenset({"plugin_storage"}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlugin:
    """An uninstalled plugin of which something is kept."""

    id: int
    name: str
    version: str
    """The version that was uninstalled."""
    uninstalled_at: datetime
    configuration_keys: int
    storage_keys: int

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "uninstalled_at": self.uninstalled_at,
            "configuration_keys": self.configuration_keys,
            "storage_keys": self.storage_keys,
        }


async def keep(session: AsyncSession, plugin_id: int, parts: frozenset[Part], now: datetime) -> None:
    """Drop everything of a plugin but these parts."""
    kept = frozenset[str]().union(*(_TABLES[part] for part in parts))
    for table, column in _hanging_on_plugins():
        if table.name not in kept:
            await session.execute(delete(table).where(column == plugin_id))
    values = {
        "desired": Desired.DISABLED.value,
        "generation": Plugin.generation + 1,
        "release_id": None,
        "uninstalled_at": now,
        "updated_at": now,
    }
    await session.execute(update(Plugin).where(Plugin.id == plugin_id).values(values))


async def find(session: AsyncSession, name: str) -> int | None:
    """The id under which something of this name is kept."""
    found: int | None = await session.scalar(
        select(Plugin.id).where(Plugin.name == name, Plugin.uninstalled_at.is_not(None))
    )
    return found


async def parts_of(session: AsyncSession, plugin_id: int) -> frozenset[Part]:
    """Which parts are kept under an id."""
    held = {
        Part.CONFIGURATION: ConfigurationVersion.plugin_id,
        Part.STORAGE: PluginStorageItem.plugin_id,
    }
    return frozenset(
        [
            part
            for part, column in held.items()
            if await session.scalar(select(column).where(column == plugin_id).limit(1)) is not None
        ]
    )


async def everyone(session: AsyncSession) -> list[KeptPlugin]:
    """Every uninstalled plugin of which something is kept, by name."""
    rows = await session.execute(
        select(
            Plugin.id,
            Plugin.name,
            Plugin.version,
            Plugin.uninstalled_at,
            _count(PluginConfiguration.__table__).label("configuration_keys"),
            _count(PluginStorageItem.__table__).label("storage_keys"),
        )
        .where(Plugin.uninstalled_at.is_not(None))
        .order_by(Plugin.name)
    )
    return [KeptPlugin(**row) for row in rows.mappings()]


async def storage_keys(session: AsyncSession, plugin_id: int, *, limit: int) -> list[str]:
    """The first keys of stored values under an id."""
    query = select(PluginStorageItem.key).where(PluginStorageItem.plugin_id == plugin_id)
    return list((await session.scalars(query.order_by(PluginStorageItem.key).limit(limit))).all())


def _count(table: Any) -> Any:
    hanging = select(func.count()).select_from(table).where(table.c.plugin_id == Plugin.id)
    return hanging.correlate(Plugin).scalar_subquery()


def _hanging_on_plugins() -> list[tuple[Table, Column[Any]]]:
    """Every table with its column that names the plugin."""
    return [
        (table, key.parent)
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == Plugin.__tablename__
    ]
