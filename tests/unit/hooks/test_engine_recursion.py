"""Rule 7: depth 16, through threads and tasks and events; own echo; internal hooks; no failure of a plugin_* hook is announced."""

import asyncio
import contextlib

import pytest

from isp_plugin_sdk.context import current_call
from isp_plugins.hooks.errors import HookNameInvalidError, InternalHookError, RecursionTooDeepError
from isp_plugins.runtime.threads import DaemonThreads
from isp_plugins.testing import MemoryEvents
from support.hooks import INTERNAL, Notes, event, make_engine, subscribe, subscription, summary
from support.waiting import until


def test_hooks_dispatch_hooks_sixteen_deep_then_the_chain_is_told():
    engine, depths, refusals = make_engine(), [], []

    def again(name):
        def call(payload):
            depths.append(payload)
            try:
                engine.dispatch_sync("own_hook", payload + 1, origin=name)
            except RecursionTooDeepError as error:
                refusals.append(error)

        return call

    subscribe(engine, subscription("ping", again("ping")), subscription("pong", again("pong")))
    with contextlib.suppress(RecursionTooDeepError):
        engine.dispatch_sync("own_hook", 1)
    assert max(depths) == 16
    assert refusals[0].fields["chain"] == " > ".join(["ping", "pong"] * 8)


def test_recursion_through_the_hosts_own_code_is_counted_too():
    engine, depths = make_engine(), []

    def again(payload):
        depths.append(payload)
        engine.dispatch_sync("own_hook", payload + 1)

    subscribe(engine, subscription("a", again))
    engine.dispatch_sync("own_hook", 1)
    assert max(depths) == 16


@pytest.mark.parametrize("mode", ["thread", "async", "task"])
async def test_recursion_is_counted_through_threads_and_tasks(mode):
    engine, depths = make_engine(threads=DaemonThreads(20)), []
    loop = asyncio.get_running_loop()

    async def again(payload):
        depths.append(payload)
        work = engine.dispatch("own_hook", payload + 1)
        await (asyncio.create_task(work) if mode == "task" else work)

    def again_in_a_thread(payload):
        depths.append(payload)
        asyncio.run_coroutine_threadsafe(again_there(payload, current_call.get()), loop).result(60)

    async def again_there(payload, call):
        current_call.set(call)
        await engine.dispatch("own_hook", payload + 1)

    callee = again_in_a_thread if mode == "thread" else again
    subscribe(engine, subscription("a", callee, mode="thread" if mode == "thread" else "async"))
    await engine.dispatch("own_hook", 1)
    assert max(depths) == 16


async def test_recursion_is_counted_through_events():
    events, depths = MemoryEvents(), []
    engine = make_engine(events=events)

    async def again(payload):
        depths.append(payload)
        with contextlib.suppress(RecursionTooDeepError):
            await engine.dispatch("own_hook", payload + 1, origin="a")

    subscribe(engine, event("a", again, own_echo=True))
    await engine.dispatch("own_hook", 1)
    await events.deliver_all(engine)
    assert depths == list(range(1, 17))


def test_plugin_does_not_hear_its_own_echo():
    engine, seen = make_engine(), []
    subscribe(
        engine, subscription("a", lambda _: seen.append("a")), subscription("b", lambda _: seen.append("b"))
    )
    result = engine.dispatch_sync("own_hook", {}, origin="a")
    assert (seen, summary(result)) == (["b"], ["a: own_echo", "b: ok"])


def test_plugin_hears_its_own_echo_when_it_asks():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: None, own_echo=True))
    assert summary(engine.dispatch_sync("own_hook", {}, origin="a")) == ["a: ok"]


async def test_echo_is_counted_and_does_not_reach_events():
    engine = make_engine()
    subscribe(engine, event("a", lambda _: None), subscription("b", lambda _: None))
    result = await engine.dispatch("own_hook", {}, origin="a")
    assert summary(result) == ["a: own_echo", "b: ok"]
    assert [entry.calls for entry in engine.describe("own_hook")] == [0, 1]


async def test_internal_hook_is_refused_from_outside():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: None, hook=INTERNAL))
    with pytest.raises(InternalHookError):
        engine.dispatch_sync(INTERNAL, {})
    with pytest.raises(InternalHookError):
        await engine.dispatch(INTERNAL, {})
    assert summary(engine.dispatch_sync(INTERNAL, {}, internal=True)) == ["a: ok"]


def test_internal_hook_is_refused_also_where_nobody_listens():
    with pytest.raises(InternalHookError):
        make_engine().dispatch_sync("system_health", {})


@pytest.mark.parametrize("name", ["", "Upper", "a" * 101, "../etc", "with space", "nul\0"])
async def test_name_that_is_no_hook_name_is_refused(name):
    engine = make_engine()
    with pytest.raises(HookNameInvalidError):
        engine.dispatch_sync(name, {})
    with pytest.raises(HookNameInvalidError):
        await engine.dispatch(name, {})


def failing(_):
    raise ValueError("broken")


@pytest.mark.parametrize("awaited", [True, False])
async def test_failure_announces_plugin_hook_failed(awaited):
    engine, seen = make_engine(), []
    subscribe(engine, subscription("a", failing), subscription("w", seen.append, hook="plugin_hook_failed"))
    _ = (
        await engine.dispatch("own_hook", {"id": 1})
        if awaited
        else engine.dispatch_sync("own_hook", {"id": 1})
    )
    await until(lambda: seen)
    assert (seen[0]["plugin"], seen[0]["hook"], seen[0]["error"]) == ("a", "own_hook", "ValueError: broken")
    assert len(seen[0]["input_digest"]) == 16


def test_failure_is_announced_without_a_loop_too():
    engine, seen = make_engine(), []
    subscribe(engine, subscription("a", failing), subscription("w", seen.append, hook="plugin_hook_failed"))
    engine.dispatch_sync("own_hook", {})
    assert [one["plugin"] for one in seen] == ["a"]


async def test_failure_inside_a_plugin_hook_announces_nothing():
    notes = Notes()
    engine = make_engine(observer=notes)
    subscribe(engine, subscription("a", failing), subscription("w", failing, hook="plugin_hook_failed"))
    await engine.dispatch("own_hook", {})
    await until(lambda: len(notes.failures) == 2)
    await asyncio.sleep(0.01)
    assert [name for name, *_ in notes.failures] == ["a", "w"]


def test_plugin_sees_the_current_call():
    engine, seen = make_engine(), []

    def look(_):
        call = current_call.get()
        seen.append((call.hook, call.method, call.plugin, call.request_id, dict(call.context)))

    subscribe(engine, subscription("a", look))
    engine.dispatch_sync("own_hook", {}, request_id="r1", context={"k": 1})
    assert seen == [("own_hook", "look", "a", "r1", {"k": 1})]
    assert current_call.get() is None


async def test_nested_dispatch_shares_request_id_and_deadline():
    engine, seen = make_engine(), []

    async def inner(_):
        seen.append((current_call.get().request_id, current_call.get().deadline))

    async def outer(_):
        seen.append((current_call.get().request_id, current_call.get().deadline))
        await engine.dispatch("inner_hook", {}, timeout_ms=60_000)

    subscribe(engine, subscription("a", outer), subscription("b", inner, hook="inner_hook"))
    result = await engine.dispatch("own_hook", {})
    assert seen[0] == seen[1]
    assert seen[0][0] == result.request_id
