"""Rule 2: a dispatch works on an immutable snapshot; a plugin that was unsubscribed is not called again; reload drops no call."""

import asyncio
import threading

import pytest

from isp_plugins.contracts.vocabulary import DispatchStatus, SkipReason
from isp_plugins.hooks.errors import ConditionInvalidError
from isp_plugins.testing import MemoryEvents
from support.hooks import FILTER, event, make_engine, plugin_id, subscribe, subscription, summary
from support.waiting import until


class Held:
    """A listener that stays inside until it is let go."""

    def __init__(self):
        self.entered, self.go, self.calls = threading.Event(), threading.Event(), 0

    def block(self, _):
        self.calls += 1
        self.entered.set()
        self.go.wait(60)
        return "old"

    async def wait(self, _):
        self.calls += 1
        self.entered.set()
        while not self.go.is_set():
            await asyncio.sleep(0.001)
        return "old"


def test_subscription_added_during_a_dispatch_counts_from_the_next():
    engine, seen = make_engine(), []

    def add(_):
        subscribe(engine, subscription("z", seen.append))

    subscribe(engine, subscription("a", add))
    engine.dispatch_sync("own_hook", 1)
    assert seen == []
    engine.dispatch_sync("own_hook", 2)
    assert seen == [2]


def test_subscription_replaced_during_a_dispatch_still_runs_in_it():
    engine, seen = make_engine(), []

    def replace(_):
        subscribe(engine, subscription("z", lambda _: seen.append("new")))

    subscribe(engine, subscription("a", replace), subscription("z", lambda _: seen.append("old")))
    engine.dispatch_sync("own_hook", {})
    assert seen == ["old"]


async def test_unsubscribed_plugin_is_not_called_by_a_dispatch_that_runs():
    engine, held, seen = make_engine(), Held(), []
    subscribe(engine, subscription("a", held.wait), subscription("z", seen.append))
    task = asyncio.create_task(engine.dispatch("own_hook", {}))
    await until(held.entered.is_set)
    assert await engine.unsubscribe(plugin_id("z"), drain_timeout=5) == 0
    held.go.set()
    result = await task
    assert (seen, result.outcomes[1].skip_reason) == ([], SkipReason.PLUGIN_STOPPED)


@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_unsubscribe_waits_for_calls_inside_the_plugin(mode):
    engine, held = make_engine(), Held()
    subscribe(engine, subscription("a", held.wait if mode == "async" else held.block, mode=mode))
    task = asyncio.create_task(engine.dispatch("own_hook", {}))
    await until(held.entered.is_set)
    stop = asyncio.create_task(engine.unsubscribe(plugin_id("a"), drain_timeout=10))
    await asyncio.sleep(0)
    assert not stop.done()
    held.go.set()
    assert (await stop, (await task).outcomes[0].value) == (0, "old")


async def test_unsubscribe_waits_for_a_synchronous_dispatch_in_another_thread():
    engine, held = make_engine(), Held()
    subscribe(engine, subscription("a", held.block))
    task = asyncio.create_task(asyncio.to_thread(engine.dispatch_sync, "own_hook", {}))
    await until(held.entered.is_set)
    stop = asyncio.create_task(engine.unsubscribe(plugin_id("a"), drain_timeout=10))
    await asyncio.sleep(0.01)
    assert not stop.done()
    held.go.set()
    assert (await stop, summary(await task)) == (0, ["a: ok"])


async def test_unsubscribe_tells_how_many_calls_it_gave_up():
    engine, held = make_engine(), Held()
    subscribe(engine, subscription("a", held.wait))
    tasks = [asyncio.create_task(engine.dispatch("own_hook", {})) for _ in range(3)]
    await until(lambda: held.calls == 3)
    assert await engine.unsubscribe(plugin_id("a"), drain_timeout=0.01) == 3
    held.go.set()
    await asyncio.gather(*tasks)


async def test_unsubscribe_by_the_plugin_itself_does_not_wait_for_itself():
    engine = make_engine()

    async def leave(_):
        return await engine.unsubscribe(plugin_id("a"), drain_timeout=30)

    subscribe(engine, subscription("a", leave))
    assert (await engine.dispatch("own_hook", {})).outcomes[0].value == 0


async def test_reload_lets_running_calls_end_on_the_old_instance():
    engine, held = make_engine(), Held()
    subscribe(engine, subscription("a", held.wait, id=1))
    old = asyncio.create_task(engine.dispatch("own_hook", {}))
    await until(held.entered.is_set)
    subscribe(engine, subscription("a", lambda _: "new", id=1))
    assert (await engine.dispatch("own_hook", {})).outcomes[0].value == "new"
    drain = asyncio.create_task(engine.drain(plugin_id("a"), timeout=10))
    await asyncio.sleep(0)
    assert not drain.done()
    held.go.set()
    assert (await drain, (await old).outcomes[0].value) == (0, "old")


async def test_reload_after_the_drain_points_running_dispatches_to_the_new_instance():
    engine, held = make_engine(), Held()
    subscribe(engine, subscription("a", held.wait), subscription("z", lambda _: "old", id=2))
    task = asyncio.create_task(engine.dispatch("own_hook", {}))
    await until(held.entered.is_set)
    subscribe(engine, subscription("z", lambda _: "new", id=2))
    assert await engine.drain(plugin_id("z"), timeout=0.01) == 0
    held.go.set()
    assert [one.value for one in (await task).outcomes] == ["old", "new"]


