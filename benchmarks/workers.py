"""A plugin system whose plugins all run in workers, for measurements; the plugins are files of a temporary folder."""

import sys
import textwrap
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from isp_plugins import PluginSystem, Settings
from isp_plugins.actors import HOST
from isp_plugins.contracts.worker import WorkerProgram
from isp_plugins.hooks.records import HookDraft
from isp_plugins.lifecycle.records import PluginDraft

HEAD = "from app.services.plugin_service import PluginInterface\n\n\nclass Plugin(PluginInterface):\n"


class InWorkers:
    """Gives every plugin that is started a worker."""

    def __init__(self, runtime, folder):
        self._runtime = runtime
        self._folder = folder

    async def start(self, request):
        """Start it with the interpreter and the SDK that run here."""
        target = f"{request.module_path}:{request.entry_point}"
        argv = (sys.executable, "-I", "-m", "isp_plugin_sdk.serve", "--path", str(self._folder), target)
        return await self._runtime.start(replace(request, program=WorkerProgram(argv, self._folder)))


@asynccontextmanager
async def system_of_workers(folder, **settings):
    """An open system on this folder."""
    (Path(folder) / "plugins").mkdir(parents=True)
    async with PluginSystem.open(Settings(data_dir=Path(folder), **settings)) as system:
        launcher = system.manager._stage.launcher
        launcher._runtime = InWorkers(launcher._runtime, Path(folder).absolute())
        yield system


async def enable(system, name, body, hook=None):
    """Write, register, bind and enable a plugin; its id."""
    file = system.settings.data_dir / "plugins" / f"{name}.py"
    file.write_text(HEAD + textwrap.indent(textwrap.dedent(body), "    "))
    draft = {"name": name, "version": "1.0.0", "plugin_type": "CUSTOM", "module_path": f"plugins.{name}", "entry_point": "Plugin"}  # fmt: skip
    plugin = await system.manager.register(PluginDraft.of(draft), HOST)
    if hook:
        subscription = {"hook_name": hook, "hook_type": "action", "callback_method": "work"}
        await system.manager.create_hook(plugin.id, HookDraft.of(subscription), HOST)
    return (await system.manager.enable(plugin.id, HOST)).id
