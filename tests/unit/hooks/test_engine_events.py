"""Rule 9: an action's events are made before it and released after it; a filter's and a veto's after it, never when rejected or stopped."""

import pytest

from isp_plugin_sdk import Reject
from isp_plugins.contracts.hooks import Event
from isp_plugins.contracts.vocabulary import FailurePolicy, SkipReason
from isp_plugins.errors import UnavailableError
from isp_plugins.hooks.emission import key_of
from isp_plugins.hooks.errors import EventsNotKeptError, PayloadInvalidError
from isp_plugins.testing import MemoryEvents
from support.hooks import FILTER, VETO, event, make_engine, subscribe, subscription, summary


def noop(_):
    return None


async def dispatch(engine, hook, payload, *, awaited):
    return await engine.dispatch(hook, payload) if awaited else engine.dispatch_sync(hook, payload)


@pytest.mark.parametrize("awaited", [True, False])
async def test_event_carries_the_payload_as_it_was_before_the_actions(awaited):
    sink = MemoryEvents()
    engine = make_engine(events=sink)
    subscribe(engine, event("a", noop), subscription("b", lambda payload: payload.update(n=2)))
    result = await dispatch(engine, "own_hook", {"n": 1}, awaited=awaited)
    assert summary(result) == ["a: queued", "b: ok"]
    assert [(one.payload, one.request_id) for one in sink.deliveries] == [({"n": 1}, result.request_id)]


def test_events_are_released_when_the_dispatch_ends():
    sink, seen = MemoryEvents(), []
    engine = make_engine(events=sink)
    subscribe(
        engine,
        event("a", noop),
        subscription("b", lambda _: seen.append((len(sink.kept), len(sink.deliveries)))),
    )
    engine.dispatch_sync("own_hook", {})
    assert (seen, len(sink.deliveries)) == ([(1, 0)], 1)


def test_each_event_has_a_copy_of_its_own():
    sink = MemoryEvents()
    engine = make_engine(events=sink)
    subscribe(engine, event("a", noop), event("b", noop))
    engine.dispatch_sync("own_hook", {"deep": []})
    first, second = sink.deliveries
    first.payload["deep"].append(1)
    assert second.payload == {"deep": []}


def test_action_that_is_stopped_still_happened_for_its_events():
    sink = MemoryEvents()
    engine = make_engine(events=sink)

    def fail(_):
        raise ValueError

    subscribe(engine, subscription("a", fail, failure_policy=FailurePolicy.STOP), event("z", noop))
    assert summary(engine.dispatch_sync("own_hook", {})) == ["a: error", "z: queued"]


@pytest.mark.parametrize("awaited", [True, False])
async def test_filters_events_carry_the_final_value(awaited):
    sink = MemoryEvents()
    engine = make_engine(events=sink)
    subscribe(
        engine,
        subscription("b", lambda _: {"n": 2}, hook=FILTER),
        event("a", noop, hook=FILTER, condition="n == 2"),
    )
    await dispatch(engine, FILTER, {"n": 1}, awaited=awaited)
    assert [one.payload for one in sink.deliveries] == [{"n": 2}]


def test_rejected_dispatch_makes_no_events():
    sink = MemoryEvents()
    engine = make_engine(events=sink)

    def reject(_):
        raise Reject("no")

    subscribe(engine, subscription("a", reject, hook=VETO), event("z", noop, hook=VETO))
    assert summary(engine.dispatch_sync(VETO, {})) == ["a: rejected", "z: after_reject"]
    assert sink.deliveries == []


class NoRoomError(UnavailableError):
    """There is no room."""


@pytest.mark.parametrize("awaited", [True, False])
async def test_dispatch_whose_event_cannot_be_kept_fails_before_anything_runs(awaited):
    sink, seen = MemoryEvents(), []
    sink.refusal = NoRoomError()
    engine = make_engine(events=sink)
    subscribe(engine, event("a", noop), subscription("b", seen.append))
    with pytest.raises(EventsNotKeptError, match=r"There is no room\. Nothing of it ran"):
        await dispatch(engine, "own_hook", {}, awaited=awaited)
    assert seen == []


