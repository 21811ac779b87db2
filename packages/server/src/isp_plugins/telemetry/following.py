"""Reads log records as they are stored: every one that matches, once, in the order of their ids.

1. Ids grow with storage on both databases, and become visible in that order (`telemetry.store`); so a position is one id, and whoever
   goes on from it misses nothing and sees nothing twice. The rows are read from the database: a reader that waits costs no memory.
2. A reader may fall `LAG` records further behind than it ever was. Beyond, it is taken to the newest `KEPT`, and told how many it missed.
3. Records that retention deleted before they were read are told, too; how many of them would have matched is not known any more.
4. A read looks at `WINDOW` records at most and returns `BATCH` at most.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.clock import Clock
from isp_plugins.db.engine import Database
from isp_plugins.db.tables.logs import PluginLog, PluginLogTotals
from isp_plugins.telemetry.conditions import in_utc, in_window
from isp_plugins.telemetry.errors import TooManyFollowersError
from isp_plugins.telemetry.query import plugins_of, read_page_in, view_of
from isp_plugins.telemetry.records import LogFilters, LogView

LAG = 10_000
KEPT = 1_000
WINDOW = 50_000
BATCH = 100
FOLLOWERS = 64
"""Most readers at once on one node."""
CHECK_S = 1.0
STRAGGLERS = timedelta(seconds=2)
"""How long after its moment a record may be stored."""
MAX_TAIL = 1_000
"""Most older records that a reader may begin with."""


class MissedReason(StrEnum):
    """Why a reader did not get some records."""

    SLOW = "slow"
    """It read more slowly than they came."""
    DELETED = "deleted"
    """Retention deleted records after its position before it read them."""
    POSITION_UNKNOWN = "position_unknown"
    """It wants to go on from an id that was never given out: the database was restored, or is another one."""


@dataclass(frozen=True, slots=True)
class Missed:
    """That some records were missed; how many of them would have matched, where that is known."""

    reason: MissedReason
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one read found."""

    missed: tuple[Missed, ...]
    items: tuple[LogView, ...]
    position: int
    """The id that a later reader goes on from."""
    is_all: bool
    """Whether nothing more is stored now."""


def skips_to(position: int, newest: int, least_lag: int) -> int:
    """Where a reader goes on: its position, or near the newest record where it fell too far behind (rule 2)."""
    return newest - KEPT if newest - position > least_lag + LAG else position


