"""The tables of statistics: minutes for a day, hours for thirty, and when each subscription last ran.

1. A row is one plugin on one node in one minute; rows are only added. Several of one minute (a restart within it) add up.
2. An hour's rows are made anew from its minutes when it is over, so that making them twice changes nothing.
3. What belongs to a plugin that was deleted in the meantime is left out.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.db.engine import Database
from isp_plugins.db.tables.plugins import Plugin
from isp_plugins.db.tables.statistics import PluginLastRuns, PluginStatistics
from isp_plugins.telemetry.stats.meter import LastRun
from isp_plugins.telemetry.stats.tally import NO_PLUGIN, Frame, Key, Packed, add_to, pack, unpack
from isp_plugins.telemetry.stats.windows import MINUTE_S

KEEP_MINUTES = timedelta(days=1)
KEEP_HOURS = timedelta(days=30)
HOUR = timedelta(hours=1)
ROWS_A_STATEMENT = 250


class Resolution(StrEnum):
    """How long a row's stretch of time is."""

    MINUTE = "minute"
    """Sixty seconds."""
    HOUR = "hour"
    """Sixty minutes."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One row."""

    id: int
    node: str
    at: datetime
    packed: Packed

    @property
    def minute(self) -> int:
        """The minute it began in, counted from the epoch."""
        return minute_of(self.at)


