"""Rule 3: a condition decides whether a subscription runs; one without a value counts as false and is told once a minute."""

import pytest

from isp_plugins.testing import FakeClock, MemoryEvents
from support.hooks import FILTER, Notes, event, make_engine, subscribe, subscription, summary


def noop(_):
    return None


@pytest.mark.parametrize(
    ("payload", "expected"),
    [({"id": 7}, "a: ok"), ({"id": 8}, "a: condition_false"), ({}, "a: condition_failed")],
)
def test_condition_decides(payload, expected):
    engine = make_engine()
    subscribe(engine, subscription("a", noop, condition="id == 7"))
    assert summary(engine.dispatch_sync("own_hook", payload)) == [expected]


@pytest.mark.parametrize("mode", ["inline", "thread", "async"])
async def test_condition_decides_however_the_plugin_is_called(mode):
    async def awaited(_):
        return None

    engine = make_engine()
    subscribe(
        engine,
        subscription(
            "a", awaited if mode == "async" else noop, mode=mode, condition="id > 5 && context.tier == 'gold'"
        ),
    )
    told = [
        summary(await engine.dispatch("own_hook", {"id": n}, context={"tier": "gold"}))[0] for n in (6, 5)
    ]
    assert told == ["a: ok", "a: condition_false"]


def test_condition_of_a_filter_sees_the_value_as_it_stands():
    engine = make_engine()
    subscribe(
        engine,
        subscription("a", lambda _: {"n": 2}, hook=FILTER),
        subscription("b", lambda _: {"n": 3}, hook=FILTER, condition="n == 2"),
        subscription("c", lambda _: {"n": 4}, hook=FILTER, condition="n == 2"),
    )
    result = engine.dispatch_sync(FILTER, {"n": 1})
    assert (result.value, summary(result)) == ({"n": 3}, ["a: ok", "b: ok", "c: condition_false"])


def test_condition_that_only_its_exact_form_can_tell_is_settled():
    engine = make_engine()
    subscribe(engine, subscription("a", noop, condition="missing == 1 || id == 7"))
    assert summary(engine.dispatch_sync("own_hook", {"id": 7})) == ["a: ok"]


def test_comprehension_runs_in_a_chain():
    engine = make_engine()
    subscribe(engine, subscription("a", noop, condition="items.exists(i, i > 2)"))
    told = [summary(engine.dispatch_sync("own_hook", {"items": items}))[0] for items in ([1, 3], [1])]
    assert told == ["a: ok", "a: condition_false"]


def test_failing_condition_is_counted_each_time_and_told_once_a_minute():
    clock, notes = FakeClock(), Notes()
    engine = make_engine(observer=notes, clock=clock)
    subscribe(engine, subscription("a", noop, condition="id == 7"))
    for _ in range(3):
        engine.dispatch_sync("own_hook", {})
    clock.advance(61)
    engine.dispatch_sync("own_hook", {})
    assert len(notes.conditions) == 2
    assert engine.describe("own_hook")[0].skips == {"condition_failed": 4}


def test_false_conditions_are_counted():
    engine = make_engine()
    subscribe(engine, subscription("a", noop, condition="id == 7"))
    for number in range(40):
        engine.dispatch_sync("own_hook", {"id": number % 8})
    entry = engine.describe("own_hook")[0]
    assert (entry.calls, entry.skips) == (5, {"condition_false": 35})


def test_condition_of_an_event_is_evaluated_before_the_actions_run():
    sink = MemoryEvents()
    engine = make_engine(events=sink)
    subscribe(
        engine,
        subscription("a", lambda payload: payload.update(id=8)),
        event("b", noop, condition="id == 7"),
        event("c", noop, condition="id == 8"),
        event("d", noop, condition="missing"),
    )
    result = engine.dispatch_sync("own_hook", {"id": 7})
    assert summary(result) == ["a: ok", "b: queued", "c: condition_false", "d: condition_failed"]
    assert [one.payload for one in sink.deliveries] == [{"id": 7}]
