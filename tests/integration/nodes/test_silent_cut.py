"""A network that loses every packet without a word: the node notices, serves what it has, and comes back; the others take over."""

import asyncio
import shutil
import tempfile
import textwrap
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from isp_plugins.actors import SYSTEM
from isp_plugins.db import links
from isp_plugins.db.errors import DatabaseUnavailableError
from isp_plugins.hooks.errors import EventsNotKeptError
from isp_plugins.lifecycle.records import PluginChanges, PluginDraft
from support import members
from support.cables import FAR, NEAR, cable, open_to_all
from support.members import enabled, runs, state_on
from support.postgres import FAST, running_postgres
from support.waiting import until

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(400)]
LONG = 120

KEEPER = """
    import time
    from pathlib import Path

    from app.services.plugin_service import PluginInterface

    HERE = Path(__file__).parents[1]


    class Plugin(PluginInterface):
        def initialize(self):
            return True

        def quote(self, value):
            return value + 1

        def take(self, customer):
            if HERE.name == "b" and customer["id"] == 1:
                (HERE.parent / "begun").touch()
                while not (HERE.parent / "go").exists():
                    time.sleep(0.01)
            with (HERE.parent / "taken").open("a") as file:
                file.write(f"{HERE.name} {customer['id']}\\n")
"""
REGISTRATION = {
    "name": "keeper",
    "version": "1.0.0",
    "plugin_type": "CUSTOM",
    "module_path": "plugins.keeper",
    "entry_point": "Plugin",
    "hooks": [
        {"hook_name": "quote", "hook_type": "filter", "callback_method": "quote"},
        {
            "hook_name": "customer_updated",
            "hook_type": "event",
            "callback_method": "take",
            "timeout_ms": 240_000,
        },
    ],
}


def system(*arguments):
    """A node that a busy machine does not cut off."""
    return members.system(*arguments, lost_after=12.0)


