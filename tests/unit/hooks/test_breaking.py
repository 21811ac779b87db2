"""A plugin whose circuit breaker is open is skipped, one call tries when it is half-open, and what ended well is known without counting it."""

import asyncio
import threading

import pytest

from isp_plugins.contracts.hooks import Event
from isp_plugins.contracts.vocabulary import BreakerState, OutcomeStatus, SkipReason
from isp_plugins.testing import MemoryEvents
from support.hooks import FILTER, HOOK, event, make_engine, plugin_id, subscribe, subscription, summary

OPEN, HALF_OPEN, CLOSED = BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED


def engine_with(*subscriptions, **options):
    engine = make_engine(**options)
    subscribe(engine, *subscriptions)
    return engine


def broken(_):
    raise ValueError("no")


def test_open_breaker_skips_with_its_reason_and_others_run():
    engine = engine_with(subscription("a", broken), subscription("b", lambda _: 1))
    engine.switch(plugin_id("a"), OPEN)
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: breaker_open", "b: ok"]


def test_skips_are_counted_and_calls_are_not():
    engine = engine_with(subscription("a", broken))
    engine.dispatch_sync(HOOK, {})
    engine.switch(plugin_id("a"), OPEN)
    for _ in range(3):
        engine.dispatch_sync(HOOK, {})
    (entry,) = engine.describe(HOOK)
    assert (entry.calls, entry.errors, entry.skips) == (1, 1, {SkipReason.BREAKER_OPEN: 3})
    assert entry.skip_reason is SkipReason.BREAKER_OPEN


def test_closed_again_it_is_called_by_the_same_code_as_before():
    seen = []
    engine = engine_with(subscription("a", seen.append))
    engine.switch(plugin_id("a"), OPEN)
    engine.switch(plugin_id("a"), CLOSED)
    engine.dispatch_sync(HOOK, 1)
    assert seen == [1]
    assert engine._chains[HOOK].names["f0"] == seen.append


def test_every_hook_of_the_plugin_is_skipped():
    engine = engine_with(subscription("a", broken), subscription("a", lambda value: value, hook=FILTER))
    engine.switch(plugin_id("a"), OPEN)
    assert summary(engine.dispatch_sync(FILTER, {"n": 1})) == ["a: breaker_open"]
    assert engine.dispatch_sync(FILTER, {"n": 1}).value == {"n": 1}


def test_event_of_a_plugin_that_is_not_called_now_is_kept():
    sink = MemoryEvents()
    engine = engine_with(event("a", lambda _: None), events=sink)
    engine.switch(plugin_id("a"), OPEN)
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: queued"]
    assert len(sink.deliveries) == 1
    assert not engine.delivers(sink.deliveries[0].subscription_id)


async def test_event_is_not_delivered_while_the_breaker_is_open():
    sink = MemoryEvents()
    engine = engine_with(event("a", lambda _: None), events=sink)
    engine.dispatch_sync(HOOK, {})
    engine.switch(plugin_id("a"), OPEN)
    outcome = await engine.deliver(sink.deliveries[0])
    assert (outcome.plugin, outcome.skip_reason) == ("a", SkipReason.BREAKER_OPEN)
    engine.switch(plugin_id("a"), CLOSED)
    assert (await engine.deliver(sink.deliveries[0])).status == "ok"


async def test_event_of_a_stopped_plugin_says_so_still():
    engine = engine_with(event("a", lambda _: None))
    await engine.unsubscribe(plugin_id("a"), drain_timeout=0)
    outcome = await engine.deliver(Event(4711, HOOK, {}, "r"))
    assert outcome.skip_reason is SkipReason.PLUGIN_STOPPED


def test_half_open_lets_one_call_try_and_skips_the_others():
    seen = []
    engine = engine_with(subscription("a", seen.append), subscription("a", seen.append, method="again"))
    engine.switch(plugin_id("a"), HALF_OPEN)
    assert summary(engine.dispatch_sync(HOOK, 1)) == ["a: ok", "a: breaker_open"]
    assert summary(engine.dispatch_sync(HOOK, 2)) == ["a: breaker_open", "a: breaker_open"]
    assert seen == [1]


