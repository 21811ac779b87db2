"""Who runs which slot: taken by one node, under a lease with a token; time of leases is the database's.

1. A slot is taken once: its row's key lets no second node in. Slots that passed before it are made good by it.
2. While a run lasts, the schedule's next slot is not taken: runs never overlap.
3. A run whose node died is taken again once its lease has run out.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Double, and_, literal_column, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.db.engine import Database
from isp_plugins.db.tables.events import Schedule, ScheduleRun

NO_SYNC = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Taken:
    """A slot that is this node's to run."""

    name: str
    slot: datetime
    missed: int
    token: int


class ScheduleStore:
    """The table of schedules."""

    def __init__(self, database: Database, *, owner: str, node: str) -> None:
        self._database = database
        self._owner = owner
        self._node = node
        is_postgres = database.dialect == "postgresql"
        self._insert = postgresql.insert if is_postgres else sqlite.insert
        self._now = literal_column(
            "extract(epoch from clock_timestamp())::float8"
            if is_postgres
            else "(julianday('now') - 2440587.5) * 86400.0",
            Double,
        )

    async def disown(self) -> None:
        """What an earlier process of this node ran is over."""
        mine = Schedule.owner.startswith(f"{self._node}/", autoescape=True)
        async with self._database.transaction() as session:
            await session.execute(
                update(Schedule).where(mine).values(lease_until=0.0), execution_options=NO_SYNC
            )

    async def last(self, names: list[str], now: datetime) -> dict[str, datetime]:
        """The last slot of each schedule; one that is new begins now."""
        async with self._database.reading() as session:
            found = await self._last(session, names)
        new = [name for name in names if name not in found]
        if new:
            async with self._database.transaction() as session:
                for name in new:
                    row = self._insert(Schedule).values(
                        name=name, last_slot=now.timestamp(), owner=None, token=0, lease_until=0.0
                    )
                    await session.execute(row.on_conflict_do_nothing(index_elements=["name"]))
                found = await self._last(session, names)
        return found

    async def _last(self, session: AsyncSession, names: list[str]) -> dict[str, datetime]:
        rows = await session.execute(
            select(Schedule.name, Schedule.last_slot).where(Schedule.name.in_(names))
        )
        return {row[0]: datetime.fromtimestamp(row[1], UTC) for row in rows.all()}

    async def cut_off(self, names: list[str]) -> list[tuple[str, datetime]]:
        """Runs whose node died: schedules and their slots."""
        dead = and_(Schedule.owner.is_not(None), Schedule.lease_until < self._now, Schedule.name.in_(names))
        async with self._database.reading() as session:
            rows = await session.execute(select(Schedule.name, Schedule.last_slot).where(dead))
            return [(row[0], datetime.fromtimestamp(row[1], UTC)) for row in rows.all()]

    async def take(self, name: str, slot: datetime, missed: int, lease_s: float) -> Taken | None:
        """Take a slot; None where another node has it, or a run of the schedule is under way."""
        moment = slot.timestamp()
        free = and_(
            Schedule.last_slot < moment, or_(Schedule.owner.is_(None), Schedule.lease_until < self._now)
        )
        again = and_(
            Schedule.last_slot == moment, Schedule.owner.is_not(None), Schedule.lease_until < self._now
        )
        claim = (
            update(Schedule)
            .where(Schedule.name == name, or_(free, again))
            .values(
                last_slot=moment,
                owner=self._owner,
                token=Schedule.token + 1,
                lease_until=self._now + lease_s,
            )
            .returning(Schedule.token)
        )
        async with self._database.transaction() as session:
            token = await session.scalar(claim, execution_options=NO_SYNC)
            if token is None:
                return None
            values = {
                "node": self._node,
                "missed": missed,
                "started_at": self._now,
                "ended_at": None,
                "error": None,
            }
            row = self._insert(ScheduleRun).values(name=name, slot=moment, **values)
            await session.execute(row.on_conflict_do_update(index_elements=["name", "slot"], set_=values))
        return Taken(name, slot, missed, token)

    async def renew(self, taken: Taken, lease_s: float) -> bool:
        """Go on running it; False where it was taken by another node."""
        return await self._write(taken, lease_until=self._now + lease_s)

    async def finish(self, taken: Taken, error: str | None) -> None:
        """The run has ended."""
        async with self._database.transaction() as session:
            await session.execute(
                update(Schedule)
                .where(Schedule.name == taken.name, Schedule.token == taken.token)
                .values(owner=None),
                execution_options=NO_SYNC,
            )
            await session.execute(
                update(ScheduleRun)
                .where(ScheduleRun.name == taken.name, ScheduleRun.slot == taken.slot.timestamp())
                .values(ended_at=self._now, error=error),
                execution_options=NO_SYNC,
            )

    async def _write(self, taken: Taken, **values: object) -> bool:
        async with self._database.transaction() as session:
            result = await session.execute(
                update(Schedule)
                .where(Schedule.name == taken.name, Schedule.token == taken.token)
                .values(**values),
                execution_options=NO_SYNC,
            )
            return isinstance(result, CursorResult) and result.rowcount == 1
