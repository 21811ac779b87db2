"""Real servers on one real PostgreSQL, a plugin in a worker, a stream of dispatches, and a hand that kills what it likes.

1. A number is dispatched until its answer has come (an answer that was lost leaves two events of it); those of one key one after the other.
2. The plugin writes each effect to a file, and counts each event once in its storage.
3. What is killed comes back by itself (a worker) or is started again (a node, PostgreSQL).
"""

import asyncio
import base64
import os
import random
import signal
import subprocess
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx

from support.commands import PLAIN, Serving
from support.waiting import until

KEYS = 6
SECRET = base64.urlsafe_b64encode(bytes(range(32))).decode()
PLUGIN = """
import os

from app.services.plugin_service import PluginInterface


class Chaos(PluginInterface):
    def initialize(self):
        self.file = os.open(self.config["effects"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return True

    def take(self, customer):
        event = self.context.call_context["event_id"]
        with self.context.once() as first:
            if first:
                key = f"count:{self.context.idempotency_key}"
                self.context.set(key, self.context.get(key, 0) + 1)
        line = f"{customer['id']} {event} {customer['n']} {self.context.attempt}\\n"
        os.write(self.file, line.encode())
"""
PATIENT = {
    "ISP_PLUGINS_SECRET_KEYS": SECRET,
    "ISP_PLUGINS_EVENT_LEASE": "2",
    "ISP_PLUGINS_RESTART_LIMIT": "100000",
    "ISP_PLUGINS_RECOVERY_BACKOFF_MIN": "0.1",
    "ISP_PLUGINS_RECOVERY_BACKOFF_MAX": "1",
    "ISP_PLUGINS_BREAKER_PAUSE": "0.5",
    "ISP_PLUGINS_WORKER_HANDSHAKE_TIMEOUT": "60",
    "ISP_PLUGINS_SANDBOX": "off",
}


