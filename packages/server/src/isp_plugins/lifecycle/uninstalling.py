"""What an uninstallation would do, shown before it is done; what a plugin holds, as one document; and the end of what was kept.

1. A plan changes nothing. It names what depends on the plugin, and for each part whether it is kept, dropped or shared.
2. The exported document never holds a secret: those are named, without their values.
3. Logs stay unless they are asked for; the audit trail always stays.
"""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.clock import Clock
from isp_plugins.configuration import ConfigurationService
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.contracts.vocabulary import Desired
from isp_plugins.db.engine import Database
from isp_plugins.db.tables import Plugin, PluginConfiguration, PluginLog, PluginRelease, PluginStorageItem
from isp_plugins.lifecycle import kept, store
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.errors import KeptPluginNotFoundError
from isp_plugins.lifecycle.kept import KeptPlugin, Part
from isp_plugins.lifecycle.manager import PluginManager
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.runtime.worker.confining import own_folder
from isp_plugins.telemetry.deletion import delete_oldest
from isp_plugins.telemetry.logs import PluginLogs

LOGS_A_STEP = 1000
KEYS_SHOWN = 100
"""How many keys of stored values are shown of what is kept."""
SETTLE_S = 5.0
"""How long log records that are on their way are waited for."""


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """What would become of one part of a plugin."""

    part: str
    action: str
    """`keep`, `drop` or `shared`."""
    count: int
    """How many rows, or releases; 0: there is nothing."""
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"part": self.part, "action": self.action, "count": self.count, "detail": self.detail}


