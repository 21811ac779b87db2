"""Counts are exact: whatever happens in whatever way of running, the statistics are what a ledger beside the plugins says."""

import asyncio
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from isp_plugin_sdk.errors import Reject
from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import BindingStatus, FailurePolicy, SubscriptionType
from isp_plugins.hooks.engine import HookEngine
from isp_plugins.runtime.threads import DaemonThreads
from isp_plugins.telemetry.stats.meter import Meter
from isp_plugins.telemetry.stats.tally import Key, Tally, add_to, of_dispatches
from isp_plugins.testing import MemoryEvents

VETO = "customer_before_create"
ACTION = "customer_created"


class Silent:
    """An observer that nobody listens to."""

    def failed(self, *_, **__): ...
    def invoked(self, *_, **__): ...
    def condition_failed(self, *_, **__): ...
    def abandoned(self, *_, **__): ...


class Ledger:
    """Plugin methods that write down what they do before they do it."""

    def __init__(self) -> None:
        self.done = Counter()
        self.lock = threading.Lock()

    def method(self, mode, number):
        def listen(payload):
            fate = payload["fates"][str(number)]
            with self.lock:
                self.done[number, fate] += 1
            if fate == "error":
                raise ValueError(fate)
            if fate == "reject":
                raise Reject(fate)
            return payload

        async def listen_async(payload):
            return listen(payload)

        return Callee(listen_async if mode is CallMode.ASYNC else listen, mode)


def subscription(ledger, number, mode, hook, kind=SubscriptionType.ACTION, **more):
    return Subscription(
        number, number, f"plugin {number}", hook, kind, f"listen_{number}", condition="ok",
        callee=ledger.method(mode, number), binding=BindingStatus.VALID, **more,
    )  # fmt: skip


@pytest.fixture
async def engine():
    events = MemoryEvents()
    engine = HookEngine(threads=DaemonThreads(8), events=events, observer=Silent())
    engine.events = events
    return engine


def counted(engine, meter):
    frame = {}
    add_to(frame, [(added.key, added.tally) for added in meter.read(engine.measure())])
    return frame


def payloads(count, numbers, seed, fates=("ok", "ok", "error")):
    draw = random.Random(seed)
    return [
        {"ok": draw.random() < 0.7, "fates": {str(number): draw.choice(fates) for number in numbers}}
        for _ in range(count)
    ]


def assert_exact(frame, ledger, numbers, hook, kind="action", turns=None):
    for number in numbers:
        tally = frame.get(Key(number, hook, kind, f"listen_{number}"), Tally())
        fates = {fate: count for (who, fate), count in ledger.done.items() if who == number}
        assert tally.calls == sum(fates.values())
        assert tally.errors == fates.get("error", 0)
        assert tally.rejects == fates.get("reject", 0)
        if turns is not None:
            assert tally.calls + sum(tally.skips.values()) == turns


MODES = [[CallMode.INLINE], [CallMode.THREAD], [CallMode.ASYNC], list(CallMode)]


@pytest.mark.parametrize("modes", MODES, ids=["inline", "thread", "async", "mixed"])
@pytest.mark.parametrize("seed", range(3))
async def test_awaited_dispatches_are_counted_exactly(engine, modes, seed):
    ledger, meter, numbers = Ledger(), Meter(), range(1, 7)
    for number in numbers:
        engine.subscribe(number, [subscription(ledger, number, modes[number % len(modes)], ACTION)])
    for payload in payloads(150, numbers, seed):
        await engine.dispatch(ACTION, payload)
    frame = counted(engine, meter)
    assert_exact(frame, ledger, numbers, ACTION, turns=150)
    assert frame[of_dispatches(ACTION)].calls == 150


@pytest.mark.parametrize("seed", range(3))
async def test_rejects_and_those_behind_them_are_counted_exactly(engine, seed):
    ledger, meter, numbers = Ledger(), Meter(), range(1, 7)
    for number in numbers:
        one = subscription(
            ledger,
            number,
            list(CallMode)[number % 3],
            VETO,
            SubscriptionType.FILTER,
            failure_policy=FailurePolicy.CONTINUE,
        )
        engine.subscribe(number, [one])
    for payload in payloads(200, numbers, seed, fates=("ok", "ok", "error", "reject")):
        await engine.dispatch(VETO, payload)
    frame = counted(engine, meter)
    assert_exact(frame, ledger, numbers, VETO, kind="filter", turns=200)


