"""Deadlines: one per dispatch, one per subscription within it; coroutines are cancelled, threads abandoned, inline calls checked after."""

import asyncio
import threading
import time

import pytest

from isp_plugin_sdk.context import current_call
from isp_plugins.contracts.vocabulary import DispatchStatus, FailurePolicy
from isp_plugins.runtime.threads import DaemonThreads
from support.hooks import FILTER, Notes, make_engine, plugin_id, subscribe, subscription, summary
from support.waiting import until


async def hang(_):
    await asyncio.Event().wait()


def passing(_):
    return "passed"


def late_by(event):
    """A plain function that returns once the event is set."""

    def wait(_):
        event.wait(60)
        return "late"

    return wait


def busy(value):
    """A plain function that returns once its deadline was seen to have passed."""
    while not current_call.get().flag:
        time.sleep(0.001)
    return value


async def test_coroutine_past_the_dispatch_deadline_is_cancelled():
    engine = make_engine()
    subscribe(engine, subscription("a", passing), subscription("b", hang), subscription("c", passing))
    result = await engine.dispatch("own_hook", {}, timeout_ms=400)
    assert result.status is DispatchStatus.TIMED_OUT
    assert summary(result) == ["a: ok", "b: timed_out", "c: after_deadline"]
    assert asyncio.current_task().cancelling() == 0


async def test_deadline_of_the_hook_applies_where_the_caller_gives_none():
    engine = make_engine()
    subscribe(engine, subscription("a", hang, hook="short_20"))
    assert (await engine.dispatch("short_20", {})).status is DispatchStatus.TIMED_OUT


async def test_coroutine_past_its_own_deadline_lets_the_rest_run():
    engine = make_engine()
    subscribe(engine, subscription("a", hang, timeout_ms=400), subscription("b", passing))
    result = await engine.dispatch("own_hook", {})
    assert (result.status, summary(result)) == (DispatchStatus.COMPLETED, ["a: timed_out", "b: ok"])
    assert "expected at most 400 ms" in str(result.outcomes[0].error)


async def test_own_deadline_counts_as_a_failure():
    engine = make_engine()
    subscribe(
        engine,
        subscription("a", hang, timeout_ms=400, failure_policy=FailurePolicy.STOP),
        subscription("b", passing),
    )
    assert summary(await engine.dispatch("own_hook", {})) == ["a: timed_out", "b: after_stop"]


async def test_coroutine_that_swallows_its_cancellation_is_timed_out_all_the_same():
    engine = make_engine()

    async def swallow(_):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "swallowed"

    subscribe(engine, subscription("a", swallow), subscription("b", passing))
    result = await engine.dispatch("own_hook", {}, timeout_ms=400)
    assert summary(result) == ["a: timed_out", "b: after_deadline"]
    assert asyncio.current_task().cancelling() == 0


async def test_foreign_cancellation_is_not_taken_for_a_deadline():
    engine = make_engine()
    subscribe(engine, subscription("a", hang))
    task = asyncio.create_task(engine.dispatch("own_hook", {}, timeout_ms=400))

    async def outer():
        await task

    waiting = asyncio.create_task(outer())
    await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert task.cancelled()


async def test_dispatch_inside_a_timeout_of_the_host_lets_it_through():
    engine = make_engine()
    subscribe(engine, subscription("a", hang))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await engine.dispatch("own_hook", {}, timeout_ms=10_000)


async def test_inner_deadline_does_not_end_the_outer_dispatch():
    engine = make_engine()

    async def outer(_):
        return summary(await engine.dispatch("inner_hook", {}, timeout_ms=400))

    subscribe(engine, subscription("a", outer), subscription("b", hang, hook="inner_hook"))
    result = await engine.dispatch("own_hook", {})
    assert (summary(result), result.outcomes[0].value) == (["a: ok"], ["b: timed_out"])


async def test_outer_deadline_ends_the_inner_dispatch():
    engine = make_engine()

    async def outer(_):
        await engine.dispatch("inner_hook", {}, timeout_ms=60_000)

    subscribe(engine, subscription("a", outer), subscription("b", hang, hook="inner_hook"))
    result = await engine.dispatch("own_hook", {}, timeout_ms=400)
    assert result.outcomes[0].status in {"timed_out", "ok"}
    assert result.duration_ms is None or result.duration_ms < 55_000