async def test_reload_swaps_all_hooks_of_a_plugin_in_one_step():
    engine, seen = make_engine(), []
    for version in ("old", "new"):
        subscribe(
            engine,
            subscription("a", lambda _, version=version: seen.append(version), hook="one_hook"),
            subscription("a", lambda _, version=version: seen.append(version), hook="two_hook"),
        )
    await engine.dispatch("one_hook", {})
    await engine.dispatch("two_hook", {})
    assert seen == ["new", "new"]


def test_bad_condition_changes_nothing():
    engine, seen = make_engine(), []
    subscribe(engine, subscription("a", seen.append))
    with pytest.raises(ConditionInvalidError):
        subscribe(engine, subscription("a", seen.append, condition="id =="))
    engine.dispatch_sync("own_hook", 1)
    assert seen == [1]


async def test_dispatch_waits_at_the_gate_until_it_is_lifted():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: "old", id=1))
    async with engine.gate(plugin_id("a")):
        task = asyncio.create_task(engine.dispatch("own_hook", {}))
        await engine.drain(plugin_id("a"), timeout=1)
        await engine.unsubscribe(plugin_id("a"), drain_timeout=1)
        await asyncio.sleep(0.01)
        assert not task.done()
        subscribe(engine, subscription("a", lambda _: "new", id=1))
    assert [one.value for one in (await task).outcomes] == ["new"]


async def test_gate_holds_nobody_else():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: 1), subscription("b", lambda _: 2, hook="other_hook"))
    async with engine.gate(plugin_id("a")):
        assert (await engine.dispatch("other_hook", {})).outcomes[0].value == 2


async def test_dispatch_at_the_gate_times_out_at_its_deadline():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: 1))
    async with engine.gate(plugin_id("a")):
        result = await engine.dispatch("own_hook", {}, timeout_ms=60)
    assert (result.status, summary(result)) == (DispatchStatus.TIMED_OUT, ["a: after_deadline"])


async def test_synchronous_dispatch_waits_at_the_gate_in_its_thread():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: "old"))
    async with engine.gate(plugin_id("a")):
        task = asyncio.create_task(asyncio.to_thread(engine.dispatch_sync, "own_hook", {}))
        await asyncio.sleep(0.02)
        assert not task.done()
    assert (await task).outcomes[0].value == "old"


async def test_synchronous_dispatch_on_the_loop_cannot_wait_and_says_so():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda _: 1), subscription("b", lambda _: 2))
    async with engine.gate(plugin_id("a")):
        result = engine.dispatch_sync("own_hook", {})
    assert (summary(result), type(result.outcomes[0].error).__name__) == (
        ["a: error", "b: ok"],
        "ReloadingError",
    )


async def test_gate_lets_nested_dispatches_pass_while_the_old_instance_drains():
    engine, held = make_engine(), Held()

    async def outer(_):
        await held.wait(_)
        return (await engine.dispatch("inner_hook", {})).outcomes[0].value

    subscribe(engine, subscription("x", outer, hook="outer_hook"))
    subscribe(
        engine,
        subscription("a", lambda _: "called", hook="inner_hook"),
        subscription("a", lambda _: None, hook="outer_hook", priority=900),
    )
    task = asyncio.create_task(engine.dispatch("outer_hook", {}))
    await until(held.entered.is_set)
    async with engine.gate(plugin_id("a")):
        held.go.set()
        assert await engine.drain(plugin_id("a"), timeout=10) == 0
        assert summary(await task) == ["x: ok", "a: ok"]
    assert task.result().outcomes[0].value == "called"


async def test_delivery_waits_at_the_gate():
    sink = MemoryEvents()
    engine, seen = make_engine(events=sink), []
    subscribe(engine, event("a", seen.append))
    engine.dispatch_sync("own_hook", 1)
    async with engine.gate(plugin_id("a")):
        task = asyncio.create_task(engine.deliver(sink.deliveries[0]))
        await asyncio.sleep(0.01)
        assert seen == []
    await task
    assert seen == [1]


async def test_reload_under_load_drops_no_call():
    engine, stop, outcomes = make_engine(), threading.Event(), []
    subscribe(engine, subscription("a", lambda _: 0, id=1), subscription("b", lambda _: None))

    def dispatching():
        while not stop.is_set():
            outcomes.append(engine.dispatch_sync("own_hook", {}).outcomes[0].status)

    threads = [asyncio.to_thread(dispatching) for _ in range(3)]
    running = asyncio.gather(*threads)
    for version in range(30):
        subscribe(engine, subscription("a", lambda _, version=version: version, id=1))
        await engine.drain(plugin_id("a"), timeout=5)
        outcomes.append((await engine.dispatch("own_hook", {})).outcomes[0].status)
    stop.set()
    await running
    assert set(outcomes) == {"ok"}
    assert engine.describe("own_hook")[0].calls == len(outcomes)


def test_vacant_hooks_are_not_kept_without_limit():
    engine = make_engine()
    for number in range(3000):
        engine.dispatch_sync(f"hook_{number}", {})
    assert len(engine._chains) <= 2048
    assert engine.dispatch_sync("hook_2999", {}).status is DispatchStatus.COMPLETED


def test_filter_chain_can_be_emptied_and_filled_again():
    engine = make_engine()
    subscribe(engine, subscription("a", lambda value: value | {"n": 1}, hook=FILTER))
    engine.subscribe(plugin_id("a"), [])
    assert engine.dispatch_sync(FILTER, {"n": 0}).value == {"n": 0}
    assert engine.hooks() == []
