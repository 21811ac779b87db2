"""What an operator's act is about: which dead letters, which events of which subscriptions; nothing is changed here."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.vocabulary import DeliveryStatus
from isp_plugins.db.engine import Database
from isp_plugins.db.tables import PluginHook
from isp_plugins.db.tables.events import EventCursor, EventDelivery, EventRow
from isp_plugins.events.errors import EventNotFoundError, EventRangeInvalidError, TooManyEventsError
from isp_plugins.events.reading import conditions, owed_of
from isp_plugins.events.views import EventFilters

REPLAY_LIMIT = 100_000


async def dead_letters(database: Database, filters: EventFilters) -> list[tuple[int, int]]:
    """Subscription and event of every dead letter that matches, at most `REPLAY_LIMIT`."""
    statement = (
        select(EventDelivery.subscription_id, EventDelivery.event_id)
        .join(EventRow, EventRow.id == EventDelivery.event_id)
        .join(PluginHook, PluginHook.id == EventDelivery.subscription_id)
        .where(EventDelivery.status == DeliveryStatus.DEAD.value, *conditions(filters))
        .order_by(EventDelivery.subscription_id, EventDelivery.event_id)
        .limit(REPLAY_LIMIT)
    )
    if filters.subscription_id is not None:
        statement = statement.where(EventDelivery.subscription_id == filters.subscription_id)
    if filters.plugin_id is not None:
        statement = statement.where(PluginHook.plugin_id == filters.plugin_id)
    async with database.reading() as session:
        return [(row[0], row[1]) for row in (await session.execute(statement)).all()]


async def to_replay(
    database: Database, filters: EventFilters, event_ids: Sequence[int]
) -> list[tuple[int, int, str | None]]:
    """Subscription, event and key of everything that is to be replayed."""
    ranged = any((filters.since, filters.until, filters.from_id, filters.to_id))
    if bool(event_ids) == ranged:
        problem = "both single events and a range were given" if ranged else "nothing was named"
        raise EventRangeInvalidError(problem=problem)
    statement = select(EventRow.id, EventRow.key, EventRow.owed, EventRow.hook).where(*conditions(filters))
    if event_ids:
        statement = statement.where(EventRow.id.in_(event_ids))
    async with database.reading() as session:
        rows = (await session.execute(statement.order_by(EventRow.id).limit(REPLAY_LIMIT + 1))).all()
        if len(rows) > REPLAY_LIMIT:
            raise TooManyEventsError(count=len(rows), limit=REPLAY_LIMIT)
        missing = set(event_ids) - {row.id for row in rows}
        if missing and filters == EventFilters(
            plugin_id=filters.plugin_id, subscription_id=filters.subscription_id
        ):
            raise EventNotFoundError(event_id=min(missing))
        of_plugin = await _subscriptions_of(session, filters.plugin_id)
    wanted = {filters.subscription_id} if filters.subscription_id is not None else of_plugin
    return [
        (one, row.id, row.key)
        for row in rows
        for one in owed_of(row.owed)
        if one in of_plugin and one in wanted
    ]


async def _subscriptions_of(session: AsyncSession, plugin_id: int | None) -> set[int | None]:
    statement = select(EventCursor.subscription_id).join(
        PluginHook, PluginHook.id == EventCursor.subscription_id
    )
    if plugin_id is not None:
        statement = statement.where(PluginHook.plugin_id == plugin_id)
    return set(await session.scalars(statement))
