"""Two nodes behind each proxy of docs/operations.md: calls, an upload, server-sent events, and a node that goes away."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import httpx
import pytest

from isp_plugins.cli.sse import events_in, lines_of
from support.commands import free_port
from support.front import PROGRAMS, address, certificate, program_of, running, tried
from support.installing import CODE, index, installed, plugin
from support.node_servers import node_servers

pytestmark = [pytest.mark.postgres, pytest.mark.soak, pytest.mark.timeout(900)]
QUOTES = """
from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.hooks import filter


class Plugin(PluginInterface):
    def initialize(self):
        return True

    @filter("quote")
    def price(self, value):
        return value + 1

    def say(self, text):
        self.logger.info(text)
"""


@pytest.fixture(scope="module")
def servers(postgres_server, tmp_path_factory):
    async def create():
        connection = await asyncpg.connect(postgres_server.format("postgres"))
        try:
            await connection.execute("DROP DATABASE IF EXISTS proxied WITH (FORCE)")  # of a first try
            await connection.execute("CREATE DATABASE proxied")
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as apart:
        apart.submit(asyncio.run, create()).result()
    folder = tmp_path_factory.mktemp("proxied")
    links = index(folder / "links")
    own = {"ISP_PLUGINS_PACKAGE_FIND_LINKS": str(links), "ISP_PLUGINS_PACKAGE_OFFLINE": "yes"}
    with node_servers(postgres_server.format("proxied"), folder, "one", "two", **own) as found:
        quoting = found.plugin("quoting", QUOTES)
        found.clients[0].post(f"/plugins/{quoting}/enable").raise_for_status()
        found.quoting = quoting
        yield found


def until(condition, *, within=60):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.1)


def answers(client):
    try:
        return client.post("/hooks/quote/dispatch", json={"payload": 1}).json().get("value") == 2
    except (httpx.TransportError, ValueError):
        return False


@pytest.mark.parametrize("program", PROGRAMS)
def test_nodes_behind_a_proxy_serve_as_one(program, servers, tmp_path):
    if program_of(program) is None:
        pytest.skip(f"{program} is not on this machine")
    certificate(tmp_path)
    port = free_port()
    _, command = tried(program, tmp_path, port, [f"127.0.0.1:{one.port}" for one in servers.all])
    key = {"X-API-Key": servers.all[0].admin_key}
    with (
        running(command, tmp_path),
        httpx.Client(
            base_url=f"{address(program, port)}/api/v1", headers=key, timeout=60, verify=False
        ) as client,
    ):
        until(lambda: answers(client))
        _stream(client, servers.quoting)
        _upload(client, program, tmp_path)
        _lose_a_node(client, servers)


def _stream(client, quoting):
    """An event comes while the stream is open, and is not held back."""
    query = {"plugin_id": quoting, "q": "through the proxy"}
    with client.stream("GET", "/plugins/logs/stream", params=query) as stream:
        assert stream.status_code == 200
        said = {"method_name": "say", "parameters": ["through the proxy"]}
        client.post(f"/plugins/{quoting}/execute", json=said).raise_for_status()
        seen = next(
            event for event in events_in(lines_of(stream.iter_text())) if "through the proxy" in str(event)
        )
        assert seen


def _upload(client, program, folder):
    """A package larger than what proxies take by themselves."""
    wheel = plugin(folder, f"sample_{program}", code=f"BALLAST = {os.urandom(1_500_000).hex()!r}\n" + CODE)
    assert wheel.stat().st_size > 1024 * 1024
    made = installed(client, wheel, auto_enable=True)
    until(lambda: client.get(f"/plugins/{made['id']}").json().get("state") == "active")


def _lose_a_node(client, servers):
    """No call fails for long when a node goes, and none when it comes back."""
    servers.all[1].kill()
    try:
        until(lambda: all(answers(client) for _ in range(10)))
    finally:
        servers.all[1].start()
    until(lambda: all(answers(client) for _ in range(10)))