@pytest.mark.parametrize("mode", ["inline", "thread", "async"])
async def test_try_runs_as_the_plugin_is_called_otherwise(mode):
    async def coroutine(_):
        return threading.current_thread().name

    def plain(_):
        return threading.current_thread().name

    call = coroutine if mode == "async" else plain
    engine = engine_with(subscription("a", call, mode=mode))
    engine.switch(plugin_id("a"), HALF_OPEN)
    (outcome,) = (await engine.dispatch(HOOK, {})).outcomes
    assert outcome.status is OutcomeStatus.OK
    assert (outcome.value == "MainThread") == (mode != "thread")
    assert summary(await engine.dispatch(HOOK, {})) == ["a: breaker_open"]


async def test_event_tries_too():
    engine = engine_with(event("a", lambda _: 5), events=(sink := MemoryEvents()))
    engine.switch(plugin_id("a"), HALF_OPEN)
    await engine.dispatch(HOOK, {})
    await engine.dispatch(HOOK, {})
    first, second = [await engine.deliver(one) for one in sink.deliveries]
    assert (first.value, second.skip_reason) == (5, SkipReason.BREAKER_OPEN)


def test_try_that_was_skipped_is_no_call_and_no_success():
    engine = engine_with(subscription("a", lambda _: None))
    engine.switch(plugin_id("a"), HALF_OPEN)
    for _ in range(3):
        engine.dispatch_sync(HOOK, {})
    (entry,) = engine.describe(HOOK)
    assert (entry.calls, entry.skips, engine.successes(plugin_id("a"))) == (
        1,
        {SkipReason.BREAKER_OPEN: 2},
        1,
    )


def test_success_is_what_neither_failed_nor_was_skipped():
    outcomes = iter([True, False, True, False, False])
    engine = engine_with(subscription("a", lambda _: next(outcomes) or broken(_)), subscription("b", broken))
    for _ in range(5):
        engine.dispatch_sync(HOOK, {})
    assert engine.successes(plugin_id("a")) == 2
    assert engine.successes(plugin_id("b")) == 0


def test_two_subscriptions_that_always_fail_never_look_like_a_success():
    seen = []

    class Asking:
        def failed(self, one, error, **_):
            seen.append(engine.successes(plugin_id("a")))

    engine = engine_with(*[subscription("a", broken, method=f"m{n}") for n in range(3)], observer=Asking())
    for _ in range(4):
        engine.dispatch_sync(HOOK, {})
    assert seen == [0] * 12


async def test_calls_under_way_are_no_success_yet():
    gate, entered = asyncio.Event(), []

    async def wait(_):
        entered.append(1)
        await gate.wait()

    engine = engine_with(subscription("a", wait))
    calls = [asyncio.create_task(engine.dispatch(HOOK, {})) for _ in range(5)]
    while len(entered) < 5:
        await asyncio.sleep(0)
    assert engine.successes(plugin_id("a")) == 0
    gate.set()
    await asyncio.gather(*calls)
    assert engine.successes(plugin_id("a")) == 5


def test_switch_of_a_plugin_without_subscriptions_does_nothing():
    engine = make_engine()
    engine.switch(4711, OPEN)
    assert engine.hooks() == []


async def test_stopped_and_started_again_a_plugin_is_called():
    engine = engine_with(subscription("a", lambda _: None))
    engine.switch(plugin_id("a"), OPEN)
    await engine.unsubscribe(plugin_id("a"), drain_timeout=0)
    subscribe(engine, subscription("a", lambda _: None))
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: ok"]


def test_own_echo_stays_skipped_for_its_own_reason():
    engine = engine_with(subscription("a", lambda _: None), subscription("b", lambda _: None))
    engine.switch(plugin_id("a"), OPEN)
    assert summary(engine.dispatch_sync(HOOK, {}, origin="b")) == ["a: breaker_open", "b: own_echo"]
