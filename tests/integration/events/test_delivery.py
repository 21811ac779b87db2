"""Delivery at least once, in order for each key, on both databases."""

import asyncio
import threading

import pytest

from isp_plugin_sdk import RetryLater
from isp_plugin_sdk.context import current_call
from isp_plugins.contracts.hooks import Event, Retry
from isp_plugins.contracts.vocabulary import DeliveryStatus
from isp_plugins.db.tables import PluginHook
from isp_plugins.events.views import EventFilters
from support.events import HOOK, Post
from support.waiting import until


async def test_events_of_a_key_arrive_in_order_and_once(post, inbox):
    await post.subscribe(post.plugin, inbox.take)
    for number in range(40):
        await post.engine.dispatch(HOOK, {"id": number % 4, "n": number})
    await post.settled()
    for key in range(4):
        assert [one["n"] for one in inbox.seen if one["id"] == key] == list(range(key, 40, 4))
    assert len(inbox.seen) == 40


async def test_call_carries_idempotency_key_attempt_and_the_callers_context(post, inbox):
    subscription = await post.subscribe(post.plugin, inbox.take)
    result = await post.engine.dispatch(HOOK, {"id": 1, "n": 1}, context={"by": "billing"})
    await post.settled()
    (context,) = inbox.contexts
    shown = await post.reader.event(context["event_id"])
    assert context["by"] == "billing"
    assert (context["attempt"], context["idempotency_key"]) == (1, shown.deliveries[0].idempotency_key)
    assert (shown.request_id, shown.key, shown.owed) == (result.request_id, "1", (subscription,))
    assert shown.deliveries[0].status is DeliveryStatus.DELIVERED


async def test_failing_event_holds_back_only_its_key_and_keeps_its_idempotency_key(post, inbox):
    broken, keys = asyncio.Event(), set()

    async def take(payload):
        if payload["n"] == 0 and not broken.is_set():
            keys.add(current_call.get().context["idempotency_key"])
            raise ValueError("not yet")
        if payload["n"] == 0:
            keys.add(current_call.get().context["idempotency_key"])
        await inbox.take(payload)

    subscription = await post.subscribe(post.plugin, take, retry=Retry(0.01, 0.05, 1000))
    for number in range(10):
        await post.engine.dispatch(HOOK, {"id": number % 2, "n": number})
    await until(lambda: len(inbox.seen) == 5)
    assert inbox.numbers == [1, 3, 5, 7, 9]
    await until(lambda: _held_back(post, subscription, 4))
    broken.set()
    await post.settled()
    assert inbox.numbers[5:] == [0, 2, 4, 6, 8]
    assert inbox.contexts[5]["attempt"] > 1
    assert len(keys) == 1


async def _held_back(post, subscription, count):
    lag = await post.lag(subscription)
    return (lag.retrying, lag.held_back) == (1, count)


async def test_event_that_fails_too_often_is_a_dead_letter_with_its_history(post, inbox):
    async def take(payload):
        if payload["n"] == 0:
            raise ValueError("never")
        await inbox.take(payload)

    subscription = await post.subscribe(post.plugin, take)
    for number in range(3):
        await post.engine.dispatch(HOOK, {"id": 1, "n": number})
    await post.settled()
    assert inbox.numbers == [1, 2]
    (dead,) = (await post.reader.deliveries(EventFilters(status=DeliveryStatus.DEAD))).items
    assert (dead.subscription_id, dead.attempts, dead.error) == (subscription, 3, "ValueError: never")
    assert [entry["attempt"] for entry in dead.history] == [1, 2, 3]
    assert (await post.reader.event(dead.event_id)).payload == {"id": 1, "n": 0}
    assert (await post.lag(subscription)).dead == 1


async def test_retry_later_does_not_count_towards_the_dead_letter(post, inbox):
    async def take(payload):
        if current_call.get().context["attempt"] <= 5:
            raise RetryLater(0.01)
        await inbox.take(payload)

    await post.subscribe(post.plugin, take)
    await post.engine.dispatch(HOOK, {"id": 1, "n": 1})
    await post.settled()
    assert inbox.contexts[0]["attempt"] == 6


async def test_attempt_past_its_deadline_fails_and_is_tried_again(post, inbox):
    async def take(payload):
        if current_call.get().context["attempt"] == 1:
            await asyncio.Event().wait()
        await inbox.take(payload)

    await post.subscribe(post.plugin, take, hook="short_200")
    await post.engine.dispatch("short_200", {"n": 1})
    await post.settled()
    assert inbox.contexts[0]["attempt"] == 2


