"""The health history: what was found about each plugin's health and when, the last `size` entries of each, written in batches.

1. What was found again, with the same result, makes its entry longer instead of adding one.
2. Entries wait in memory, at most `size` for each plugin, and are written every `FLUSH_S` seconds: a killed host loses no more than that.
3. A plugin that is deleted takes its history along.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.clock import Clock
from isp_plugins.contracts.vocabulary import HealthEvent, HealthStatus
from isp_plugins.db.engine import Database
from isp_plugins.db.paging import Page, fetch_page
from isp_plugins.db.tables import Plugin, PluginHealthEntry
from isp_plugins.periodic import Periodic

FLUSH_S = 2.0
"""Longest time an entry waits in memory, in seconds."""
MAX_MESSAGE = 4000
"""Characters of a message that are kept."""
_REPEATS = frozenset({HealthEvent.ANSWERED, HealthEvent.MISSED})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HealthEntry:
    """A stretch of time in which nothing new was found."""

    event: HealthEvent
    status: HealthStatus
    """The plugin's health then."""
    at: datetime
    last_at: datetime
    """When the same was found last."""
    times: int = 1
    """How often the same was found."""
    message: str = ""
    checks: tuple[Mapping[str, Any], ...] = ()
    duration_ms: float | None = None
    """How long the last probe took."""
    node: str = ""

    def continues(self, before: "HealthEntry") -> bool:
        """Whether this is what was found before, once more."""
        return self.event in _REPEATS and self.result == before.result

    @property
    def result(self) -> tuple[Any, ...]:
        """What was found, apart from when and in which words."""
        return self.event, self.status, [(check["name"], check["status"]) for check in self.checks]


class HealthHistory:
    """Keeps what is found; `add` never waits."""

    def __init__(self, database: Database, *, node: str, clock: Clock, size: int) -> None:
        self._database = database
        self._node = node
        self._clock = clock
        self._size = size
        self._open: dict[int, tuple[int, HealthEntry]] = {}
        """The last entry of each plugin, with its number."""
        self._waiting: dict[int, dict[int, HealthEntry]] = {}
        """Entries that are not written yet; numbers count from 1 beyond the last one of an earlier run."""
        self._bases: dict[int, int] = {}
        """The last number of an earlier run."""
        self._writing = Periodic(self.flush, FLUSH_S, name="health history")

    def start(self) -> None:
        """Begin to write every so often."""
        self._writing.start()

    def add(  # noqa: PLR0917  the entry's own fields
        self,
        plugin_id: int,
        event: HealthEvent,
        status: HealthStatus,
        message: str = "",
        checks: Iterable[Mapping[str, Any]] = (),
        duration_ms: float | None = None,
    ) -> None:
        """Note what was found now."""
        now = self._clock.now()
        entry = HealthEntry(
            event, status, now, now, 1, message[:MAX_MESSAGE], tuple(checks), duration_ms, self._node
        )
        number, before = self._open.get(plugin_id, (0, None))
        if before is not None and entry.continues(before):
            entry = replace(entry, at=before.at, times=before.times + 1)
        else:
            number += 1
        self._open[plugin_id] = (number, entry)
        waiting = self._waiting.setdefault(plugin_id, {})
        waiting[number] = entry
        while len(waiting) > self._size:
            del waiting[min(waiting)]

    def forget(self, plugin_id: int) -> None:
        """Write nothing more of a plugin that is gone."""
        for kept in (self._open, self._waiting, self._bases):
            kept.pop(plugin_id, None)

    async def flush(self) -> None:
        """Write what waits; where the database fails, it waits on."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            async with self._database.transaction() as session:
                await self._write(session, waiting)
        except BaseException:
            for plugin_id, entries in waiting.items():
                if plugin_id in self._open:
                    self._waiting[plugin_id] = entries | self._waiting.get(plugin_id, {})
            raise

    async def page(self, plugin_id: int, *, page: int, size: int) -> Page[HealthEntry]:
        """One page of a plugin's history, newest first, of all nodes."""
        await self.flush()
        mine = select(PluginHealthEntry).where(PluginHealthEntry.plugin_id == plugin_id)
        newest = mine.order_by(
            PluginHealthEntry.at.desc(), PluginHealthEntry.node, PluginHealthEntry.number.desc()
        )
        async with self._database.reading() as session:
            return (await fetch_page(session, newest, page=page, size=size)).map(_entry)

    async def close(self) -> None:
        """Write what waits, and end."""
        await self._writing.stop()
        try:
            await self.flush()
        except Exception:
            logger.exception("The last entries of the health history could not be written.")

    async def _write(self, session: AsyncSession, waiting: Mapping[int, Mapping[int, HealthEntry]]) -> None:
        there = set(await session.scalars(select(Plugin.id).where(Plugin.id.in_(waiting))))
        await self._find_bases(session, there - self._bases.keys())
        rows = [
            _row(plugin_id, self._bases[plugin_id] + number, entry)
            for plugin_id, entries in waiting.items()
            if plugin_id in there
            for number, entry in entries.items()
        ]
        if not rows:
            return
        await _upsert(session, rows)
        for plugin_id in there:
            last = self._bases[plugin_id] + max(waiting[plugin_id])
            await session.execute(_drop(plugin_id, self._node, last - self._size))

    async def _find_bases(self, session: AsyncSession, plugin_ids: set[int]) -> None:
        numbers = select(PluginHealthEntry.plugin_id, func.max(PluginHealthEntry.number)).where(
            PluginHealthEntry.plugin_id.in_(plugin_ids), PluginHealthEntry.node == self._node
        )
        found = await session.execute(numbers.group_by(PluginHealthEntry.plugin_id))
        self._bases |= dict.fromkeys(plugin_ids, 0) | {row[0]: row[1] for row in found}


async def _upsert(session: AsyncSession, rows: list[dict[str, Any]]) -> None:
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = make(PluginHealthEntry)
    key = ["plugin_id", "node", "number"]
    changed = {column: statement.excluded[column] for column in rows[0] if column not in key}
    await session.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), rows)


def _drop(plugin_id: int, node: str, through: int) -> Any:
    return delete(PluginHealthEntry).where(
        PluginHealthEntry.plugin_id == plugin_id,
        PluginHealthEntry.node == node,
        PluginHealthEntry.number <= through,
    )


def _row(plugin_id: int, number: int, entry: HealthEntry) -> dict[str, Any]:
    return {
        "plugin_id": plugin_id,
        "node": entry.node,
        "number": number,
        "event": entry.event.value,
        "status": entry.status.value,
        "at": entry.at,
        "last_at": entry.last_at,
        "times": entry.times,
        "message": entry.message,
        "checks": [dict(check) for check in entry.checks],
        "duration_ms": entry.duration_ms,
    }


def _entry(row: PluginHealthEntry) -> HealthEntry:
    return HealthEntry(
        event=HealthEvent(row.event),
        status=HealthStatus(row.status),
        at=row.at,
        last_at=row.last_at,
        times=row.times,
        message=row.message,
        checks=tuple(row.checks),
        duration_ms=row.duration_ms,
        node=row.node,
    )
