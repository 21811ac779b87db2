"""The composition root: opens once, refuses a second host, works with and without a loop of the caller's."""

import asyncio

import pytest

from isp_plugins import BlockingPluginSystem, PluginSystem, Settings
from isp_plugins.actors import HOST
from isp_plugins.db.errors import DataDirectoryInUseError
from isp_plugins.hooks.records import HookDraft
from isp_plugins.lifecycle.records import PluginDraft

COUNTER = """
from app.services.plugin_service import PluginInterface


class Counter(PluginInterface):
    def count(self, payload):
        seen = (self.context.get("seen") or 0) + 1
        self.context.set("seen", seen)
        return {"seen": seen}

    async def count_async(self, payload):
        await self.context.aio.set("last", payload["id"])
        return {"last": await self.context.aio.get("last")}
"""
DRAFT = {
    "name": "counter", "version": "1.0.0", "plugin_type": "UTILITY", "module_path": "plugins.counter", "entry_point": "Counter",
}  # fmt: skip


@pytest.fixture
def counter(tmp_path):
    """Settings of a data directory with a plugin in it."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "counter.py").write_text(COUNTER)
    return Settings(data_dir=tmp_path)


async def prepare(system, method="count"):
    """Register, bind and enable the plugin."""
    plugin = await system.manager.register(PluginDraft.of(DRAFT), HOST)
    hook = {"hook_name": "customer_created", "hook_type": "action", "callback_method": method}
    await system.manager.subscriptions.create(plugin.id, HookDraft.of(hook), HOST)
    return await system.manager.enable(plugin.id, HOST)


async def test_dispatch_reaches_the_plugin(counter):
    async with PluginSystem.open(counter) as system:
        await prepare(system)
        result = await system.dispatch("customer_created", {"id": 1})
    assert result.outcomes[0].value == {"seen": 1}


async def test_stored_values_survive_a_restart(counter):
    async with PluginSystem.open(counter) as system:
        await prepare(system)
        await system.dispatch("customer_created", {"id": 1})
    async with PluginSystem.open(counter) as system:
        assert (await system.dispatch("customer_created", {"id": 1})).outcomes[0].value == {"seen": 2}


async def test_second_host_on_one_data_directory_is_refused(counter):
    async with PluginSystem.open(counter):
        with pytest.raises(DataDirectoryInUseError, match="PostgreSQL"):
            async with PluginSystem.open(counter):
                pass


async def test_opened_without_plugins_it_knows_them(counter):
    async with PluginSystem.open(counter) as system:
        await prepare(system)
    async with PluginSystem.open(counter, start_plugins=False) as system:
        assert [record.name for record in system.directory] == ["counter"]
        assert (await system.dispatch("customer_created", {"id": 1})).outcomes == ()


async def test_rotated_secrets_are_audited(counter):
    async with PluginSystem.open(counter) as system:
        before = system.keyring.newest_id
        done = await system.rotate_secrets(HOST)
        assert done["key_id"] == system.keyring.newest_id != before
        assert (await system.audit.verify()).ok


@pytest.mark.parametrize(("method", "value"), [("count", {"seen": 1}), ("count_async", {"last": 1})])
def test_host_without_a_loop_dispatches(counter, method, value):
    with BlockingPluginSystem(counter) as system:
        system.run(prepare(system.system, method))
        assert system.dispatch("customer_created", {"id": 1}).outcomes[0].value == value


def test_blocking_system_that_cannot_open_says_why(counter):
    with BlockingPluginSystem(counter), pytest.raises(DataDirectoryInUseError), BlockingPluginSystem(counter):
        pass


def test_closed_blocking_system_says_so(counter):
    with BlockingPluginSystem(counter) as system:
        pass
    with pytest.raises(RuntimeError, match="not open"):
        system.dispatch("customer_created", {})


async def test_system_leaves_no_task_behind(counter):
    before = asyncio.all_tasks()
    async with PluginSystem.open(counter) as system:
        await prepare(system)
    assert asyncio.all_tasks() == before