async def test_plugin_that_was_stopped_catches_up(post, inbox):
    await post.subscribe(post.plugin, inbox.take)
    await post.stop(post.plugin)
    for number in range(5):
        assert (await post.engine.dispatch(HOOK, {"id": 1, "n": number})).outcomes[0].status == "queued"
    assert inbox.seen == []
    post.start(post.plugin)
    await post.settled()
    assert inbox.numbers == [0, 1, 2, 3, 4]


async def test_condition_is_judged_at_the_dispatch(post, inbox):
    await post.subscribe(post.plugin, inbox.take, conditions="n % 2 == 0")
    for number in range(4):
        await post.engine.dispatch(HOOK, {"id": 1, "n": number})
    await post.settled()
    assert inbox.numbers == [0, 2]


async def test_event_is_not_delivered_before_its_dispatch_has_ended(post, inbox):
    await post.subscribe(post.plugin, inbox.take)
    event_id = await post.events.keep(_owed(post, hold_s=60.0))
    other = await post.events.keep(_owed(post, n=2, key="2"))
    await until(lambda: inbox.numbers == [2])
    assert other > event_id
    post.events.release(event_id)
    await until(lambda: inbox.numbers == [2, 1])


def _owed(post, *, hold_s=0.0, n=1, key="1"):
    from isp_plugins.contracts.hooks import NewEvent

    (subscription,) = post.calls[post.plugin]
    return NewEvent(HOOK, b'{"id": 1, "n": %d}' % n, "r", (subscription,), key=key, hold_s=hold_s)


async def test_event_whose_host_died_in_its_dispatch_is_delivered_by_the_next(post, inbox, database, keyring):
    subscription = await post.subscribe(post.plugin, inbox.take)
    await post.stop(post.plugin)
    await post.events.keep(_owed(post, hold_s=60.0))
    await post.close()
    again = Post(database, keyring)
    await again.open()
    async with database.reading() as session:
        view = await again.store.get(session, post.plugin, subscription)
    again.bind(post.plugin, view, inbox.take)
    assert await until(lambda: inbox.numbers == [1])
    await again.close()


@pytest.mark.parametrize("where", ["a thread", "the loop's own thread"])
async def test_synchronous_dispatch_keeps_its_event(post, inbox, where):
    await post.subscribe(post.plugin, inbox.take)
    dispatch = post.engine.dispatch_sync
    result = (
        await asyncio.to_thread(dispatch, HOOK, {"id": 1, "n": 1})
        if where == "a thread"
        else dispatch(HOOK, {"id": 1, "n": 1})
    )
    assert result.outcomes[0].status == "queued"
    await until(lambda: inbox.numbers == [1])


async def test_many_threads_and_tasks_dispatch_at_once(post, inbox):
    await post.subscribe(post.plugin, inbox.take)

    def some(start):
        for number in range(start, start + 25):
            post.engine.dispatch_sync(HOOK, {"id": start, "n": number})

    threads = [threading.Thread(target=some, args=(start,)) for start in (0, 100)]
    for thread in threads:
        thread.start()
    await asyncio.gather(*(post.engine.dispatch(HOOK, {"id": 200, "n": 200 + n}) for n in range(50)))
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await post.settled()
    assert sorted(inbox.numbers) == [*range(25), *range(100, 125), *range(200, 250)]
    assert post.events.groups < post.events.written == 100
    for start in (0, 100):
        assert [n for n in inbox.numbers if start <= n < start + 50] == list(range(start, start + 25))


async def test_plain_methods_are_delivered_in_threads(post):
    seen = []
    await post.subscribe(post.plugin, lambda payload: seen.append(threading.current_thread().name))
    await post.engine.dispatch(HOOK, {"id": 1, "n": 1})
    await post.settled()
    assert seen != ["MainThread"]


async def test_stale_acknowledgement_is_refused(post, inbox):
    """Somebody else took the cursor while an attempt was under way: what it did is not written, and the event comes again."""
    go, entered = asyncio.Event(), asyncio.Event()

    async def take(payload):
        entered.set()
        await go.wait()
        await inbox.take(payload)

    subscription = await post.subscribe(post.plugin, take)
    await post.engine.dispatch(HOOK, {"id": 1, "n": 1})
    await entered.wait()
    feed = post.events.deliverer.feeds[subscription]
    async with post.database.transaction() as session:
        await post.operator._take(session, [subscription])
    entered.clear()
    go.set()
    await until(lambda: feed.pending.lost)
    await until(lambda: len(inbox.seen) == 2)
    await post.settled()
    assert inbox.numbers == [1, 1]
    assert inbox.contexts[0]["idempotency_key"] == inbox.contexts[1]["idempotency_key"]
    assert (await post.lag(subscription)).delivered_total == 1


