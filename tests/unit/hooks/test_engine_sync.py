"""Synchronous dispatch: coroutine methods run on the system's loop; where that cannot be, the subscription says what to do."""

import asyncio
import threading

from isp_plugin_sdk.context import current_call
from isp_plugins.contracts.vocabulary import DispatchStatus
from support.hooks import make_engine, subscribe, subscription, summary


async def answer(payload):
    await asyncio.sleep(0)
    return (payload, threading.get_ident(), current_call.get().request_id)


async def hang(_):
    await asyncio.Event().wait()


async def test_coroutine_method_runs_on_the_systems_loop():
    engine = make_engine()
    subscribe(engine, subscription("a", answer))
    result = await asyncio.to_thread(engine.dispatch_sync, "own_hook", 7, request_id="r1")
    assert result.outcomes[0].value == (7, threading.get_ident(), "r1")


async def test_on_the_loops_own_thread_it_is_an_error_that_says_what_to_do():
    engine = make_engine()
    subscribe(engine, subscription("a", answer), subscription("b", lambda _: None))
    result = engine.dispatch_sync("own_hook", {})
    assert summary(result) == ["a: error", "b: ok"]
    assert "await dispatch" in str(result.outcomes[0].error)


def test_without_a_loop_it_is_an_error_that_says_what_to_do():
    engine = make_engine()
    subscribe(engine, subscription("a", answer))
    assert "BlockingPluginSystem" in str(engine.dispatch_sync("own_hook", {}).outcomes[0].error)


async def test_coroutine_past_the_deadline_is_cancelled_and_the_thread_goes_on():
    engine = make_engine()
    subscribe(engine, subscription("a", hang), subscription("b", lambda _: None))
    result = await asyncio.to_thread(engine.dispatch_sync, "own_hook", {}, timeout_ms=400)
    assert (result.status, summary(result)) == (
        DispatchStatus.TIMED_OUT,
        ["a: timed_out", "b: after_deadline"],
    )


async def test_coroutine_past_its_own_deadline_lets_the_rest_run():
    engine = make_engine()
    subscribe(engine, subscription("a", hang, timeout_ms=400), subscription("b", lambda _: None))
    result = await asyncio.to_thread(engine.dispatch_sync, "own_hook", {})
    assert summary(result) == ["a: timed_out", "b: ok"]


def test_thread_callees_run_on_the_calling_thread():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: threading.get_ident(), mode="thread"))
    assert engine.dispatch_sync("own_hook", {}).outcomes[0].value == threading.get_ident()


def test_one_engine_serves_one_loop_after_another():
    engine = make_engine()
    subscribe(engine, subscription("a", hang))
    for _ in range(2):
        result = asyncio.run(_dispatch(engine))
        assert result.status is DispatchStatus.TIMED_OUT


async def _dispatch(engine):
    return await engine.dispatch("own_hook", {}, timeout_ms=400)


def test_threads_that_dispatch_at_once_do_not_see_each_other():
    engine, wrong = make_engine(), []

    def look(payload):
        if current_call.get().request_id != payload["id"]:
            wrong.append(payload)

    subscribe(engine, *(subscription(name, look) for name in "abc"))

    def many(name):
        for number in range(500):
            engine.dispatch_sync("own_hook", {"id": f"{name}{number}"}, request_id=f"{name}{number}")

    threads = [threading.Thread(target=many, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [entry.calls for entry in engine.describe("own_hook")] == [1500] * 3


async def test_coroutine_after_one_that_was_overdue_is_not_cancelled():
    engine = make_engine()
    subscribe(engine, subscription("a", hang, timeout_ms=400), subscription("b", answer))
    result = await asyncio.to_thread(engine.dispatch_sync, "own_hook", {})
    assert summary(result) == ["a: timed_out", "b: ok"]