async def test_thread_past_the_deadline_is_abandoned():
    notes, threads, go = Notes(), DaemonThreads(2), threading.Event()
    engine, seen = make_engine(observer=notes, threads=threads), []
    subscribe(
        engine,
        subscription("a", passing, mode="thread"),
        subscription("b", late_by(go), mode="thread"),
        subscription("c", seen.append, mode="thread"),
    )
    result = await engine.dispatch("own_hook", {}, timeout_ms=400)
    assert summary(result) == ["a: ok", "b: timed_out", "c: after_deadline"]
    assert notes.abandonments == [(plugin_id("b"), 1)]
    assert (threads.abandoned(plugin_id("b")), threads.busy) == (1, 0)
    go.set()
    await until(lambda: threads.abandoned(plugin_id("b")) == 0)
    assert seen == []


async def test_after_an_own_deadline_the_rest_of_the_leg_goes_on_in_another_thread():
    go, threads = threading.Event(), DaemonThreads(2)
    engine = make_engine(threads=threads)
    subscribe(
        engine,
        subscription("a", passing, mode="thread"),
        subscription("b", late_by(go), mode="thread", timeout_ms=400),
        subscription("c", passing, mode="thread"),
    )
    result = await engine.dispatch("own_hook", {})
    assert (result.status, summary(result)) == (DispatchStatus.COMPLETED, ["a: ok", "b: timed_out", "c: ok"])
    go.set()
    await until(lambda: threads.abandoned(plugin_id("b")) == 0)


async def test_abandoned_filter_leaves_the_value_before_it():
    go = threading.Event()
    engine = make_engine()

    def plus(value):
        return {"n": value["n"] + 1}

    subscribe(
        engine,
        subscription("a", plus, hook=FILTER, mode="thread"),
        subscription("b", late_by(go), hook=FILTER, mode="thread", timeout_ms=400),
        subscription("c", plus, hook=FILTER, mode="thread"),
    )
    result = await engine.dispatch(FILTER, {"n": 1})
    go.set()
    assert (result.value, summary(result)) == ({"n": 3}, ["a: ok", "b: timed_out", "c: ok"])


async def test_leg_that_no_thread_took_up_in_time_blames_nobody():
    go, threads, notes = threading.Event(), DaemonThreads(1), Notes()
    engine = make_engine(threads=threads, observer=notes)
    subscribe(
        engine,
        subscription("a", late_by(go), mode="thread", hook="long_hook"),
        subscription("b", passing, mode="thread"),
    )
    first = asyncio.create_task(engine.dispatch("long_hook", {}))
    await until(lambda: threads.busy == 1)
    result = await engine.dispatch("own_hook", {}, timeout_ms=400)
    assert (result.status, summary(result)) == (DispatchStatus.TIMED_OUT, ["b: after_deadline"])
    assert notes.abandonments == []
    go.set()
    assert summary(await first) == ["a: ok"]


@pytest.mark.parametrize("awaited", [True, False])
async def test_inline_call_past_the_deadline_is_the_last(awaited):
    engine = make_engine()
    subscribe(engine, subscription("a", busy), subscription("b", passing))
    if awaited:
        result = await engine.dispatch("own_hook", {}, timeout_ms=400)
    else:
        result = engine.dispatch_sync("own_hook", {}, timeout_ms=400)
    assert summary(result) == ["a: timed_out", "b: after_deadline"]
    assert result.status is DispatchStatus.TIMED_OUT


def test_inline_call_past_its_own_deadline_is_timed_out_and_its_value_not_used():
    engine = make_engine()

    def slow(_):
        return busy({"n": 99})

    subscribe(
        engine,
        subscription("a", slow, hook=FILTER, timeout_ms=10),
        subscription("b", lambda value: {"n": value["n"] + 1}, hook=FILTER),
    )
    result = engine.dispatch_sync(FILTER, {"n": 1})
    assert (result.value, summary(result)) == ({"n": 2}, ["a: timed_out", "b: ok"])


async def test_timeouts_are_counted():
    engine = make_engine()
    subscribe(engine, subscription("a", hang), subscription("b", passing))
    await engine.dispatch("own_hook", {}, timeout_ms=400)
    first, second = engine.describe("own_hook")
    assert (first.calls, first.timeouts, second.calls, second.skips) == (1, 1, 0, {"after_deadline": 1})


async def test_many_overdue_dispatches_all_end():
    engine = make_engine()
    subscribe(engine, subscription("a", hang))
    async with asyncio.timeout(60):
        results = await asyncio.gather(*(engine.dispatch("own_hook", {}, timeout_ms=400) for _ in range(300)))
    assert {result.status for result in results} == {DispatchStatus.TIMED_OUT}
