"""What deliveries read and write: cursors with their leases, the log, and what did not simply succeed; one SQL for both databases.

1. A claim raises the token; every acknowledgement names the token it works under, and writes nothing where it is another by now.
2. An acknowledgement moves the position and writes what was parked, retried or given up, in one transaction.
3. Time is the database's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Double, and_, func, literal_column, or_, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.vocabulary import DeliveryStatus
from isp_plugins.db.engine import Database
from isp_plugins.db.tables.events import EventCursor, EventDelivery, EventRow
from isp_plugins.events.lines import POSTGRES_NOW, SQLITE_NOW

PARKED = (DeliveryStatus.RETRYING.value, DeliveryStatus.HELD_BACK.value)
MAX_BATCH_BYTES = 8 * 1024 * 1024
"""Payloads that are read at a time."""


def now_of(dialect: str) -> ColumnElement[float]:
    """The database's time, in seconds of the epoch."""
    return literal_column(POSTGRES_NOW if dialect == "postgresql" else SQLITE_NOW, Double)


@dataclass(frozen=True, slots=True)
class Claim:
    """A cursor that this process owns now."""

    subscription_id: int
    token: int
    position: int
    done: tuple[int, ...]
    judged_until: int
    newest: int = 0
    """The newest event when it was claimed: later ones were never tried under another claim."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A stored delivery."""

    event_id: int
    lane: str
    status: str
    attempts: int
    failures: int
    round: int
    due_in: float
    """Seconds until its next attempt."""
    history: list[dict[str, object]]
    event: Any = None
    """The event's row, where it was read too."""


@dataclass(frozen=True, slots=True)
class Read:
    """A part of the log of one hook."""

    rows: Sequence[Any]
    upto: int
    """There is nothing else of the hook up to this id."""
    now: float
    """The database's time."""
    rest: bool
    """Whether there is more."""


@dataclass(slots=True)
class Ack:
    """What one feed has to write."""

    subscription_id: int
    token: int
    position: int
    done: list[int]
    delivered: int = 0
    retried: int = 0
    dead: int = 0
    rows: dict[int, dict[str, Any] | None] = field(default_factory=dict)
    """Deliveries by event: the row's values, or None where it goes."""


