"""What an operator does about events: retry, discard, replay, pause, resume, set back or skip; each in one transaction with its audit entry.

1. The cursor is taken from whoever delivers it: this node stops its feed first and acknowledges what it did; another node finds its
   token stale, and what it had not acknowledged is delivered again.
2. A replay delivers under the same idempotency key, so that `self.context.once` keeps effects single; `fresh` gives a new one.
3. What is tried by order begins at once, with all its attempts.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.actors import Actor
from isp_plugins.audit import AuditLog, AuditTag
from isp_plugins.contracts.vocabulary import DeliveryStatus, SubscriptionType
from isp_plugins.db.engine import Database
from isp_plugins.db.event_places import position_at
from isp_plugins.db.tables import PluginHook
from isp_plugins.db.tables.events import EventCursor, EventDelivery, EventRow
from isp_plugins.events.choosing import dead_letters, to_replay
from isp_plugins.events.errors import (
    EventNotDiscardableError,
    EventNotFoundError,
    EventRangeInvalidError,
    EventSubscriptionNotFoundError,
    NoDeadLetterError,
)
from isp_plugins.events.service import DurableEvents
from isp_plugins.events.store import PARKED, now_of, row_values
from isp_plugins.events.views import EventFilters
from isp_plugins.events.window import lane_of


@dataclass(frozen=True, slots=True)
class Acted:
    """What an act came to."""

    deliveries: int
    """How many it concerns."""
    dry_run: bool = False
    sample: tuple[tuple[int, int], ...] = ()
    """The first of them: subscription and event."""


class EventOperator:
    """The acts."""

    def __init__(self, database: Database, audit: AuditLog, events: DurableEvents) -> None:
        self._database = database
        self._audit = audit
        self._events = events
        self._now = now_of(database.dialect)

    async def retry(self, subscription_id: int, event_id: int, actor: Actor) -> Acted:
        """Try a dead letter, or one that waits for its next attempt, now; `NoDeadLetterError`."""
        async with self._acting([subscription_id]) as session:
            row = await self._delivery(session, subscription_id, event_id)
            if row.status not in {DeliveryStatus.DEAD.value, DeliveryStatus.RETRYING.value}:
                raise NoDeadLetterError(event_id=event_id, subscription_id=subscription_id, status=row.status)
            await self._due_now(session, subscription_id, [event_id])
            await self._record(session, AuditTag.EVENT_RETRIED, actor, subscription_id, event_id=event_id)
        return Acted(1)

    async def retry_dead(self, filters: EventFilters, actor: Actor, *, dry_run: bool = False) -> Acted:
        """Try all dead letters that match."""
        chosen = await dead_letters(self._database, filters)
        if dry_run or not chosen:
            return _acted(chosen, dry_run=dry_run)
        async with self._acting({one for one, _ in chosen}) as session:
            for subscription_id, event_ids in _grouped(chosen):
                await self._due_now(session, subscription_id, event_ids)
                details = {"events": len(event_ids), "first": event_ids[0], "last": event_ids[-1]}
                await self._record(session, AuditTag.EVENT_RETRIED, actor, subscription_id, **details)
        return _acted(chosen)

    async def discard(self, subscription_id: int, event_id: int, actor: Actor) -> Acted:
        """Give a failed event up; `EventNotDiscardableError`."""
        async with self._acting([subscription_id]) as session:
            row = await self._delivery(session, subscription_id, event_id)
            if row.status not in {DeliveryStatus.DEAD.value, *PARKED}:
                raise EventNotDiscardableError(
                    event_id=event_id, subscription_id=subscription_id, status=row.status
                )
            row.status = DeliveryStatus.DISCARDED.value
            await self._record(session, AuditTag.EVENT_DISCARDED, actor, subscription_id, event_id=event_id)
        return Acted(1)

    async def discard_dead(self, filters: EventFilters, actor: Actor, *, dry_run: bool = False) -> Acted:
        """Give all dead letters up that match."""
        chosen = await dead_letters(self._database, filters)
        if dry_run or not chosen:
            return _acted(chosen, dry_run=dry_run)
        async with self._acting({one for one, _ in chosen}) as session:
            for subscription_id, event_ids in _grouped(chosen):
                for part in _parts(event_ids):
                    await session.execute(
                        update(EventDelivery)
                        .where(
                            EventDelivery.subscription_id == subscription_id, EventDelivery.event_id.in_(part)
                        )
                        .values(status=DeliveryStatus.DISCARDED.value, changed_at=self._now)
                    )
                await self._record(
                    session, AuditTag.EVENT_DISCARDED, actor, subscription_id, events=len(event_ids)
                )
        return _acted(chosen)

    async def replay(
        self,
        filters: EventFilters,
        actor: Actor,
        *,
        event_ids: Sequence[int] = (),
        fresh: bool = False,
        dry_run: bool = False,
    ) -> Acted:
        """Deliver events again, to those they are owed to, or to one plugin's or one subscription among them.

        `EventNotFoundError`, `EventRangeInvalidError`, `TooManyEventsError`.
        """
        chosen = await to_replay(self._database, filters, event_ids)
        if dry_run or not chosen:
            return _acted([(one, event_id) for one, event_id, _ in chosen], dry_run=dry_run)
        async with self._acting({one for one, _, _ in chosen}) as session:
            for subscription_id, events in _grouped(
                [(one, (event_id, key)) for one, event_id, key in chosen]
            ):
                await self._replay(session, subscription_id, events, fresh=fresh)
                details = {
                    "events": len(events),
                    "first": events[0][0],
                    "last": events[-1][0],
                    "fresh": fresh,
                }
                await self._record(session, AuditTag.EVENT_REPLAYED, actor, subscription_id, **details)
        return _acted([(one, event_id) for one, event_id, _ in chosen])

    async def pause(self, subscription_id: int, actor: Actor) -> None:
        """Deliver nothing to it until it is resumed; its events are kept."""
        async with self._acting([subscription_id]) as session:
            await self._cursor(session, subscription_id, paused_at=self._now, paused_by=str(actor.id))
            await self._record(session, AuditTag.SUBSCRIPTION_PAUSED, actor, subscription_id)

    async def resume(self, subscription_id: int, actor: Actor) -> None:
        """Deliver again, from where it stood."""
        async with self._acting([subscription_id]) as session:
            await self._cursor(session, subscription_id, paused_at=None, paused_by=None)
            await self._record(session, AuditTag.SUBSCRIPTION_RESUMED, actor, subscription_id)

    async def seek(
        self,
        subscription_id: int,
        actor: Actor,
        *,
        to: str | None = None,
        since: datetime | None = None,
        event_id: int | None = None,
    ) -> int:
        """Go on from `to` (`now` skips what waits, `beginning` is the oldest event kept), from a time, or from one event; returns the position.

        Set back, events are judged by the condition as it is now. Going to `now`, what is retried is given up too.
        """
        async with self._acting([subscription_id]) as session:
            last = await session.scalar(select(func.max(EventRow.id))) or 0
            position = await self._position(session, to, since, event_id, last)
            before = await session.get(EventCursor, subscription_id)
            judged = (
                max(before.judged_until, before.position if position < before.position else 0)
                if before
                else 0
            )
            await self._cursor(session, subscription_id, position=position, done=[], judged_until=judged)
            if to == "now":
                await self._give_up(session, subscription_id)
            else:
                await self._unpark(session, subscription_id, position)
            await self._record(
                session, AuditTag.SUBSCRIPTION_MOVED, actor, subscription_id, position=position,
                before=before.position if before else 0,
            )  # fmt: skip
            return position

    # --- steps ---

    @asynccontextmanager
    async def _acting(self, subscription_ids: Iterable[int]) -> AsyncIterator[AsyncSession]:
        """A transaction that takes these cursors from whoever delivers them; `EventSubscriptionNotFoundError`."""
        ids = sorted(set(subscription_ids))
        deliverer = self._events.deliverer
        if deliverer is None:
            async with self._database.transaction() as session:
                await self._take(session, ids)
                yield session
            return
        async with deliverer.quiet(ids), self._database.transaction() as session:
            await self._take(session, ids)
            yield session
        self._events.tell_changed()

    async def _take(self, session: AsyncSession, ids: Sequence[int]) -> None:
        for one in ids:
            known = select(EventCursor.subscription_id).join(
                PluginHook, PluginHook.id == EventCursor.subscription_id
            )
            event = PluginHook.hook_type == SubscriptionType.EVENT.value
            if await session.scalar(known.where(EventCursor.subscription_id == one, event)) is None:
                raise EventSubscriptionNotFoundError(subscription_id=one)
        await session.execute(
            update(EventCursor)
            .where(EventCursor.subscription_id.in_(ids))
            .values(owner=None, token=EventCursor.token + 1),
            execution_options={"synchronize_session": False},
        )

    async def _cursor(self, session: AsyncSession, subscription_id: int, **values: Any) -> None:
        await session.execute(
            update(EventCursor).where(EventCursor.subscription_id == subscription_id).values(**values),
            execution_options={"synchronize_session": False},
        )

    async def _delivery(self, session: AsyncSession, subscription_id: int, event_id: int) -> EventDelivery:
        row = await session.get(EventDelivery, (subscription_id, event_id))
        if row is not None:
            return row
        if await session.get(EventRow, event_id) is None:
            raise EventNotFoundError(event_id=event_id)
        raise NoDeadLetterError(
            event_id=event_id, subscription_id=subscription_id, status="delivered, waiting or not owed to it"
        )

    async def _due_now(self, session: AsyncSession, subscription_id: int, event_ids: Sequence[int]) -> None:
        for part in _parts(event_ids):
            await session.execute(
                update(EventDelivery)
                .where(EventDelivery.subscription_id == subscription_id, EventDelivery.event_id.in_(part))
                .values(
                    status=DeliveryStatus.RETRYING.value,
                    failures=0,
                    next_at=self._now,
                    delay=0.0,
                    changed_at=self._now,
                ),
                execution_options={"synchronize_session": False},
            )

    async def _replay(
        self,
        session: AsyncSession,
        subscription_id: int,
        events: Sequence[tuple[int, str | None]],
        *,
        fresh: bool,
    ) -> None:
        """Park the events as if they had failed and were due; those that were not tried yet come by themselves."""
        cursor = await session.get(EventCursor, subscription_id)
        settled = [
            one for one in events if cursor and (one[0] <= cursor.position or one[0] in set(cursor.done))
        ]
        for part in _parts(settled):
            ids = [event_id for event_id, _ in part]
            of = EventDelivery.subscription_id == subscription_id
            known = {
                row.event_id: row
                for row in await session.scalars(
                    select(EventDelivery).where(of, EventDelivery.event_id.in_(ids))
                )
            }
            for event_id, key in part:
                before = known.get(event_id)
                round_ = (before.round if before else 0) + fresh
                values = row_values(lane_of(key, event_id), DeliveryStatus.RETRYING, round_=round_)
                if before is not None:
                    values |= {"attempts": before.attempts, "history": before.history, "error": before.error}
                    await session.delete(before)
                    await session.flush()
                session.add(
                    EventDelivery(
                        subscription_id=subscription_id,
                        event_id=event_id,
                        next_at=0.0,
                        changed_at=await self._moment(session),
                        **values,
                    )
                )
            await session.flush()

    async def _position(
        self, session: AsyncSession, to: str | None, since: datetime | None, event_id: int | None, last: int
    ) -> int:
        if sum(one is not None for one in (to, since, event_id)) != 1:
            raise EventRangeInvalidError(problem="expected exactly one of a place, a time and an event")
        if to == "now":
            return last
        if to == "beginning":
            return 0
        if event_id is not None:
            return max(0, min(event_id - 1, last))
        if since is None:
            raise EventRangeInvalidError(problem=f"there is no place {to!r}, only now and beginning")
        return await position_at(session, since.timestamp(), last)

    async def _give_up(self, session: AsyncSession, subscription_id: int) -> None:
        await session.execute(
            update(EventDelivery)
            .where(EventDelivery.subscription_id == subscription_id, EventDelivery.status.in_(PARKED))
            .values(status=DeliveryStatus.DISCARDED.value, changed_at=self._now),
            execution_options={"synchronize_session": False},
        )

    async def _unpark(self, session: AsyncSession, subscription_id: int, position: int) -> None:
        """What is parked beyond the new position comes by itself."""
        await session.execute(
            delete_rows(EventDelivery).where(
                EventDelivery.subscription_id == subscription_id, EventDelivery.event_id > position
            ),
            execution_options={"synchronize_session": False},
        )

    async def _moment(self, session: AsyncSession) -> float:
        return await session.scalar(select(self._now)) or 0.0

    async def _record(
        self, session: AsyncSession, tag: AuditTag, actor: Actor, subscription_id: int, **details: Any
    ) -> None:
        hook = await session.get(PluginHook, subscription_id)
        about = {"plugin_id": hook.plugin_id, "hook": hook.hook_name} if hook is not None else {}
        await self._audit.record(
            session, tag, actor, subject=("subscription", str(subscription_id)), details={**about, **details}
        )


def _acted(chosen: Sequence[tuple[int, int]], *, dry_run: bool = False) -> Acted:
    return Acted(len(chosen), dry_run, tuple(chosen[:20]))


def _grouped(chosen: Sequence[tuple[int, Any]]) -> list[tuple[int, list[Any]]]:
    groups: dict[int, list[Any]] = {}
    for one, rest in chosen:
        groups.setdefault(one, []).append(rest)
    return list(groups.items())


def _parts(items: Sequence[Any], size: int = 500) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
