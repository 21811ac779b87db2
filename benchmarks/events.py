"""Durable events: dispatches, deliveries and their delay, on SQLite and PostgreSQL with fsync on; procrastinate as peer.

    python -m benchmarks.events [--quick] [sqlite] [postgresql]

1. A durable dispatch is compared with single-row inserts of the same bytes through the product's own driver (aiosqlite, asyncpg), one
   commit each; what the sqlite3 module does alone is printed beside it.
2. Deliveries go to a trivial coroutine method, in this process and in a worker, from a backlog; procrastinate works off as many trivial
   tasks with the same concurrency on the same server.
3. The last rows compare a database in which a million events wait for the same subscription with one beside it in which none do. The
   million is written at once; the log's pages are on the disk before anything is measured, as they are where a backlog grows slowly.
4. What is compared is measured in turn, round by round, and a ratio is the median of the rounds' ratios.
"""

import argparse
import asyncio
import base64
import contextlib
import io
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiosqlite
import asyncpg
import orjson
import procrastinate

from benchmarks.harness import Row, Table
from benchmarks.workers import enable, system_of_workers
from isp_plugins.actors import HOST
from isp_plugins.db.engine import Database
from isp_plugins.db.migrate import migrate
from isp_plugins.hooks.records import HookDraft
from isp_plugins.keyring import KeyRing

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.events import HOOK, Post
from support.postgres import running_postgres
from support.rows import add_plugin

PAYLOAD = {"id": 1, "name": "Ada", "text": "x" * 960}
BYTES = b"x" * 1024
DURABLE = ["shared_buffers=128MB", "max_connections=60"]
LARGE, QUICK_LARGE = 1_000_000, 50_000
KEYS = 64
BARS = {"sqlite": (0.25, 2.0), "postgresql": (0.25, 1.0)}
FLAT, PEER, DELAY_MS = 0.7, 3.0, 15.0


class Scale:
    """How much is done; `--quick` only shows that it works."""

    def __init__(self, *, quick):
        self.rows, self.dispatches = (100, 300) if quick else (500, 2000)
        self.deliveries, self.tasks = (1000, 200) if quick else (10_000, 2000)
        self.idle, self.rounds, self.large = (20, 5, QUICK_LARGE) if quick else (200, 7, LARGE)


async def rate(count, work):
    """How many a second."""
    began = time.perf_counter()
    await work(count)
    return count / (time.perf_counter() - began)


async def sqlite_driver(file, count):
    async with aiosqlite.connect(file, isolation_level=None) as connection:
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute("PRAGMA synchronous=FULL")
        await connection.execute("CREATE TABLE IF NOT EXISTS plain (id INTEGER PRIMARY KEY, body BLOB)")

        async def insert(number):
            for _ in range(number):
                await connection.execute("BEGIN IMMEDIATE")
                await connection.execute("INSERT INTO plain (body) VALUES (?)", (BYTES,))
                await connection.execute("COMMIT")

        return await rate(count, insert)


def sqlite_module(file, count):
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    began = time.perf_counter()
    for _ in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO plain (body) VALUES (?)", (BYTES,))
        connection.execute("COMMIT")
    connection.close()
    return count / (time.perf_counter() - began)


async def postgres_driver(url, count):
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS plain (id bigserial PRIMARY KEY, body bytea)")

    async def insert(number):
        for _ in range(number):
            await connection.execute("INSERT INTO plain (body) VALUES ($1)", BYTES)

    found = await rate(count, insert)
    await connection.close()
    return found


async def dispatch_one_by_one(post, count):
    for number in range(count):
        await post.engine.dispatch(HOOK, PAYLOAD | {"id": number % KEYS})


async def dispatch_side_by_side(post, count):
    async def one(start):
        for number in range(start, count, 32):
            await post.engine.dispatch(HOOK, PAYLOAD | {"id": number % KEYS})

    await asyncio.gather(*(one(start) for start in range(32)))


async def deliver_backlog(post, count):
    """Dispatch while the plugin is stopped, then let it have everything; deliveries a second."""
    await post.stop(post.plugin)
    await dispatch_side_by_side(post, count)
    before = post.events.delivered

    async def work(number):
        post.start(post.plugin)
        while post.events.delivered - before < number:
            await asyncio.sleep(0.002)

    return await rate(count, work)


