"""The deaths of plugins' workers: the last ones of each plugin in the database, their number and moments since this node began in memory.

1. A death is written in the transaction that stores what it led to; so a killed host has both or neither.
2. Of each plugin the last `size` are kept, of all nodes together.
"""

from collections import Counter, deque
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.clock import Clock
from isp_plugins.contracts.worker import Death, DeathReason, ResourceUse
from isp_plugins.db.engine import Database
from isp_plugins.db.paging import Page, fetch_page
from isp_plugins.db.tables import Plugin, PluginDeath
from isp_plugins.runtime.worker.trends import crashes

MOMENTS = 100
"""Moments of deaths that are remembered of each plugin."""


class Deaths:
    """What is known of the deaths of every plugin."""

    def __init__(self, database: Database, *, node: str, clock: Clock, size: int) -> None:
        self._database = database
        self._node = node
        self._clock = clock
        self._size = size
        self._moments: dict[int, deque[float]] = {}
        self.counts: Counter[tuple[int, str]] = Counter()
        """How many there were since this node began, by plugin and reason."""

    def notice(self, death: Death) -> None:
        """Count one that was just heard of."""
        self.counts[death.plugin_id, death.reason.value] += 1
        moments = self._moments.setdefault(death.plugin_id, deque(maxlen=MOMENTS))
        moments.append(self._clock.monotonic())

    def of(self, plugin_id: int) -> dict[str, int]:
        """How many there were of one plugin, by reason."""
        return {
            reason: count
            for (of_plugin, reason), count in sorted(self.counts.items())
            if of_plugin == plugin_id
        }

    def told(self, plugin_id: int) -> tuple[str, ...]:
        """What an operator should know of them now."""
        found = crashes(tuple(self._moments.get(plugin_id, ())), self._clock.monotonic())
        return (found,) if found else ()

    def repeated(self, plugin_id: int) -> str:
        """The same where the last one was not the only one, as an addition to its cause; else nothing."""
        moments = tuple(self._moments.get(plugin_id, ()))
        now = self._clock.monotonic()
        alone = crashes(moments[-1:], now) == crashes(moments, now)
        return "" if alone else f" It is not the first time: {crashes(moments, now)}."

    def forget(self, plugin_id: int) -> None:
        """Drop what is in memory of a plugin that is gone; what is stored went with it."""
        self._moments.pop(plugin_id, None)
        for key in [key for key in self.counts if key[0] == plugin_id]:
            del self.counts[key]

    async def save(self, session: AsyncSession, death: Death) -> None:
        """Store one, and drop those that are too many; nothing where the plugin is gone."""
        if await session.scalar(select(Plugin.id).where(Plugin.id == death.plugin_id)) is None:
            return
        await session.execute(insert(PluginDeath), [_row(death, self._node)])
        mine = select(PluginDeath.id).where(PluginDeath.plugin_id == death.plugin_id)
        last = await session.scalar(mine.order_by(PluginDeath.id.desc()).offset(self._size).limit(1))
        if last is not None:
            await session.execute(
                delete(PluginDeath).where(PluginDeath.plugin_id == death.plugin_id, PluginDeath.id <= last)
            )

    async def store(self, death: Death) -> None:
        """Store one that led to nothing."""
        async with self._database.transaction() as session:
            await self.save(session, death)

    async def page(self, plugin_id: int, *, page: int, size: int) -> Page[Death]:
        """One page of a plugin's deaths, newest first, of all nodes."""
        newest = select(PluginDeath).where(PluginDeath.plugin_id == plugin_id).order_by(PluginDeath.id.desc())
        async with self._database.reading() as session:
            return (await fetch_page(session, newest, page=page, size=size)).map(_death)


def _row(death: Death, node: str) -> dict[str, Any]:
    fields = death.to_dict()
    name = fields.pop("plugin")
    return {**fields, "plugin_name": name, "node": node}


def _death(row: PluginDeath) -> Death:
    return Death(
        plugin_id=row.plugin_id,
        plugin_name=row.plugin_name,
        version=row.version,
        pid=row.pid,
        started_at=row.started_at,
        died_at=row.died_at,
        reason=DeathReason(row.reason),
        exit_code=row.exit_code,
        signal=row.signal,
        detail=row.detail,
        log_tail=tuple(row.log_tail),
        usage=ResourceUse(row.cpu_s, row.memory_bytes, row.open_files, row.threads),
    )
