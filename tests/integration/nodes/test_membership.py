"""Nodes on one real PostgreSQL: they join, are seen, are missed, and are cut off."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
from sqlalchemy import insert, select

from isp_plugins.db.engine import Database
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.db.tables import Schedule, SystemMetadata
from isp_plugins.nodes import Membership
from isp_plugins.nodes.errors import NodeNameTakenError
from isp_plugins.nodes.records import Node, Pace
from support.members import kill, member, nodes_of, states_of
from support.proxy import Proxy, proxy_to
from support.waiting import until

pytestmark = pytest.mark.postgres


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="isp-proxy-") as folder:
        yield folder


async def test_nodes_see_each_other(postgres_url: str) -> None:
    async with member(postgres_url, "a") as a, member(postgres_url, "b") as b:
        assert set(await states_of(a)) == {"a", "b"}
        await until(lambda: [node.name for node in a.nodes] == ["a", "b"], within=60)
        await until(lambda: b.myself()["others"] == ["a"], within=60)


async def test_a_node_that_is_stopped_leaves_at_once(postgres_url: str) -> None:
    async with member(postgres_url, "a") as a:
        async with member(postgres_url, "b"):
            pass
        assert (await states_of(a))["b"] == "left"


async def test_a_name_is_refused_while_its_node_lives(postgres_url: str) -> None:
    async with member(postgres_url, "a") as a:
        with pytest.raises(
            NodeNameTakenError, match=r"A node named a lives already on this database .*--node"
        ):
            async with member(postgres_url, "a", home="another"):
                pass
        await until(lambda: a.holds, within=60)


async def test_a_name_is_free_once_its_killed_node_is_missed(postgres_url: str) -> None:
    async with member(postgres_url, "a") as first:
        await kill(first)
        async with member(postgres_url, "a", home="another") as second:
            assert (await nodes_of(second))["a"].incarnation == second.card.incarnation


async def test_a_name_is_free_at_once_for_the_data_directory_of_its_killed_node(postgres_url: str) -> None:
    async with member(postgres_url, "a") as first:
        await kill(first)
        never = Pace(heartbeat=1.0, lost_after=3600.0)
        async with member(postgres_url, "a", pace=never) as second:
            assert (await nodes_of(second))["a"].incarnation == second.card.incarnation


async def test_a_process_whose_name_was_taken_never_leases_again(postgres_url: str) -> None:
    async with member(postgres_url, "a") as first:
        lapsed: list[bool] = []
        first.on_lapsed = lambda: lapsed.append(True)
        async with member(postgres_url, "a", home=first.card.home) as second:
            await until(lambda: first.is_cut and bool(lapsed), within=60)
            assert not first.holds
            assert "must be stopped" in first.why_cut
            await until(lambda: second.holds, within=60)


async def leased(url: str, owner: str) -> None:
    """A schedule that a process of the node runs, for an hour to come."""
    async with opened(url) as database, database.transaction() as session:
        row = {"name": "nightly", "last_slot": 1.0, "owner": owner, "token": 1, "lease_until": 4e9}
        await session.execute(insert(Schedule).values(**row))


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = await Database.open(url)
    yield database
    await database.close()


async def lease_of(url: str) -> float | None:
    async with opened(url) as database, database.reading() as session:
        lease: float | None = await session.scalar(select(Schedule.lease_until))
        return lease


async def test_a_killed_node_is_missed_and_its_leases_are_free(postgres_url: str) -> None:
    await leased(postgres_url, "b/1")
    async with member(postgres_url, "a") as a, member(postgres_url, "b") as b:
        told: list[str] = []

        async def on_lost(nodes: Sequence[Node]) -> None:
            told.extend(node.name for node in nodes)

        a.on_lost = on_lost
        await kill(b)
        await until(lambda: "b" in told, within=60)
        assert (await states_of(a))["b"] == "lost"
        assert await lease_of(postgres_url) == 0.0


async def test_a_node_that_comes_back_after_it_was_missed_learns_of_it(postgres_url: str) -> None:
    async with member(postgres_url, "a") as a, member(postgres_url, "b") as b:
        events: list[str] = []
        b.on_lapsed = lambda: events.append("lapsed")

        async def on_rejoined() -> None:
            events.append("rejoined")

        b.on_rejoined = on_rejoined
        await kill(b)

        async def lost() -> bool:
            return (await states_of(a))["b"] == "lost"

        await until(lost, within=60)
        await b.beat()
        await until(lambda: events[-1:] == ["rejoined"], within=60)
        assert "lapsed" in events


async def write(membership: Membership) -> None:
    async with membership._database.transaction() as session:
        await session.execute(select(SystemMetadata.value))


async def test_a_node_that_is_cut_off_refuses_at_once_and_comes_back(postgres_url: str, folder: str) -> None:
    async with (
        proxy_to(postgres_url, folder) as (proxy, url),
        member(postgres_url, "a") as a,
        member(url, "b") as b,
    ):
        events: list[str] = []
        b.on_lapsed = lambda: events.append("lapsed")

        async def on_rejoined() -> None:
            events.append("rejoined")

        b.on_rejoined = on_rejoined
        waiting = asyncio.create_task(_writes_until_refused(b, proxy))
        await until(lambda: b.is_cut, within=60)
        assert events[-1] == "lapsed"
        assert not b.holds
        assert b.myself()["is_cut_off"] is True
        await waiting
        with pytest.raises(DatabaseUnavailableError, match="node b is cut off from it since"):
            await write(b)

        async def lost() -> bool:
            return (await states_of(a))["b"] == "lost"

        await until(lost, within=60)
        proxy.mend()
        await until(lambda: "rejoined" in events, within=60)
        await until(lambda: b.holds and not b.is_cut, within=60)

        async def alive() -> bool:
            return (await states_of(a))["b"] == "alive"

        await until(alive, within=60)


async def _writes_until_refused(membership: Membership, proxy: Proxy) -> None:
    """A write that is under way when the network is cut is given up, too."""

    async def cut_in_the_middle() -> None:
        async with membership._database.transaction() as session:
            proxy.cut()
            await session.execute(select(SystemMetadata.value))

    with pytest.raises(DatabaseUnavailableError):
        await cut_in_the_middle()
