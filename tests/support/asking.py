"""Server processes of a test's own on one PostgreSQL, and their API; each can be killed, frozen or led through a proxy."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from support.commands import PLAIN, Serving
from support.members import KEYS, PLUGIN
from support.waiting import until

LONG = 120
GREETER = """
from app.services.plugin_service import PluginInterface


class Plugin(PluginInterface):
    def greet(self, customer):
        return {"greeted": customer["id"]}
"""
PER_NODE = {
    "name": "greeter", "version": "1.0.0", "plugin_type": "CUSTOM", "module_path": "plugins.greeter", "entry_point": "Plugin",
    "hooks": [
        {"hook_name": "customer_created", "hook_type": "action", "callback_method": "greet"},
        {"hook_name": "customer_updated", "hook_type": "event", "callback_method": "greet"},
    ],
}  # fmt: skip


def node(folder: Path, name: str, url: str, *, sources=None, **more: str) -> Serving:
    """A server that is not started yet, with both plugins on its plugin path, and these sources; `more` is its environment."""
    plugins = folder / name / "var" / "plugins"
    plugins.mkdir(parents=True)
    for plugin, source in {"poller": PLUGIN, "greeter": GREETER, **(sources or {})}.items():
        (plugins / f"{plugin}.py").write_text(source)
    environment = {
        "ISP_PLUGINS_SECRET_KEYS": KEYS,
        "ISP_PLUGINS_DATABASE_URL": url,
        "ISP_PLUGINS_NODE_HEARTBEAT": "0.5",
        "ISP_PLUGINS_NODE_LOST_AFTER": "9",
        "ISP_PLUGINS_WORKER_HANDSHAKE_TIMEOUT": "60",
        **more,
    }
    return Serving(folder / name, ("--node", name), environment)


@asynccontextmanager
async def started(server: Serving):
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.stop)


class Asking:
    """The API of one node, with the key that the first node made."""

    def __init__(self, server: Serving, key: str) -> None:
        self.url = server.url
        self.http = httpx.AsyncClient(
            base_url=f"{server.url}/api/v1", headers={"X-API-Key": key}, timeout=60, verify=PLAIN
        )

    async def json(self, path, method="GET", body=None):
        answer = await self.http.request(method, path, json=body)
        return answer.raise_for_status().json()

    async def state(self, plugin):
        return (await self.json(f"/plugins/{plugin['id']}"))["state"]

    async def nodes(self):
        return {one["name"]: one["state"] for one in (await self.json("/nodes"))["items"]}

    async def enabled(self, registration):
        plugin = await self.json("/plugins/", "POST", registration)
        return await self.json(f"/plugins/{plugin['id']}/enable", "POST")

    async def reached(self, condition):
        async def check():
            try:
                return await condition(self)
            except httpx.HTTPError:
                return False

        await until(check, within=LONG)


@asynccontextmanager
async def asking(server, key):
    one = Asking(server, key)
    try:
        yield one
    finally:
        await one.http.aclose()


async def both_alive(it):
    return await it.nodes() == {"a": "alive", "b": "alive"}


async def is_active(it, plugin):
    return await it.state(plugin) == "active"


async def is_cut_off(it):
    return (await it.json("/nodes/self"))["is_cut_off"]


async def is_back(it):
    return not await is_cut_off(it) and (await it.http.get(f"{it.url}/readyz")).is_success
