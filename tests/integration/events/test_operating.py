"""What an operator does about events, on both databases; every act leaves its audit entry."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from isp_plugins.actors import HOST
from isp_plugins.audit import AuditTag
from isp_plugins.contracts.hooks import Retry
from isp_plugins.contracts.vocabulary import DeliveryStatus
from isp_plugins.events.errors import (
    EventNotDiscardableError,
    EventNotFoundError,
    EventRangeInvalidError,
    EventSubscriptionNotFoundError,
    NoDeadLetterError,
)
from isp_plugins.events.retention import EventLimits, EventRetention
from isp_plugins.events.views import EventFilters
from support.events import HOOK
from support.rows import add_plugin
from support.waiting import until

ONCE = Retry(min_s=0.01, max_s=0.01, attempts=1)


class Switch:
    """A plugin that fails while it is broken."""

    def __init__(self, inbox, *, broken=True):
        self.broken, self.inbox = broken, inbox

    async def take(self, payload):
        if self.broken:
            raise ValueError("broken")
        await self.inbox.take(payload)


async def tags(post):
    page = await post.operator._audit.page(size=100)
    return [entry.tag for entry in page.items if entry.tag.startswith(("event.", "subscription."))][::-1]


async def failed(post, inbox, count=3):
    """A subscription with so many dead letters."""
    switch = Switch(inbox)
    subscription = await post.subscribe(post.plugin, switch.take, retry=ONCE)
    for number in range(count):
        await post.engine.dispatch(HOOK, {"id": number, "n": number})
    await until(lambda: _dead(post, subscription, count))
    switch.broken = False
    return subscription, [one.event_id for one in (await post.reader.deliveries(EventFilters())).items][::-1]


async def _dead(post, subscription, count):
    return (await post.lag(subscription)).dead == count


async def test_dead_letter_is_retried(post, inbox):
    subscription, ids = await failed(post, inbox)
    await post.operator.retry(subscription, ids[1], HOST)
    await until(lambda: inbox.numbers == [1])
    await until(lambda: _dead(post, subscription, 2))
    assert inbox.contexts[0]["attempt"] == 2
    assert await tags(post) == [AuditTag.EVENT_RETRIED]


async def test_all_dead_letters_are_retried_after_a_dry_run(post, inbox):
    subscription, _ = await failed(post, inbox)
    dry = await post.operator.retry_dead(EventFilters(plugin_id=post.plugin), HOST, dry_run=True)
    assert (dry.deliveries, dry.dry_run, inbox.seen) == (3, True, [])
    assert (await post.operator.retry_dead(EventFilters(subscription_id=subscription), HOST)).deliveries == 3
    await post.settled()
    assert sorted(inbox.numbers) == [0, 1, 2]
    assert (await post.lag(subscription)).dead == 0


async def test_what_did_not_fail_is_not_retried(post, inbox):
    subscription = await post.subscribe(post.plugin, inbox.take)
    await post.engine.dispatch(HOOK, {"id": 1, "n": 1})
    await post.settled()
    with pytest.raises(NoDeadLetterError, match="replay it"):
        await post.operator.retry(subscription, inbox.contexts[0]["event_id"], HOST)
    with pytest.raises(EventNotFoundError):
        await post.operator.retry(subscription, 4711, HOST)
    with pytest.raises(EventSubscriptionNotFoundError):
        await post.operator.retry(4711, 1, HOST)


async def test_discarded_event_is_not_tried_any_more_and_frees_its_key(post, inbox):
    switch = Switch(inbox)
    subscription = await post.subscribe(post.plugin, switch.take, retry=Retry(600, 600, 5))
    for number in range(2):
        await post.engine.dispatch(HOOK, {"id": 1, "n": number})
    await until(lambda: _held_back(post, subscription))
    first, second = [one.event_id for one in (await post.reader.deliveries(EventFilters())).items][::-1]
    switch.broken = False
    await post.operator.discard(subscription, first, HOST)
    await post.settled()
    assert inbox.numbers == [1]
    with pytest.raises(EventNotDiscardableError):
        await post.operator.discard(subscription, first, HOST)
    statuses = [
        one.deliveries[0].status for one in [await post.reader.event(first), await post.reader.event(second)]
    ]
    assert statuses == [DeliveryStatus.DISCARDED, DeliveryStatus.DELIVERED]


async def _held_back(post, subscription):
    lag = await post.lag(subscription)
    return (lag.retrying, lag.held_back) == (1, 1)


async def test_dead_letters_are_discarded_together(post, inbox):
    subscription, _ = await failed(post, inbox)
    assert (await post.operator.discard_dead(EventFilters(hook=HOOK), HOST)).deliveries == 3
    lag = await post.lag(subscription)
    assert (lag.dead, lag.discarded) == (0, 3)
    assert await tags(post) == [AuditTag.EVENT_DISCARDED]


async def test_replay_delivers_again_under_the_same_key_or_a_fresh_one(post, inbox):
    await post.subscribe(post.plugin, inbox.take)
    await post.engine.dispatch(HOOK, {"id": 1, "n": 1})
    await post.settled()
    (event_id,) = [one["event_id"] for one in inbox.contexts]
    await post.operator.replay(EventFilters(), HOST, event_ids=[event_id])
    await until(lambda: len(inbox.seen) == 2)
    await post.operator.replay(EventFilters(), HOST, event_ids=[event_id], fresh=True)
    await until(lambda: len(inbox.seen) == 3)
    first, again, fresh = [one["idempotency_key"] for one in inbox.contexts]
    assert first == again != fresh
    assert await tags(post) == [AuditTag.EVENT_REPLAYED] * 2


async def test_range_is_replayed_to_one_plugin_alone(post, inbox):
    other, seen = await add_plugin(post.database, "other"), []

    async def second(payload):
        seen.append(payload["n"])

    await post.subscribe(post.plugin, inbox.take)
    await post.subscribe(other, second)
    for number in range(4):
        await post.engine.dispatch(HOOK, {"id": number, "n": number})
    await post.settled()
    ids = sorted(one["event_id"] for one in inbox.contexts)
    acted = await post.operator.replay(EventFilters(plugin_id=other, from_id=ids[1], to_id=ids[2]), HOST)
    await until(lambda: len(seen) == 6)
    assert (acted.deliveries, sorted(seen[4:]), len(inbox.seen)) == (2, [1, 2], 4)


async def test_replay_says_what_to_name(post):
    with pytest.raises(EventRangeInvalidError, match="nothing was named"):
        await post.operator.replay(EventFilters(), HOST)
    with pytest.raises(EventRangeInvalidError, match="both"):
        await post.operator.replay(EventFilters(from_id=1), HOST, event_ids=[1])
    with pytest.raises(EventNotFoundError):
        await post.operator.replay(EventFilters(), HOST, event_ids=[4711])


async def test_paused_subscription_keeps_its_events(post, inbox):
    subscription = await post.subscribe(post.plugin, inbox.take)
    await post.operator.pause(subscription, HOST)
    await post.engine.dispatch(HOOK, {"id": 1, "n": 1})
    lag = await post.lag(subscription)
    assert (lag.waiting, lag.owner, lag.paused_by) == (1, None, HOST.id)
    await asyncio.sleep(0.05)
    assert inbox.seen == []
    await post.operator.resume(subscription, HOST)
    await until(lambda: inbox.numbers == [1])
    assert await tags(post) == [AuditTag.SUBSCRIPTION_PAUSED, AuditTag.SUBSCRIPTION_RESUMED]


async def test_subscription_skips_what_waits(post, inbox):
    subscription = await post.subscribe(post.plugin, inbox.take)
    await post.stop(post.plugin)
    for number in range(3):
        await post.engine.dispatch(HOOK, {"id": 1, "n": number})
    await post.operator.seek(subscription, HOST, to="now")
    post.start(post.plugin)
    await post.engine.dispatch(HOOK, {"id": 1, "n": 3})
    await post.settled()
    assert inbox.numbers == [3]
    assert await tags(post) == [AuditTag.SUBSCRIPTION_MOVED]


@pytest.mark.parametrize("way", ["beginning", "time", "event"])
async def test_new_subscription_starts_from_what_is_kept_by_its_condition(post, inbox, way):
    first, seen = await post.subscribe(post.plugin, inbox.take), []
    for number in range(4):
        await post.engine.dispatch(HOOK, {"id": number, "n": number})
    await post.settled()

    async def later(payload):
        seen.append(payload["n"])

    new = await post.subscribe(post.plugin, later, callback_method="later", conditions="n > 0")
    await post.engine.dispatch(HOOK, {"id": 4, "n": 4})
    await until(lambda: seen == [4])
    place = {
        "beginning": {"to": "beginning"},
        "time": {"since": datetime.now(UTC) - timedelta(hours=1)},
        "event": {"event_id": min(one["event_id"] for one in inbox.contexts)},
    }[way]
    await post.operator.seek(new, HOST, **place)
    await until(lambda: len(seen) >= 5)
    await post.settled()
    assert sorted(seen[1:]) == [1, 2, 3, 4]
    assert (await post.lag(first)).delivered_total == 5


async def test_retention_deletes_what_everybody_has_got_and_nothing_else(post, inbox):
    switch = Switch(inbox)
    await post.subscribe(post.plugin, switch.take, retry=ONCE)
    await post.engine.dispatch(HOOK, {"id": 1, "n": 1})
    await until(lambda: post.events.dead == 1)
    switch.broken = False
    await post.engine.dispatch(HOOK, {"id": 2, "n": 2})
    await post.settled()
    await post.stop(post.plugin)
    await post.engine.dispatch(HOOK, {"id": 3, "n": 3})
    retention = EventRetention(post.database, EventLimits(days=0.0, mb=0, mark_days=1.0))
    await until(lambda: _acked(post, 2))
    await retention.run()
    kept = [
        (await post.reader.event(one.id)).payload["n"]
        for one in (await post.reader.events(EventFilters())).items
    ]
    assert (kept, retention.deleted) == ([3, 1], 1)


async def _acked(post, position):
    return (await post.reader.lag())[0].position >= position


async def test_retention_by_size_deletes_the_oldest_first(post, inbox):
    await post.subscribe(post.plugin, inbox.take)
    for number in range(3):
        await post.engine.dispatch(HOOK, {"id": 1, "n": number, "text": "x" * 900_000})
    await post.settled()
    await until(lambda: _acked(post, 3))
    retention = EventRetention(post.database, EventLimits(days=30.0, mb=1, mark_days=1.0))
    await retention.run()
    assert retention.deleted == 3  # one step at a time: small events go in hundreds


async def test_lists_filter(post, inbox):
    subscription = await post.subscribe(post.plugin, inbox.take)
    for number in range(3):
        await post.engine.dispatch(HOOK, {"id": number, "n": number}, request_id=f"r{number}")
    await post.settled()
    for filters, count in [
        (EventFilters(), 3),
        (EventFilters(key="1"), 1),
        (EventFilters(request_id="r2"), 1),
        (EventFilters(hook="invoice_created"), 0),
        (EventFilters(subscription_id=subscription), 3),
        (EventFilters(since=datetime.now(UTC) - timedelta(hours=1)), 3),
        (EventFilters(until=datetime.now(UTC) - timedelta(hours=1)), 0),
        (EventFilters(from_id=2, to_id=2), 1),
    ]:
        page = await post.reader.events(filters)
        assert (page.total, len(page.items)) == (count, count), filters


@pytest.mark.parametrize(
    ("place", "expected"), [(None, [3]), ("now", [3]), ("beginning", [0, 1, 2, 3]), ("time", [1, 2, 3])]
)
async def test_new_subscription_begins_where_it_is_told(post, inbox, place, expected):
    await post.subscribe(post.plugin, _nothing, callback_method="first")
    for number in range(3):
        await post.engine.dispatch(HOOK, {"id": 1, "n": number})
    if place == "time":
        written = [event.written_at for event in reversed((await post.reader.events(EventFilters())).items)]
        place = written[1].isoformat()
        same = [number for number, at in enumerate(written) if at >= written[1]]  # an instant may be shared
        expected = [*same, 3]
    more = {} if place is None else {"start_from": place}
    await post.subscribe(post.plugin, inbox.take, **more)
    await post.engine.dispatch(HOOK, {"id": 1, "n": 3})
    assert await until(lambda: inbox.numbers == expected)


async def _nothing(_):
    return None
