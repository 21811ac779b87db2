"""Changes of a plugin while a node is just starting it: it runs where it is to run, and a singleton nowhere twice."""

import asyncio

import pytest

from isp_plugins.actors import SYSTEM
from isp_plugins.lifecycle.records import PluginChanges
from isp_plugins.storage import StorageFencedError
from support import members
from support.members import PLUGIN, enabled, runs, state_on
from support.waiting import until

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]
LONG = 120
SLOW = PLUGIN.replace(
    """        note("begin")
""",
    """        note("begin")
        while not (FILE.parent / "go").exists():
            time.sleep(0.01)
""",
)
"""Its start waits for a file."""
SINGLETON, PER_NODE = [PluginChanges.of({"placement": name}) for name in ("singleton", "per-node")]


def system(*arguments, **more):
    """A node that a busy machine does not cut off."""
    return members.system(*arguments, lost_after=60.0, **more)


class Later:
    """A node that is opened, and stays open until the block ends."""

    def __init__(self, *arguments, **more):
        self._opening = system(*arguments, source=SLOW, load_timeout=LONG, initialize_timeout=LONG, **more)
        self._over = asyncio.Event()
        self._node = asyncio.get_running_loop().create_future()

    async def __aenter__(self):
        self._task = asyncio.create_task(self._live())
        return self

    async def __aexit__(self, *_):
        self._over.set()
        await self._task

    async def _live(self):
        async with self._opening as node:
            self._node.set_result(node)
            await self._over.wait()

    async def opened(self):
        async with asyncio.timeout(LONG):
            return await asyncio.shield(self._node)


def at_once(folder):
    """The most instances that ran at a time, of what began after the first one had ended."""
    living, most, first_ended = 0, 0, False
    for _, word in runs(folder):
        living += 1 if word == "begin" else -1
        first_ended = first_ended or word == "end"
        most = max(most, living) if first_ended else most
    return most


async def test_a_plugin_that_becomes_a_singleton_while_a_node_starts_it_runs_nowhere_twice(
    postgres_url, tmp_path
):
    async with system(postgres_url, tmp_path, "a") as a:
        plugin = await enabled(a, placement="per-node")
        async with Later(postgres_url, tmp_path, "b") as later:
            await until(lambda: ("b", "begin") in runs(tmp_path), within=LONG)
            await a.manager.update(plugin.id, SINGLETON, SYSTEM)
            await until(lambda: ("a", "end") in runs(tmp_path), within=LONG)
            for _ in range(3):
                await a.membership.beat()  # with each it looks what it may begin
                await a.manager.recover()
            by_node = {one.node: one.state for one in await a.membership.of_plugin(plugin.id)}
            assert by_node == {"a": "standby", "b": "enabling"}
            assert runs(tmp_path) == [("a", "begin"), ("b", "begin"), ("a", "end")]
            (tmp_path / "go").touch()
            b = await later.opened()
            await until(lambda: sorted([state_on(a), state_on(b)]) == ["active", "standby"], within=LONG)
    assert runs(tmp_path)[:4] == [("a", "begin"), ("b", "begin"), ("a", "end"), ("b", "end")]
    assert at_once(tmp_path) == 1


async def test_a_singleton_that_becomes_one_of_every_node_while_a_node_starts_it_runs_on_all(
    postgres_url, tmp_path
):
    (tmp_path / "go").touch()
    async with system(postgres_url, tmp_path, "a") as a:
        plugin = await enabled(a)
        await a.manager.disable(plugin.id, SYSTEM)
        (tmp_path / "go").unlink()
        async with Later(postgres_url, tmp_path, "b") as later:
            b = await later.opened()
            enabling = asyncio.create_task(b.manager.enable(plugin.id, SYSTEM))
            await until(lambda: ("b", "begin") in runs(tmp_path), within=LONG)
            changing = asyncio.create_task(a.manager.update(plugin.id, PER_NODE, SYSTEM))
            await changing
            (tmp_path / "go").touch()
            await asyncio.wait([enabling])
            if enabling.exception() is not None:  # it was changed elsewhere meanwhile
                await b.manager.enable(plugin.id, SYSTEM)
            assert await until(lambda: (state_on(a), state_on(b)) == ("active", "active"), within=LONG)
            for node in (a, b):
                calls = node.manager._stage.launcher._calls(
                    node.directory.get(plugin.id), node.manager._stage.instances[plugin.id].token
                )
                await calls.storage_set(f"key of {node.settings.node}", 1)


async def test_what_a_stray_instance_stores_is_refused_once_the_plugin_runs_once(postgres_url, tmp_path):
    """Started for every node, and the plugin has become a singleton meanwhile: it never had a lease."""
    async with system(postgres_url, tmp_path, "a") as a:
        plugin = await enabled(a, placement="per-node")
        stage = a.manager._stage
        calls = stage.launcher._calls(plugin, stage.instances[plugin.id].token)
        await calls.storage_set("key", 1)
        await a.manager.update(plugin.id, SINGLETON, SYSTEM)
        with pytest.raises(StorageFencedError):
            await calls.storage_set("key", 2)
        await until(lambda: runs(tmp_path)[-2:] == [("a", "end"), ("a", "begin")], within=LONG)
