"""Rule 4: each filter works on a copy of its own; None, an error or a refused value restores the one before; so do immutable fields."""

import datetime as dt

import pytest

from isp_plugins.contracts.vocabulary import FailurePolicy
from isp_plugins.hooks.errors import PayloadInvalidError
from support.hooks import FILTER, GUARDED, make_engine, subscribe, subscription, summary

MODES = ["inline", "thread"]


def adding(amount):
    def add(value):
        value["n"] += amount
        return value

    return add


async def dispatch(engine, hook, value, mode):
    return await engine.dispatch(hook, value) if mode == "thread" else engine.dispatch_sync(hook, value)


@pytest.mark.parametrize("mode", MODES)
async def test_value_is_threaded_through(mode):
    engine = make_engine()
    subscribe(engine, *(subscription(name, adding(1), hook=FILTER, mode=mode) for name in "abc"))
    result = await dispatch(engine, FILTER, {"n": 1}, mode)
    assert (result.value, result.outcomes[1].value) == ({"n": 4}, {"n": 3})


@pytest.mark.parametrize("mode", MODES)
async def test_filter_cannot_change_the_callers_value(mode):
    engine, value = make_engine(), {"n": 1, "deep": {"list": [1]}}

    def spoil(given):
        given["deep"]["list"].append(2)

    subscribe(engine, subscription("a", spoil, hook=FILTER, mode=mode))
    result = await dispatch(engine, FILTER, value, mode)
    assert value == {"n": 1, "deep": {"list": [1]}}
    assert result.value == value


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("returned", [None, {"n": "text"}, 7, {"n": dt.date(2030, 1, 1)}, {1: 2}, {"n": {1}}])
async def test_refused_value_restores_the_one_before(returned, mode):
    engine = make_engine()
    subscribe(
        engine,
        subscription("a", adding(1), hook=FILTER, mode=mode),
        subscription("b", lambda _: returned, hook=FILTER, mode=mode),
        subscription("c", adding(1), hook=FILTER, mode=mode),
    )
    result = await dispatch(engine, FILTER, {"n": 1}, mode)
    assert (result.value, summary(result)) == ({"n": 3}, ["a: ok", "b: error", "c: ok"])


def test_refusal_names_the_field():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: {"n": "text"}, hook=FILTER))
    assert 'n: "text" is not of type "integer"' in str(engine.dispatch_sync(FILTER, {}).outcomes[0].error)


def test_error_restores_the_value_before():
    engine = make_engine()

    def fail(value):
        value["n"] = 99
        raise ValueError

    subscribe(engine, subscription("a", fail, hook=FILTER))
    assert engine.dispatch_sync(FILTER, {"n": 1}).value == {"n": 1}


def test_immutable_fields_are_put_back():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: {"n": 2, "id": 9, "new": 1}, hook=GUARDED))
    assert engine.dispatch_sync(GUARDED, {"id": 1, "n": 1}).value == {"id": 1, "n": 2}


def test_filter_whose_fields_are_guarded_must_return_an_object():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: [1], hook=GUARDED))
    assert summary(engine.dispatch_sync(GUARDED, {"id": 1})) == ["a: error"]


async def test_coroutine_filters_change_the_value():
    engine = make_engine()

    async def double(value):
        return {"n": value["n"] * 2}

    subscribe(
        engine,
        subscription("a", double, hook=FILTER),
        subscription("b", adding(1), hook=FILTER, mode="thread"),
    )
    assert (await engine.dispatch(FILTER, {"n": 3})).value == {"n": 7}


@pytest.mark.parametrize(
    "value", [{"n": "text"}, "text", {"n": {1, 2}}, {1: 2}, {"n": float("nan"), "m": object()}]
)
def test_value_that_the_caller_gets_wrong_is_refused_before_any_filter(value):
    engine, seen = make_engine(), []
    subscribe(engine, subscription("a", seen.append, hook=FILTER))
    with pytest.raises(PayloadInvalidError):
        engine.dispatch_sync(FILTER, value)
    assert seen == []


def test_refused_payload_leaves_the_engine_usable():
    engine = make_engine()
    subscribe(engine, subscription("a", adding(1), hook=FILTER))
    with pytest.raises(PayloadInvalidError):
        engine.dispatch_sync(FILTER, {"n": "text"})
    assert engine.dispatch_sync(FILTER, {"n": 1}).value == {"n": 2}


def test_nobody_filtering_gives_the_value_back():
    assert make_engine().dispatch_sync(FILTER, {"n": 5}).value == {"n": 5}


async def test_nobody_filtering_awaited_gives_the_value_back():
    assert (await make_engine().dispatch(FILTER, {"n": 5})).value == {"n": 5}


def test_actions_share_one_payload():
    engine, payload = make_engine(), {"n": 1}
    seen = []
    subscribe(engine, subscription("a", seen.append), subscription("b", seen.append))
    engine.dispatch_sync("own_hook", payload)
    assert all(one is payload for one in seen)


async def test_leg_that_is_stopped_keeps_the_value_that_stood():
    engine = make_engine()

    def fail(_):
        raise ValueError

    subscribe(
        engine,
        subscription("a", adding(1), hook=FILTER, mode="thread"),
        subscription("b", fail, hook=FILTER, mode="thread", failure_policy=FailurePolicy.STOP),
    )
    result = await engine.dispatch(FILTER, {"n": 1})
    assert (result.value, summary(result)) == ({"n": 2}, ["a: ok", "b: error"])