class Uninstaller:
    """Plans, exports, uninstalls and forgets."""

    def __init__(
        self,
        *,
        manager: PluginManager,
        directory: PluginDirectory,
        configuration: ConfigurationService,
        database: Database,
        audit: AuditLog,
        logs: PluginLogs,
        clock: Clock,
        data_dir: Path,
    ) -> None:
        self._data_dir = data_dir
        self._manager = manager
        self._directory = directory
        self._configuration = configuration
        self._database = database
        self._audit = audit
        self._logs = logs
        self._clock = clock

    async def plan(self, plugin_id: int, keep: frozenset[Part], *, drop_logs: bool) -> dict[str, Any]:
        """What an uninstallation would do now."""
        record = self._directory.get(plugin_id)
        needing = [
            one.name for one in self._directory.dependants_of(record.name) if one.desired is Desired.ENABLED
        ]
        return {
            "plugin_id": record.id,
            "plugin": record.name,
            "version": record.version,
            "state": record.state.value,
            "needed_by": needing,
            "parts": [part.to_dict() for part in await self._parts(record, keep, drop_logs=drop_logs)],
        }

    async def uninstall(
        self,
        plugin_id: int,
        actor: Actor,
        *,
        keep: frozenset[Part] = frozenset(),
        cascade: bool = False,
        drop_logs: bool = False,
    ) -> None:
        """Take a plugin down and drop it, but for what is to be kept; `PluginStillNeededError`."""
        record = self._directory.get(plugin_id)
        await self._manager.delete(record.id, actor, cascade=cascade, keep=keep)
        if Part.STORAGE not in keep:
            await self._drop_folder(record.id)
        if drop_logs:
            await self._drop_logs(record)

    async def export(self, plugin_id: int, actor: Actor) -> dict[str, Any]:
        """The plugin with its configuration (secrets only by name), subscriptions and stored values; audited."""
        record = self._directory.get(plugin_id)
        entries = await self._configuration.entries(plugin_id, ConfigSchema.of(record.config_schema))
        stored = [entry for entry in entries if entry.id is not None]
        hooks = [view.to_dict() for view in await self._manager.subscriptions.of(plugin_id)]
        async with self._database.reading() as session:
            rows = await session.execute(
                select(PluginStorageItem.key, PluginStorageItem.value)
                .where(PluginStorageItem.plugin_id == plugin_id)
                .order_by(PluginStorageItem.key)
            )
            storage = {row.key: row.value for row in rows}
        async with self._database.transaction() as session:
            await self._audit.record(
                session,
                AuditTag.PLUGIN_EXPORTED,
                actor,
                subject=("plugin", str(plugin_id)),
                details={"plugin": record.name},
            )
        return {
            "exported_at": self._clock.now(),
            "plugin": record.to_dict(),
            "configuration": {entry.key: entry.value for entry in stored if not entry.is_encrypted},
            "secrets": [entry.key for entry in stored if entry.is_encrypted],
            "hooks": hooks,
            "storage": storage,
        }

    async def _drop_folder(self, plugin_id: int) -> None:
        """What the plugin wrote into the folder of its own."""
        await asyncio.to_thread(shutil.rmtree, own_folder(self._data_dir, plugin_id), ignore_errors=True)

    async def kept(self) -> list[KeptPlugin]:
        """Every uninstalled plugin of which something is kept."""
        async with self._database.reading() as session:
            return await kept.everyone(session)

    async def kept_of(self, name: str) -> dict[str, Any]:
        """What is kept of one uninstalled plugin, secrets only by name; `KeptPluginNotFoundError`."""
        async with self._database.reading() as session:
            found = next((one for one in await kept.everyone(session) if one.name == name), None)
            if found is None:
                raise KeptPluginNotFoundError(name=name)
            keys = await kept.storage_keys(session, found.id, limit=KEYS_SHOWN)
        entries = await self._configuration.entries(found.id, ConfigSchema.of({}))
        return {
            **found.to_dict(),
            "configuration": {entry.key: entry.value for entry in entries if not entry.is_encrypted},
            "secrets": [entry.key for entry in entries if entry.is_encrypted],
            "storage": keys,
        }

    async def forget(self, name: str, actor: Actor) -> None:
        """Drop what is kept of an uninstalled plugin; `KeptPluginNotFoundError`."""
        async with self._database.transaction() as session:
            plugin_id = await kept.find(session, name)
            if plugin_id is None:
                raise KeptPluginNotFoundError(name=name)
            await store.delete_plugin(session, plugin_id)
            await self._audit.record(
                session,
                AuditTag.PLUGIN_FORGOTTEN,
                actor,
                subject=("plugin", str(plugin_id)),
                details={"plugin": name},
            )
        await self._drop_folder(plugin_id)

    async def _parts(
        self, record: PluginRecord, keep: frozenset[Part], *, drop_logs: bool
    ) -> list[PlannedPart]:
        counts = await self._counts(record)
        parts = [
            PlannedPart(
                part.value,
                "keep" if part in keep else "drop",
                counts[part.value],
                "found again by the next plugin of this name" if part in keep else "",
            )
            for part in Part
        ]
        logs = "records are deleted with it" if drop_logs else "records stay until their retention ends"
        parts.append(PlannedPart("logs", "drop" if drop_logs else "keep", counts["logs"], logs))
        if record.release is not None:
            others = await self._sharers(record)
            parts.append(
                PlannedPart(
                    "environment",
                    "shared" if others else "drop",
                    1,
                    f"also used by {', '.join(others)}" if others else record.release.environment,
                )
            )
            parts.append(PlannedPart("artifact", "drop", 1, f"sha256:{record.release.digest}"))
        return [*parts, PlannedPart("audit", "keep", 0, "always stays")]

    async def _counts(self, record: PluginRecord) -> Mapping[str, int]:
        columns = {
            "configuration": PluginConfiguration.plugin_id,
            "storage": PluginStorageItem.plugin_id,
            "logs": PluginLog.plugin_id,
        }
        async with self._database.reading() as session:
            return {
                name: await session.scalar(select(func.count()).where(column == record.id)) or 0
                for name, column in columns.items()
            }

    async def _sharers(self, record: PluginRecord) -> list[str]:
        """Other plugins with the same environment."""
        assert record.release is not None  # noqa: S101  asked for installed plugins only
        query = (
            select(Plugin.name)
            .join(PluginRelease, PluginRelease.plugin_id == Plugin.id)
            .where(PluginRelease.environment == record.release.environment, Plugin.id != record.id)
            .order_by(Plugin.name)
        )
        async with self._database.reading() as session:
            return list(dict.fromkeys((await session.scalars(query)).all()))

    async def _drop_logs(self, record: PluginRecord) -> None:
        """Delete a plugin's log records, those on their way included; the newest record of all stays, as retention has it."""
        await self._logs.settle(SETTLE_S)
        while await delete_oldest(self._database, record.id, LOGS_A_STEP):
            pass
