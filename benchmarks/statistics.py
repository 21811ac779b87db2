# ruff: noqa: A005  imported as benchmarks.statistics only, never beside the standard library's statistics
"""Statistics and metrics: what counting costs a dispatch, what a look and a minute cost the event loop, and a scrape of 500 plugins.

"Without statistics" is the same engine whose samples are thrown away and whose counters nobody reads.
"""

import asyncio
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.harness import Row, Table, measure
from benchmarks.hooks import HOOK, PAYLOAD, bare_loop, dispatching, engine_with
from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.vocabulary import BindingStatus, State, SubscriptionType
from isp_plugins.db.engine import Database
from isp_plugins.db.migrate import migrate
from isp_plugins.hooks import chain
from isp_plugins.telemetry.metrics import DatabaseReading, EventReadings, Readings, render
from isp_plugins.telemetry.stats import Statistics, Window
from isp_plugins.testing import FakeClock

PLUGINS = 500
HOOKS = ("customer_created", "customer_updated")
INTERVAL_S = 0.1
"""Fifty times as often as by default, so that the looks fall into the rounds that are measured."""


class Nothing(list):
    """Samples that are thrown away."""

    def append(self, _):
        pass

    def take(self):
        return ()


def engine_without(count):
    """An engine whose chains keep no samples."""
    kept, chain.Reservoir = chain.Reservoir, Nothing
    try:
        engine, callees = engine_with(count)
        dispatching(engine)(100)  # the code is made here
    finally:
        chain.Reservoir = kept
    return engine, callees


class Looking:
    """Measures an engine every so often from another thread, as the statistics task does from the loop's."""

    def __init__(self, *engines):
        self._engines = engines
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _look(self):
        while not self._over.wait(INTERVAL_S):
            for engine in self._engines:
                engine.measure()


def dispatch_rows(table):
    for count, at_most in ((10, 1.05), (1, None)):
        without, callees = engine_without(count)
        counted, _ = engine_with(count)
        with Looking(counted):
            found = measure(
                {
                    "bare": bare_loop(callees),
                    "without": dispatching(without),
                    "with": dispatching(counted),
                }
            )
        plural = "s" if count > 1 else ""
        table.add(
            Row(
                f"{count} inline subscription{plural} with statistics / without",
                found.ratio("with", "without"),
                "x",
                found.nanoseconds("with"),
                at_most=at_most,
            )
        )
        if count > 1:
            table.add(Row("the same / bare for loop", found.ratio("with", "bare"), "x", at_most=1.35))


def five_hundred():
    """An engine with 500 plugins, each subscribed to two hooks; every subscription was called."""
    engine, _ = engine_with(0)
    for number in range(PLUGINS):
        subscriptions = [
            Subscription(
                number * len(HOOKS) + place, number, f"plugin_{number:03}", hook, SubscriptionType.ACTION, "listen",
                binding=BindingStatus.VALID, callee=Callee(lambda _: None, CallMode.INLINE),
            )
            for place, hook in enumerate(HOOKS)
        ]  # fmt: skip
        engine.subscribe(number, subscriptions)
    return engine


def call_all(engine, times=20):
    for _ in range(times):
        for hook in HOOKS:
            engine.dispatch_sync(hook, PAYLOAD)


async def look_rows(table):
    """What the statistics of 1,000 busy subscriptions cost the loop."""
    engine, clock = five_hundred(), FakeClock()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/statistics.db"
        await migrate(url, backup_folder=Path(folder))
        database = await Database.open(url)
        statistics = Statistics(
            engine, database, node="local", clock=clock, interval=3600, plugins=lambda: range(PLUGINS)
        )
        looks, seals, reads = [], [], []
        for minute in range(70):
            call_all(engine)
            looks.append(took(statistics.collect))
            clock.advance(60)
            seals.append(took(statistics.collect))
            if minute % 10 == 0:
                reads.append(took(lambda: statistics.window(Window.HOUR)))
        await database.close()
    for what, seconds in (
        ("a look at 1,000 subscriptions", looks),
        ("the end of a minute, once a minute", seals[10:]),
        ("reading the window of an hour", reads),
    ):
        middle = sorted(seconds)[len(seconds) // 2]
        table.add(Row(what, middle * 1000, "ms of the loop", middle * 1e9))
    return statistics


def took(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def scrape_rows(table, statistics):
    """A scrape of 500 plugins."""
    for total in statistics.totals.values():
        total.tally.durations.observe(random.lognormvariate(-9, 2) for _ in range(1000))
    readings = Readings(
        node="local",
        plugins={number: (f"plugin_{number:03}", State.ACTIVE) for number in range(PLUGINS)},
        totals=statistics.totals,
        events=EventReadings(),
        logs_waiting=0,
        logs_stored=0,
        logs_dropped=0,
        statistics_lost=0,
        requests={},
        database=DatabaseReading(dialect="sqlite", transactions=0, connections=0, size=0),
    )
    seconds = sorted(took(lambda: render(readings)) for _ in range(11))[5]
    text = render(readings)
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    table.add(Row("/metrics with 500 plugins, in a thread", seconds * 1000, "ms", seconds * 1e9))
    table.add(Row("the same", len(text), f"bytes, {series:,} series"))


def main():
    table = Table(
        f"Statistics and metrics ({PLUGINS} plugins on {len(HOOKS)} hooks each, hook {HOOK} for the ratios)"
    )
    table.start()
    dispatch_rows(table)
    statistics = asyncio.run(look_rows(table))
    scrape_rows(table, statistics)
    return int(table.failed)


if __name__ == "__main__":
    sys.exit(main())
