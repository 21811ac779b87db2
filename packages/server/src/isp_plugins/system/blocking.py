"""`BlockingPluginSystem`: the system for a host without an event loop, run by a thread of its own.

with BlockingPluginSystem(Settings(data_dir=Path("var"))) as system:
    result = system.dispatch("customer_created", {"id": 7, "name": "Ada"})
"""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

from isp_plugins.hooks.engine import DispatchResult
from isp_plugins.settings import Settings
from isp_plugins.system.plugin_system import PluginSystem

T = TypeVar("T")


class BlockingPluginSystem:
    """A `PluginSystem` behind blocking calls; safe to use from any number of threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="isp-plugins", daemon=True)
        self._opening: AbstractAsyncContextManager[PluginSystem] | None = None
        self._system: PluginSystem | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._opening = PluginSystem.open(self._settings)
        try:
            self._system = self._wait(self._opening.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._opening is not None and self._system is not None:
                self._wait(self._opening.__aexit__(kind, error, trace))
        finally:
            self._system = None
            self._end()

    @property
    def system(self) -> PluginSystem:
        """The system itself; await its methods only through `run`."""
        if self._system is None:
            raise RuntimeError("The plugin system is not open: use it inside its `with` block.")
        return self._system

    def dispatch(
        self, hook: str, payload: Any, *, context: Mapping[str, Any] | None = None, **options: Any
    ) -> DispatchResult:
        """Dispatch a hook: plain methods run on the calling thread, coroutine ones on the system's loop."""
        return self.system.dispatch_sync(hook, payload, context=context, **options)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of the system's (`system.manager.enable(...)`, say) and wait for its result."""
        return self._wait(work)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
