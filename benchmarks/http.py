# ruff: noqa: A005  imported as benchmarks.http only, never beside the standard library's http
"""HTTP: dispatch against a bare echo, one plugin against an ORM read, long lists against short ones, and the start with many plugins.

Every server is a process of its own with the same uvicorn settings; the load comes from another process; rounds are interleaved, and
the median of the ratios of each round counts, so that a busy machine disturbs both sides alike.
"""

import contextlib
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness import Row, Table
from benchmarks.http_client import request_bytes, requests_per_second

ROUNDS = 7
SECONDS = 1.0
PAYLOAD = {
    "id": 7,
    "number": "C-7",
    "name": "Ada Lovelace",
    "kind": "home",
    "emails": ["ada@example.org"],
    "org_id": 1,
}
MANY, ACTIVE = 1000, 200
LONG, SHORT = 10_000, 100

PLUGIN = """
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def initialize(self):
        return True

    async def awaited(self, customer):
        return {"id": customer["id"], "seen": True}

    def plain(self, customer):
        return {"id": customer["id"], "seen": True}
"""


@contextlib.contextmanager
def server(*arguments: str) -> Iterator[int]:
    """A server process; its port, once it listens."""
    command = [sys.executable, "-m", "benchmarks.http_servers", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline())
            wait_until_open(port)
            yield port
        finally:
            process.terminate()


def wait_until_open(port: int) -> None:
    """Wait until the port answers anything at all."""
    deadline = time.monotonic() + 30
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz")
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def ratio(ours: tuple[int, bytes], theirs: tuple[int, bytes]) -> float:
    """Our requests per second against theirs: the median over interleaved rounds."""
    found = []
    for _ in range(ROUNDS):
        first = requests_per_second(*ours, seconds=SECONDS)
        second = requests_per_second(*theirs, seconds=SECONDS)
        found.append(first / second)
    return statistics.median(found)


class Operator:
    """Prepares a data directory through the API of a server that runs on it."""

    def __init__(self, folder: Path, port: int, key: str) -> None:
        self.folder = folder
        self.key = key
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}/api/v1", headers={"X-API-Key": key}, timeout=60
        )

    def plugin(self, name: str, **more: Any) -> dict[str, Any]:
        """Register and enable a plugin."""
        modules = self.folder / "plugins"
        modules.mkdir(exist_ok=True)
        (modules / f"{name}.py").write_text(PLUGIN)
        made = self.http.post("/plugins/", json=draft(name) | more).raise_for_status().json()
        return self.http.post(f"/plugins/{made['id']}/enable").raise_for_status().json()

    def bind(self, plugin: dict[str, Any], hook: str, method: str) -> None:
        """Bind a method to a hook."""
        body = {"hook_name": hook, "hook_type": "action", "callback_method": method}
        self.http.post(f"/plugins/{plugin['id']}/hooks", json=body).raise_for_status()


def draft(name: str) -> dict[str, Any]:
    """What registers a plugin."""
    return {
        "name": name,
        "version": "1.0.0",
        "plugin_type": "CUSTOM",
        "module_path": f"plugins.{name}",
        "entry_point": "Plugin",
    }


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[tuple[int, str]]:
    """Our server on a data directory; its port and the admin's key."""
    with server("ours", str(folder)) as port:
        yield port, (folder / "admin.key").read_text().strip()


def measure_dispatch(folder: Path) -> list[Row]:
    """`POST /hooks/{name}/dispatch` against a bare FastAPI POST that echoes the same body."""
    with ours(folder) as (port, key), server("echo") as echo_port:
        operator = Operator(folder, port, key)
        plugin = operator.plugin("bench_async")
        inline = operator.plugin("bench_inline", trusted_inline=True)
        operator.bind(plugin, "bench_awaited", "awaited")
        operator.bind(plugin, "bench_thread", "plain")
        operator.bind(inline, "bench_inline", "plain")
        body = json.dumps({"payload": PAYLOAD}).encode()
        echo = (echo_port, request_bytes("POST", "/echo", headers={"x-api-key": key}, body=body))

        def request(hook: str) -> bytes:
            return request_bytes(
                "POST", f"/api/v1/hooks/{hook}/dispatch", headers={"x-api-key": key}, body=body
            )

        rows = [
            ("async def", "bench_awaited", 0.7),
            ("trusted inline", "bench_inline", 0.7),
            ("plain def (a thread)", "bench_thread", 0.5),
        ]
        return [
            Row(
                f"dispatch, one {kind} subscription / bare echo",
                ratio((port, request(hook)), echo),
                "of its requests/s",
                at_least=bar,
            )
            for kind, hook, bar in rows
        ]


