"""Rule 10: the result tells what ran, what was skipped and why, value and error; durations where it was traced; counters are exact."""

import asyncio

import pytest

from isp_plugins.contracts.vocabulary import BindingStatus, DispatchStatus, SubscriptionType
from support.hooks import FILTER, HOOK, VETO, Notes, make_engine, subscribe, subscription, summary


def test_result_as_the_api_shows_it():
    engine = make_engine()
    one = subscription("a", lambda _: {"sent": True}, method="send", hook="customer_created")
    subscribe(engine, one)
    shown = engine.dispatch_sync("customer_created", {}, request_id="r1", trace=True).to_dict()
    duration = shown["subscriptions"][0].pop("duration_ms")
    assert duration is not None
    assert shown.pop("duration_ms") >= duration
    assert shown == {
        "hook": "customer_created", "status": "completed", "request_id": "r1", "known": True, "value": None, "reason": None,
        "subscriptions": [
            {
                "subscription_id": one.id, "plugin_id": one.plugin_id, "plugin": "a", "method": "send", "type": "action",
                "priority": 100, "status": "ok", "skip_reason": None, "value": {"sent": True}, "error": None,
            }
        ],
    }  # fmt: skip


def test_error_as_the_api_shows_it():
    def fail(_):
        raise ValueError("no")

    engine = make_engine()
    subscribe(engine, subscription("a", fail))
    shown = engine.dispatch_sync("own_hook", {}).to_dict()["subscriptions"][0]
    assert (shown["status"], shown["error"]) == ("error", {"type": "ValueError", "message": "no"})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"is_active": False}, "inactive"),
        ({"binding": BindingStatus.INVALID}, "binding_invalid"),
        ({"type": SubscriptionType.FILTER, "hook": "customer_created"}, "binding_invalid"),
        ({"call": None}, "plugin_stopped"),
    ],
)
async def test_what_cannot_run_is_skipped_with_its_reason(fields, reason):
    engine = make_engine()
    fields = {"call": lambda _: None, "hook": HOOK} | fields
    hook = fields["hook"]
    subscribe(
        engine, subscription("a", fields.pop("call"), **fields), subscription("b", lambda _: None, hook=hook)
    )
    expected = [f"a: {reason}", "b: ok"]
    assert summary(engine.dispatch_sync(hook, {})) == expected
    assert summary(await engine.dispatch(hook, {})) == expected
    assert engine.describe(hook)[0].skip_reason == reason


def test_nobody_subscribed_shares_one_result_that_cannot_be_changed():
    engine = make_engine()
    first, second = engine.dispatch_sync("own_hook", {}), engine.dispatch_sync("own_hook", {"other": 1})
    assert first is second
    assert (first.hook, first.status, first.outcomes, first.value, first.request_id) == (
        "own_hook", DispatchStatus.COMPLETED, (), None, "0" * 32,
    )  # fmt: skip
    with pytest.raises(AttributeError):
        first.ended = DispatchStatus.REJECTED


async def test_nobody_subscribed_keeps_the_callers_request_id():
    engine = make_engine()
    assert engine.dispatch_sync("own_hook", {}, request_id="r1").request_id == "r1"
    assert (await engine.dispatch("own_hook", {}, request_id="r2")).request_id == "r2"


def test_unknown_hook_is_reported_as_such():
    engine = make_engine()
    assert (
        engine.dispatch_sync("own_hook", {}).known,
        engine.dispatch_sync("customer_created", {}).known,
    ) == (False, True)


def test_request_ids_are_made_when_they_are_read_and_stay():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: None))
    first, second = engine.dispatch_sync("own_hook", {}), engine.dispatch_sync("own_hook", {})
    assert first.request_id == first.request_id != second.request_id
    assert len(first.request_id) == 32


def test_outcomes_are_built_once():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: None))
    result = engine.dispatch_sync("own_hook", {})
    assert result.outcomes is result.outcomes


def test_first_dispatches_are_timed_then_one_in_sixteen():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: None))
    timed = [engine.dispatch_sync("own_hook", {}).duration_ms is not None for _ in range(16 + 64)]
    assert all(timed[:16])
    assert sum(timed[16:]) == 4