@pytest.mark.parametrize("awaited", [True, False])
async def test_filter_whose_event_cannot_be_kept_fails_and_tells_how_it_went(awaited):
    sink = MemoryEvents()
    sink.refusal = NoRoomError()
    engine = make_engine(events=sink)
    subscribe(engine, subscription("b", lambda _: {"n": 2}, hook=FILTER), event("a", noop, hook=FILTER))
    with pytest.raises(EventsNotKeptError, match="it is completed") as caught:
        await dispatch(engine, FILTER, {"n": 1}, awaited=awaited)
    assert caught.value.fields["dispatch"]["value"] == {"n": 2}


async def test_event_of_a_plugin_that_was_stopped_is_kept_and_not_delivered():
    sink, seen = MemoryEvents(), []
    engine = make_engine(events=sink)
    mine = event("a", seen.append)
    subscribe(engine, mine)
    await engine.unsubscribe(mine.plugin_id, drain_timeout=0)
    assert summary(engine.dispatch_sync("own_hook", {"n": 1})) == ["a: queued"]
    assert (await engine.deliver(sink.deliveries[0])).skip_reason is SkipReason.PLUGIN_STOPPED
    subscribe(engine, mine)
    await engine.deliver(sink.deliveries[0])
    assert seen == [{"n": 1}]


def test_nothing_is_owed_to_a_plugin_that_was_deleted():
    sink = MemoryEvents()
    engine = make_engine(events=sink)
    mine = event("a", noop)
    subscribe(engine, mine)
    engine.forget(mine.plugin_id)
    engine.dispatch_sync("own_hook", {})
    assert sink.kept == []


@pytest.mark.parametrize(
    ("payload", "context", "key"),
    [
        ({"id": 7}, {}, "7"),
        ({"id": 7}, {"partition_key": "x"}, "x"),
        ({"id": 7}, {"partitionkey": "y"}, "y"),
        ({}, {}, None),
        ({"id": None}, {}, None),
        ({"id": True}, {}, None),
        ({"id": [1]}, {}, None),
        ([7], {}, None),
    ],
)
def test_key_is_what_the_caller_names_or_the_field_of_the_spec(payload, context, key):
    assert key_of("id", payload, context) == key


def test_key_that_is_too_long_is_replaced_by_its_digest():
    assert len(key_of(None, {}, {"partition_key": "x" * 300})) == 64


def test_payload_that_is_no_json_is_refused_before_anything_runs():
    engine, seen = make_engine(), []
    subscribe(engine, event("a", noop), subscription("b", seen.append))
    with pytest.raises(PayloadInvalidError):
        engine.dispatch_sync("own_hook", {"n": {1}})
    assert seen == []


@pytest.mark.parametrize("mode", ["inline", "thread", "async"])
async def test_delivery_calls_the_subscription(mode):
    sink, seen = MemoryEvents(), []
    engine = make_engine(events=sink)

    async def awaited(payload):
        seen.append(payload)

    subscribe(engine, event("a", awaited if mode == "async" else seen.append, mode=mode))
    engine.dispatch_sync("own_hook", {"n": 1})
    outcome = await engine.deliver(sink.deliveries[0])
    assert (seen, outcome.status, engine.describe("own_hook")[0].calls) == ([{"n": 1}], "ok", 1)


async def test_failing_delivery_is_an_outcome():
    sink = MemoryEvents()
    engine = make_engine(events=sink)

    def fail(_):
        raise SystemExit

    subscribe(engine, event("a", fail))
    engine.dispatch_sync("own_hook", {})
    assert (await engine.deliver(sink.deliveries[0])).status == "error"


async def test_delivery_obeys_the_deadline():
    sink = MemoryEvents()
    engine = make_engine(events=sink)

    async def hang(_):
        import asyncio

        await asyncio.Event().wait()

    subscribe(engine, event("a", hang, hook="short_20"))
    engine.dispatch_sync("short_20", {})
    assert (await engine.deliver(sink.deliveries[0])).status == "timed_out"


async def test_event_of_a_subscription_that_is_gone_is_skipped():
    outcome = await make_engine().deliver(Event(1, "own_hook", {}, "r1"))
    assert (outcome.status, outcome.skip_reason) == ("skipped", SkipReason.PLUGIN_STOPPED)


async def test_delivery_of_an_internal_hook_runs():
    sink, seen = MemoryEvents(), []
    engine = make_engine(events=sink)
    subscribe(engine, event("a", seen.append, hook="plugin_enabled"))
    await engine.dispatch("plugin_enabled", {"plugin": "x"}, internal=True)
    await engine.deliver(sink.deliveries[0])
    assert seen == [{"plugin": "x"}]