def measure_read(folder: Path) -> list[Row]:
    """`GET /plugins/{id}` against a bare FastAPI + SQLAlchemy ORM read of one row of the same database."""
    with ours(folder) as (port, key):
        copy = folder / "copy.db"
        with (
            contextlib.closing(sqlite3.connect(folder / "isp-plugins.db")) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        with server("orm", str(copy)) as orm_port:
            mine = (port, request_bytes("GET", "/api/v1/plugins/1", headers={"x-api-key": key}))
            theirs = (orm_port, request_bytes("GET", "/plugins/1", headers={}))
            return [
                Row(
                    "GET /plugins/{id} / bare ORM read of one row",
                    ratio(mine, theirs),
                    "of its requests/s",
                    at_least=3.0,
                )
            ]


def measure_list(folder: Path) -> list[Row]:
    """A page of 20 among 10,000 plugins against one among 100, on two servers."""
    short, long = folder / "short", folder / "long"
    for place, count in ((short, SHORT), (long, LONG)):
        with ours(place):
            pass
        insert_plugins(place, count, active=0)
    with ours(short) as (short_port, short_key), ours(long) as (long_port, long_key):
        path = "/api/v1/plugins/?size=20&page=3&sort=-name"
        one = (short_port, request_bytes("GET", path, headers={"x-api-key": short_key}))
        other = (long_port, request_bytes("GET", path, headers={"x-api-key": long_key}))
        return [Row("page of 20 among 10,000 plugins / among 100", ratio(one, other), "x", at_most=2.0)]


def measure_start(folder: Path) -> list[Row]:
    """From starting the process to the first good answer, with 1,000 registered and 200 active plugins."""
    with ours(folder):
        pass
    modules = folder / "plugins"
    modules.mkdir(exist_ok=True)
    for number in range(ACTIVE):
        (modules / f"many_{number}.py").write_text(PLUGIN)
    insert_plugins(folder, MANY, active=ACTIVE)
    began = time.perf_counter()
    with ours(folder) as (port, key):
        took = time.perf_counter() - began
        http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers={"X-API-Key": key})
        running = (
            http.get("/plugins/", params={"state": "active", "size": 1}).raise_for_status().json()["total"]
        )
    if running != ACTIVE:
        raise RuntimeError(f"expected {ACTIVE} active plugins, found {running}")
    return [Row("start with 1,000 registered, 200 active plugins", took, "s until it is ready", at_most=5.0)]


def insert_plugins(folder: Path, count: int, *, active: int) -> None:
    """Put plugins into the database of a server that does not run."""
    with contextlib.closing(sqlite3.connect(folder / "isp-plugins.db")) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(plugins)")]
        moment = "2030-01-01 00:00:00.000000"
        fixed = {"display_name": "Many", "description": "", "author": "", "plugin_type": "CUSTOM", "version": "1.0.0", "entry_point": "Plugin",
                 "config_schema": "{}", "runtime": "in_process", "exclusive": 1, "trusted_inline": 0, "log_level": "INFO", "generation": 1,
                 "created_at": moment, "updated_at": moment}  # fmt: skip
        rows = [
            fixed
            | {
                "id": number + 1,
                "name": f"many_{number}",
                "module_path": f"plugins.many_{number}",
                "desired": "enabled" if number < active else "disabled",
            }
            for number in range(count)
        ]
        named = [name for name in columns if name in rows[0]]
        statement = (
            f"INSERT INTO plugins ({', '.join(named)}) VALUES ({', '.join(':' + name for name in named)})"
        )
        database.executemany(statement, rows)
        database.commit()


MEASURES: tuple[Callable[[Path], list[Row]], ...] = (
    measure_dispatch,
    measure_read,
    measure_list,
    measure_start,
)


def main() -> int:
    """Measure everything, each on a data directory of its own; `measure_read` reads what `measure_dispatch` registered."""
    table = Table(
        "HTTP (medians of interleaved rounds; every server a process with the same uvicorn settings)"
    )
    table.start()
    folder = Path(tempfile.mkdtemp(prefix="isp-plugins-bench-"))
    try:
        for measure in MEASURES:
            place = folder / ("dispatch" if measure in {measure_dispatch, measure_read} else measure.__name__)
            for row in measure(place):
                table.add(row)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return int(table.failed)


if __name__ == "__main__":
    sys.exit(main())