async def test_dispatches_of_many_threads_are_counted_exactly(engine):
    ledger, meter, numbers = Ledger(), Meter(), range(1, 5)
    for number in numbers:
        engine.subscribe(number, [subscription(ledger, number, CallMode.INLINE, ACTION)])
    work = payloads(2000, numbers, 1)
    frame = {}

    def dispatch_all(mine):
        for payload in mine:
            engine.dispatch_sync(ACTION, payload)

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(dispatch_all, work[start::4]) for start in range(4)]
        while not all(future.done() for future in futures):
            add_to(frame, counted(engine, meter).items())
            await asyncio.sleep(0.001)
    add_to(frame, counted(engine, meter).items())
    assert_exact(frame, ledger, numbers, ACTION, turns=2000)
    assert frame[of_dispatches(ACTION)].calls == 2000


async def test_reloads_in_the_middle_change_no_count(engine):
    ledger, meter, numbers = Ledger(), Meter(), (1, 2)
    for number in numbers:
        engine.subscribe(number, [subscription(ledger, number, CallMode.INLINE, ACTION)])
    frame = {}
    for turn, payload in enumerate(payloads(300, numbers, 2)):
        if turn % 50 == 20:
            engine.subscribe(1, [subscription(ledger, 1, CallMode.INLINE, ACTION)])
        if turn % 70 == 5:
            add_to(frame, counted(engine, meter).items())
        engine.dispatch_sync(ACTION, payload)
    add_to(frame, counted(engine, meter).items())
    assert_exact(frame, ledger, numbers, ACTION, turns=300)
    assert frame[of_dispatches(ACTION)].calls == 300


async def test_what_a_plugin_did_before_it_was_disabled_counts(engine):
    ledger, meter = Ledger(), Meter()
    engine.subscribe(1, [subscription(ledger, 1, CallMode.INLINE, ACTION)])
    for payload in payloads(40, (1,), 3):
        engine.dispatch_sync(ACTION, payload)
    await engine.unsubscribe(1, drain_timeout=1)
    assert_exact(counted(engine, meter), ledger, (1,), ACTION, turns=40)


async def test_events_are_counted_when_queued_and_when_delivered(engine):
    ledger, meter = Ledger(), Meter()
    engine.subscribe(1, [subscription(ledger, 1, CallMode.ASYNC, ACTION, SubscriptionType.EVENT)])
    work = payloads(60, (1,), 4, fates=("ok", "error"))
    for payload in work:
        await engine.dispatch(ACTION, payload)
    await engine.events.deliver_all(engine)
    tally = counted(engine, meter)[Key(1, ACTION, "event", "listen_1")]
    accepted = sum(payload["ok"] for payload in work)
    assert (tally.queued, tally.calls) == (accepted, accepted)
    assert tally.skips == {"condition_false": 60 - accepted}
    assert tally.errors == ledger.done[1, "error"]


async def test_a_subscription_that_is_switched_off_is_counted_as_skipped(engine):
    ledger, meter = Ledger(), Meter()
    engine.subscribe(1, [subscription(ledger, 1, CallMode.INLINE, ACTION, is_active=False)])
    for payload in payloads(25, (1,), 5):
        engine.dispatch_sync(ACTION, payload)
    tally = counted(engine, meter)[Key(1, ACTION, "action", "listen_1")]
    assert (tally.calls, tally.skips) == (0, {"inactive": 25})


async def test_time_outs_are_counted(engine):
    meter = Meter()

    async def hang(_payload):
        await asyncio.Event().wait()

    one = Subscription(
        1, 1, "plugin 1", ACTION, SubscriptionType.ACTION, "listen_1", timeout_ms=200,
        callee=Callee(hang, CallMode.ASYNC), binding=BindingStatus.VALID,
    )  # fmt: skip
    engine.subscribe(1, [one])
    for _ in range(3):
        await engine.dispatch(ACTION, {})
    tally = counted(engine, meter)[Key(1, ACTION, "action", "listen_1")]
    assert (tally.calls, tally.timeouts) == (3, 3)


async def test_a_subscription_under_the_id_of_a_deleted_one_begins_at_zero(engine):
    ledger, meter = Ledger(), Meter()
    engine.subscribe(1, [subscription(ledger, 1, CallMode.INLINE, ACTION)])
    engine.dispatch_sync(ACTION, {"ok": True, "fates": {"1": "ok"}})
    counted(engine, meter)
    engine.subscribe(1, [subscription(ledger, 1, CallMode.INLINE, "customer_updated")])
    engine.dispatch_sync("customer_updated", {"ok": True, "fates": {"1": "ok"}})
    assert counted(engine, meter)[Key(1, "customer_updated", "action", "listen_1")].calls == 1


async def test_durations_of_calls_reach_the_histogram(engine):
    ledger, meter = Ledger(), Meter()
    engine.subscribe(1, [subscription(ledger, 1, CallMode.THREAD, ACTION)])
    for _ in range(20):
        await engine.dispatch(ACTION, {"ok": True, "fates": {"1": "ok"}})
    tally = counted(engine, meter)[Key(1, ACTION, "action", "listen_1")]
    assert tally.durations.total == 20
