"""Plugins that dispatch to plugins: a failure deep inside, and a circle, end where they belong and leave the host alive."""

import asyncio

import pytest

from isp_plugins import PluginSystem, Settings
from isp_plugins.actors import HOST
from isp_plugins.hooks.records import HookDraft
from isp_plugins.lifecycle.records import PluginDraft
from support.migrated import migrated

RELAY = """
from app.services.plugin_service import PluginInterface


class Relay(PluginInterface):
    def relay(self, payload):
        return self.context.dispatch("{next}", payload)

    async def relay_async(self, payload):
        return await self.context.aio.dispatch("{next}", payload)

    def fail(self, payload):
        return 1 / 0
"""


async def relay(system, number, hook, following, method):
    """A plugin that takes one hook and dispatches the next."""
    folder = system.settings.data_dir / "plugins"
    folder.mkdir(exist_ok=True)
    (folder / f"relay{number}.py").write_text(RELAY.replace("{next}", following))
    draft = {
        "name": f"relay{number}", "version": "1.0.0", "plugin_type": "CUSTOM",
        "module_path": f"plugins.relay{number}", "entry_point": "Relay",
    }  # fmt: skip
    plugin = await system.manager.register(PluginDraft.of(draft), HOST)
    binding = {"hook_name": hook, "hook_type": "action", "callback_method": method}
    await system.manager.subscriptions.create(plugin.id, HookDraft.of(binding), HOST)
    await system.manager.enable(plugin.id, HOST)


def innermost(result):
    """Follow the results down to the last one."""
    while (value := result["subscriptions"][0]["value"]) is not None:
        result = value
    return result["subscriptions"][0]


@pytest.mark.parametrize("method", ["relay", "relay_async"])
async def test_failure_three_dispatches_deep_reaches_the_caller(tmp_path, method):
    async with PluginSystem.open(Settings(data_dir=migrated(tmp_path))) as system:
        await relay(system, 1, "first_hook", "second_hook", method)
        await relay(system, 2, "second_hook", "third_hook", method)
        await relay(system, 3, "third_hook", "none", "fail")
        result = await asyncio.wait_for(system.dispatch("first_hook", {}), 60)
    assert innermost(result.to_dict())["error"]["type"] == "ZeroDivisionError"


@pytest.mark.parametrize("method", ["relay", "relay_async"])
async def test_circle_of_plugins_is_refused_with_their_names(tmp_path, method):
    async with PluginSystem.open(Settings(data_dir=migrated(tmp_path))) as system:
        await relay(system, 1, "ping", "pong", method)
        await relay(system, 2, "pong", "ping", method)
        result = await asyncio.wait_for(system.dispatch("ping", {}), 60)
    error = innermost(result.to_dict())["error"]
    assert "relay1" in error["message"]
    assert "relay2" in error["message"]
