"""Plugin logs: memory and losses under a minute of dispatches that all log, and pages among a million records against ten thousand.

    python -m benchmarks.logs [--seconds 60] [--quick]

1. Ten plugins log a line in every dispatch, dispatched as fast as one thread can, in a process of its own. Its memory after a sixth of the
   time is compared with that at the end; every line must be stored or counted as dropped, exactly.
2. Pages of 50 come through the whole application (without the network). Rounds alternate between the small and the large database;
   the median of the ratios of each round counts. What is searched row by row (`q`, a duration) is printed without a bar.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import httpx

from benchmarks.harness import Row, Table
from isp_plugins.access import ensure_admin_key
from isp_plugins.actors import SYSTEM
from isp_plugins.api.factory import create_app
from isp_plugins.db.migrate import migrate
from isp_plugins.settings import Settings
from isp_plugins.system import BlockingPluginSystem, PluginSystem

SECONDS = 60.0
PLUGINS = 10
HOOK = "customer_created"
FLAT = 1.1
"""The most that memory at the end may be, as a ratio to that after a sixth of the time."""
SMALL, LARGE = 10_000, 1_000_000
ROUNDS = 31
SLOWER = 3.0
ROOT = Path(__file__).resolve().parents[1]

PLUGIN = """
from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.hooks import action


class Plugin(PluginInterface):
    def initialize(self):
        return True

    @action("customer_created")
    def listen(self, customer):
        self.logger.info("line of customer %s", customer["id"])
"""

FILTERS = {
    "all": {},
    "one plugin": {"plugin_id": 7},
    "one plugin, ERROR and above": {"plugin_id": 7, "level": "ERROR"},
    "CRITICAL only": {"only_level": "CRITICAL"},
    "one hook, WARNING and above": {"hook": "hook_3", "level": "WARNING"},
    "one method": {"method": "method_4"},
    "one request": {"request_id": "r77"},
    "one plugin, an hour": {"plugin_id": 7, "since": "2030-01-01T00:00:00Z", "until": "2030-01-01T01:00:00Z"},
}
SEARCHES = {
    "a text that is rare": {"q": "message 9977"},
    "a duration that is rare": {"min_duration_ms": 99.9},
    "one plugin and one method": {"plugin_id": 7, "method": "method_4"},
}
COLUMNS = "at, node, plugin_id, plugin_name, level, message, hook, method, request_id, duration_ms, traceback"
ROW_OF_N = """
    {moment}, 'local', {n} % 50, 'plugin_' || ({n} % 50),
    CASE WHEN {n} % 1000 = 0 THEN 'CRITICAL' WHEN {n} % 100 < 3 THEN 'ERROR' WHEN {n} % 100 < 10 THEN 'WARNING' WHEN {n} % 100 < 50 THEN 'INFO' ELSE 'DEBUG' END,
    'message ' || {n} || ' of a plugin about something that happened', 'hook_' || ({n} % 20), 'method_' || ({n} % 11), 'r' || ({n} / 3),
    ({n} % 1000) / 10.0, NULL
"""
TOTALS = """
    INSERT INTO plugin_log_totals (plugin_id, plugin_name, records, bytes, written, dropped, deleted_by_age, deleted_by_size, deleted_through)
    SELECT plugin_id, max(plugin_name), count(*), sum(256 + length(message)), count(*), 0, 0, 0, 0 FROM plugin_logs GROUP BY plugin_id
"""


def flood(seconds):
    """The child's work: dispatch for so long, then print what happened as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        (data / "plugins").mkdir()
        (data / "plugins" / "talker.py").write_text(PLUGIN)
        with BlockingPluginSystem(Settings(data_dir=data)) as host:
            host.run(_install(host.system))
            print(json.dumps(_dispatch(host, seconds, data / "isp-plugins.db")))


async def _install(system):
    from isp_plugins.lifecycle.records import PluginDraft

    for number in range(PLUGINS):
        raw = {
            "name": f"talker_{number}",
            "version": "1.0.0",
            "plugin_type": "CUSTOM",
            "module_path": "plugins.talker",
            "entry_point": "Plugin",
            "trusted_inline": True,
        }
        plugin = await system.manager.register(PluginDraft.of(raw), SYSTEM)
        await system.manager.enable(plugin.id, SYSTEM)


def _dispatch(host, seconds, file):
    began, dispatches, early = time.monotonic(), 0, 0
    while (elapsed := time.monotonic() - began) < seconds:
        for _ in range(200):
            host.dispatch(HOOK, {"id": dispatches})
            dispatches += 1
        if not early and elapsed > seconds / 6:
            early = _memory()
    late = _memory()
    host.run(host.system.logs.flush())
    usages = host.run(host.system.logs.usage())
    with contextlib.closing(sqlite3.connect(file)) as database:
        (stored,) = database.execute(
            "SELECT count(*) FROM plugin_logs WHERE message LIKE 'line %'"
        ).fetchone()
    return {
        "dispatches_per_second": dispatches / elapsed,
        "lines": dispatches * PLUGINS,
        "stored": stored + sum(usage.deleted_by_age + usage.deleted_by_size for usage in usages),
        "dropped": sum(usage.dropped for usage in usages),
        "early": early,
        "late": late,
    }