async def delays(post, count):
    """Milliseconds from dispatch to delivery on an idle system."""
    found = []
    for _ in range(count):
        before, began = post.events.delivered, time.perf_counter()
        post.arrived.clear()
        await post.engine.dispatch(HOOK, PAYLOAD)
        await post.arrived.wait()
        found.append((time.perf_counter() - began) * 1000)
        while post.events.delivered == before:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.03)
    return statistics.median(found)


async def fill(database, subscription, count):
    """So many events that wait for a subscription."""
    from sqlalchemy import text

    series = (
        f"generate_series(1, {count}) AS n"
        if database.dialect == "postgresql"
        else f"(WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count}) SELECT n FROM n)"
    )
    statement = text(
        "INSERT INTO events (uid, hook, key, payload, context, request_id, owed, node, written_at, held_until) "
        f"SELECT 'u', '{HOOK}', n % {KEYS}, :body, :context, 'r', ',{subscription},', 'local', 0, 0 FROM {series}"
    )
    body = orjson.dumps(PAYLOAD)
    async with database.transaction() as session:
        await session.execute(statement, {"body": body, "context": b"[{},[]]"})
    if database.dialect == "postgresql":
        connection = await asyncpg.connect(database.url.set(drivername="postgresql").render_as_string(False))
        await connection.execute("VACUUM (ANALYZE) events")
        await connection.execute("CHECKPOINT")
        await connection.close()
    if database.dialect == "sqlite":
        connection = sqlite3.connect(database.url.database)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()


async def procrastinate_rate(url, count, concurrency):
    """Trivial tasks of procrastinate, deferred before, worked off by one worker."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))

    @app.task(name="trivial")
    async def trivial(customer):
        return None

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for start in range(0, count, 500):
            await trivial.batch_defer_async(*({"customer": PAYLOAD} for _ in range(min(500, count - start))))
        with contextlib.redirect_stderr(io.StringIO()):
            return await rate(
                count,
                lambda _: app.run_worker_async(
                    wait=False, concurrency=concurrency, install_signal_handlers=False
                ),
            )


@contextlib.asynccontextmanager
async def office(url):
    """A node on a new database, with one plugin that takes everything."""
    with tempfile.TemporaryDirectory(prefix="isp-bench-events-") as folder:
        await migrate(url, backup_folder=Path(folder))
        database = await Database.open(url)
        keyring = KeyRing.parse(base64.urlsafe_b64encode(os.urandom(32)).decode())
        post = Post(database, keyring, concurrency=16, attempts_file=Path(folder) / "attempts")
        await post.open()
        post.plugin = await add_plugin(database)
        post.arrived = asyncio.Event()

        async def take(_):
            post.arrived.set()

        post.subscription = await post.subscribe(post.plugin, take)
        try:
            yield post
        finally:
            await post.close()
            await database.close()


async def measure_on(table, url, full_url, scale):
    """All rows for one kind of database."""
    async with office(url) as post:
        kind = post.database.dialect
        await dispatch_rows(table, post, url, kind, scale)
        await delivery_rows(table, post, url, kind, scale)
        async with office(full_url) as full:
            await backlog_rows(table, post, full, kind, scale)


def ratio(mine, others):
    """The median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(mine, others, strict=True))


async def dispatch_rows(table, post, url, kind, scale):
    await post.stop(post.plugin)
    driver, module, single, many = [], [], [], []
    for _ in range(scale.rounds):
        if kind == "sqlite":
            driver.append(await sqlite_driver(folder_of(url), scale.rows))
            module.append(sqlite_module(folder_of(url), scale.rows))
        else:
            driver.append(await postgres_driver(url, scale.rows))
        single.append(await rate(scale.rows, lambda count: dispatch_one_by_one(post, count)))
        many.append(await rate(scale.dispatches, lambda count: dispatch_side_by_side(post, count)))
    low, high = BARS[kind]
    middle = statistics.median
    table.add(Row(f"{kind}: single-row inserts through the driver", middle(driver), "/s"))
    if module:
        table.add(Row(f"{kind}: the same by the sqlite3 module", middle(module), "/s"))
    table.add(Row(f"{kind}: durable dispatches, one in flight", middle(single), "/s"))
    table.add(Row(f"{kind}: to inserts through the driver", ratio(single, driver), "x", at_least=low))
    table.add(Row(f"{kind}: durable dispatches, 32 in flight", middle(many), "/s"))
    table.add(Row(f"{kind}: to inserts through the driver", ratio(many, driver), "x", at_least=high))
    post.start(post.plugin)
    await post.settled(within=600)