def minute_of(moment: datetime) -> int:
    """A moment's minute, counted from the epoch."""
    return int(moment.timestamp() // MINUTE_S)


def moment_of(minute: int) -> datetime:
    """The beginning of a minute."""
    return datetime.fromtimestamp(minute * MINUTE_S, UTC)


class StatisticsStore:
    """Reads and writes the rows of every node; writes only its own node's."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self.node = node

    async def write(self, minutes: Sequence[tuple[int, Packed]], lasts: Mapping[Key, LastRun]) -> None:
        """Add minutes, and replace what is known of last runs, in one transaction."""
        async with self._database.transaction() as session:
            plugins = set((await session.scalars(select(Plugin.id))).all())
            rows = [
                self._row(Resolution.MINUTE, moment_of(minute), plugin_id, body)
                for minute, packed in minutes
                for plugin_id, body in packed.items()
                if plugin_id in plugins or plugin_id == NO_PLUGIN
            ]
            await _insert(session, rows)
            await self._write_lasts(
                session, {key: last for key, last in lasts.items() if key.plugin_id in plugins}
            )

    async def read(
        self,
        resolution: Resolution,
        since: datetime,
        *,
        before: datetime | None = None,
        node: str | None = None,
        after: int = 0,
    ) -> list[Stored]:
        """Every node's rows (or one's) from a moment on, with ids above `after`, in the order in which they were written."""
        columns = (
            PluginStatistics.id,
            PluginStatistics.node,
            PluginStatistics.at,
            PluginStatistics.plugin_id,
            PluginStatistics.body,
        )
        statement = (
            select(*columns)
            .where(
                PluginStatistics.resolution == resolution.value,
                PluginStatistics.at >= since,
                PluginStatistics.id > after,
            )
            .order_by(PluginStatistics.id)
        )
        if before is not None:
            statement = statement.where(PluginStatistics.at < before)
        if node is not None:
            statement = statement.where(PluginStatistics.node == node)
        async with self._database.reading() as session:
            rows = (await session.execute(statement)).all()
        return [Stored(row.id, row.node, row.at, {row.plugin_id or NO_PLUGIN: row.body}) for row in rows]

    async def read_lasts(self) -> dict[str, dict[Key, LastRun]]:
        """What is known of last runs, by node."""
        async with self._database.reading() as session:
            rows = (
                await session.execute(
                    select(PluginLastRuns.node, PluginLastRuns.plugin_id, PluginLastRuns.body)
                )
            ).all()
        found: dict[str, dict[Key, LastRun]] = {}
        for row in rows:
            for hook, kind, method, *last in orjson.loads(row.body):
                found.setdefault(row.node, {})[Key(row.plugin_id, hook, kind, method)] = LastRun(*last)
        return found

    async def write_hour(self, start: datetime) -> None:
        """Make an hour's rows from its minutes, which this node alone writes."""
        rows = PluginStatistics.plugin_id, PluginStatistics.body
        async with self._database.reading() as session:
            minutes = await session.execute(select(*rows).where(*self._within(Resolution.MINUTE, start)))
        packed = await asyncio.to_thread(_sum, [(row.plugin_id, row.body) for row in minutes])
        async with self._database.transaction() as session:
            plugins = set((await session.scalars(select(Plugin.id))).all()) | {NO_PLUGIN}
            await session.execute(delete(PluginStatistics).where(*self._within(Resolution.HOUR, start)))
            await _insert(
                session,
                [
                    self._row(Resolution.HOUR, start, plugin_id, body)
                    for plugin_id, body in packed.items()
                    if plugin_id in plugins
                ],
            )

    def _within(self, resolution: Resolution, start: datetime) -> tuple[ColumnElement[bool], ...]:
        """This node's rows of an hour."""
        return (
            PluginStatistics.node == self.node,
            PluginStatistics.resolution == resolution.value,
            PluginStatistics.at >= start,
            PluginStatistics.at < start + HOUR,
        )

    async def unmade_hours(self, since: datetime, before: datetime) -> list[tuple[str, datetime]]:
        """The hours of each node, from `since` to `before`, that have minutes and no rows of their own."""
        columns = PluginStatistics.node, PluginStatistics.resolution, PluginStatistics.at
        statement = (
            select(*columns).where(PluginStatistics.at >= since, PluginStatistics.at < before).distinct()
        )
        async with self._database.reading() as session:
            rows = (await session.execute(statement)).all()
        made = {(row.node, row.at) for row in rows if row.resolution == Resolution.HOUR.value}
        return sorted({(row.node, hour_of(row.at)) for row in rows} - made)

    async def prune(self, now: datetime) -> None:
        """Drop what is too old, of every node, and what a clock that jumped back left in the future."""
        limits = ((Resolution.MINUTE, KEEP_MINUTES), (Resolution.HOUR, KEEP_HOURS))
        async with self._database.transaction() as session:
            for resolution, keep in limits:
                await session.execute(
                    delete(PluginStatistics).where(
                        PluginStatistics.resolution == resolution.value,
                        (PluginStatistics.at < now - keep) | (PluginStatistics.at > now + KEEP_MINUTES),
                    )
                )

    def _row(self, resolution: Resolution, at: datetime, plugin_id: int, body: bytes) -> dict[str, Any]:
        return {
            "node": self.node,
            "resolution": resolution.value,
            "at": at,
            "plugin_id": plugin_id or None,
            "body": body,
        }

    async def _write_lasts(self, session: AsyncSession, lasts: Mapping[Key, LastRun]) -> None:
        by_plugin: dict[int, list[Any]] = {}
        for key, last in lasts.items():
            by_plugin.setdefault(key.plugin_id, []).append(
                [*key[1:], last.ran_at, last.error, last.failed_at]
            )
        if not by_plugin:
            return
        await session.execute(
            delete(PluginLastRuns).where(
                PluginLastRuns.node == self.node, PluginLastRuns.plugin_id.in_(by_plugin)
            )
        )
        rows = [
            {"node": self.node, "plugin_id": plugin_id, "body": orjson.dumps(lines)}
            for plugin_id, lines in by_plugin.items()
        ]
        await session.execute(insert(PluginLastRuns), rows)


def hour_of(moment: datetime) -> datetime:
    """The beginning of its hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


async def _insert(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """In statements of a bounded size: between them others have their turn on the loop."""
    connection = await session.connection()
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        await connection.execute(insert(PluginStatistics), rows[start : start + ROWS_A_STATEMENT])


def _sum(rows: Iterable[tuple[int | None, bytes]]) -> Packed:
    frame: Frame = {}
    for plugin_id, body in rows:
        add_to(frame, unpack({plugin_id or NO_PLUGIN: body}))
    return pack(frame)
