"""Deletes what everybody has got: by age, then by size; never what is undelivered, and what keeps it from being deleted is told.

1. An event may go once every cursor of its hook has passed it and no delivery of it is retried, held back or dead.
2. What was discarded goes with its event. Marks of what was done once go by their own age.
3. It works in small steps, so that no dispatch waits for it.
"""

import asyncio
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.vocabulary import DeliveryStatus
from isp_plugins.db.engine import Database
from isp_plugins.db.tables import PluginHook
from isp_plugins.db.tables.events import EventCursor, EventDelivery, EventMark, EventRow, ScheduleRun
from isp_plugins.events.store import PARKED, now_of
from isp_plugins.periodic import Periodic

STEP = 500
PAUSE_S = 60.0
BETWEEN_STEPS_S = 0.02
DAY_S = 86_400.0
MIB = 1024 * 1024
RUNS_KEPT_S = 90 * DAY_S
OVERHEAD_BYTES = 250
"""What an event takes beside its payload, about."""


@dataclass(frozen=True, slots=True)
class EventLimits:
    """How long delivered events and marks are kept."""

    days: float
    mb: int
    mark_days: float


class EventRetention:
    """Runs every minute."""

    def __init__(self, database: Database, limits: EventLimits, *, pause_s: float = PAUSE_S) -> None:
        self.limits = limits
        self.deleted = 0
        """Events since the process began."""
        self._database = database
        self._now = now_of(database.dialect)
        self._periodic = Periodic(self.run, pause_s, name="event retention")

    def open(self) -> None:
        """Begin."""
        self._periodic.start()

    async def close(self) -> None:
        """End, after the step under way."""
        await self._periodic.stop()

    async def run(self) -> None:
        """Delete everything that may go now."""
        old = EventRow.written_at <= self._now - self.limits.days * DAY_S
        while await self._step(old) == STEP:  # noqa: ASYNC110  nothing is waited for: others get their turn
            await asyncio.sleep(BETWEEN_STEPS_S)
        while self.limits.mb and await self._too_large():
            if await self._step(None) < STEP:
                break
            await asyncio.sleep(BETWEEN_STEPS_S)
        await self._forget()

    async def _step(self, which: ColumnElement[bool] | None) -> int:
        """Delete the oldest events that may go; how many."""
        wanted = select(EventRow.id).where(_settled()).order_by(EventRow.id).limit(STEP)
        if which is not None:
            wanted = wanted.where(which)
        async with self._database.transaction() as session:
            ids = (await session.scalars(wanted)).all()
            if ids:
                await session.execute(delete(EventDelivery).where(EventDelivery.event_id.in_(ids)))
                await session.execute(delete(EventRow).where(EventRow.id.in_(ids)))
        self.deleted += len(ids)
        return len(ids)

    async def _too_large(self) -> bool:
        async with self._database.reading() as session:
            return await self._size(session) > self.limits.mb * MIB

    async def _size(self, session: AsyncSession) -> int:
        octets = func.octet_length if self._database.dialect == "postgresql" else func.length
        total = select(func.coalesce(func.sum(octets(EventRow.payload)), 0) + OVERHEAD_BYTES * func.count())
        return int(await session.scalar(total) or 0)

    async def _forget(self) -> None:
        """Marks and runs of schedules that are old."""
        async with self._database.transaction() as session:
            await session.execute(
                delete(EventMark).where(EventMark.at < self._now - self.limits.mark_days * DAY_S)
            )
            await session.execute(delete(ScheduleRun).where(ScheduleRun.slot < self._now - RUNS_KEPT_S))


def _settled() -> ColumnElement[bool]:
    """Whether everybody has got an event."""
    behind = exists().where(
        and_(
            PluginHook.hook_name == EventRow.hook,
            PluginHook.id == EventCursor.subscription_id,
            EventCursor.position < EventRow.id,
        )
    )
    needed = (*PARKED, DeliveryStatus.DEAD.value)
    failing = exists().where(EventDelivery.event_id == EventRow.id, EventDelivery.status.in_(needed))
    return ~behind & ~failing