class LogFollower:
    """One reader with its position; made by `Following.follow`."""

    def __init__(self, database: Database, filters: LogFilters) -> None:
        self._database = database
        self._filters = filters
        self._position = 0
        self._least_lag = 0
        self._told_deleted = 0

    async def begin(self, *, after: int | None = None, tail: int = 0) -> Reading:
        """Take up the position after an id, or at the filters' `since`, or now, with the last `tail` records that match."""
        async with self._database.reading() as session:
            newest, deleted = await self._ends(session)
            items: tuple[LogView, ...] = ()
            missed: tuple[Missed, ...] = ()
            if after is not None:
                self._position = min(after, newest)
                missed = (Missed(MissedReason.POSITION_UNKNOWN),) * (after > newest)
            elif self._filters.since is not None:
                self._position = (await session.scalar(select(func.min(PluginLog.id))) or 1) - 1
            else:
                self._position = newest
                items = await self._tail(session, newest, tail)
            self._told_deleted = 0 if after is not None else deleted
            self._least_lag = newest - self._position
        return Reading(missed, items, self._position, is_all=self._position >= newest)

    async def read(self) -> Reading:
        """What came after the position, oldest first; moves on."""
        async with self._database.reading() as session:
            newest, deleted = await self._ends(session)
            missed = [*self._deleted(deleted), *await self._skipped(session, newest)]
            self._least_lag = min(self._least_lag, max(0, newest - self._position))
            end = min(newest, self._position + WINDOW)
            found = (
                select(PluginLog)
                .where(*await self._between(session, end))
                .order_by(PluginLog.id)
                .limit(BATCH)
            )
            items = tuple(view_of(row) for row in await session.scalars(found))
            self._position = items[-1].id if len(items) == BATCH else max(self._position, end)
        return Reading(tuple(missed), items, self._position, is_all=self._position >= newest)

    async def _ends(self, session: AsyncSession) -> tuple[int, int]:
        """The newest id, and the highest deleted one of the plugins that are followed."""
        plugins = await plugins_of(session, self._filters)
        deleted = select(func.max(PluginLogTotals.deleted_through))
        if plugins is not None:
            deleted = deleted.where(PluginLogTotals.plugin_id.in_(plugins))
        newest = await session.scalar(select(func.max(PluginLog.id)))
        return newest or 0, await session.scalar(deleted) or 0

    async def _tail(self, session: AsyncSession, newest: int, tail: int) -> tuple[LogView, ...]:
        if not tail:
            return ()
        page = await read_page_in(session, self._filters, page=1, size=min(tail, MAX_TAIL))
        return tuple(sorted((view for view in page.items if view.id <= newest), key=lambda view: view.id))

    def _deleted(self, deleted: int) -> list[Missed]:
        if deleted <= max(self._position, self._told_deleted):
            return []
        self._told_deleted = deleted
        return [Missed(MissedReason.DELETED)]

    async def _skipped(self, session: AsyncSession, newest: int) -> list[Missed]:
        target = skips_to(self._position, newest, self._least_lag)
        missed = 0
        while self._position < target:
            end = min(target, self._position + WINDOW)
            counted = select(func.count()).select_from(PluginLog).where(*await self._between(session, end))
            missed += await session.scalar(counted) or 0
            self._position = end
        return [Missed(MissedReason.SLOW, missed)] if missed else []

    async def _between(self, session: AsyncSession, end: int) -> Sequence[ColumnElement[bool]]:
        plugins = await plugins_of(session, self._filters)
        return [
            PluginLog.id > self._position,
            PluginLog.id <= end,
            *in_window(PluginLog, self._filters, plugins),
        ]


class Following:
    """The readers of one node: tells them of news, bounds their number, ends them."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._news = asyncio.Event()
        self._ended = False
        self.count = 0
        """How many read now."""

    async def readings(
        self, filters: LogFilters, *, after: int | None = None, tail: int = 0
    ) -> AsyncGenerator[Reading, None]:
        """What is stored, as it is stored: a reading at once, then one with every batch and at least one every `CHECK_S` seconds.

        `after` goes on from an id; without it the filters' `since` says where to begin, or it begins now, with the last `tail` records.
        Ends with the node, or when everything up to the filters' `until` was read. `TooManyFollowersError`.
        """
        if self.count >= FOLLOWERS:
            raise TooManyFollowersError(limit=FOLLOWERS)
        self.count += 1
        try:
            follower = LogFollower(self._database, filters)
            news = self._news  # before the read, so that what is stored during it counts as news
            reading = await follower.begin(after=after, tail=tail)
            while True:
                yield reading
                if self._ended or (reading.is_all and self._is_past(filters.until)):
                    return
                if reading.is_all:
                    await _wait(news)
                news = self._news
                reading = await follower.read()
        finally:
            self.count -= 1

    def begin(self) -> None:
        """Let readers come."""
        self._ended = False

    def news(self) -> None:
        """Records were stored: wake everybody who waits for some."""
        old, self._news = self._news, asyncio.Event()
        old.set()

    def end(self) -> None:
        """Let every reader end, after what it reads now."""
        self._ended = True
        self.news()

    def _is_past(self, until: datetime | None) -> bool:
        """Whether no record from before this moment can come any more."""
        return until is not None and self._clock.now() >= in_utc(until) + STRAGGLERS


async def _wait(news: asyncio.Event) -> None:
    """Wait for news; those of other nodes come without a sign."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CHECK_S):
            await news.wait()