class Chaos:
    """The servers, and what was asked of them."""

    def __init__(self, postgres, folder, nodes, seed):
        self.postgres = postgres
        self.folder = folder
        self.effects = folder / "effects"
        self.nodes = [self._node(f"node{number}") for number in range(nodes)]
        self.kept = 0
        self.kills = defaultdict(int)
        self.plugin = 0
        self._draw = random.Random(seed)
        self._key = ""
        self._size = self._lines = 0

    def _node(self, name):
        folder = self.folder / name
        plugins = folder / "var" / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "chaos.py").write_text(PLUGIN)
        settings = PATIENT | {"ISP_PLUGINS_DATABASE_URL": self.postgres.url, "ISP_PLUGINS_NODE": name}
        serving = Serving(folder, environment=settings)
        serving.starts_within = 240.0  # it may wait for PostgreSQL's recovery too
        return serving

    def start(self):
        """Start the first node, give it the plugin, then start the others."""
        first, *others = self.nodes
        first.start()
        self._key = first.admin_key
        draft = {
            "name": "chaos", "version": "1.0.0", "plugin_type": "CUSTOM", "module_path": "plugins.chaos",
            "entry_point": "Chaos", "runtime": "process", "config_schema": {"effects": {"type": "string"}},
        }  # fmt: skip
        hook = {"hook_name": "customer_created", "hook_type": "event", "callback_method": "take"}
        retry = {"retry": {"min_s": 0.05, "max_s": 0.5, "attempts": 1000}, "timeout_ms": 20_000}
        with first.client(self._key) as client:
            self.plugin = client.post("/plugins/", json=draft).raise_for_status().json()["id"]
            path = f"/plugins/{self.plugin}"
            client.put(f"{path}/config", json={"values": {"effects": str(self.effects)}}).raise_for_status()
            client.post(f"{path}/hooks", json=hook | retry).raise_for_status()
            client.post(f"{path}/enable").raise_for_status()
        for node in others:
            node.start()

    def stop(self):
        for node in self.nodes:
            if node._process is not None:
                node.kill()

    # --- the stream ---

    async def dispatch(self, count):
        """Dispatch every number, each until it is kept."""

        async def of_key(client, key):
            for number in range(key, count, KEYS):
                await self._insist(client, number)
                self.kept += 1

        async with httpx.AsyncClient(headers={"X-API-Key": self._key}, timeout=60, verify=PLAIN) as client:
            await asyncio.gather(*(of_key(client, key) for key in range(KEYS)))

    async def _insist(self, client, number):
        body = {"payload": {"id": number % KEYS, "n": number}}
        for turn in range(100_000):
            node = self.nodes[(number + turn) % len(self.nodes)]
            try:
                path = f"{node.url}/api/v1/hooks/customer_created/dispatch"
                answer = await client.post(path, json=body)
                if answer.status_code == 200 and answer.json()["status"] == "completed":
                    return
                assert answer.status_code in {200, 409, 500, 503}, answer.text
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)

    # --- the hand ---

    async def kill(self, times, count):
        """Kill something so many times, spread over the stream; every kind once before any is killed again."""
        victims = [self.kill_worker, self.kill_node, self.kill_postgres]
        for turn in range(times):
            if turn % len(victims) == 0:
                self._draw.shuffle(victims)
            await until(lambda turn=turn: self._has_come(count * turn // times), within=3600)
            await asyncio.sleep(self._draw.random() * 0.1)  # somewhere in the midst of it
            await victims[turn % len(victims)]()

    def _has_come(self, number):
        """Whether so many were kept, and about as many have had their effect."""
        return self.kept >= number and (not number or self._effects() >= number * 0.8)

    def _effects(self):
        size = self.effects.stat().st_size if self.effects.exists() else 0
        if size == self._size:
            return self._lines
        self._size, self._lines = size, self.effects.read_bytes().count(b"\n")
        return self._lines

    async def kill_worker(self):
        found = [pid for node in self.nodes for pid in _workers(node._process.pid)]
        if found:
            os.kill(self._draw.choice(found), signal.SIGKILL)
            self.kills["worker"] += 1

    async def kill_node(self):
        node = self._draw.choice(self.nodes)
        await asyncio.to_thread(node.kill)
        self.kills["node"] += 1
        await asyncio.to_thread(node.start)

    async def kill_postgres(self):
        await asyncio.to_thread(self.postgres.crash)
        self.kills["postgres"] += 1
        await asyncio.to_thread(self.postgres.start)

    # --- what came of it ---

    def seen(self):
        """The effects: key, event, number, attempt."""
        return [tuple(map(int, line.split())) for line in self.effects.read_text().splitlines()]

    async def check(self, count, within):
        """Every effect at least once, with `once` exactly once, in order for each key."""
        numbers = set(range(count))
        await until(lambda: {one[2] for one in self.seen()} >= numbers, within=within)
        seen = self.seen()
        assert {one[2] for one in seen} == numbers
        firsts = defaultdict(dict)
        for key, event, number, _ in seen:
            firsts[key].setdefault(event, number)
        for events in firsts.values():
            assert list(events) == sorted(events), (
                "the first delivery of each event of a key is in the order of the log"
            )
            order = list(dict.fromkeys(events.values()))
            assert order == sorted(order), "and so in the order of the dispatches"
        connection = await asyncpg.connect(self.postgres.url)
        try:
            counts = await connection.fetch(
                "SELECT key, value::text FROM plugin_storage WHERE plugin_id = $1", self.plugin
            )
        finally:
            await connection.close()
        assert {value for _, value in counts} == {"1"}
        assert len(counts) == len({one[1] for one in seen})


def _workers(server):
    """The workers of a server: its children that run plugins."""
    children = subprocess.run(
        ["pgrep", "-P", str(server), "-f", "isp_plugin_sdk.serve"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(pid) for pid in children.stdout.split()]


@contextmanager
def chaos(postgres, folder: Path, *, nodes: int, seed: int):
    """The servers, running."""
    one = Chaos(postgres, folder, nodes, seed)
    try:
        one.start()
        yield one
    finally:
        one.stop()
