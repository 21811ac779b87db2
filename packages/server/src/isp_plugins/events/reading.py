"""Reads events, deliveries and lag for people: lists, one event with everything about it, and how far each subscription has come.

1. A delivery that simply succeeded, or was not tried yet, has no row: where it stands follows from the cursor.
2. Counts stop at `COUNTED`, so that a million waiting events cost no more than ten thousand.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.vocabulary import DeliveryStatus, SubscriptionType
from isp_plugins.db.engine import Database
from isp_plugins.db.event_places import written_since
from isp_plugins.db.paging import LAST_OFFSET, Page
from isp_plugins.db.tables import Plugin, PluginHook
from isp_plugins.db.tables.events import EventCursor, EventDelivery, EventRow
from isp_plugins.events.errors import EventNotFoundError
from isp_plugins.events.store import now_of
from isp_plugins.events.views import DeliveryView, EventFilters, EventView, LagView, moment

COUNTED = 10_000


class EventReader:
    """Everything that is shown of events."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now = now_of(database.dialect)

    async def events(self, filters: EventFilters, *, page: int = 1, size: int = 50) -> Page[EventView]:
        """Events, newest first; the total is exact up to 10,000."""
        statement = select(EventRow).where(*conditions(filters))
        async with self._database.reading() as session:
            total = await _counted(session, statement.with_only_columns(EventRow.id))
            offset = min((page - 1) * size, LAST_OFFSET)
            rows = await session.scalars(statement.order_by(EventRow.id.desc()).limit(size).offset(offset))
            return Page([_event(row) for row in rows], total, page, size)

    async def event(self, event_id: int) -> EventView:
        """One event with its payload and where it stands with everybody; `EventNotFoundError`."""
        async with self._database.reading() as session:
            row = await session.get(EventRow, event_id)
            if row is None:
                raise EventNotFoundError(event_id=event_id)
            return _event(row, full=True, deliveries=await self._of_event(session, row))

    async def deliveries(self, filters: EventFilters, *, page: int = 1, size: int = 50) -> Page[DeliveryView]:
        """What did not simply succeed (retrying, held back, dead, discarded), newest first; the total is exact up to 10,000."""
        statement = (
            select(EventDelivery, EventRow, PluginHook, Plugin.name)
            .join(EventRow, EventRow.id == EventDelivery.event_id)
            .join(PluginHook, PluginHook.id == EventDelivery.subscription_id)
            .join(Plugin, Plugin.id == PluginHook.plugin_id)
            .where(*conditions(filters))
        )
        if filters.plugin_id is not None:
            statement = statement.where(PluginHook.plugin_id == filters.plugin_id)
        if filters.subscription_id is not None:
            statement = statement.where(EventDelivery.subscription_id == filters.subscription_id)
        if filters.status is not None:
            statement = statement.where(EventDelivery.status == filters.status.value)
        async with self._database.reading() as session:
            total = await _counted(session, statement.with_only_columns(EventDelivery.event_id))
            order = (EventDelivery.event_id.desc(), EventDelivery.subscription_id)
            offset = min((page - 1) * size, LAST_OFFSET)
            rows = (await session.execute(statement.order_by(*order).limit(size).offset(offset))).all()
            return Page([_delivery(*row) for row in rows], total, page, size)

    async def lag(self, plugin_id: int | None = None) -> list[LagView]:
        """Every event subscription (of one plugin), and how far it has come."""
        statement = (
            select(EventCursor, PluginHook, Plugin.name)
            .join(PluginHook, PluginHook.id == EventCursor.subscription_id)
            .join(Plugin, Plugin.id == PluginHook.plugin_id)
            .where(PluginHook.hook_type == SubscriptionType.EVENT.value)
            .order_by(Plugin.name, PluginHook.hook_name, PluginHook.id)
        )
        if plugin_id is not None:
            statement = statement.where(PluginHook.plugin_id == plugin_id)
        async with self._database.reading() as session:
            now = await session.scalar(select(self._now)) or 0.0
            rows = (await session.execute(statement)).all()
            return [await self._lag(session, row, now) for row in rows]

    async def _lag(self, session: AsyncSession, row: Sequence[Any], now: float) -> LagView:
        cursor, hook, plugin = row
        waiting = (
            select(EventRow.id)
            .where(
                EventRow.hook == hook.hook_name,
                EventRow.id > cursor.position,
                owed_to(cursor.subscription_id, cursor.judged_until),
            )
            .order_by(EventRow.id)
        )
        ids = (await session.scalars(waiting.limit(COUNTED + len(cursor.done) + 1))).all()
        open_ids = [one for one in ids if one not in set(cursor.done)] if cursor.done else ids
        oldest = None
        if open_ids:
            oldest = await session.scalar(select(EventRow.written_at).where(EventRow.id == open_ids[0]))
        counts = await self._by_status(session, cursor.subscription_id)
        return LagView(
            subscription_id=cursor.subscription_id,
            plugin_id=hook.plugin_id,
            plugin=plugin,
            hook=hook.hook_name,
            method=hook.callback_method,
            is_active=hook.is_active,
            paused_at=moment(cursor.paused_at),
            paused_by=cursor.paused_by,
            owner=cursor.owner.rpartition("/")[0] if cursor.owner and cursor.lease_until > now else None,
            position=cursor.position,
            waiting=min(len(open_ids), COUNTED),
            more=len(open_ids) > COUNTED,
            oldest_at=moment(oldest),
            lag_s=max(0.0, now - oldest) if oldest is not None else 0.0,
            retrying=counts.get(DeliveryStatus.RETRYING, 0),
            held_back=counts.get(DeliveryStatus.HELD_BACK, 0),
            dead=counts.get(DeliveryStatus.DEAD, 0),
            discarded=counts.get(DeliveryStatus.DISCARDED, 0),
            delivered_total=cursor.delivered,
            retried_total=cursor.retried,
            dead_total=cursor.dead,
        )

    async def _by_status(self, session: AsyncSession, subscription_id: int) -> Mapping[str, int]:
        statement = (
            select(EventDelivery.status, func.count())
            .where(EventDelivery.subscription_id == subscription_id)
            .group_by(EventDelivery.status)
        )
        return {row[0]: row[1] for row in (await session.execute(statement)).all()}

    async def _of_event(self, session: AsyncSession, event: EventRow) -> list[DeliveryView]:
        """Where an event stands with each subscription that it is, or was, owed to."""
        statement = (
            select(EventCursor, PluginHook, Plugin.name, EventDelivery)
            .join(PluginHook, PluginHook.id == EventCursor.subscription_id)
            .join(Plugin, Plugin.id == PluginHook.plugin_id)
            .outerjoin(
                EventDelivery,
                (EventDelivery.subscription_id == EventCursor.subscription_id)
                & (EventDelivery.event_id == event.id),
            )
            .where(PluginHook.hook_name == event.hook)
            .order_by(PluginHook.id)
        )
        found: Sequence[Any] = (await session.execute(statement)).all()
        owed = set(owed_of(event.owed))
        return [
            _delivery(row, event, hook, plugin) if row is not None else _implied(cursor, event, hook, plugin)
            for cursor, hook, plugin, row in found
            if row is not None or cursor.subscription_id in owed
        ]