def _memory():
    """Resident bytes of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory_rows(table, seconds):
    """Run the child and judge what it says."""
    command = [sys.executable, "-m", "benchmarks.logs", "--flood", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    mib = 1024 * 1024
    table.add(
        Row(
            f"dispatches a second for {seconds:g} s, {PLUGINS} lines each",
            found["dispatches_per_second"],
            "a second",
        )
    )
    table.add(Row("memory after a sixth of it", found["early"] / mib, "MiB"))
    table.add(Row("memory at its end, against that", found["late"] / found["early"], "x", at_most=FLAT))
    accounted = (found["stored"] + found["dropped"]) / found["lines"]
    what = f"lines stored ({found['stored']:,}) or dropped ({found['dropped']:,}) of {found['lines']:,}"
    table.add(Row(what, accounted, "of them", at_most=1, at_least=1))


async def page_rows(table, name, urls, folder):
    """Compare pages of the same filters in both databases."""
    async with contextlib.AsyncExitStack() as stack:
        small, large = [
            await stack.enter_async_context(_client(url, folder / f"{name}_{n}"))
            for n, url in enumerate(urls)
        ]
        for what, filters in (FILTERS | SEARCHES).items():
            pairs = [(await _timed(small, filters), await _timed(large, filters)) for _ in range(ROUNDS)][1:]
            ratio = statistics.median(slow / fast for fast, slow in pairs)
            nanoseconds = statistics.median(slow for _, slow in pairs) * 1e9
            bar = SLOWER if what in FILTERS else None
            table.add(Row(f"{name}: {what}", ratio, "x of 10,000", nanoseconds, at_most=bar))


@contextlib.asynccontextmanager
async def _client(url, data_dir):
    key = base64.urlsafe_b64encode(bytes(range(32))).decode()
    settings = Settings(
        data_dir=data_dir, database_url=url, secret_keys=key, log_retention_days=0, log_retention_records=0
    )
    async with PluginSystem.open(settings) as system:
        token = await ensure_admin_key(system.keys, data_dir)
        transport = httpx.ASGITransport(create_app(system))
        headers = {"X-API-Key": token}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://bench/api/v1", headers=headers
        ) as client:
            yield client


async def _timed(client, filters):
    began = time.perf_counter()
    answer = await client.get("/plugins/logs", params=filters)
    took = time.perf_counter() - began
    answer.raise_for_status()
    return took


async def filled_sqlite(file, count):
    """A database file with so many records."""
    await migrate(f"sqlite:///{file}", backup_folder=file.parent)
    row = ROW_OF_N.format(
        n="n", moment="strftime('%Y-%m-%d %H:%M:%f', '2030-01-01', (n / 20.0) || ' seconds') || '000'"
    )
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA synchronous=OFF")
        numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count - 1})"
        database.execute(f"INSERT INTO plugin_logs ({COLUMNS}) {numbers} SELECT {row} FROM numbers")
        database.execute(TOTALS)
    return f"sqlite:///{file}"


async def filled_postgresql(pattern, count):
    """A PostgreSQL database with so many records, vacuumed as the server's own housekeeping would."""
    name = f"logs_{count}"
    server = await asyncpg.connect(pattern.format("postgres"))
    await server.execute(f"CREATE DATABASE {name}")
    await server.close()
    url = pattern.format(name)
    await migrate(url, backup_folder=Path("/nonexistent"))
    connection = await asyncpg.connect(url)
    row = ROW_OF_N.format(n="n", moment="timestamptz '2030-01-01Z' + n * interval '50 milliseconds'")
    await connection.execute(
        f"INSERT INTO plugin_logs ({COLUMNS}) SELECT {row} FROM generate_series(0, {count - 1}) AS n"
    )
    await connection.execute(TOTALS)
    await connection.execute("VACUUM ANALYZE plugin_logs")
    await connection.close()
    return url


async def compare_pages(table, large):
    """Fill both kinds of databases and compare."""
    from support.postgres import running_postgres

    with tempfile.TemporaryDirectory() as temporary, running_postgres() as pattern:
        folder = Path(temporary)
        for name in ("SQLite", "PostgreSQL"):
            urls = [
                await (
                    filled_sqlite(folder / f"{count}.db", count)
                    if name == "SQLite"
                    else filled_postgresql(pattern, count)
                )
                for count in (SMALL, large)
            ]
            await page_rows(table, name, urls, folder)


def main(arguments=()):
    """Run both; 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BENCHMARK_SECONDS", SECONDS)))
    parser.add_argument("--quick", action="store_true", help="12 s, and 200,000 records instead of a million")
    parser.add_argument("--pages", action="store_true", help="only the pages")
    parser.add_argument("--flood", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.flood:
        flood(options.flood)
        return 0
    sys.path.insert(0, str(ROOT / "tests"))
    table = Table("Logs (a page of 50 among a million records, against ten thousand)")
    table.start()
    if not options.pages:
        memory_rows(table, 12.0 if options.quick else options.seconds)
    asyncio.run(compare_pages(table, 200_000 if options.quick else LARGE))
    return int(table.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
