"""Nodes whose way to PostgreSQL is bad: connections that are reset, that are slow, and that are dead without saying so."""

import asyncio
import socket

import pytest

from isp_plugins.actors import SYSTEM
from isp_plugins.db import links
from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.hooks.errors import EventsNotKeptError
from isp_plugins.lifecycle.records import PluginChanges
from support.commands import free_port
from support.members import enabled, state_on, system
from support.postgres import FAST, running_postgres
from support.proxy import tcp_proxy_to
from support.waiting import until

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]
LONG = 90
EVENTS = [{"hook_name": "customer_created", "hook_type": "event", "callback_method": "greet"}]
CUSTOMER = {"id": 7, "name": "Ada", "status": "active"}


async def kept(node):
    """Whether an event is kept; on a connection that was just reset it may be refused."""
    try:
        return bool((await node.dispatch("customer_created", CUSTOMER)).to_dict())
    except (EventsNotKeptError, DatabaseUnavailableError):
        return False


async def changed(node, plugin, author):
    """Whether a change was made; as above."""
    try:
        await node.manager.update(plugin.id, PluginChanges.of({"author": author}), SYSTEM)
    except DatabaseUnavailableError:
        return False
    return True


async def follows(there, here, plugin, author):
    """A change on one node comes to the other."""
    await until(lambda: changed(there, plugin, author), within=LONG)
    await until(lambda: here.directory.get(plugin.id).author == author, within=LONG)


async def test_a_node_whose_connections_are_reset_goes_on_with_new_ones(postgres_url, tmp_path):
    async with (
        system(postgres_url, tmp_path, "a") as a,
        tcp_proxy_to(postgres_url) as (proxy, url),
        system(url, tmp_path, "b", lost_after=20.0) as b,
    ):
        plugin = await enabled(b, placement="per-node", hooks=EVENTS)
        await until(lambda: state_on(a) == "active", within=LONG)
        for number in range(3):
            proxy.reset()
            await until(lambda: kept(b), within=LONG)
            await until(lambda: b.manager.convergence.is_listening, within=LONG)
            await follows(a, b, plugin, f"ada {number}")
            await follows(b, a, plugin, f"bob {number}")
        assert not b.membership.is_cut
        await until(lambda: {one.name for one in a.membership.nodes} == {"a", "b"}, within=LONG)


async def test_a_node_on_a_slow_network_is_no_lost_node(postgres_url, tmp_path):
    async with (
        system(postgres_url, tmp_path, "a", lost_after=20.0) as a,
        tcp_proxy_to(postgres_url) as (proxy, url),
        system(url, tmp_path, "b", lost_after=20.0) as b,
    ):
        plugin = await enabled(b, hooks=EVENTS)
        proxy.delay_s = 0.1
        await until(lambda: kept(b), within=LONG)
        await until(lambda: plugin.id in a.directory, within=LONG)
        await follows(a, b, plugin, "ada")
        await follows(b, a, plugin, "bob")
        assert state_on(b) == "active"
        assert not b.membership.is_cut
        proxy.delay_s = 0.0


def test_both_ends_of_a_connection_are_watched():
    port = free_port()
    with running_postgres([*FAST, "listen_addresses=127.0.0.1", f"port={port}"]):
        asyncio.run(assert_own_connections_are_watched(f"postgresql://postgres:@127.0.0.1:{port}/postgres"))


async def assert_own_connections_are_watched(url):
    database = await Database.open(url)
    try:
        async with database.transaction() as session:
            connection = await session.connection()
            await assert_watched((await connection.get_raw_connection()).driver_connection)
        own = await links.connect(url, name="test")
        try:
            await assert_watched(own)
        finally:
            await own.close()
    finally:
        await database.close()


async def assert_watched(connection):
    link = connection._transport.get_extra_info("socket")
    assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == links.IDLE_S
    assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == links.UNACKNOWLEDGED_S * 1000
    assert await connection.fetchval("SHOW tcp_user_timeout") == f"{links.UNACKNOWLEDGED_S * 1000}"
    assert await connection.fetchval("SHOW tcp_keepalives_idle") == f"{links.IDLE_S}"