def conditions(filters: EventFilters) -> list[ColumnElement[bool]]:
    """What the filters ask of the event itself."""
    wanted: list[ColumnElement[bool]] = []
    for column, value in (
        (EventRow.hook, filters.hook),
        (EventRow.key, filters.key),
        (EventRow.request_id, filters.request_id),
    ):
        if value is not None:
            wanted.append(column == value)
    if filters.subscription_id is not None and filters.status is None:
        wanted.append(EventRow.owed.contains(f",{filters.subscription_id},", autoescape=True))
    if filters.since is not None:
        wanted.append(written_since(filters.since.timestamp()))
    if filters.until is not None:
        wanted.append(EventRow.written_at < filters.until.timestamp())
    if filters.from_id is not None:
        wanted.append(EventRow.id >= filters.from_id)
    if filters.to_id is not None:
        wanted.append(EventRow.id <= filters.to_id)
    return wanted


def owed_to(subscription_id: int, judged_until: int) -> ColumnElement[bool]:
    """Whether an event is owed to a subscription; of those that are judged anew, all count."""
    named = EventRow.owed.contains(f",{subscription_id},", autoescape=True)
    return (EventRow.id <= judged_until) | named


def owed_of(owed: str) -> tuple[int, ...]:
    """To which subscriptions an event is owed, from its row."""
    return tuple(int(one) for one in owed.split(",") if one)


async def _counted(session: AsyncSession, statement: Select[Any]) -> int:
    bounded = statement.order_by(None).limit(COUNTED).subquery()
    return await session.scalar(select(func.count()).select_from(bounded)) or 0


def _event(row: EventRow, *, full: bool = False, deliveries: Sequence[DeliveryView] = ()) -> EventView:
    context, chain = orjson.loads(row.context) if full else (None, ())
    return EventView(
        id=row.id,
        hook=row.hook,
        key=row.key,
        request_id=row.request_id,
        node=row.node,
        written_at=moment(row.written_at),
        size=len(row.payload),
        owed=owed_of(row.owed),
        payload=orjson.loads(row.payload) if full else None,
        context=context,
        chain=tuple(chain),
        deliveries=tuple(deliveries),
    )


def _delivery(row: EventDelivery, event: EventRow, hook: PluginHook, plugin: str) -> DeliveryView:
    round_ = f":{row.round}" if row.round else ""
    retrying = row.status == DeliveryStatus.RETRYING.value
    return DeliveryView(
        event_id=event.id,
        subscription_id=hook.id,
        plugin_id=hook.plugin_id,
        plugin=plugin,
        hook=event.hook,
        method=hook.callback_method,
        status=DeliveryStatus(row.status),
        key=event.key,
        request_id=event.request_id,
        idempotency_key=f"{event.uid}:{hook.id}{round_}",
        attempts=row.attempts,
        error=row.error,
        written_at=moment(event.written_at),
        next_at=moment(row.next_at) if retrying else None,
        changed_at=moment(row.changed_at),
        history=[dict(entry) for entry in row.history],
    )


def _implied(cursor: EventCursor, event: EventRow, hook: PluginHook, plugin: str) -> DeliveryView:
    settled = event.id <= cursor.position or event.id in cursor.done
    return DeliveryView(
        event_id=event.id,
        subscription_id=hook.id,
        plugin_id=hook.plugin_id,
        plugin=plugin,
        hook=event.hook,
        method=hook.callback_method,
        status=DeliveryStatus.DELIVERED if settled else DeliveryStatus.WAITING,
        key=event.key,
        request_id=event.request_id,
        idempotency_key=f"{event.uid}:{hook.id}",
        written_at=moment(event.written_at),
        history=[],
    )
