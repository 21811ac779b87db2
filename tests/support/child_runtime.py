"""A runtime whose plugins are small real child processes: what supervision does with deaths, without the protocol."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from isp_plugins.contracts.calls import Callee, CallMode
from isp_plugins.contracts.runtime import DeclaredHook, StartRequest
from isp_plugins.contracts.worker import Death, DeathReason, ResourceUse, WorkerLimits
from isp_plugins.lifecycle.manager import PluginManager
from isp_plugins.runtime.errors import InitializeFailedError
from support.fakes_lifecycle import declared
from support.workers import ChildWorker, child


class ChildPlugin:
    """One child behind a plugin; its end is noticed through its pidfd, and it is reaped only then."""

    abandoned_threads = 0
    can_configure = False

    def __init__(
        self, request: StartRequest, worker: ChildWorker, stack: AsyncExitStack, runtime: "ChildRuntime"
    ) -> None:
        self.request = request
        self.worker = worker
        self.pid = worker.pid
        self.death: Death | None = None
        self.declared_hooks: tuple[DeclaredHook, ...] = (declared(),)
        self._stack = stack
        self._runtime = runtime
        self._is_asked = False
        asyncio.get_running_loop().add_reader(worker.pidfd, self._ended)

    def callee(self, method: str) -> Callee:
        async def call(_: Any) -> Any:
            if self.worker.is_reaped:
                raise RuntimeError("the worker is gone")
            return {"pid": self.pid}

        return Callee(call, CallMode.ASYNC)

    async def activate(self) -> None:
        """Nothing to do."""

    async def health(self, deadline_s: float) -> Mapping[str, Any]:
        return {"status": "healthy", "checks": [], "answered": True}

    async def stop(self) -> str | None:
        self._is_asked = True
        self.worker.end()
        self._let_go()
        await self._stack.aclose()
        return None

    def _let_go(self) -> None:
        if not self.worker.is_reaped:
            asyncio.get_running_loop().remove_reader(self.worker.pidfd)
        self._runtime.plugins.pop(self.pid, None)

    def _ended(self) -> None:
        """It ended: say how."""
        status = os.waitid(os.P_PIDFD, self.worker.pidfd, os.WEXITED | os.WNOWAIT)
        assert status is not None
        self._let_go()
        self.worker.reap()
        if self._is_asked:
            return
        exited = status.si_code == os.CLD_EXITED
        killed = self.worker.killed[0] if self.worker.killed else None
        how = DeathReason.EXITED if exited else DeathReason.SIGNALLED
        self.death = Death(
            plugin_id=self.request.plugin_id,
            plugin_name=self.request.plugin_name,
            version="1.0.0",
            pid=self.pid,
            started_at=self.worker.started_at,
            died_at=datetime.now(UTC),
            reason=killed[0] if killed else how,
            exit_code=status.si_status if exited else None,
            signal=None if exited else signal.Signals(status.si_status).name,
            detail=f"The worker died: {killed[1]}." if killed else "",
            log_tail=(),
            usage=ResourceUse(),
        )
        self._runtime.on_death(self.death)


class ChildRuntime:
    """Starts the code that `codes` has for a plugin's name."""

    def __init__(self, codes: Mapping[str, str], limits: WorkerLimits | None = None) -> None:
        self.codes = dict(codes)
        self.limits = limits
        self.plugins: dict[int, ChildPlugin] = {}
        self.on_death: Callable[[Death], None] = lambda _death: None
        self.starts = 0

    def living(self) -> Iterator[ChildWorker]:
        """The children that live."""
        return iter([plugin.worker for plugin in self.plugins.values()])

    def serve(self, manager: PluginManager) -> None:
        """Take the place of a manager's own runtime."""
        manager._stage.launcher._runtime = self
        manager._stage.supervisor._living = self.living
        self.on_death = manager.on_died

    async def start(self, request: StartRequest) -> ChildPlugin:
        self.starts += 1
        stack = AsyncExitStack()
        code = self.codes[request.plugin_name]
        try:
            worker = await stack.enter_async_context(
                child(code, plugin_id=request.plugin_id, limits=self.limits)
            )
        except AssertionError:
            raise InitializeFailedError(reason="it never got ready") from None
        plugin = self.plugins[worker.pid] = ChildPlugin(request, worker, stack, self)
        return plugin
