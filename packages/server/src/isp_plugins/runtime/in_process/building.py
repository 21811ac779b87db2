"""From a module path to a constructed plugin; blocking, so it runs in a daemon thread.

1. The file is looked for on the plugin path, and nowhere else.
2. What is done with its module is the SDK's `Construction`, as in a worker.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from isp_plugin_sdk.calling import causes
from isp_plugin_sdk.calling.construction import Construction
from isp_plugin_sdk.calling.errors import CannotStartError, StartKind
from isp_plugin_sdk.context import PluginContext
from isp_plugin_sdk.plugin import PluginInterface
from isp_plugins.contracts.runtime import StartRequest
from isp_plugins.runtime import search
from isp_plugins.runtime.errors import LoadTimedOutError
from isp_plugins.runtime.in_process.imports import Load
from isp_plugins.runtime.refusals import start_failure

_T = TypeVar("_T")


class Builder:
    """Builds one plugin, of a class that is loaded already where one is given; `instance` is there when the call has returned."""

    def __init__(
        self,
        load: Load,
        request: StartRequest,
        loop: asyncio.AbstractEventLoop,
        cls: type[PluginInterface] | None = None,
        *,
        mask: Callable[[str], str],
    ) -> None:
        self._load = load
        self._mask = mask
        self._cls = cls
        self._request = request
        self._loop = loop
        self._construction = Construction(
            request.module_path, request.entry_point, root=load.root, folders=load.folders
        )
        self._step = "being imported"
        self.instance: PluginInterface | None = None

    def __call__(self) -> None:
        """Import, check and construct; raises a `PluginFailedError`."""
        cls = self._cls or self._told(self._import_class)
        self._step = "being constructed"
        if not self._load.closed:  # nobody waits any more for a load that was given up
            self.instance = self._told(lambda: self._construct(cls))

    def overdue(self, limit_s: float) -> LoadTimedOutError:
        """The error for a load that did not end in time, naming the step it is in."""
        return LoadTimedOutError(**self._construction.names, step=self._step, limit_s=limit_s)

    def _import_class(self) -> type[PluginInterface]:
        search.require_module(self._request.module_path, self._request.entry_point, self._load.folders)
        module = self._construction.guarded(StartKind.IMPORT, self._load.import_main)
        return self._construction.class_in(module, self._request.plugin_id)

    def _construct(self, cls: type[PluginInterface]) -> PluginInterface:
        request = self._request
        context = PluginContext(request.plugin_name, request.host, self._loop)
        return self._construction.construct(cls, request.plugin_id, request.config, context, request.logger)

    def _told(self, step: Callable[[], _T]) -> _T:
        """Run a step; why it cannot be done becomes the host's error."""
        try:
            return step()
        except CannotStartError as error:
            reason = causes.shortened(error.reason, self._mask)
            failure = start_failure(error.kind, reason, error.traceback, error.fields)
        raise failure
