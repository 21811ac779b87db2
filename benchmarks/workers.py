"""A plugin system whose plugins all run in workers, for measurements; the plugins are files of a temporary folder."""

import textwrap
from contextlib import asynccontextmanager
from pathlib import Path

from isp_plugins import PluginSystem, Settings
from isp_plugins.actors import HOST
from isp_plugins.hooks.records import HookDraft
from isp_plugins.lifecycle.records import PluginDraft

HEAD = "from app.services.plugin_service import PluginInterface\n\n\nclass Plugin(PluginInterface):\n"


@asynccontextmanager
async def system_of_workers(folder, **settings):
    """An open system on this folder."""
    (Path(folder) / "plugins").mkdir(parents=True)
    patient = {"worker_handshake_timeout": 60.0, "load_timeout": 60.0}
    async with PluginSystem.open(Settings(data_dir=Path(folder), **patient | settings)) as system:
        yield system


async def enable(system, name, body, hook=None):
    """Write, register, bind and enable a plugin; its id."""
    file = system.settings.data_dir / "plugins" / f"{name}.py"
    file.write_text(HEAD + textwrap.indent(textwrap.dedent(body), "    "))
    draft = {"name": name, "version": "1.0.0", "plugin_type": "CUSTOM", "module_path": f"plugins.{name}", "entry_point": "Plugin", "runtime": "process"}  # fmt: skip
    plugin = await system.manager.register(PluginDraft.of(draft), HOST)
    if hook:
        subscription = {"hook_name": hook, "hook_type": "action", "callback_method": "work"}
        await system.manager.subscriptions.create(plugin.id, HookDraft.of(subscription), HOST)
    return (await system.manager.enable(plugin.id, HOST)).id
