"""Rows of `plugin_configurations` and `configuration_versions`: read, written and re-encrypted, always in the caller's session."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Text, cast, delete, func, null, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.configuration.values import StoredValue
from isp_plugins.db.engine import Database
from isp_plugins.db.tables.configuration import ConfigurationVersion, PluginConfiguration
from isp_plugins.db.tables.plugins import Plugin

CIPHERTEXT = "ciphertext"
VALUE = "value"
VERSIONS_A_STEP = 100


async def rows_of(session: AsyncSession, plugin_id: int) -> dict[str, PluginConfiguration]:
    """The stored rows by key."""
    found = await session.scalars(
        select(PluginConfiguration)
        .where(PluginConfiguration.plugin_id == plugin_id)
        .order_by(PluginConfiguration.key)
    )
    return {row.key: row for row in found}


async def newest_version(session: AsyncSession, plugin_id: int) -> int:
    """The newest version's number; 0 where nothing was ever stored."""
    found = select(func.max(ConfigurationVersion.version)).where(ConfigurationVersion.plugin_id == plugin_id)
    return await session.scalar(found) or 0


async def version_of(session: AsyncSession, plugin_id: int, version: int) -> ConfigurationVersion | None:
    """One version."""
    return await session.get(ConfigurationVersion, (plugin_id, version))


async def versions_of(session: AsyncSession, plugin_id: int) -> Sequence[ConfigurationVersion]:
    """Every version, newest first."""
    query = select(ConfigurationVersion).where(ConfigurationVersion.plugin_id == plugin_id)
    return (await session.scalars(query.order_by(ConfigurationVersion.version.desc()))).all()


async def lock_plugin(session: AsyncSession, plugin_id: int) -> bool:
    """Keep others from changing this plugin's configuration until the transaction ends; whether the plugin exists."""
    found = await session.scalar(select(Plugin.id).where(Plugin.id == plugin_id).with_for_update())
    return found is not None


async def write(
    session: AsyncSession,
    plugin_id: int,
    sealed: Mapping[str, StoredValue],
    changed: Sequence[str],
    *,
    version: int,
    now: datetime,
    who: str,
) -> None:
    """Make the changed rows what `sealed` says; a changed key that is not in it is deleted."""
    rows = await rows_of(session, plugin_id)
    gone = [key for key in changed if key not in sealed]
    for start in range(0, len(gone), 500):
        some = gone[start : start + 500]
        await session.execute(
            delete(PluginConfiguration).where(
                PluginConfiguration.plugin_id == plugin_id, PluginConfiguration.key.in_(some)
            )
        )
    for key in changed:
        if key in sealed:
            row = rows.get(key) or PluginConfiguration(plugin_id=plugin_id, key=key, created_at=now)
            _fill(row, sealed[key])
            row.version, row.updated_at, row.updated_by = version, now, who
            session.add(row)
    await session.flush()


def _fill(row: PluginConfiguration, value: StoredValue) -> None:
    row.is_encrypted = value.is_encrypted
    # SQL's NULL, not JSON's: a secret's row holds no value at all.
    row.value = null() if value.is_encrypted else value.value
    row.ciphertext = value.ciphertext if value.is_encrypted else None


def to_entries(sealed: Mapping[str, StoredValue]) -> dict[str, Any]:
    """Stored values as a version keeps them."""
    return {
        key: {CIPHERTEXT: base64.b64encode(value.ciphertext or b"").decode()}
        if value.is_encrypted
        else {VALUE: value.value}
        for key, value in sealed.items()
    }


def ciphertext_in(entry: Mapping[str, Any]) -> bytes | None:
    """The ciphertext of a version's entry; None for a value in clear."""
    text = entry.get(CIPHERTEXT)
    return base64.b64decode(text) if isinstance(text, str) else None


async def encrypted_rows(session: AsyncSession) -> Sequence[PluginConfiguration]:
    """Every row that holds a ciphertext."""
    return (
        await session.scalars(select(PluginConfiguration).where(PluginConfiguration.ciphertext.is_not(None)))
    ).all()


async def encrypted_versions(session: AsyncSession) -> AsyncIterator[ConfigurationVersion]:
    """Every version that holds a ciphertext, a hundred at a time."""
    last = (0, 0)
    table = ConfigurationVersion
    while True:
        after = or_(table.plugin_id > last[0], (table.plugin_id == last[0]) & (table.version > last[1]))
        # The text only narrows the search down: a value in clear may hold the same word.
        query = select(table).where(after, cast(table.entries, Text).contains(f'"{CIPHERTEXT}"'))
        found = (
            await session.scalars(query.order_by(table.plugin_id, table.version).limit(VERSIONS_A_STEP))
        ).all()
        for version in found:
            if any(ciphertext_in(entry) is not None for entry in version.entries.values()):
                yield version
        if len(found) < VERSIONS_A_STEP:
            return
        last = (found[-1].plugin_id, found[-1].version)


async def ciphertext_exists(database: Database) -> bool:
    """Whether the database holds any encrypted configuration, so that a lost key must not be replaced by a new one."""
    async with database.reading() as session:
        if (
            await session.scalar(
                select(PluginConfiguration.id).where(PluginConfiguration.ciphertext.is_not(None)).limit(1)
            )
            is not None
        ):
            return True
        async for _ in encrypted_versions(session):
            return True
    return False