class DeliveryStore:
    """The deliverer's statements."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self.now = now_of(database.dialect)
        self._insert = postgresql.insert if database.dialect == "postgresql" else sqlite.insert

    async def disown(self, node: str) -> None:
        """Give up what an earlier process of this node held: it is gone."""
        mine = EventCursor.owner.startswith(f"{node}/", autoescape=True)
        async with self._database.transaction() as session:
            await session.execute(
                update(EventCursor).where(mine).values(owner=None, token=EventCursor.token + 1)
            )

    async def unowned(self, ids: Sequence[int]) -> list[int]:
        """Which of these could be claimed now."""
        if not ids:
            return []
        async with self._database.reading() as session:
            found = await session.scalars(
                select(EventCursor.subscription_id).where(
                    EventCursor.subscription_id.in_(ids), self._claimable()
                )
            )
            return list(found)

    async def claim(self, ids: Sequence[int], lease_s: float) -> list[Claim]:
        """Own those of these that nobody owns."""
        ids = await self.unowned(ids)
        if not ids:
            return []
        statement = (
            update(EventCursor)
            .where(EventCursor.subscription_id.in_(ids), self._claimable())
            .values(owner=self._owner, token=EventCursor.token + 1, lease_until=self.now + lease_s)
            .returning(
                EventCursor.subscription_id,
                EventCursor.token,
                EventCursor.position,
                EventCursor.done,
                EventCursor.judged_until,
            )
        )
        async with self._database.transaction() as session:
            rows = (await session.execute(statement, execution_options={"synchronize_session": False})).all()
            newest = await session.scalar(select(func.max(EventRow.id))) or 0
        return [Claim(row[0], row[1], row[2], tuple(row[3]), row[4], newest) for row in rows]

    def _claimable(self) -> ColumnElement[bool]:
        free = or_(EventCursor.owner.is_(None), EventCursor.lease_until < self.now)
        return and_(EventCursor.paused_at.is_(None), free)

    async def renew(self, lease_s: float) -> dict[int, int]:
        """Renew every lease of this process; the tokens of what it still owns, by subscription."""
        statement = (
            update(EventCursor)
            .where(EventCursor.owner == self._owner)
            .values(lease_until=self.now + lease_s)
            .returning(EventCursor.subscription_id, EventCursor.token)
        )
        async with self._database.transaction() as session:
            rows = (await session.execute(statement, execution_options={"synchronize_session": False})).all()
        return {row[0]: row[1] for row in rows}

    async def give_up(self, claims: Mapping[int, int]) -> None:
        """Leave these to others, by subscription and token."""
        async with self._database.transaction() as session:
            for subscription_id, token in claims.items():
                await session.execute(
                    update(EventCursor)
                    .where(EventCursor.subscription_id == subscription_id, EventCursor.token == token)
                    .values(owner=None)
                )

    async def last_event(self) -> int:
        """The newest event's id; 0 where there is none."""
        async with self._database.reading() as session:
            return await session.scalar(select(func.max(EventRow.id))) or 0

    async def events_after(self, claim: Claim, hook: str, position: int, limit: int) -> Read:
        """The next events of a hook that are, or may be, owed to the cursor's subscription."""
        e = EventRow
        columns = (e.id, e.uid, e.key, e.payload, e.context, e.request_id, e.owed, e.node, e.held_until)
        owed = e.owed.contains(f",{claim.subscription_id},", autoescape=True)
        if position < claim.judged_until:
            owed = or_(e.id <= claim.judged_until, owed)
        statement = select(*columns).where(e.hook == hook, e.id > position, owed).order_by(e.id).limit(limit)
        moment = select(self.now, select(func.max(e.id)).scalar_subquery())
        async with self._database.reading() as session:
            now, last = (await session.execute(moment)).one()
            found = (await session.execute(statement)).all()
        rows = _not_too_much(found)
        rest = len(found) == limit or len(rows) < len(found)
        return Read(rows, rows[-1].id if rest else max(last or 0, position), now, rest)

    async def event(self, event_id: int) -> Any:
        """One event."""
        columns = (
            EventRow.id,
            EventRow.uid,
            EventRow.key,
            EventRow.payload,
            EventRow.context,
            EventRow.request_id,
        )
        async with self._database.reading() as session:
            return (await session.execute(select(*columns).where(EventRow.id == event_id))).one_or_none()

    async def lanes(self, subscription_id: int) -> dict[str, tuple[int, int]]:
        """The parked lanes: how many events each holds, and its first one's id."""
        statement = (
            select(EventDelivery.lane, func.count(), func.min(EventDelivery.event_id))
            .where(EventDelivery.subscription_id == subscription_id, EventDelivery.status.in_(PARKED))
            .group_by(EventDelivery.lane)
        )
        async with self._database.reading() as session:
            return {row[0]: (row[1], row[2]) for row in (await session.execute(statement)).all()}

    async def heads(self, subscription_id: int, event_ids: Sequence[int]) -> list[Parked]:
        """These deliveries, as they are stored."""
        found: list[Parked] = []
        async with self._database.reading() as session:
            now = await session.scalar(select(self.now)) or 0.0
            for start in range(0, len(event_ids), 500):
                part = event_ids[start : start + 500]
                rows = await session.scalars(
                    select(EventDelivery).where(
                        EventDelivery.subscription_id == subscription_id, EventDelivery.event_id.in_(part)
                    )
                )
                found += [_parked(row, now) for row in rows]
        return found

    async def lane(self, subscription_id: int, lane: str, after: int, limit: int) -> list[Parked]:
        """The next parked events of a lane, with their rows."""
        e = EventRow
        statement = (
            select(EventDelivery, e.id, e.uid, e.key, e.payload, e.context, e.request_id)
            .join(e, e.id == EventDelivery.event_id)
            .where(
                EventDelivery.subscription_id == subscription_id,
                EventDelivery.lane == lane,
                EventDelivery.status.in_(PARKED),
                EventDelivery.event_id > after,
            )
            .order_by(EventDelivery.event_id)
            .limit(limit)
        )
        async with self._database.reading() as session:
            now = await session.scalar(select(self.now)) or 0.0
            return [_parked(row[0], now, row) for row in (await session.execute(statement)).all()]

    async def acknowledge(self, acks: Sequence[Ack]) -> set[int]:
        """Write what feeds have done; the subscriptions whose acknowledgement was stale, of which nothing was written."""
        stale: set[int] = set()
        async with self._database.transaction() as session:
            for ack in acks:
                if await self._moved(session, ack):
                    await self._write_rows(session, ack)
                else:
                    stale.add(ack.subscription_id)
        return stale

    async def _moved(self, session: AsyncSession, ack: Ack) -> bool:
        statement = (
            update(EventCursor)
            .where(EventCursor.subscription_id == ack.subscription_id, EventCursor.token == ack.token)
            .values(
                position=ack.position,
                done=ack.done,
                delivered=EventCursor.delivered + ack.delivered,
                retried=EventCursor.retried + ack.retried,
                dead=EventCursor.dead + ack.dead,
            )
        )
        result = await session.execute(statement, execution_options={"synchronize_session": False})
        return isinstance(result, CursorResult) and result.rowcount == 1

    async def _write_rows(self, session: AsyncSession, ack: Ack) -> None:
        gone = [event_id for event_id, values in ack.rows.items() if values is None]
        if gone:
            of = EventDelivery.subscription_id == ack.subscription_id
            await session.execute(delete_rows(EventDelivery).where(of, EventDelivery.event_id.in_(gone)))
        kept = [(event_id, values) for event_id, values in ack.rows.items() if values is not None]
        for event_id, values in kept:
            values = values | {"next_at": self.now + values["delay"], "changed_at": self.now}  # noqa: PLW2901  the row as it is written
            row = self._insert(EventDelivery).values(
                subscription_id=ack.subscription_id, event_id=event_id, **values
            )
            await session.execute(
                row.on_conflict_do_update(index_elements=["subscription_id", "event_id"], set_=values)
            )


def row_values(  # noqa: PLR0917  the table's columns
    lane: str,
    status: DeliveryStatus,
    attempts: int = 0,
    failures: int = 0,
    round_: int = 0,
    delay: float = 0.0,
    error: str | None = None,
    history: Iterable[dict[str, object]] = (),
) -> dict[str, Any]:
    """A delivery's row without its moments."""
    return {
        "lane": lane,
        "status": status.value,
        "attempts": attempts,
        "failures": failures,
        "round": round_,
        "delay": delay,
        "error": error,
        "history": list(history),
    }


def _parked(row: EventDelivery, now: float, event: Any = None) -> Parked:
    due = min(max(0.0, row.next_at - now), row.delay) if row.status == DeliveryStatus.RETRYING.value else 0.0
    return Parked(
        row.event_id,
        row.lane,
        row.status,
        row.attempts,
        row.failures,
        row.round,
        due,
        list(row.history),
        event,
    )


def _not_too_much(rows: Sequence[Any]) -> Sequence[Any]:
    """As many of the rows as are not too large together, at least one."""
    total = 0
    for place, row in enumerate(rows):
        total += len(row.payload)
        if total > MAX_BATCH_BYTES and place:
            return rows[:place]
    return rows
