"""Two server processes on one PostgreSQL are one system, whichever of them is asked."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from support.node_servers import NodeServers, node_servers
from support.server import assert_problem

pytestmark = pytest.mark.postgres
QUOTES = """
from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.hooks import filter


class Plugin(PluginInterface):
    def initialize(self):
        return True

    @filter("quote")
    def price(self, value):
        return value + self.config["extra"]
"""
SCHEMA = {"extra": {"type": "integer", "default": 1}}


@pytest.fixture(scope="module")
def servers(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServers]:
    """Nodes `one` and `two`."""

    async def create() -> None:
        connection = await asyncpg.connect(postgres_server.format("postgres"))
        try:
            await connection.execute("DROP DATABASE IF EXISTS two_servers WITH (FORCE)")  # of a first try
            await connection.execute("CREATE DATABASE two_servers")
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as apart:
        apart.submit(asyncio.run, create()).result()
    folder: Path = tmp_path_factory.mktemp("nodes")
    with node_servers(postgres_server.format("two_servers"), folder, "one", "two") as found:
        yield found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def said(servers: NodeServers) -> list[Any]:
    """What each node makes of 1."""
    return [
        client.post("/hooks/quote/dispatch", json={"payload": 1}).raise_for_status().json()["value"]
        for client in servers.clients
    ]


def test_plugin_is_managed_on_whichever_node_is_asked(servers: NodeServers) -> None:
    one, two = servers.clients
    plugin_id = servers.plugin("pricing", QUOTES, config_schema=SCHEMA)
    until(lambda: two.get(f"/plugins/{plugin_id}").is_success)
    two.post(f"/plugins/{plugin_id}/enable").raise_for_status()
    until(lambda: said(servers) == [2, 2])
    two.put(f"/plugins/{plugin_id}/config", json={"values": {"extra": 6}}).raise_for_status()
    until(lambda: said(servers) == [7, 7])

    etag = one.get(f"/plugins/{plugin_id}").headers["ETag"]
    one.put(f"/plugins/{plugin_id}", json={"author": "ada"}, headers={"If-Match": etag}).raise_for_status()
    refused = two.put(f"/plugins/{plugin_id}", json={"author": "eve"}, headers={"If-Match": etag})
    assert_problem(refused, 412)

    servers.all[1].kill()
    one.put(f"/plugins/{plugin_id}/config", json={"values": {"extra": 9}}).raise_for_status()
    servers.all[1].start()
    until(lambda: said(servers) == [10, 10])

    one.delete(f"/plugins/{plugin_id}").raise_for_status()
    until(lambda: two.get(f"/plugins/{plugin_id}").status_code == 404)


def test_key_made_on_one_node_opens_the_other(servers: NodeServers) -> None:
    one, two = servers.clients
    made = one.post("/keys", json={"name": "viewer", "role": "viewer"}).raise_for_status().json()
    header = {"X-API-Key": made["token"]}
    until(lambda: two.get("/me", headers=header).is_success)
    one.delete(f"/keys/{made['id']}").raise_for_status()
    until(lambda: two.get("/me", headers=header).status_code == 401)
