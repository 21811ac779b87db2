"""Hook dispatch against bare loops, pluggy and blinker; the bars are the headline of the product. Exits 1 when one is missed."""

import asyncio
import sys
import time

import blinker
import jsonschema_rs
import orjson
import pluggy

from benchmarks.body import PAYLOAD, Plugin
from benchmarks.harness import Table, measure
from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.contracts.hooks import HookSpec, Subscription
from isp_plugins.contracts.vocabulary import BindingStatus, HookKind, SubscriptionType
from isp_plugins.hooks.catalogue import spec_of
from isp_plugins.hooks.engine import HookEngine
from isp_plugins.runtime.threads import DaemonThreads
from isp_plugins.testing import MemoryEvents

HOOK = "customer_created"
FILTER = "benchmark_filter"
SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "number": {"type": "string"}, "items": {"type": "integer"}},
}


class Quiet:
    """An observer that must not be needed."""

    def failed(self, subscription, error, **_):
        raise AssertionError(f"{subscription.method}: {error!r}")

    def invoked(self, *_, **__):
        raise AssertionError

    def condition_failed(self, *_, **__):
        raise AssertionError

    def abandoned(self, *_, **__):
        raise AssertionError


def specs(name):
    """The catalogue, and one filter of our own."""
    if name != FILTER:
        return spec_of(name)
    return HookSpec(name, HookKind.FILTER, "benchmark", "A filter to measure.", SCHEMA, {})


def engine_with(
    count, *, method="listen", mode=CallMode.INLINE, kind=SubscriptionType.ACTION, hook=HOOK, condition=None
):
    """An engine with so many plugins, each subscribed once, and their bound methods."""
    engine = HookEngine(threads=DaemonThreads(4), events=MemoryEvents(), observer=Quiet(), specs=specs)
    callees = [getattr(Plugin(number), method) for number in range(count)]
    for number, call in enumerate(callees):
        one = Subscription(
            number, number, f"plugin_{number:03}", hook, kind, method, condition=condition, binding=BindingStatus.VALID,
            callee=Callee(call, mode),
        )  # fmt: skip
        engine.subscribe(number, [one])
    return engine, tuple(callees)


def dispatching(engine, hook=HOOK, payload=PAYLOAD):
    """The public entry point, so many times."""

    def work(count):
        for _ in range(count):
            engine.dispatch_sync(hook, payload)

    return work


def bare_loop(callees):
    def work(count):
        for _ in range(count):
            for call in callees:
                call(PAYLOAD)

    return work


def bare_call():
    def nothing(hook, payload):
        pass

    def work(count):
        for _ in range(count):
            nothing(HOOK, PAYLOAD)

    return work


def with_pluggy(count):
    specification, implementation = pluggy.HookspecMarker("bench"), pluggy.HookimplMarker("bench")

    class Spec:
        @specification
        def listen(self, payload):
            pass

    class Listener(Plugin):
        listen = implementation(Plugin.listen)

    manager = pluggy.PluginManager("bench")
    manager.add_hookspecs(Spec)
    for number in range(count):
        manager.register(Listener(number), name=f"plugin_{number}")
    hook = manager.hook.listen

    def work(times):
        for _ in range(times):
            hook(payload=PAYLOAD)

    return work


def with_blinker(count):
    signal = blinker.Signal()
    plugins = [Plugin(number) for number in range(count)]
    for plugin in plugins:
        signal.connect(plugin.listen_kw)

    def work(times, plugins=plugins):
        for _ in range(times):
            signal.send("host", payload=PAYLOAD)

    return work


def sync_table(table):
    engine, callees = engine_with(10)
    contestants = {
        "bare": bare_loop(callees),
        "ten": dispatching(engine),
        "conditions": dispatching(engine_with(10, condition="id == 7")[0]),
        "pluggy": with_pluggy(10),
        "blinker": with_blinker(10),
    }
    found = measure(contestants)
    table.compare("10 inline subscriptions / bare for loop", found, "ten", "bare", at_most=1.35)
    table.compare("the same, a condition on each", found, "conditions", "bare")
    table.compare("pluggy / 10 inline subscriptions", found, "pluggy", "ten", unit="x as fast", at_least=3)
    table.compare("blinker / 10 inline subscriptions", found, "blinker", "ten", unit="x as fast", at_least=5)
    engine, callees = engine_with(100)
    found = measure(
        {"bare": bare_loop(callees), "hundred": dispatching(engine)}, rounds=61, seconds_each=0.01
    )
    table.compare("100 inline subscriptions / bare for loop", found, "hundred", "bare")
    engine, callees = engine_with(1)
    nobody, _ = engine_with(0)
    contestants = {
        "bare": bare_loop(callees),
        "one": dispatching(engine),
        "call": bare_call(),
        "nobody": dispatching(nobody),
    }
    found = measure(contestants)
    table.compare("1 inline subscription / bare for loop", found, "one", "bare")
    table.compare("nobody subscribed", found, "nobody", "call", unit="bare function calls", at_most=3)


def filter_table(table):
    engine, callees = engine_with(10, method="change", kind=SubscriptionType.FILTER, hook=FILTER)
    fits = jsonschema_rs.validator_for(SCHEMA).is_valid

    def same_work(count):
        for _ in range(count):
            value = PAYLOAD
            for call in callees:
                changed = call(orjson.loads(orjson.dumps(value)))
                if fits(changed):
                    value = changed

    def raw(count):
        for _ in range(count):
            value = dict(PAYLOAD)
            for call in callees:
                value = call(value)

    found = measure({"ten": dispatching(engine, FILTER), "same": same_work, "raw": raw})
    table.compare("10 filters / bare pipeline, same copy and validation", found, "ten", "same", at_most=1.3)
    table.compare("10 filters / raw pipeline, no copy, no validation", found, "ten", "raw", absolute=False)


def async_table(table):
    loop = asyncio.new_event_loop()
    engine, callees = engine_with(10, method="listen_async", mode=CallMode.ASYNC)
    threads, _ = engine_with(10, mode=CallMode.THREAD)
    one_thread, _ = engine_with(1, mode=CallMode.THREAD)
    nobody, _ = engine_with(0)

    async def bare(count):
        for _ in range(count):
            for call in callees:
                await call(PAYLOAD)

    async def nothing(hook, payload):
        pass

    async def bare_await(count):
        for _ in range(count):
            await nothing(HOOK, PAYLOAD)

    def awaiting(engine):
        async def work(count):
            for _ in range(count):
                await engine.dispatch(HOOK, PAYLOAD)

        return work

    works = {
        "bare": bare,
        "ten": awaiting(engine),
        "await": bare_await,
        "nobody": awaiting(nobody),
    }
    on_loop = {name: _on(loop, work) for name, work in works.items()}
    found = measure(on_loop)
    table.compare("10 async def subscriptions / bare await loop", found, "ten", "bare", at_most=1.4)
    table.compare("nobody subscribed, awaited", found, "nobody", "await", unit="bare awaits")
    hops = {"one": _on(loop, awaiting(one_thread)), "ten": _on(loop, awaiting(threads))}
    found = measure(hops, rounds=41, seconds_each=0.02, clock=time.perf_counter)
    table.compare("10 plain subscriptions, one hop / 1 of them", found, "ten", "one")
    loop.close()


def _on(loop, work):
    return lambda count: loop.run_until_complete(work(count))


def main():
    table = Table("Hook dispatch (medians of interleaved rounds; listeners as in benchmarks/body.py)")
    table.start()
    sync_table(table)
    filter_table(table)
    async_table(table)
    return int(table.failed)


if __name__ == "__main__":
    sys.exit(main())
