"""A plugin whose worker is down is skipped with that reason, its events are still accepted, and its next subscriptions are called."""

from isp_plugins.contracts.hooks import Event
from isp_plugins.contracts.vocabulary import BreakerState, OutcomeStatus, SkipReason
from isp_plugins.testing import MemoryEvents
from support.hooks import HOOK, event, make_engine, plugin_id, subscribe, subscription, summary


def engine_with(*subscriptions, **options):
    engine = make_engine(**options)
    subscribe(engine, *subscriptions)
    return engine


def test_suspended_plugin_is_skipped_with_its_reason_and_others_run():
    engine = engine_with(subscription("a", lambda _: 1), subscription("b", lambda _: 1))
    engine.suspend(plugin_id("a"))
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: worker_down", "b: ok"]
    assert engine.describe(HOOK)[0].skips == {SkipReason.WORKER_DOWN: 1}


def test_resumed_plugin_is_called_again():
    engine = engine_with(subscription("a", lambda _: 1))
    engine.suspend(plugin_id("a"))
    engine.resume(plugin_id("a"))
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: ok"]


def test_new_subscriptions_end_it():
    engine = engine_with(subscription("a", lambda _: 1))
    engine.suspend(plugin_id("a"))
    subscribe(engine, subscription("a", lambda _: 2))
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: ok"]


def test_open_breaker_stays_when_it_is_resumed():
    engine = engine_with(subscription("a", lambda _: 1))
    engine.switch(plugin_id("a"), BreakerState.OPEN)
    engine.suspend(plugin_id("a"))
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: worker_down"]
    engine.resume(plugin_id("a"))
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: breaker_open"]


async def test_event_is_accepted_and_its_delivery_is_skipped():
    sink = MemoryEvents()
    engine = engine_with(event("a", lambda _: None), events=sink)
    engine.suspend(plugin_id("a"))
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: queued"]
    (owed,) = sink.deliveries
    assert isinstance(owed, Event)
    outcome = await engine.deliver(owed)
    assert (outcome.status, outcome.skip_reason) == (OutcomeStatus.SKIPPED, SkipReason.WORKER_DOWN)


def test_suspending_a_plugin_without_subscriptions_changes_nothing():
    engine = engine_with(subscription("b", lambda _: 1))
    engine.suspend(plugin_id("a"))
    engine.resume(plugin_id("a"))
    assert summary(engine.dispatch_sync(HOOK, {})) == ["b: ok"]


async def test_skipped_again_after_new_subscriptions_that_did_not_hold():
    engine = engine_with(subscription("a", lambda _: 1), event("a", lambda _: None), events=MemoryEvents())
    assert engine.skipped(plugin_id("a")) == ()
    engine.suspend(plugin_id("a"))
    kept = engine.skipped(plugin_id("a"))
    subscribe(engine, subscription("a", lambda _: 2))
    engine.skip(plugin_id("a"), kept)
    await engine.drain(plugin_id("a"))
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: worker_down", "a: queued"]
    engine.resume(plugin_id("a"))
    assert summary(engine.dispatch_sync(HOOK, {})) == ["a: ok", "a: queued"]
