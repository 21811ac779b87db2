"""`InProcessRuntime`: brings plugins up inside the host's own process."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from isp_plugin_sdk.calling import causes
from isp_plugin_sdk.plugin import PluginInterface
from isp_plugins.contracts.calls import Threads
from isp_plugins.contracts.runtime import AdoptsLoggers, StartRequest
from isp_plugins.runtime import names, search
from isp_plugins.runtime.errors import PluginFailedError
from isp_plugins.runtime.in_process import imports
from isp_plugins.runtime.in_process.building import Builder
from isp_plugins.runtime.in_process.calls import Calls, Overdue, Raised
from isp_plugins.runtime.in_process.imports import Load
from isp_plugins.runtime.in_process.running import InProcessPlugin


class InProcessRuntime:
    """Loads modules of the plugin path; implements `contracts.runtime.Runtime`.

    Args:
        folders: The plugin path, searched in order.
        threads: Where plain functions of plugins run.
        loop: Where coroutine functions of plugins run, and their calls towards the host.
        mask: Masks a plugin's secrets in a text, before that is cut.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        threads: Threads,
        loop: asyncio.AbstractEventLoop,
        mask: Callable[[int, str], str] = lambda _plugin_id, text: text,
    ) -> None:
        self._folders = tuple(folders)
        self._mask = mask
        self._threads = threads
        self._loop = loop
        imports.install()

    async def start(self, request: StartRequest) -> InProcessPlugin:
        """Import, construct and initialise, each under its deadline; raises a `PluginFailedError` and leaves nothing behind."""
        names.parse_module_path(request.module_path)
        names.check_entry_point(request.entry_point)
        folders = search.real_folders(self._folders)
        load = Load(request.plugin_id, request.generation, request.module_path, folders)
        return await self._bring_up(load, None, request)

    async def _bring_up(
        self, load: Load, cls: type[PluginInterface] | None, request: StartRequest
    ) -> InProcessPlugin:
        """Construct and initialise; the load is closed where that fails."""
        loggers = request.logger
        if isinstance(loggers, AdoptsLoggers):
            loggers.adopt(load.root)
        try:
            plugin = await self._build(load, cls, request)
            await plugin.initialize()
        except BaseException:
            load.close()
            if isinstance(loggers, AdoptsLoggers):
                loggers.release(load.root)
            raise
        return plugin

    async def _build(
        self, load: Load, cls: type[PluginInterface] | None, request: StartRequest
    ) -> InProcessPlugin:
        calls, mask = Calls(self._threads, request.plugin_id), partial(self._mask, request.plugin_id)
        builder = Builder(load, request, self._loop, cls, mask=mask)
        ending = await calls.in_thread(builder, deadline_s=request.load_deadline_s)
        if isinstance(ending, Overdue):
            raise builder.overdue(request.load_deadline_s)
        if isinstance(ending, Raised):
            raise _as_failure(ending.error, load, mask)
        if builder.instance is None:  # the load was closed under it: another start or stop gave it up
            raise builder.overdue(request.load_deadline_s)
        again = partial(self._bring_up, load, type(builder.instance))
        return InProcessPlugin(builder.instance, load, request, calls, again, mask=mask)


def _as_failure(error: BaseException, load: Load, mask: Callable[[str], str]) -> PluginFailedError:
    """The builder's own error, or one for what nobody foresaw (a file that cannot be read, say)."""
    if isinstance(error, PluginFailedError):
        return error
    cause = causes.describe(error, root=load.root, folders=load.folders)
    return PluginFailedError(reason=causes.shortened(cause.summary, mask), traceback=cause.traceback)