def test_traced_dispatch_is_timed_without_disturbing_the_sample():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: None))
    for _ in range(20):
        engine.dispatch_sync("own_hook", {})
    assert engine.dispatch_sync("own_hook", {}, trace=True).outcomes[0].duration_ms is not None


async def test_what_crosses_a_thread_is_always_timed():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: None, mode="thread"))
    results = [await engine.dispatch("own_hook", {}) for _ in range(40)]
    assert all(result.outcomes[0].duration_ms is not None for result in results)


async def test_plugin_at_debug_has_every_call_timed_and_told():
    notes = Notes()
    engine = make_engine(observer=notes)
    subscribe(engine, subscription("a", lambda _: None, debug=True), subscription("b", lambda _: None))
    for _ in range(20):
        engine.dispatch_sync("own_hook", {})
        await engine.dispatch("own_hook", {})
    assert [(name, outcome) for name, outcome, _ in notes.invocations] == [("a", "ok")] * 40


def test_duration_belongs_to_its_subscription():
    engine = make_engine()

    def slow(_):
        end = asyncio.new_event_loop()
        end.run_until_complete(asyncio.sleep(0.02))
        end.close()

    subscribe(
        engine, subscription("a", lambda _: None), subscription("b", slow), subscription("c", lambda _: None)
    )
    first, second, third = (
        one.duration_ms for one in engine.dispatch_sync("own_hook", {}, trace=True).outcomes
    )
    assert second >= 20 > max(first, third)


async def test_counters_are_exact_over_every_way_of_running():
    engine = make_engine()

    async def awaited(_):
        return None

    subscribe(
        engine,
        subscription("a", lambda _: None),
        subscription("b", awaited),
        subscription("c", lambda _: None, mode="thread"),
    )
    for _ in range(50):
        await engine.dispatch("own_hook", {})
    for _ in range(50):
        await asyncio.to_thread(engine.dispatch_sync, "own_hook", {})
    await asyncio.gather(*(engine.dispatch("own_hook", {}) for _ in range(50)))
    assert [entry.calls for entry in engine.describe("own_hook")] == [150] * 3


def test_counters_survive_the_rebuild_of_a_chain():
    engine = make_engine()
    one = subscription("a", lambda _: None)
    subscribe(engine, one)
    for number in range(30):
        engine.dispatch_sync("own_hook", {})
        subscribe(engine, subscription("b", lambda _: None, id=5000 + number))
    assert engine.describe("own_hook")[0].calls == 30
    assert engine.describe("own_hook")[0].sampled == 30


def test_rejections_and_what_came_after_are_counted():
    from isp_plugin_sdk import Reject

    def reject(_):
        raise Reject("no")

    engine = make_engine()
    subscribe(engine, subscription("a", reject, hook=VETO), subscription("b", lambda v: v, hook=VETO))
    for _ in range(20):
        engine.dispatch_sync(VETO, {})
    first, second = engine.describe(VETO)
    assert (first.calls, first.rejects, second.calls, second.skips) == (20, 20, 0, {"after_reject": 20})


def test_description_tells_last_error_and_last_run():
    def fail(_):
        raise ValueError("no")

    engine = make_engine()
    subscribe(engine, subscription("a", fail, condition="id == 1"))
    assert engine.describe("own_hook")[0].last_run is None
    engine.dispatch_sync("own_hook", {"id": 1})
    entry = engine.describe("own_hook")[0]
    assert (entry.errors, entry.last_error, entry.condition) == (1, "ValueError: no", "id == 1")
    assert entry.last_run is not None
    assert entry.to_dict()["calls"] == 1


def test_description_of_a_hook_without_subscriptions_is_empty():
    assert make_engine().describe("own_hook") == []


def test_filters_outcome_tells_the_value_after_it():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: {"n": 2}, hook=FILTER))
    assert engine.dispatch_sync(FILTER, {"n": 1}).outcomes[0].value == {"n": 2}


@pytest.mark.parametrize("count", [1, 2, 100, 300])
def test_chain_of_any_length_runs(count):
    engine, seen = make_engine(), []
    for number in range(count):
        subscribe(engine, subscription(f"plugin_{number:03}", seen.append))
    assert len(engine.dispatch_sync("own_hook", {}).outcomes) == len(seen) == count