async def test_plugin_that_takes_longer_than_the_lease_keeps_it(database, keyring, inbox):
    from support.events import post_office

    async with post_office(database, keyring, lease_s=0.6) as post:
        began = asyncio.get_running_loop().time()

        async def take(payload):
            await asyncio.sleep(1.5)
            await inbox.take(payload)

        subscription = await post.subscribe(post.plugin, take)
        await post.engine.dispatch(HOOK, {"id": 1, "n": 1})
        await post.settled()
        assert asyncio.get_running_loop().time() - began > 1.5
        assert inbox.numbers == [1]
        assert (await post.lag(subscription)).delivered_total == 1


async def test_lease_that_ran_out_is_taken_over_by_another_node(database, keyring, inbox):
    """The first node's process is gone without a word: its lease runs out by the database's time."""
    from support.events import post_office

    async with post_office(database, keyring, node="second", lease_s=0.5) as second:
        first = Post(database, keyring, node="first", lease_s=0.5)
        await first.open()
        subscription = await first.subscribe(second.plugin, inbox.take)
        await until(lambda: _owner(first, subscription, "first"))
        for task in first.events.deliverer._tasks:
            task.cancel()
        async with database.reading() as session:
            view = await first.store.get(session, second.plugin, subscription)
        second.bind(second.plugin, view, inbox.take)
        await second.engine.dispatch(HOOK, {"id": 1, "n": 1})
        await until(lambda: inbox.numbers == [1])
        assert await until(lambda: _owner(second, subscription, "second"))
        await first.close()


async def _owner(post, subscription, node):
    return (await post.lag(subscription)).owner == node


async def test_subscription_that_is_deleted_while_its_events_are_in_flight(post, inbox):
    go = asyncio.Event()

    async def take(payload):
        await go.wait()
        await inbox.take(payload)

    subscription = await post.subscribe(post.plugin, take)
    for number in range(3):
        await post.engine.dispatch(HOOK, {"id": number, "n": number})
    async with post.database.transaction() as session:
        await session.delete(await session.get(PluginHook, subscription))
    post.calls[post.plugin].clear()
    post.engine.subscribe(post.plugin, ())
    go.set()
    await until(lambda: subscription not in post.events.deliverer.feeds)
    assert await post.reader.lag() == []
    assert (await post.engine.dispatch(HOOK, {"id": 9, "n": 9})).outcomes == ()


async def test_payload_at_the_size_limit_arrives_whole(post, inbox):
    await post.subscribe(post.plugin, inbox.take)
    text = "ä" * (1_048_576 // 2 - 64)
    await post.engine.dispatch(HOOK, {"id": 1, "n": 1, "text": text})
    await post.settled()
    assert inbox.seen[0]["text"] == text


async def test_delivery_of_what_is_gone_is_skipped(post):
    outcome = await post.engine.deliver(Event(4711, HOOK, {}, "r"))
    assert outcome.status == "skipped"


async def test_backlog_larger_than_the_window_is_delivered_whole(post, inbox):
    await post.subscribe(post.plugin, inbox.take)
    await post.stop(post.plugin)
    rows = [post.events.keep(_owed(post, n=number, key=str(number % 50))) for number in range(1500)]
    await asyncio.gather(*rows)
    post.start(post.plugin)
    await post.settled(within=60)
    assert sorted(inbox.numbers) == list(range(1500))
    assert post.events.deliverer.feeds


async def test_only_what_came_after_the_claim_was_never_tried(post, inbox):
    """`once` need not ask for the mark of such an event."""
    await post.subscribe(post.plugin, inbox.take)
    await post.stop(post.plugin)
    await post.engine.dispatch(HOOK, {"id": 1, "n": 0})
    await until(lambda: not post.events.deliverer.feeds)
    post.start(post.plugin)
    await until(lambda: inbox.numbers == [0])
    await post.engine.dispatch(HOOK, {"id": 1, "n": 1})
    await until(lambda: inbox.numbers == [0, 1])
    assert [context["never_tried"] for context in inbox.contexts] == [False, True]


async def test_event_that_is_tried_again_was_tried(post):
    seen = []

    async def take(_):
        from isp_plugin_sdk.context import current_call

        seen.append(current_call.get().context["never_tried"])
        if len(seen) == 1:
            raise ValueError("now and then")

    await post.subscribe(post.plugin, take)
    await until(lambda: post.events.deliverer.feeds)
    await post.engine.dispatch(HOOK, {"id": 1})
    await until(lambda: len(seen) == 2)
    assert seen == [True, False]
