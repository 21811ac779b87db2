"""Rule 9: an action's events are made before it and released after it; a filter's and a veto's after it, never when rejected or stopped."""

import pytest

from isp_plugin_sdk import Reject
from isp_plugins.contracts.hooks import Event
from isp_plugins.contracts.vocabulary import FailurePolicy, SkipReason
from isp_plugins.hooks.errors import PayloadInvalidError
from support.hooks import FILTER, VETO, Sink, event, make_engine, subscribe, subscription, summary


def noop(_):
    return None


async def dispatch(engine, hook, payload, *, awaited):
    return await engine.dispatch(hook, payload) if awaited else engine.dispatch_sync(hook, payload)


@pytest.mark.parametrize("awaited", [True, False])
async def test_event_carries_the_payload_as_it_was_before_the_actions(awaited):
    sink = Sink()
    engine = make_engine(events=sink)
    subscribe(engine, event("a", noop), subscription("b", lambda payload: payload.update(n=2)))
    result = await dispatch(engine, "own_hook", {"n": 1}, awaited=awaited)
    assert summary(result) == ["a: queued", "b: ok"]
    assert [(one.payload, one.request_id) for one in sink.events] == [({"n": 1}, result.request_id)]


def test_events_are_released_when_the_dispatch_ends():
    sink, seen = Sink(), []
    engine = make_engine(events=sink)
    subscribe(engine, event("a", noop), subscription("b", lambda _: seen.append(len(sink.events))))
    engine.dispatch_sync("own_hook", {})
    assert (seen, len(sink.events)) == ([0], 1)


def test_each_event_has_a_copy_of_its_own():
    sink = Sink()
    engine = make_engine(events=sink)
    subscribe(engine, event("a", noop), event("b", noop))
    engine.dispatch_sync("own_hook", {"deep": []})
    first, second = sink.events
    first.payload["deep"].append(1)
    assert second.payload == {"deep": []}


def test_action_that_is_stopped_still_happened_for_its_events():
    sink = Sink()
    engine = make_engine(events=sink)

    def fail(_):
        raise ValueError

    subscribe(engine, subscription("a", fail, failure_policy=FailurePolicy.STOP), event("z", noop))
    assert summary(engine.dispatch_sync("own_hook", {})) == ["a: error", "z: queued"]


@pytest.mark.parametrize("awaited", [True, False])
async def test_filters_events_carry_the_final_value(awaited):
    sink = Sink()
    engine = make_engine(events=sink)
    subscribe(
        engine,
        subscription("b", lambda _: {"n": 2}, hook=FILTER),
        event("a", noop, hook=FILTER, condition="n == 2"),
    )
    await dispatch(engine, FILTER, {"n": 1}, awaited=awaited)
    assert [one.payload for one in sink.events] == [{"n": 2}]


def test_rejected_dispatch_makes_no_events():
    sink = Sink()
    engine = make_engine(events=sink)

    def reject(_):
        raise Reject("no")

    subscribe(engine, subscription("a", reject, hook=VETO), event("z", noop, hook=VETO))
    assert summary(engine.dispatch_sync(VETO, {})) == ["a: rejected", "z: after_reject"]
    assert sink.events == []


def test_full_queue_is_told_and_counted():
    engine = make_engine(events=Sink(size=1))
    subscribe(engine, event("a", noop), event("b", noop))
    assert summary(engine.dispatch_sync("own_hook", {})) == ["a: queued", "b: queue_full"]
    assert engine.describe("own_hook")[1].skips == {SkipReason.QUEUE_FULL: 1}


def test_payload_that_is_no_json_is_refused_before_anything_runs():
    engine, seen = make_engine(), []
    subscribe(engine, event("a", noop), subscription("b", seen.append))
    with pytest.raises(PayloadInvalidError):
        engine.dispatch_sync("own_hook", {"n": {1}})
    assert seen == []


@pytest.mark.parametrize("mode", ["inline", "thread", "async"])
async def test_delivery_calls_the_subscription(mode):
    sink, seen = Sink(), []
    engine = make_engine(events=sink)

    async def awaited(payload):
        seen.append(payload)

    subscribe(engine, event("a", awaited if mode == "async" else seen.append, mode=mode))
    engine.dispatch_sync("own_hook", {"n": 1})
    outcome = await engine.deliver(sink.events[0])
    assert (seen, outcome.status, engine.describe("own_hook")[0].calls) == ([{"n": 1}], "ok", 1)


async def test_failing_delivery_is_an_outcome():
    sink = Sink()
    engine = make_engine(events=sink)

    def fail(_):
        raise SystemExit

    subscribe(engine, event("a", fail))
    engine.dispatch_sync("own_hook", {})
    assert (await engine.deliver(sink.events[0])).status == "error"


async def test_delivery_obeys_the_deadline():
    sink = Sink()
    engine = make_engine(events=sink)

    async def hang(_):
        import asyncio

        await asyncio.Event().wait()

    subscribe(engine, event("a", hang, hook="short_20"))
    engine.dispatch_sync("short_20", {})
    assert (await engine.deliver(sink.events[0])).status == "timed_out"


async def test_event_of_a_subscription_that_is_gone_is_skipped():
    outcome = await make_engine().deliver(Event(1, "own_hook", {}, "r1"))
    assert (outcome.status, outcome.skip_reason) == ("skipped", SkipReason.PLUGIN_STOPPED)


async def test_delivery_of_an_internal_hook_runs():
    sink, seen = Sink(), []
    engine = make_engine(events=sink)
    subscribe(engine, event("a", seen.append, hook="plugin_enabled"))
    await engine.dispatch("plugin_enabled", {"plugin": "x"}, internal=True)
    await engine.deliver(sink.events[0])
    assert seen == [{"plugin": "x"}]