@pytest.fixture
def open_folder():
    """A folder that PostgreSQL's own user can read."""
    folder = Path(tempfile.mkdtemp(prefix="isp-hba-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_node_whose_packets_are_lost_goes_on_alone_and_comes_back(tmp_path, open_folder):
    for name in "ab":
        plugins = tmp_path / name / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "keeper.py").write_text(textwrap.dedent(KEEPER))
    with cable() as line:
        server = running_postgres([*FAST, f"listen_addresses={FAR}", open_to_all(open_folder)])
        pattern = line.far.do(server.__enter__)
        try:
            there = f"postgresql://postgres@{FAR}/postgres"
            line.near.do(
                asyncio.run,
                assert_goes_on_alone_and_comes_back(line, pattern.format("postgres"), there, tmp_path),
            )
        finally:
            (tmp_path / "go").touch()
            line.far.do(server.__exit__, None, None, None)


async def assert_goes_on_alone_and_comes_back(line, beside, over_the_cable, folder):
    async with system(over_the_cable, folder, "b") as b:
        await enabled(b)
        keeper = await b.manager.register(PluginDraft.of(REGISTRATION), SYSTEM)
        await b.manager.enable(keeper.id, SYSTEM)
        await b.dispatch("customer_updated", {"id": 0})
        await until(lambda: taken(folder) == ["b 0"], within=LONG)  # from now on b delivers
        async with system(beside, folder, "a") as a:
            assert (state_on(a, "keeper"), state_on(a)) == ("active", "standby")
            await b.dispatch("customer_updated", {"id": 1})
            await until((folder / "begun").exists, within=LONG)
            async with held_row(b, keeper.id), dead_lines(over_the_cable):
                line.cut()
                await alone(b)
                await taken_over(a, b, beside, keeper, folder)
            line.mend()
            await back(a, b, keeper, folder)


def taken(folder):
    file = folder / "taken"
    return file.read_text().splitlines() if file.exists() else []


@asynccontextmanager
async def held_row(node, plugin_id):
    """A transaction of this node has the plugin's row when the network fails."""
    ready, over = asyncio.Event(), asyncio.Event()

    async def hold():
        async with node.database.transaction() as session:
            await session.execute(text("SELECT 1 FROM plugins WHERE id = :id FOR UPDATE"), {"id": plugin_id})
            ready.set()
            await over.wait()

    task = asyncio.create_task(hold())
    await ready.wait()
    try:
        yield
    finally:
        over.set()
        with pytest.raises(DatabaseUnavailableError):
            await task


@asynccontextmanager
async def dead_lines(url):
    """Two connections that nobody breaks: the kernel alone finds that the other end is gone, when it is spoken to and when not."""
    spoken_to, idle = [await links.connect(url, name="test") for _ in range(2)]
    try:
        yield
        with pytest.raises((OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
            await spoken_to.fetchval("SELECT 1", timeout=LONG)
        await until(idle.is_closed, within=LONG)
    finally:
        for connection in (spoken_to, idle):
            connection.terminate()


async def alone(b):
    """It knows, says so, and serves what it has."""
    await until(lambda: b.membership.is_cut, within=LONG)
    assert "cut off from the database since" in b.membership.unready()
    assert b.membership.myself()["is_cut_off"]
    assert state_on(b) == "standby"
    assert (await b.dispatch("quote", 1)).to_dict()["value"] == 2
    with pytest.raises(EventsNotKeptError):
        await b.dispatch("customer_updated", {"id": 9})
    with pytest.raises(DatabaseUnavailableError, match="node b is cut off"):
        await b.manager.update(b.directory.by_name("keeper").id, PluginChanges.of({"author": "b"}), SYSTEM)


async def taken_over(a, b, beside, keeper, folder):
    """The other node has its work, and nothing of it is locked."""
    await until(lambda: state_on(a) == "active", within=LONG)
    assert runs(folder)[:3] == [("b", "begin"), ("b", "end"), ("a", "begin")]
    states = {node.name: node.state.value for node in await a.membership.everyone()}
    assert states == {"a": "alive", "b": "lost"}
    await until(lambda: "a 1" in taken(folder), within=LONG)
    await a.dispatch("customer_updated", {"id": 2})
    await until(lambda: taken(folder)[-1] == "a 2", within=LONG)
    await until(lambda: changed(a, keeper), within=LONG)
    await until(lambda: nothing_of_the_near(beside), within=LONG)
    assert b.membership.is_cut


async def changed(node, plugin):
    """Whether a change was made; what the other node has locked is free a moment later by itself."""
    with suppress(DatabaseUnavailableError):
        await node.manager.update(plugin.id, PluginChanges.of({"author": "ada"}), SYSTEM)
        return True
    return False


async def nothing_of_the_near(url):
    """Whether the server has given up every connection of the node."""
    connection = await asyncpg.connect(url)
    try:
        count = "SELECT count(*) FROM pg_stat_activity WHERE client_addr = $1::inet"
        return await connection.fetchval(count, NEAR) == 0
    finally:
        await connection.close()


async def back(a, b, keeper, folder):
    """It follows what it missed, and what it had done of the other's is refused."""
    await until(lambda: not b.membership.is_cut, within=LONG)
    await until(lambda: b.directory.get(keeper.id).author == "ada", within=LONG)
    await until(lambda: b.directory.by_name("poller").cause == "It runs on node a.", within=LONG)
    (folder / "go").touch()
    await until(lambda: "b 1" in taken(folder), within=LONG)
    await until(lambda: kept(b), within=LONG)
    await until(lambda: taken(folder)[-1].endswith(" 3"), within=LONG)
    await until(lambda: nothing_waits(a), within=LONG)
    told = taken(folder)
    assert told[:3] == ["b 0", "a 1", "a 2"]
    (lag,) = await a.event_reader.lag()
    # What b had done of event 1 counts for nothing: its acknowledgement was stale.
    assert 4 <= lag.delivered_total <= 3 + sum(line.endswith(" 3") for line in told)
    await until(lambda: {node.name for node in a.membership.nodes} == {"a", "b"}, within=LONG)


async def kept(node):
    with suppress(EventsNotKeptError, DatabaseUnavailableError):
        await node.dispatch("customer_updated", {"id": 3})
        return True
    return False


async def nothing_waits(node):
    (lag,) = await node.event_reader.lag()
    return lag.waiting == lag.retrying == lag.dead == 0