async def delivery_rows(table, post, url, kind, scale):
    delivered = await deliver_backlog(post, scale.deliveries)
    table.add(Row(f"{kind}: deliveries in process", delivered, "/s"))
    isolated = await isolated_rate(url if kind == "postgresql" else None, scale.deliveries)
    table.add(Row(f"{kind}: deliveries to a worker", isolated, "/s"))
    if kind == "postgresql":
        peer = await procrastinate_rate(url, scale.tasks, 16)
        table.add(Row("postgresql: procrastinate's tasks", peer, "/s"))
        table.add(Row("postgresql: deliveries to procrastinate's", delivered / peer, "x", at_least=PEER))
        table.add(Row("postgresql: those to a worker", isolated / peer, "x", at_least=PEER))
    await asyncio.sleep(0.5)
    delay = await delays(post, scale.idle)
    table.add(Row(f"{kind}: dispatch to delivery, idle, p50", delay, "ms", at_most=DELAY_MS))


async def isolated_rate(url, count):
    """Deliveries a second to a trivial method in a worker, from a backlog; counted from the tenth on, when the worker has started."""
    keys = {"secret_keys": base64.urlsafe_b64encode(os.urandom(32)).decode()}
    settings = {"database_url": url, "node": "isolated"} | keys if url else keys
    with tempfile.TemporaryDirectory(prefix="isp-bench-events-") as folder:
        async with system_of_workers(Path(folder) / "host", **settings) as system:
            plugin = await enable(system, "trivial", "async def work(self, payload):\n    return None\n")
            await system.manager.disable(plugin, HOST)
            draft = {"hook_name": HOOK, "hook_type": "event", "callback_method": "work"}
            hook = await system.manager.subscriptions.create(plugin, HookDraft.of(draft), HOST)
            await fill(system.events.store._database, hook.id, count)
            await system.manager.enable(plugin, HOST)

            async def until(number):
                while system.events.delivered < number:
                    await asyncio.sleep(0.002)

            await until(count // 10)
            before = system.events.delivered
            began = time.perf_counter()
            await until(count)
            return (count - before) / (time.perf_counter() - began)


async def backlog_rows(table, empty, full, kind, scale):
    """The same rates with a million events waiting for the plugin, and none."""
    await full.stop(full.plugin)
    await empty.stop(empty.plugin)
    began = time.perf_counter()
    await fill(full.database, full.subscription, scale.large)
    table.add(Row(f"{kind}: {scale.large:,} events written at once", time.perf_counter() - began, "s"))

    async def rates(post):
        dispatched = await rate(scale.dispatches, lambda count: dispatch_side_by_side(post, count))
        before = post.events.delivered

        async def work(number):
            post.start(post.plugin)
            while post.events.delivered - before < number:
                await asyncio.sleep(0.002)

        delivered = await rate(scale.dispatches, work)
        await post.stop(post.plugin)
        return dispatched, delivered

    rounds = [(await rates(empty), await rates(full)) for _ in range(scale.rounds)]
    for place, what in enumerate(("dispatches", "deliveries")):
        found = ratio([after[place] for _, after in rounds], [before[place] for before, _ in rounds])
        words = f"{kind}: {what} with {scale.large:,} waiting to none"
        table.add(Row(words, found, "x", at_least=FLAT))


def folder_of(url):
    """The file beside the database in which plain rows are written."""
    return url.removeprefix("sqlite:///") + ".plain"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("kinds", nargs="*", default=["sqlite", "postgresql"])
    options = parser.parse_args([] if arguments is None else arguments)
    scale = Scale(quick=options.quick)
    table = Table("Durable events (one event subscription, 1 KB, fsync on)")
    table.start()
    if "sqlite" in options.kinds:
        with tempfile.TemporaryDirectory(prefix="isp-bench-") as folder:
            urls = (f"sqlite:///{folder}/{name}.db" for name in ("events", "full"))
            asyncio.run(measure_on(table, *urls, scale))
    if "postgresql" in options.kinds:
        with running_postgres(DURABLE) as pattern:
            asyncio.run(on_postgres(table, pattern, scale))
    return table.failed


async def on_postgres(table, pattern, scale):
    connection = await asyncpg.connect(pattern.format("postgres"))
    for name in ("events", "waiting"):
        await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    await measure_on(table, pattern.format("events"), pattern.format("waiting"), scale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
