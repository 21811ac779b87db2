"""Rules 5 and 6: `Reject` where a veto is allowed; an exception of any kind stays with its subscription; policy continue or stop."""

import asyncio

import pytest

from isp_plugin_sdk import Reject
from isp_plugins.contracts.vocabulary import DispatchStatus, FailurePolicy
from support.hooks import CLOSED, FILTER, VETO, Notes, make_engine, subscribe, subscription, summary

ANY_EXCEPTION = [ValueError("no"), SystemExit(3), KeyboardInterrupt(), BaseException("base"), GeneratorExit()]


def raising(error):
    def fail(_):
        raise error

    return fail


def raising_async(error):
    async def fail(_):
        raise error

    return fail


@pytest.mark.parametrize("error", ANY_EXCEPTION)
def test_any_exception_stays_with_its_subscription(error):
    engine, notes = make_engine(), []
    subscribe(engine, subscription("a", raising(error)), subscription("b", notes.append))
    result = engine.dispatch_sync("own_hook", {"n": 1})
    assert (summary(result), notes) == (["a: error", "b: ok"], [{"n": 1}])
    assert result.outcomes[0].error is error


@pytest.mark.parametrize("error", [*ANY_EXCEPTION, asyncio.CancelledError()])
async def test_any_exception_of_a_coroutine_stays_with_its_subscription(error):
    engine = make_engine()
    subscribe(engine, subscription("a", raising_async(error)), subscription("b", lambda _: None))
    result = await engine.dispatch("own_hook", {})
    assert (summary(result), result.outcomes[0].error) == (["a: error", "b: ok"], error)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), StopIteration(1)])
async def test_any_exception_in_a_thread_stays_with_its_subscription(error):
    engine = make_engine()
    subscribe(
        engine,
        subscription("a", raising(error), mode="thread"),
        subscription("b", lambda _: None, mode="thread"),
    )
    result = await engine.dispatch("own_hook", {})
    assert (summary(result), result.outcomes[0].error) == (["a: error", "b: ok"], error)


async def test_real_cancellation_of_the_caller_goes_through():
    engine, entered, after = make_engine(), asyncio.Event(), []

    async def hang(_):
        entered.set()
        await asyncio.Event().wait()

    subscribe(engine, subscription("a", hang), subscription("b", after.append))
    task = asyncio.create_task(engine.dispatch("own_hook", {}))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert after == []


async def test_cancelled_dispatch_leaves_nothing_running():
    engine, entered = make_engine(), asyncio.Event()

    async def hang(_):
        entered.set()
        await asyncio.Event().wait()

    subscribe(engine, subscription("a", hang))
    task = asyncio.create_task(engine.dispatch("own_hook", {}))
    await entered.wait()
    task.cancel()
    await asyncio.wait([task])
    assert await engine.unsubscribe(subscription("a").plugin_id, drain_timeout=5) == 0


def test_failure_policy_stop_ends_the_dispatch_and_says_why():
    engine = make_engine()
    subscribe(
        engine,
        subscription("a", raising(ValueError("broken")), failure_policy=FailurePolicy.STOP, method="work"),
        subscription("b", lambda _: None),
    )
    result = engine.dispatch_sync("own_hook", {})
    assert (result.status, result.reason) == (DispatchStatus.STOPPED, "a.work failed: broken")
    assert summary(result) == ["a: error", "b: after_stop"]


async def test_failure_policy_stop_ends_a_leg_in_a_thread():
    engine = make_engine()
    subscribe(
        engine,
        subscription("a", lambda _: 1, mode="thread"),
        subscription("b", raising(ValueError("broken")), mode="thread", failure_policy=FailurePolicy.STOP),
        subscription("c", lambda _: None, mode="thread"),
    )
    result = await engine.dispatch("own_hook", {})
    assert summary(result) == ["a: ok", "b: error", "c: after_stop"]


def test_reject_vetoes_where_the_spec_allows_it():
    engine = make_engine()
    subscribe(
        engine,
        subscription("a", raising(Reject("on the deny list")), hook=VETO),
        subscription("b", lambda value: value, hook=VETO),
    )
    result = engine.dispatch_sync(VETO, {})
    assert (result.status, result.reason) == (DispatchStatus.REJECTED, "on the deny list")
    assert summary(result) == ["a: rejected", "b: after_reject"]


def test_reject_elsewhere_is_an_error_of_its_subscription():
    engine = make_engine()
    subscribe(engine, subscription("a", raising(Reject("no"))), subscription("b", lambda _: None))
    result = engine.dispatch_sync("own_hook", {})
    assert (result.status, summary(result)) == (DispatchStatus.COMPLETED, ["a: error", "b: ok"])


def test_failing_subscriber_of_a_fail_closed_filter_stops_the_dispatch():
    engine = make_engine()
    subscribe(
        engine,
        subscription("a", raising(ValueError("down")), hook=CLOSED),
        subscription("b", lambda value: value, hook=CLOSED),
    )
    assert engine.dispatch_sync(CLOSED, {}).status is DispatchStatus.STOPPED


def test_failing_subscriber_of_an_open_filter_does_not_stop_it():
    engine = make_engine()
    subscribe(engine, subscription("a", raising(ValueError("down")), hook=FILTER))
    result = engine.dispatch_sync(FILTER, {"n": 1})
    assert (result.status, result.value) == (DispatchStatus.COMPLETED, {"n": 1})


def test_observer_is_told_of_a_failure():
    notes = Notes()
    engine = make_engine(observer=notes)
    subscribe(engine, subscription("a", raising(ValueError("no"))))
    result = engine.dispatch_sync("own_hook", {}, request_id="r1")
    assert [(name, request_id) for name, _, request_id, _ in notes.failures] == [("a", "r1")]
    assert result.request_id == "r1"


def test_observer_that_fails_disturbs_no_dispatch(caplog):
    class Broken(Notes):
        def failed(self, *_, **__):
            raise RuntimeError("observer")

    engine = make_engine(observer=Broken())
    subscribe(engine, subscription("a", raising(ValueError("no"))))
    assert summary(engine.dispatch_sync("own_hook", {})) == ["a: error"]
    assert "observer failed" in caplog.text
