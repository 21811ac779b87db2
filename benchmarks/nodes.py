"""One, two and four server processes on one PostgreSQL: dispatches, event deliveries, and how soon an enable on one serves on all.

    python -m benchmarks.nodes [--quick]

1. Dispatches come over HTTP to all nodes at once, 8 connections each; every one writes a durable event for each of four plugins.
2. Deliveries are those of a backlog, from the moment at which the four plugins are enabled on the first node; the cursors count them.
3. An enable is timed from the request to the first node until every node answers a dispatch with the plugin's value. Nodes, clients and
   the database share this machine's cores, so rates say little about several machines; only the enable has a bar.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg

from benchmarks.harness import Row, Table
from benchmarks.http_client import request_bytes, requests_per_second

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.node_servers import node_servers
from support.postgres import running_postgres

OPTIONS = ["shared_buffers=128MB", "max_connections=200"]
COUNTS = (1, 2, 4)
WATCHERS = 4
CONNECTIONS = 8
ENABLE_P99_MS = 1000.0
GIVE_UP_S = 120.0
HEAD = "from app.services.plugin_service import PluginInterface\nfrom isp_plugin_sdk.hooks import event, filter\n\n\nclass Plugin(PluginInterface):\n"
WATCHER = HEAD + '    @event("customer_created")\n    async def see(self, customer):\n        return None\n'
QUOTES = HEAD + '    @filter("quote")\n    def price(self, value):\n        return value + 1\n'
CUSTOMER = {"id": 7, "name": "Ada Lovelace", "status": "active", "note": "x" * 900}


class Scale:
    """How much is done; `--quick` only shows that it works."""

    def __init__(self, *, quick):
        self.counts = (1, 2) if quick else COUNTS
        self.seconds, self.enables = (0.5, 5) if quick else (3.0, 60)


async def ask(url, statement):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def delivered(url):
    """Deliveries of all subscriptions so far."""
    return int(asyncio.run(ask(url, "SELECT coalesce(sum(delivered), 0) FROM event_cursors")))


def wait_for(condition, what):
    deadline = time.monotonic() + GIVE_UP_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not come within {GIVE_UP_S:g} s")
        time.sleep(0.005)


def dispatches(servers, seconds):
    """Durable dispatches a second over all nodes together."""
    body = json.dumps({"payload": CUSTOMER}).encode()
    headers = {"x-api-key": servers.all[0].admin_key}
    request = request_bytes("POST", "/api/v1/hooks/customer_created/dispatch", headers=headers, body=body)

    def load(server):
        return requests_per_second(server.port, request, connections=CONNECTIONS, seconds=seconds)

    with ThreadPoolExecutor(len(servers.all)) as pool:
        return sum(pool.map(load, servers.all))


def deliveries(servers, url, watchers):
    """Deliveries a second of what waits, by all nodes together."""
    first = servers.clients[0]
    events = int(asyncio.run(ask(url, "SELECT count(*) FROM events")))
    before, wanted = delivered(url), events * len(watchers)
    began = time.perf_counter()
    for plugin_id in watchers:
        first.post(f"/plugins/{plugin_id}/enable").raise_for_status()
    wait_for(lambda: delivered(url) - before >= wanted, "the delivery of the backlog")
    return wanted / (time.perf_counter() - began)


def enables(servers, plugin_id, count):
    """Milliseconds of each enable until all nodes serve."""
    first = servers.clients[0]

    def serves(client):
        answer = client.post("/hooks/quote/dispatch", json={"payload": 1}).raise_for_status()
        return answer.json()["value"]

    found = []
    for _ in range(count):
        began = time.perf_counter()
        first.post(f"/plugins/{plugin_id}/enable").raise_for_status()
        wait_for(lambda: all(serves(client) == 2 for client in servers.clients), "an enable")
        found.append((time.perf_counter() - began) * 1000)
        first.post(f"/plugins/{plugin_id}/disable").raise_for_status()
        wait_for(lambda: all(serves(client) is None for client in servers.clients), "a disable")
    return found


def measure(table, pattern, nodes, scale):
    """The rows of so many nodes."""
    url = pattern.format(f"nodes_{nodes}")
    asyncio.run(create(pattern, f"nodes_{nodes}"))
    names = [f"node-{number}" for number in range(1, nodes + 1)]
    words = f"{nodes} node{'s' if nodes > 1 else ''}"
    with (
        tempfile.TemporaryDirectory(prefix="isp-bench-nodes-") as folder,
        node_servers(url, Path(folder), *names) as servers,
    ):
        watchers = [servers.plugin(f"watcher_{number}", WATCHER) for number in range(WATCHERS)]
        for plugin_id in watchers:  # a load tells which events they want; from then on they are owed them
            servers.clients[0].post(f"/plugins/{plugin_id}/enable").raise_for_status()
            servers.clients[0].post(f"/plugins/{plugin_id}/disable").raise_for_status()
        settled(servers, watchers)
        table.add(Row(f"{words}: durable dispatches", dispatches(servers, scale.seconds), "/s"))
        table.add(Row(f"{words}: deliveries of a backlog", deliveries(servers, url, watchers), "/s"))
        found = enables(servers, servers.plugin("pricing", QUOTES), scale.enables)
        table.add(Row(f"{words}: an enable until it serves on all, p50", statistics.median(found), "ms"))
        p99 = statistics.quantiles(found, n=100, method="inclusive")[98]
        table.add(Row(f"{words}: the same, p99", p99, "ms", at_most=ENABLE_P99_MS))


def settled(servers, plugin_ids):
    """Wait until every node has all of these disabled."""

    def is_settled():
        return all(
            client.get(f"/plugins/{plugin_id}").json().get("state") == "disabled"
            for client in servers.clients
            for plugin_id in plugin_ids
        )

    wait_for(is_settled, "a disable on all nodes")


async def create(pattern, name):
    connection = await asyncpg.connect(pattern.format("postgres"))
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()


def main(arguments=None):
    """Measure and print; whether a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args([] if arguments is None else arguments)
    table = Table("Nodes (server processes on one PostgreSQL, all on this machine, fsync on)")
    table.start()
    with running_postgres(OPTIONS) as pattern:
        for nodes in Scale(quick=options.quick).counts:
            measure(table, pattern, nodes, Scale(quick=options.quick))
    return table.failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
